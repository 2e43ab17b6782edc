#include "tf/installation.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "tensorflow/c/tf_status.h"

namespace anvil::tf {
namespace {

std::atomic<const Identity*> newest{nullptr};

// The folder of the library that holds `address`.
std::filesystem::path folder_of(const void* address) {
  Dl_info info{};
  if (!dladdr(address, &info) || !info.dli_fname) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

// TensorFlow's libraries.  Python loads them without making their names global, so each is asked for by its path. Where
// TensorFlow is not running (`tf-anvil devices`) only the first is there yet; the last cannot be loaded without the
// rest.
const std::vector<void*>& tensorflow_libraries() {
  static const std::vector<void*> found = [] {
    const auto folder = folder_of(reinterpret_cast<const void*>(&TF_NewStatus));
    std::vector<void*> handles;
    for (const auto& [name, load] : {std::pair{"libtensorflow_framework.so.2", 0},
                                     {"libtensorflow_cc.so.2", 0},
                                     {"python/_pywrap_tensorflow_internal.so", RTLD_NOLOAD}})
      if (void* h = dlopen((folder / name).c_str(), RTLD_LAZY | load)) handles.push_back(h);
    return handles;
  }();
  return found;
}

// IsGoogleCudaEnabled() and its like: exported C++ functions that take nothing and return bool.
bool build_flag(const char* mangled) {
  const auto ask = reinterpret_cast<bool (*)()>(find_in_tensorflow(mangled));
  return ask && ask();
}

std::vector<std::filesystem::path> shim_candidates() {
  if (!options().shim.empty()) return {options().shim};
  const std::string& version = tensorflow_version();
  const size_t dot = version.find('.', version.find('.') + 1);
  if (dot == std::string::npos) return {};
  std::string minor = version.substr(0, dot);
  minor[minor.find('.')] = '_';
  const std::string name = "libanvil_shim_" + minor + ".so";
  std::vector<std::filesystem::path> paths;
  // One that the user built comes first: it was built against exactly this TensorFlow.
  if (!options().cache_dir.empty()) paths.push_back(std::filesystem::path(options().cache_dir) / "shims" / name);
  const auto here = folder_of(reinterpret_cast<const void*>(&shim_candidates));
  paths.push_back(here.parent_path() / "tensorflow_anvil" / "shims" / name);
  paths.push_back(here.parent_path() / "shims" / name);  // a build folder
  return paths;
}

// A number that each exec draws anew and fork() hands on, like the libraries that are loaded: the process's own number
// would stay the same in a program that replaces itself by exec, and change in a fork.
uint64_t number_of_program() {
  uint64_t number = 0;
  if (const unsigned long random = getauxval(AT_RANDOM))  // NOLINT(google-runtime-int)
    std::memcpy(&number, reinterpret_cast<const void*>(random), sizeof number);
  return number;
}

struct Loaded {
  const anvil_shim_api* api = nullptr;
  std::string problem;
};

Loaded load_shim() {
  std::string tried;
  for (const auto& path : shim_candidates()) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      tried += str("; ", dlerror());
      continue;
    }
    const auto entry = reinterpret_cast<const anvil_shim_api* (*)()>(dlsym(library, "anvil_shim"));
    const anvil_shim_api* api = entry ? entry() : nullptr;
    if (api && api->revision == ANVIL_SHIM_REVISION) {
      log(LogKind::info, str("compat shim ", path.string(), ", built for TensorFlow ", api->tensorflow));
      return {api, ""};
    }
    tried += str("; ", path.string(), " is of another version of tensorflow-anvil");
  }
  return {nullptr, str("there is no compat shim for TensorFlow ", tensorflow_version(),
                       ": run `tf-anvil build-shim` once (it needs a C++ compiler)", tried)};
}

const Loaded& loaded() {
  static const Loaded once = load_shim();
  return once;
}

}  // namespace

void* find_in_tensorflow(const char* name) {
  for (void* library : tensorflow_libraries())
    if (void* found = dlsym(library, name)) return found;
  return nullptr;
}

const std::string& tensorflow_version() {
  static const std::string version = [] {
    const auto ask = reinterpret_cast<const char* (*)()>(find_in_tensorflow("TF_Version"));
    return std::string(ask ? ask() : "");
  }();
  return version;
}

bool has_own_gpu() {
  static const bool own =
      build_flag("_ZN10tensorflow19IsGoogleCudaEnabledEv") || build_flag("_ZN10tensorflow15IsBuiltWithROCmEv");
  return own;
}

const Identity& new_identity() {
  // Kept where all copies of the library see it; the number tells it from what another program left.
  constexpr const char* kMark = "TENSORFLOW_ANVIL_LOADS";
  const std::string mine = std::to_string(number_of_program()) + ":";
  const char* mark = std::getenv(kMark);
  const bool again = mark && std::string_view(mark).starts_with(mine);
  const std::string loads = (again ? std::string(mark) : mine) + "_AGAIN";
  setenv(kMark, loads.c_str(), 1);

  auto* made = new Identity{"ANVIL", has_own_gpu() ? "ANVIL" : "GPU", true};  // TensorFlow keeps the names
  if (again) {
    made->platform += std::string_view(mark).substr(mine.size());
    made->device_type = made->platform;
    made->serves = false;
    log(LogKind::warn, "loaded again; TensorFlow loads the plug-in by itself, and the first copy serves");
  }
  newest.store(made);
  return *made;
}

const Identity& identity() {
  const Identity* made = newest.load();
  return made ? *made : new_identity();
}

const anvil_shim_api* shim() { return loaded().api; }
const std::string& shim_problem() { return loaded().problem; }

std::string obstacle() {
  if (has_own_gpu())
    return "this TensorFlow was built with GPU support of its own, which a plug-in cannot share; install "
           "tensorflow-cpu "
           "instead of tensorflow";
  // Without one of the two, TensorFlow's own AssignAdd would write to device memory from the host.
  if (!shim() && !find_in_tensorflow("TF_AssignUpdateVariable")) return shim_problem();
  return "";
}

}  // namespace anvil::tf
