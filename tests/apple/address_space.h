// The GPU's memory: every buffer is mapped twice, for the CPU and, at other addresses, for kernels.  Addresses are
// never used again, and between buffers nothing is mapped.
#pragma once
#include <csetjmp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace apple {

struct Memory {
  std::byte* cpu = nullptr;
  std::byte* gpu = nullptr;
  uint64_t bytes = 0;   // as asked for
  uint64_t mapped = 0;  // whole pages
};

// Null in `cpu` if the system is out of memory.  Filled with a pattern that is no likely number.
Memory map_memory(uint64_t bytes);
void unmap_memory(const Memory& memory);

// Is this where the CPU sees a buffer?  Nothing that a GPU could use.
bool is_cpu_address(uint64_t address);

// Runs kernels' code on this thread with access to nothing but what `resident` allows, for each memory asked when it is
// first touched.  False if the code touched anything else; `why` says what.
bool run_guarded(const std::function<bool(const Memory&)>& resident, const std::function<void()>& code,
                 std::string& why);

}  // namespace apple
