// The driver interface: what an op may ask of a GPU.  Vulkan, Metal and the recording driver implement it; nothing
// above this header knows which one runs.
//
// Contract
//   Addresses   Device memory is named by the address `allocate` returned, plus an offset.  Callers do arithmetic on it
//               and never dereference it; on non-unified memory (and everywhere with ANVIL_GUARD=1) the range is
//               inaccessible to the host.
//   Ordering    Work recorded on one stream happens in the order of the calls.  The driver inserts barriers only where
//               the address ranges of two pieces of work conflict (read after write, write after read, write after
//               write).  Work on different streams is unordered unless one waits for a Point of the other.
//   Submission  Calls record.  Work reaches the GPU when the driver's batch is due, at flush(), and before anything
//   that
//               the host waits for.  A Point is a number on a stream's timeline; points of one stream only grow.
//   Errors      A call that cannot be recorded throws anvil::Error and leaves the stream usable.  A fault found later
//               (device lost, execution failed) is sticky on the device: every later call throws it, points count as
//               reached, downloads not made leave 0xFF bytes (NaN, -1) in their place, and nothing aborts the process.
//   Threads     Device is thread-safe.  A Stream is thread-safe; calls from several threads are ordered by its lock.
//   Ownership   A Device outlives its streams and kernels.  A kernel lives as long as its device.  A stream's
//   destructor
//               waits for its work.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace anvil {

enum class DeviceKind : uint8_t { discrete, integrated, virtual_gpu, cpu };

// What a planner may look at.  Facts, not names of chips.
struct Caps {
  std::string name;    // for people: "NVIDIA H100", "llvmpipe (LLVM 15.0.6, 256 bits)"
  std::string driver;  // for people: "vulkan: llvmpipe Mesa 22.3.6"
  std::string uuid;    // hex; keys caches on disk
  DeviceKind kind = DeviceKind::discrete;
  uint32_t subgroup = 32;         // lanes that run together
  uint32_t max_group = 1024;      // threads in a group
  uint32_t group_memory = 32768;  // bytes of shared memory in a group
  uint32_t cores = 16;            // groups that run at once, roughly; 1 or more
  bool f16 = true;                // half arithmetic
  bool f64 = false;
  bool matrix_f16 = false;  // 16x16x16 subgroup matrix multiply, half in, float accumulate
  bool atomic_f32_add = false;
  bool unified = false;         // host can read and write all device memory without a copy
  uint64_t memory = 0;          // bytes this process may use
  uint64_t max_allocation = 0;  // bytes in one allocation

  bool cpu_type() const { return kind == DeviceKind::cpu; }  // planners then avoid shared memory and barriers
};

struct MemoryInfo {
  uint64_t total = 0;  // bytes the driver grants this process
  uint64_t free = 0;   // of these, not yet allocated by anyone
};

enum class Access : uint8_t { read, write };  // write covers read-modify-write

// A range of device memory and what a kernel does to it.  Ranges, not buffers: TensorFlow carves all its tensors out of
// a few large allocations.  A range of 0 bytes is passed to the kernel as a null address and takes part in no hazard.
struct Arg {
  const void* address;
  uint64_t bytes;
  Access access;
};

struct Grid {
  uint32_t x = 1, y = 1, z = 1;  // groups, not threads

  // `groups` groups in a line, folded so that no axis passes 65535; kernels undo it with linear_group() (index.slang).
  static constexpr uint32_t kFold = 32768;
  static Grid line(uint64_t groups);
};

// A compiled kernel.  Named "module/entry", e.g. "unary/unary<Relu,F32>"; see kernels/ and tools/build_kernels.
class Kernel {
 public:
  virtual ~Kernel() = default;
  const std::string& name() const { return name_; }

