#include "drv/metal/registry.h"

#include <algorithm>
#include <mutex>

#include "drv/metal/stream.h"

namespace anvil::metal {

void Registry::enter(MetalStream* stream, std::shared_ptr<Timeline> timeline) {
  std::unique_lock hold(lock_);
  rows_.push_back({stream, std::move(timeline)});
}

void Registry::leave(const MetalStream* stream) {
  std::unique_lock hold(lock_);
  std::erase_if(rows_, [&](const Row& r) { return r.stream == stream; });
}

std::shared_ptr<Timeline> Registry::timeline(const Stream* stream) const {
  std::shared_lock hold(lock_);
  for (const Row& r : rows_)
    if (r.stream == stream) return r.timeline;
  return nullptr;
}

bool Registry::busy(const Range& range) const {
  std::shared_lock hold(lock_);
  return std::any_of(rows_.begin(), rows_.end(), [&](const Row& r) { return r.timeline->conflict(range) != 0; });
}

std::vector<Need> Registry::users(const Range& range) const {
  std::vector<Need> out;
  std::shared_lock hold(lock_);
  for (const Row& r : rows_)
    if (const uint64_t value = r.timeline->conflict(range)) out.push_back({r.timeline, value});
  return out;
}

void Registry::flush_all() const {
  std::shared_lock hold(lock_);
  for (const Row& r : rows_) r.stream->flush();
}

}  // namespace anvil::metal
