// Metal's language -> C++ -> clang -> a shared library, kept on disk by its content.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "apple/msl/kernel.h"

namespace apple::msl {
namespace {

namespace fs = std::filesystem;

// -fno-strict-aliasing: kernels look at memory as several types.  No contraction: safe mathematics has none either.
// Metal's language has no double: a literal without a suffix is a float.
constexpr const char* kFlags =
    " -x c++ -std=c++17 -nostdinc -nostdinc++ -w -O2 -mf16c -mfma -ffp-contract=off -fno-strict-aliasing "
    "-cl-single-precision-constant -fno-exceptions -fno-rtti -fPIC -fvisibility=hidden -ferror-limit=0 ";

#ifndef ANVIL_MSL_FLAGS
#define ANVIL_MSL_FLAGS ""
#endif

constexpr const char* kNumbered = "kernel-";

std::string contents(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

uint64_t hash(const std::string& text, uint64_t h = 14695981039346656037ull) {
  for (const char c : text) h = (h ^ static_cast<uint8_t>(c)) * 1099511628211ull;
  return h;
}

// The library's own text counts, too.
uint64_t headers_hash() {
  static const uint64_t once = [] {
    uint64_t h = hash(kFlags);
    for (const auto& f : fs::directory_iterator(ANVIL_MSL_INCLUDE)) h ^= hash(contents(f.path()));
    return h ^ hash(contents(fs::path(ANVIL_MSL_INCLUDE).parent_path() / "thread.h"));
  }();
  return once;
}

// Runs clang on `cpp`; false with its words in `why`.
bool run_clang(const std::string& cpp, const std::string& options, std::string& why) {
  static std::atomic<int> number{0};
  fs::create_directories(ANVIL_MSL_CACHE);
  const fs::path aside = fs::path(ANVIL_MSL_CACHE) / (std::to_string(getpid()) + "." + std::to_string(number++));
  const std::string source = aside.string() + ".cc", words = aside.string() + ".log";
  std::ofstream(source) << cpp;
  const std::string command = std::string(ANVIL_MSL_CLANG) + kFlags + "-isystem " + ANVIL_MSL_INCLUDE + " " + options +
                              " " + source + " 2> " + words;
  const int status = std::system(command.c_str());
  why = contents(words);
  fs::remove(source);
  fs::remove(words);
  return status == 0;
}

// Into `library`, whole or not at all.
bool build(const std::string& cpp, const fs::path& library, std::string& why) {
  const std::string aside = library.string() + "." + std::to_string(getpid()) + ".part";
  if (!run_clang(cpp, ANVIL_MSL_FLAGS "-shared -o " + aside, why)) return false;
  fs::rename(aside, library);
  return true;
}

// Clang's errors about each of the kernels that were numbered in `#line`.
void sort_errors(const std::string& words, std::vector<std::string>& of) {
  std::istringstream lines(words);
  std::string line, error;
  for (bool known = true; std::getline(lines, line);) {
    if (line.find(" error: ") != std::string::npos) {
      if (!known) of[0] += error + "\n";  // of none: the library's own
      error = line;
      known = false;
    }
    const size_t at = line.find(kNumbered);
    if (known || at == std::string::npos) continue;
    of.at(std::stoul(line.substr(at + std::strlen(kNumbered)))) += error + "\n";
    known = true;
  }
}

// The environment variable APPLE_MSL_EDIT, "old=>new", breaks kernels to show that the tests notice
// (tests/metal/test_mutations.py).
std::string edited(std::string msl) {
  const char* edit = std::getenv("APPLE_MSL_EDIT");
  const char* arrow = edit ? std::strstr(edit, "=>") : nullptr;
  if (!arrow) return msl;
  const std::string old(edit, arrow);
  for (size_t at = 0; (at = msl.find(old, at)) != std::string::npos; at += std::strlen(arrow + 2))
    msl.replace(at, old.size(), arrow + 2);
  return msl;
}

// Kernels call the runner by name.  A program shows its names; a plug-in does once it is opened again like this.
void show_own_names() {
  Dl_info own{};
  if (!dladdr(reinterpret_cast<void*>(&run), &own)) return;
  [[maybe_unused]] static void* const once = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
}

}  // namespace

std::vector<std::string> check(const std::vector<std::string>& msl) {
  std::string all = "#include <metal_stdlib>\n";
  std::vector<std::string> errors(msl.size());
  for (size_t i = 0; i < msl.size(); ++i) {
    std::string cpp;
    std::vector<Kernel> kernels;
    if (!translate(msl[i], cpp, kernels, errors[i])) continue;
    const std::string number = std::to_string(i);
    all += "namespace number_" + number + " {\n#line 1 \"" + kNumbered + number + "\"\n" + cpp + "\n}\n";
  }
  std::string words;
  if (run_clang(all, "-fsyntax-only -DMSL_LOOK_ONLY", words)) return errors;
  sort_errors(words, errors);
  const auto clean = [](const std::string& e) { return e.empty(); };
  if (std::all_of(errors.begin(), errors.end(), clean)) errors.at(0) = words;
  return errors;
}

std::vector<std::shared_ptr<const Kernel>> compile(const std::string& msl, std::string& why) {
  std::string cpp;
  std::vector<Kernel> kernels;
  if (!translate(edited(msl), cpp, kernels, why)) return {};
  char name[32];
  std::snprintf(name, sizeof name, "%016lx.so", hash(cpp) ^ headers_hash());
  const fs::path library = fs::path(ANVIL_MSL_CACHE) / name;
  if (!fs::exists(library) && !build(cpp, library, why)) return {};
  show_own_names();
  const std::shared_ptr<void> code(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL), [](void* p) {
    if (p) dlclose(p);
  });
  if (!code) return why = dlerror(), std::vector<std::shared_ptr<const Kernel>>();
  std::vector<std::shared_ptr<const Kernel>> out;
  for (Kernel& k : kernels) {
    k.entry = reinterpret_cast<void (*)(const Thread*)>(dlsym(code.get(), ("msl_enter_" + k.name).c_str()));
    k.code = code;
    out.push_back(std::make_shared<const Kernel>(std::move(k)));
  }
  return out;
}

}  // namespace apple::msl
