// The streams of a device, so that they can look at each other's timelines.
#pragma once
#include <memory>
#include <shared_mutex>
#include <vector>

#include "drv/hazards.h"
#include "drv/metal/timeline.h"

namespace anvil::metal {

class MetalStream;

// Thread-safe.  A stream calls it without holding its own lock; flush_all() takes the streams' locks.
class Registry {
 public:
  void enter(MetalStream* stream, std::shared_ptr<Timeline> timeline);
  // The stream's work is done.
  void leave(const MetalStream* stream);
  // Null if the stream is gone; its work is done then.
  std::shared_ptr<Timeline> timeline(const Stream* stream) const;
  // Is there recorded or running work of any stream that conflicts with `range`?
  bool busy(const Range& range) const;
  // The points that must be reached before the range's memory may go.
  std::vector<Need> users(const Range& range) const;
  // Submits what every stream has recorded.
  void flush_all() const;

 private:
  struct Row {
    MetalStream* stream;
    std::shared_ptr<Timeline> timeline;
  };
  mutable std::shared_mutex lock_;
  std::vector<Row> rows_;
};

}  // namespace anvil::metal
