// What happens when a stream's command buffers are done: errors are noted, results are copied to host memory.
//
// Metal calls a handler for each command buffer, on a thread of its own, after everyone who waits for the timeline has
// been woken.  The handlers own this object together with the stream, and the stream's end waits for the last of them.
#pragma once
#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "drv/host_read.h"
#include "drv/metal/timeline.h"

namespace anvil::metal {

// Thread-safe.
class Completions {
 public:
  Completions(Context& context, std::shared_ptr<Timeline> timeline)
      : context_(context), timeline_(std::move(timeline)) {}

  // Command buffer `value` is about to be committed.  Once it is done, `reads` are made and, if there are any, the host
  // signals the point.
  void expect(uint64_t value, std::vector<HostRead> reads);
  // The handler: command buffer `value` is done or has failed.
  void completed(MTL::CommandBuffer* commands, uint64_t value) noexcept;
  // On a failed device: gives up what is not read yet.  After that no host memory is written.
  void settle();

  // Command buffers whose handler has not run to its end.
  size_t running() const;
  // The oldest of them; 0 if there is none.
  uint64_t oldest() const;
  // Blocks until none is left.
  void wait_for_all();
  // When the GPU was done with point `value`, in seconds; 0 if that was more than kTimes points ago.  The point has
  // been reached; waits for its handler, which comes a moment later.
  double end_of(uint64_t value);

 private:
  static constexpr size_t kTimes = 4096;
  struct Job {
    uint64_t value;
    bool by_host;  // the point is the host's to signal
    std::vector<HostRead> reads;
  };
  struct Time {
    uint64_t value = 0;
    double end = 0;
  };
  void finish(MTL::CommandBuffer* commands, uint64_t value);
  Context& context_;
  const std::shared_ptr<Timeline> timeline_;
  mutable std::mutex lock_;
  std::condition_variable done_;  // a handler has run
  std::deque<Job> jobs_;          // oldest first
  std::array<Time, kTimes> times_{};
};

}  // namespace anvil::metal
