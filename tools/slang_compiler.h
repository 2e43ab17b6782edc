// Compiles one kernel variant in-process with Slang.  Not thread-safe: one compiler a thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace anvil {

struct CompiledKernel {
  std::string name;              // "module/entry<Args>"
  std::vector<std::byte> spirv;  // 32-bit words, entry point "main"
  std::vector<std::byte> msl;    // text; none where the kernel computes with doubles, which Metal lacks
  uint32_t group[3] = {1, 1, 1};
  uint32_t param_bytes = 0;
  uint32_t by_pointer = 0;  // the kernel takes a pointer to its parameter struct
};

class SlangCompiler {
 public:
  explicit SlangCompiler(const std::filesystem::path& kernels);
  ~SlangCompiler();
  // Forgets loaded modules, which hold memory for every specialisation made.
  void new_session();
  // Throws invalid_argument with the compiler's diagnostics.
  CompiledKernel compile(const std::string& name);
  static std::string version();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace anvil
