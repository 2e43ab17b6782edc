// Small bounded pools of host-visible memory: staging for copies and parameter blocks that are too large to push.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "drv/vulkan/context.h"

namespace anvil::vulkan {

// A piece of a pool, valid until the point it was taken for is reached.
struct Slice {
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t offset = 0;
  std::byte* host = nullptr;
  uint64_t device = 0;
  uint64_t bytes = 0;
};

// Blocks that are filled one after another and come back when the work that used them is done.  Not thread-safe: a
// stream owns its pools.
class StagingPool {
 public:
  StagingPool(Context& context, uint32_t memory_type, uint64_t block_bytes, uint32_t most_blocks);
  ~StagingPool();
  StagingPool(const StagingPool&) = delete;
  StagingPool& operator=(const StagingPool&) = delete;

  uint64_t block_bytes() const { return block_bytes_; }
  // A slice of at most `bytes` (less if the block in use ends before, but at least min(bytes, `least`)), for work that
  // belongs to point `value`.  A full pool answers with an empty slice: wait for oldest(), then ask again.
  Slice take(uint64_t bytes, uint64_t least, uint64_t value, const std::function<bool(uint64_t)>& reached);
  // The slice taken last is used by work of point `value`, which may be later than expected.
  void used(uint64_t value) { blocks_.back().last_use = std::max(blocks_.back().last_use, value); }
  // The point whose end frees the next block.
  uint64_t oldest() const { return blocks_.front().last_use; }

 private:
  struct Block {
    Context::Memory memory;
    uint64_t used = 0;
    uint64_t last_use = 0;
  };
  bool next_block(const std::function<bool(uint64_t)>& reached);
  Context& context_;
  uint32_t memory_type_;
  uint64_t block_bytes_;
  uint32_t most_blocks_;
  std::deque<Block> blocks_;  // oldest first; the last one is being filled
};

}  // namespace anvil::vulkan
