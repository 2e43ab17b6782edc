// Kernels in Metal's language, compiled for the CPU and run there as a GPU would: threads of a group share memory, meet
// at barriers, and exchange values in groups of 32 lanes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apple/msl/thread.h"

namespace apple::msl {

inline constexpr uint32_t kLanes = 32;

struct Kernel {
  std::string name;
  void (*entry)(const Thread*);
  bool cooperative;                 // its threads meet, so they need stacks of their own
  std::vector<unsigned> arguments;  // indices of its buffers
  std::shared_ptr<void> code;
};

// Compiles every kernel in the text.  Empty with clang's words in `why` if it cannot.
std::vector<std::shared_ptr<const Kernel>> compile(const std::string& msl, std::string& why);

// What the compiler has against each of the texts; "" where nothing.  Makes no code and takes them all in one go, so
// that thousands are looked at in seconds.
std::vector<std::string> check(const std::vector<std::string>& msl);

// C++ for clang, made from Metal's language: what the headers in include/ cannot express is rewritten.  Lists the
// kernels; false with a reason in `why`.
bool translate(const std::string& msl, std::string& cpp, std::vector<Kernel>& kernels, std::string& why);

// Runs all groups, the threads of each in an order made from `seed` (0: as they are numbered).  `arguments` are the
// kernel's buffers by index.  Returns what the kernel did wrong, e.g. a barrier that not all threads reach; else "".
std::string run(const Kernel& kernel, void* const* arguments, Extent groups, Extent threads, uint32_t seed);

}  // namespace apple::msl