 protected:
  explicit Kernel(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

class Stream;

// A moment on a stream's timeline.  Value 0 is always reached.
struct Point {
  const Stream* stream = nullptr;
  uint64_t value = 0;
};

enum class WaitFor : uint8_t { script_read, host };  // counted apart: a value the script reads back, or anything else

class Stream {
 public:
  virtual ~Stream() = default;

  // Runs `kernel` on `grid` groups.  Its parameter block is the device addresses of `args` in order (8 bytes each)
  // followed by `params`; a block over 128 bytes is handed to the kernel by pointer, as its declaration then says.
  virtual void launch(const Kernel& kernel, Grid grid, std::span<const Arg> args,
                      std::span<const std::byte> params) = 0;

  // Device to device; ranges may overlap (the result is as memmove's).
  virtual void copy(void* to, const void* from, uint64_t bytes) = 0;
  // Host to device.  `from` may be reused as soon as the call returns.  Comes after what other streams have recorded on
  // the range until now: TensorFlow uploads constants into memory whose last readers it does not wait for.
  virtual void upload(void* to, const void* from, uint64_t bytes) = 0;
  // Device to host.  `to` is written by the time the next flush()'s point is reached, and must stay valid until then.
  virtual void download(void* to, const void* from, uint64_t bytes) = 0;
  // Repeats the byte or the 32-bit pattern; for 4-byte patterns `to` and `bytes` are multiples of 4.
  virtual void fill(void* to, uint32_t pattern, uint32_t pattern_bytes, uint64_t bytes) = 0;

  // Submits what is recorded; the point is reached when all of it is done.  Never blocks on the GPU.
  virtual Point flush() = 0;
  // Later work on this stream starts after `point` (of any stream of the same device) is reached.
  virtual void wait(Point point) = 0;
  // Has this stream passed `value`?  Never blocks.  True on a lost device.
  virtual bool reached(uint64_t value) = 0;
  // Blocks the host until it has, and counts the wait.  Throws the device's sticky error.
  virtual void sync(uint64_t value, WaitFor why) = 0;
  // Nanoseconds of GPU time between two marks once both are reached; 0 where the device has no timestamps.
  virtual uint64_t mark() = 0;
  virtual uint64_t elapsed(uint64_t from_mark, uint64_t to_mark) = 0;

  // The typed form every op uses: `params` is a plain struct whose fields follow the addresses in the kernel's struct.
  template <class Params>
  void launch(const Kernel& k, Grid g, std::initializer_list<Arg> args, const Params& params) {
    static_assert(std::is_trivially_copyable_v<Params>);
    launch(k, g, std::span(args.begin(), args.size()), std::as_bytes(std::span(&params, 1)));
  }
};

enum class StreamKind : uint8_t { compute, transfer };  // transfer uses a copy queue where there is one

class Device {
 public:
  virtual ~Device() = default;
  virtual const Caps& caps() const = 0;
  virtual MemoryInfo memory() = 0;

  // At least 256-byte aligned.  Throws resource_exhausted.  Contents are undefined.
  virtual void* allocate(uint64_t bytes) = 0;
  // Waits for no work: the memory is given back once everything submitted before is done.  nullptr is fine.
  virtual void free(void* address) = 0;

  virtual std::unique_ptr<Stream> stream(StreamKind kind) = 0;
  // Looked up by name, built on first use, kept for the life of the device.  Throws internal if the pack lacks it.
  virtual const Kernel& kernel(std::string_view name) = 0;
  // The sticky error's message, or empty.  Never throws.
  virtual std::string error() = 0;
};

// Opens the devices a driver offers, best first, and never throws: on failure the list is empty and `why` says in one
// sentence what to do.
using OpenDevices = std::vector<std::unique_ptr<Device>> (*)(std::string& why);

constexpr uint64_t div_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

inline Grid Grid::line(uint64_t groups) {
  if (groups <= kFold) return {static_cast<uint32_t>(groups), 1, 1};
  require(groups <= uint64_t{kFold} * 65535, Code::unimplemented, "a launch of ", groups, " groups is too large");
  return {kFold, static_cast<uint32_t>(div_up(groups, kFold)), 1};
}

}  // namespace anvil
