// How far one stream has come, as seen by every other part of the device.
//
// A timeline has two Vulkan semaphores: `gpu` is signalled by submissions, `host` by the thread that copies to host
// memory after a submission.  An entry is one point of the stream: what must have happened for it to be reached, and
// which ranges its work touches.  A point may have no submission of its own (a flush after nothing but waits): then it
// names the points of other streams it stands for, so that waiting stays transitive without empty submissions.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/tsan.h"
#include "drv/hazards.h"
#include "drv/vulkan/context.h"

namespace anvil::vulkan {

class Timeline;

// A state of another timeline's semaphores; 0 means "not needed".
struct Need {
  std::shared_ptr<Timeline> on;
  uint64_t gpu = 0, host = 0;
  bool met() const;
};
// Adds `need` to `list`, one element a timeline.
void merge(std::vector<Need>& list, const Need& need);

// Thread-safe; its lock is a leaf: nothing else is locked while it is held.
class Timeline : public std::enable_shared_from_this<Timeline> {
 public:
  explicit Timeline(Context& context);
  ~Timeline();
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  VkSemaphore gpu() const { return gpu_; }
  VkSemaphore host() const { return host_; }
  // Lets the host semaphore reach `value`.
  VkResult signal_host(uint64_t value);
  uint64_t gpu_done() const { return counter(gpu_); }
  uint64_t host_done() const {
    const uint64_t value = counter(host_);
    tsan::acquire(this);
    return value;
  }

  // -- by the stream that owns it --
  // Notes that the open batch touches `ranges`.
  void touch(std::span<const Range> ranges);
  // The value that the open batch will get.
  uint64_t next() const { return last_.load(std::memory_order_relaxed) + 1; }
  // Closes the open batch as a point.  `submitted`: the GPU signals `gpu` with its value; `host_read`: a host thread
  // signals `host` with it; `deps`: what else it stands for.
  uint64_t close(bool submitted, bool host_read, std::vector<Need> deps);
  // The stream ends, all its work done: forgets every entry, and with them other streams' timelines.  Values go on
  // growing for the next stream.
  void abandon();

  // -- by anyone --
  bool reached(uint64_t value);
  uint64_t last() const { return last_.load(std::memory_order_acquire); }
  // What must have happened for `value` to be reached; empty if it is.
  std::vector<Need> needs(uint64_t value);
  // The newest point whose work, recorded or running, conflicts with `range`; 0 if there is none.
  uint64_t conflict(const Range& range);
  // Blocks until `value` is reached, the device has failed, or `seconds` are over.  True if reached or failed.
  bool wait(uint64_t value, double seconds);

 private:
  struct Entry {
    uint64_t value = 0, gpu = 0, host = 0;
    std::vector<Need> deps;
    std::vector<Range> ranges;
  };
  uint64_t counter(VkSemaphore s) const;
  bool done(const Entry& e, uint64_t gpu, uint64_t host) const;
  void retire();  // drops reached entries; lock held

  Context& context_;
  VkSemaphore gpu_ = VK_NULL_HANDLE, host_ = VK_NULL_HANDLE;
  std::atomic<uint64_t> last_{0};     // newest point
  std::atomic<uint64_t> reached_{0};  // newest point known to be reached
  std::mutex lock_;
  std::deque<Entry> entries_;  // unreached, oldest first
  std::vector<Range> open_;    // of work recorded since the last point
  uint64_t last_gpu_ = 0, last_host_ = 0;
  std::vector<std::vector<Range>> spare_;  // range lists to use again
};

// Blocks until all needs are met or the device has failed or `seconds` are over.
bool wait_for(Context& context, const std::vector<Need>& needs, double seconds);

}  // namespace anvil::vulkan
