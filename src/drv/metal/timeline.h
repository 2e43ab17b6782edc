// How far one stream has come, as seen by every other part of the device.
//
// A timeline is one shared event whose value only grows.  A point is one command buffer: the GPU sets the event to the
// point's value when it is done, or, if host memory is to be written from its results, the host does after that.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "drv/hazards.h"
#include "drv/metal/context.h"

namespace anvil::metal {

// Thread-safe; its lock is a leaf: nothing else is locked while it is held.
class Timeline {
 public:
  explicit Timeline(Context& context);

  MTL::SharedEvent* event() const { return event_.get(); }

  // -- by the stream that owns it --
  // Notes that the open batch touches `ranges`.
  void touch(std::span<const Range> ranges);
  // The value that the open batch will get.
  uint64_t next() const { return last_.load(std::memory_order_relaxed) + 1; }
  // Closes the open batch as a point.
  uint64_t close();
  // From the host: the point is reached.  Points are signalled in their order.
  void signal(uint64_t value);

  // -- by anyone --
  bool reached(uint64_t value);
  uint64_t last() const { return last_.load(std::memory_order_acquire); }
  // The newest point whose work, recorded or running, conflicts with `range`; 0 if there is none.
  uint64_t conflict(const Range& range);
  // Blocks until `value` is reached, the device has failed, or `seconds` are over.  True if reached or failed.
  bool wait(uint64_t value, double seconds);

 private:
  struct Entry {
    uint64_t value;
    std::vector<Range> ranges;
  };
  void retire();  // drops reached entries; lock held

  Context& context_;
  Ref<MTL::SharedEvent> event_;
  std::atomic<uint64_t> last_{0};     // newest point
  std::atomic<uint64_t> reached_{0};  // newest point known to be reached
  std::mutex lock_;
  std::deque<Entry> entries_;              // unreached, oldest first
  std::vector<Range> open_;                // of work recorded since the last point
  std::vector<std::vector<Range>> spare_;  // range lists to use again
};

// A point of some stream.
struct Need {
  std::shared_ptr<Timeline> on;
  uint64_t value = 0;
};
// Adds `need` to `list`, one element a timeline.
void merge(std::vector<Need>& list, const Need& need);

}  // namespace anvil::metal
