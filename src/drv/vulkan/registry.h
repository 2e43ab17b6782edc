// The streams of a device, so that they can look at each other's timelines.
#pragma once
#include <memory>
#include <shared_mutex>
#include <vector>

#include "drv/hazards.h"
#include "drv/vulkan/timeline.h"

namespace anvil::vulkan {

class VulkanStream;

// Thread-safe.  A stream calls it without holding its own lock; flush_all() takes the streams' locks.
class Registry {
 public:
  // The timeline for a new stream.  Timelines of closed streams are used again and go with the device: a submission of
  // another stream may still refer to their semaphores, and Mesa looks at them even a moment after it is done.
  std::shared_ptr<Timeline> new_timeline(Context& context);
  void enter(VulkanStream* stream, std::shared_ptr<Timeline> timeline);
  // The stream's work is done.
  void leave(const VulkanStream* stream);
  // Null if the stream is gone; its work is done then.
  std::shared_ptr<Timeline> timeline(const Stream* stream) const;
  // Is there recorded or running work of any stream that conflicts with `range`?
  bool busy(const Range& range) const;
  // The points that must be reached before the range's memory may go.
  std::vector<std::pair<std::shared_ptr<Timeline>, uint64_t>> users(const Range& range) const;
  // Submits what every stream has recorded.
  void flush_all() const;

 private:
  struct Row {
    VulkanStream* stream;
    std::shared_ptr<Timeline> timeline;
  };
  mutable std::shared_mutex lock_;
  std::vector<Row> rows_;
  std::vector<std::shared_ptr<Timeline>> spare_;
};

}  // namespace anvil::vulkan
