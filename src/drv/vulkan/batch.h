// The command buffers of one stream: one is open at a time, a bounded number is on its way, done ones are used again.
#pragma once
#include <deque>
#include <vector>

#include "drv/vulkan/context.h"
#include "drv/vulkan/timeline.h"

namespace anvil::vulkan {

// Not thread-safe: under the stream's lock.
class Batch {
 public:
  Batch(Context& context, Queue& queue) : context_(context), queue_(queue) {}
  ~Batch();  // nothing may be running
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  bool open() const { return recording_; }
  // The open command buffer; begins one if none is open.  Call running() before, so that done ones are used again.
  VkCommandBuffer commands();
  // Ends the open command buffer and submits it: it starts after `waits` and signals `signal` with `value`.
  // `for_host`: its results are read through a mapping.
  VkResult submit(const std::vector<Need>& waits, VkSemaphore signal, uint64_t value, bool for_host);
  // Drops the open command buffer.
  void abandon();
  // Submissions not known to be done.  `gpu_done` as the timeline says.
  size_t running(uint64_t gpu_done);
  // The oldest submission's value; only if some are running.
  uint64_t oldest() const { return busy_.front().value; }
  // Makes everything recorded before visible to everything after.
  void barrier();

 private:
  struct Commands {
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer buffer = VK_NULL_HANDLE;
    uint64_t value = 0;
  };
  Commands make();
  Context& context_;
  Queue& queue_;
  bool recording_ = false;
  Commands now_;
  std::deque<Commands> busy_;
  std::vector<Commands> free_;
};

}  // namespace anvil::vulkan
