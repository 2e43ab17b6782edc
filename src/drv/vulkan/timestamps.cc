#include "drv/vulkan/timestamps.h"

namespace anvil::vulkan {

Timestamps::~Timestamps() { context_.vk.vkDestroyQueryPool(context_.device, pool_, nullptr); }

uint64_t Timestamps::record(VkCommandBuffer commands) {
  if (!pool_) {
    VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    info.queryCount = kMarks;
    check(context_.vk.vkCreateQueryPool(context_.device, &info, nullptr, &pool_), "making timestamp queries");
  }
  const uint64_t mark = ++last_;
  const uint32_t slot = mark % kMarks;
  context_.vk.vkCmdResetQueryPool(commands, pool_, slot, 1);
  context_.vk.vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, pool_, slot);
  return mark;
}

bool Timestamps::read(uint64_t mark, uint64_t& ticks) const {
  if (mark == 0 || mark > last_ || last_ - mark >= kMarks) return false;
  return context_.vk.vkGetQueryPoolResults(context_.device, pool_, mark % kMarks, 1, sizeof ticks, &ticks, sizeof ticks,
                                           VK_QUERY_RESULT_64_BIT) == VK_SUCCESS;
}

uint64_t Timestamps::elapsed(uint64_t from, uint64_t to) const {
  uint64_t a = 0, b = 0;
  if (!usable_ || !read(from, a) || !read(to, b)) return 0;
  const uint32_t bits = context_.adapter.timestamp_bits;
  const uint64_t mask = bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return static_cast<uint64_t>(static_cast<double>((b - a) & mask) * context_.adapter.timestamp_ns);
}

}  // namespace anvil::vulkan
