// Metal's language -> C++ -> clang -> a shared library, kept on disk by its content.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "apple/msl/kernel.h"

namespace apple::msl {
namespace {

namespace fs = std::filesystem;

// -fno-strict-aliasing: kernels look at memory as several types.  No contraction: safe mathematics has none either.
constexpr const char* kFlags =
    " -x c++ -std=c++17 -nostdinc -nostdinc++ -w -O2 -mf16c -mfma -ffp-contract=off -fno-strict-aliasing "
    "-fno-exceptions -fno-rtti -fPIC -shared -fvisibility=hidden -DMSL_ON_CPU ";

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

// Compiles into `library`; false with clang's words in `why`.
bool run_clang(const std::string& cpp, const fs::path& library, std::string& why) {
  static std::atomic<int> number{0};
  const std::string aside = library.string() + "." + std::to_string(getpid()) + "." + std::to_string(number++);
  std::ofstream(aside + ".cc") << cpp;
  const std::string command = std::string(ANVIL_MSL_CLANG) + kFlags + "-isystem " + ANVIL_MSL_INCLUDE + " -o " + aside +
                              ".so " + aside + ".cc 2> " + aside + ".log";
  const int status = std::system(command.c_str());
  why = contents(aside + ".log");
  std::error_code none;
  if (status == 0) fs::rename(aside + ".so", library, none);
  fs::remove(aside + ".cc", none);
  fs::remove(aside + ".log", none);
  return status == 0;
}

}  // namespace

std::vector<std::shared_ptr<const Kernel>> compile(const std::string& msl, std::string& why) {
  std::string cpp;
  std::vector<Kernel> kernels;
  if (!translate(msl, cpp, kernels, why)) return {};
  char name[32];
  std::snprintf(name, sizeof name, "%016lx.so", hash(cpp) ^ headers_hash());
  fs::create_directories(ANVIL_MSL_CACHE);
  const fs::path library = fs::path(ANVIL_MSL_CACHE) / name;
  if (!fs::exists(library) && !run_clang(cpp, library, why)) return {};
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
