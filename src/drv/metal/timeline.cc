#include "drv/metal/timeline.h"

#include <algorithm>
#include <chrono>

namespace anvil::metal {
namespace {

constexpr size_t kSpareLists = 16;

}  // namespace

void merge(std::vector<Need>& list, const Need& need) {
  for (Need& n : list)
    if (n.on == need.on) {
      n.value = std::max(n.value, need.value);
      return;
    }
  list.push_back(need);
}

Timeline::Timeline(Context& context) : context_(context), event_(NS::TransferPtr(context.device->newSharedEvent())) {
  require(event_.get(), Code::resource_exhausted, "Metal: no shared event could be made");
}

void Timeline::touch(std::span<const Range> ranges) {
  std::lock_guard hold(lock_);
  for (const Range& r : ranges)
    if (r.begin != r.end) open_.push_back(r);
}

uint64_t Timeline::close() {
  std::lock_guard hold(lock_);
  const uint64_t value = last_.load(std::memory_order_relaxed) + 1;
  entries_.push_back({value, std::move(open_)});
  open_.clear();
  if (!spare_.empty()) {
    open_ = std::move(spare_.back());
    spare_.pop_back();
  }
  last_.store(value, std::memory_order_release);
  return value;
}

void Timeline::signal(uint64_t value) {
  if (event_->signaledValue() < value) event_->setSignaledValue(value);
}

void Timeline::retire() {
  const uint64_t done = event_->signaledValue();
  while (!entries_.empty() && entries_.front().value <= done) {
    Entry& e = entries_.front();
    reached_.store(e.value, std::memory_order_release);
    if (spare_.size() < kSpareLists) {
      e.ranges.clear();
      spare_.push_back(std::move(e.ranges));
    }
    entries_.pop_front();
  }
}

bool Timeline::reached(uint64_t value) {
  if (value <= reached_.load(std::memory_order_acquire) || context_.sticky.set()) return true;
  std::lock_guard hold(lock_);
  retire();
  return value <= reached_.load(std::memory_order_relaxed);
}

uint64_t Timeline::conflict(const Range& range) {
  std::lock_guard hold(lock_);
  const auto hits = [&](const Range& r) { return r.conflicts(range); };
  if (std::any_of(open_.begin(), open_.end(), hits)) return last_.load(std::memory_order_relaxed) + 1;
  const auto newest = [&]() -> uint64_t {
    for (auto e = entries_.rbegin(); e != entries_.rend(); ++e)
      if (std::any_of(e->ranges.begin(), e->ranges.end(), hits)) return e->value;
    return 0;
  };
  if (newest() == 0) return 0;
  retire();
  return newest();
}

bool Timeline::wait(uint64_t value, double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  // In slices, so that a failure found by another thread ends the wait.
  constexpr uint64_t kSliceMs = 50;
  while (!reached(value)) {
    if (event_->waitUntilSignaledValue(value, kSliceMs)) continue;
    if (std::chrono::steady_clock::now() >= end) return reached(value);
  }
  return true;
}

}  // namespace anvil::metal
