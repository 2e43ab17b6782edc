// Small bounded pools of shared memory: staging for uploads behind work that uses their range, and parameter blocks
// that are too large to be handed over by value.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>

#include "drv/metal/context.h"

namespace anvil::metal {

// A piece of a pool, valid until the point it was taken for is reached.
struct Slice {
  MTL::Buffer* buffer = nullptr;
  std::byte* host = nullptr;
  uint64_t device = 0;
  uint64_t bytes = 0;
};

// Blocks that are filled one after another and come back when the work that used them is done.  Not thread-safe: a
// stream owns its pools.
class StagingPool {
 public:
  StagingPool(Context& context, uint64_t block_bytes, uint32_t most_blocks);
  ~StagingPool();  // the work that used it is done
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
    Ref<MTL::Buffer> buffer;
    uint64_t used = 0;
    uint64_t last_use = 0;
  };
  bool next_block(const std::function<bool(uint64_t)>& reached);
  Context& context_;
  uint64_t block_bytes_;
  uint32_t most_blocks_;
  std::deque<Block> blocks_;  // oldest first; the last one is being filled
};

}  // namespace anvil::metal
