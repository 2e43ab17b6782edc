// GPU times of a stream: a ring of timestamp queries.
#pragma once
#include <cstdint>

#include "drv/vulkan/context.h"
#include "drv/vulkan/timeline.h"

namespace anvil::vulkan {

// Not thread-safe: under the stream's lock.
class Timestamps {
 public:
  Timestamps(Context& context, bool usable) : context_(context), usable_(usable && context.adapter.timestamp_bits) {}
  ~Timestamps();
  Timestamps(const Timestamps&) = delete;
  Timestamps& operator=(const Timestamps&) = delete;

  bool usable() const { return usable_; }
  // Records a timestamp behind everything recorded before; returns its number (1, 2, ...).
  uint64_t record(VkCommandBuffer commands);
  // Nanoseconds between two; 0 if one is not there yet or has left the ring (kMarks later ones were recorded).
  uint64_t elapsed(uint64_t from, uint64_t to) const;

 private:
  static constexpr uint32_t kMarks = 1024;
  bool read(uint64_t mark, uint64_t& ticks) const;
  Context& context_;
  bool usable_;
  VkQueryPool pool_ = VK_NULL_HANDLE;
  uint64_t last_ = 0;
};

}  // namespace anvil::vulkan
