#include "drv/vulkan/registry.h"

#include <algorithm>
#include <mutex>

#include "drv/vulkan/stream.h"

namespace anvil::vulkan {

std::shared_ptr<Timeline> Registry::new_timeline(Context& context) {
  std::unique_lock hold(lock_);
  if (spare_.empty()) return std::make_shared<Timeline>(context);
  std::shared_ptr<Timeline> t = std::move(spare_.back());
  spare_.pop_back();
  return t;
}

void Registry::enter(VulkanStream* stream, std::shared_ptr<Timeline> timeline) {
  std::unique_lock hold(lock_);
  rows_.push_back({stream, std::move(timeline)});
}

void Registry::leave(const VulkanStream* stream) {
  std::unique_lock hold(lock_);
  std::erase_if(rows_, [&](const Row& r) {
    if (r.stream != stream) return false;
    r.timeline->abandon();
    spare_.push_back(r.timeline);
    return true;
  });
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

std::vector<std::pair<std::shared_ptr<Timeline>, uint64_t>> Registry::users(const Range& range) const {
  std::vector<std::pair<std::shared_ptr<Timeline>, uint64_t>> out;
  std::shared_lock hold(lock_);
  for (const Row& r : rows_)
    if (const uint64_t value = r.timeline->conflict(range)) out.emplace_back(r.timeline, value);
  return out;
}

void Registry::flush_all() const {
  std::shared_lock hold(lock_);
  for (const Row& r : rows_) r.stream->flush();
}

}  // namespace anvil::vulkan
