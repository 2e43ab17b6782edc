#include "drv/vulkan/timeline.h"

#include <algorithm>
#include <chrono>

namespace anvil::vulkan {
namespace {

constexpr size_t kSpareLists = 16;

VkSemaphore make_semaphore(Context& c) {
  VkSemaphoreTypeCreateInfo type{VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO};
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  const VkSemaphoreCreateInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type};
  VkSemaphore s = VK_NULL_HANDLE;
  check(c.vk.vkCreateSemaphore(c.device, &info, nullptr, &s), "making a semaphore");
  return s;
}

}  // namespace

bool Need::met() const { return (gpu == 0 || on->gpu_done() >= gpu) && (host == 0 || on->host_done() >= host); }

void merge(std::vector<Need>& list, const Need& need) {
  for (Need& n : list)
    if (n.on == need.on) {
      n.gpu = std::max(n.gpu, need.gpu);
      n.host = std::max(n.host, need.host);
      return;
    }
  list.push_back(need);
}

Timeline::Timeline(Context& context) : context_(context) {
  gpu_ = make_semaphore(context);
  try {
    host_ = make_semaphore(context);
  } catch (...) {
    context.vk.vkDestroySemaphore(context.device, gpu_, nullptr);
    throw;
  }
}

Timeline::~Timeline() {
  context_.vk.vkDestroySemaphore(context_.device, gpu_, nullptr);
  context_.vk.vkDestroySemaphore(context_.device, host_, nullptr);
}

uint64_t Timeline::counter(VkSemaphore s) const {
  uint64_t value = 0;
  const VkResult got = context_.vk.vkGetSemaphoreCounterValue(context_.device, s, &value);
  if (got != VK_SUCCESS) context_.sticky.raise(to_error(got, "asking how far the GPU is"));
  return value;
}

VkResult Timeline::signal_host(uint64_t value) {
  tsan::release(this);
  const VkSemaphoreSignalInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, nullptr, host_, value};
  return context_.vk.vkSignalSemaphore(context_.device, &info);
}

void Timeline::touch(std::span<const Range> ranges) {
  std::lock_guard hold(lock_);
  for (const Range& r : ranges)
    if (r.begin != r.end) open_.push_back(r);
}

uint64_t Timeline::close(bool submitted, bool host_read, std::vector<Need> deps) {
  std::lock_guard hold(lock_);
  const uint64_t value = last_.load(std::memory_order_relaxed) + 1;
  if (submitted) last_gpu_ = value;
  if (host_read) last_host_ = value;
  Entry e{value, last_gpu_, last_host_, std::move(deps), std::move(open_)};
  open_.clear();
  if (!spare_.empty()) {
    open_ = std::move(spare_.back());
    spare_.pop_back();
  }
  entries_.push_back(std::move(e));
  last_.store(value, std::memory_order_release);
  return value;
}

void Timeline::abandon() {
  std::deque<Entry> gone;  // destroyed without the lock: it may hold other timelines
  std::lock_guard hold(lock_);
  gone.swap(entries_);
  open_.clear();
  reached_.store(last_.load(std::memory_order_relaxed), std::memory_order_release);
}

bool Timeline::done(const Entry& e, uint64_t gpu, uint64_t host) const {
  return gpu >= e.gpu && host >= e.host &&
         std::all_of(e.deps.begin(), e.deps.end(), [](const Need& n) { return n.met(); });
}

void Timeline::retire() {
  if (entries_.empty()) return;
  const uint64_t gpu = gpu_done(), host = last_host_ ? host_done() : 0;
  while (!entries_.empty() && done(entries_.front(), gpu, host)) {
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

std::vector<Need> Timeline::needs(uint64_t value) {
  std::vector<Need> out;
  if (value <= reached_.load(std::memory_order_acquire)) return out;
  std::lock_guard hold(lock_);
  retire();
  for (const Entry& e : entries_)
    if (e.value <= value) {
      // Only the newest entry's own semaphores matter, but an older point may stand for other streams.
      for (const Need& d : e.deps) merge(out, d);
      merge(out, {shared_from_this(), e.gpu, e.host});
    }
  return out;
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
  retire();  // asking the GPU costs more than looking twice
  return newest();
}

bool wait_for(Context& c, const std::vector<Need>& needs, double seconds) {
  std::vector<VkSemaphore> semaphores;
  std::vector<uint64_t> values;
  for (const Need& n : needs) {
    if (n.gpu) semaphores.push_back(n.on->gpu()), values.push_back(n.gpu);
    if (n.host) semaphores.push_back(n.on->host()), values.push_back(n.host);
  }
  VkSemaphoreWaitInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO};
  info.semaphoreCount = static_cast<uint32_t>(semaphores.size());
  info.pSemaphores = semaphores.data();
  info.pValues = values.data();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  // In slices, so that a failure found by another thread ends the wait.
  constexpr uint64_t kSlice = 50'000'000;
  while (!c.sticky.set() && !semaphores.empty()) {
    const VkResult r = c.vk.vkWaitSemaphores(c.device, &info, kSlice);
    if (r == VK_SUCCESS) return true;
    if (r != VK_TIMEOUT) c.sticky.raise(to_error(r, "waiting for the GPU"));
    else if (std::chrono::steady_clock::now() >= end) return false;
  }
  return true;
}

bool Timeline::wait(uint64_t value, double seconds) {
  if (reached(value)) return true;
  if (!wait_for(context_, needs(value), seconds)) return false;
  return reached(value);
}

}  // namespace anvil::vulkan
