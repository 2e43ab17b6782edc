#include "drv/metal/staging.h"

#include "base/counters.h"

namespace anvil::metal {
namespace {

constexpr uint64_t kAlign = 256;  // also enough for parameter structs

}  // namespace

StagingPool::StagingPool(Context& context, uint64_t block_bytes, uint32_t most_blocks)
    : context_(context), block_bytes_(block_bytes), most_blocks_(most_blocks) {}

StagingPool::~StagingPool() {
  for (const Block& b : blocks_) context_.drop_buffer(b.buffer.get());
  subtract(Counter::staging_bytes, blocks_.size() * block_bytes_);
}

bool StagingPool::next_block(const std::function<bool(uint64_t)>& reached) {
  if (!blocks_.empty() && reached(blocks_.front().last_use)) {
    blocks_.push_back(std::move(blocks_.front()));
    blocks_.pop_front();
    blocks_.back().used = 0;
    return true;
  }
  if (blocks_.size() >= most_blocks_) return false;
  blocks_.push_back({context_.make_buffer(block_bytes_)});
  add(Counter::staging_bytes, block_bytes_);
  return true;
}

Slice StagingPool::take(uint64_t bytes, uint64_t least, uint64_t value, const std::function<bool(uint64_t)>& reached) {
  least = std::min({bytes, least, block_bytes_});
  if (blocks_.empty() || block_bytes_ - blocks_.back().used < least)
    if (!next_block(reached)) return {};
  Block& b = blocks_.back();
  const uint64_t n = std::min(bytes, block_bytes_ - b.used);
  const Slice s{b.buffer.get(), static_cast<std::byte*>(b.buffer->contents()) + b.used, b.buffer->gpuAddress() + b.used,
                n};
  b.used = std::min(block_bytes_, div_up(b.used + n, kAlign) * kAlign);
  b.last_use = value;
  return s;
}

}  // namespace anvil::metal
