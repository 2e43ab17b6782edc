#include "drv/vulkan/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/counters.h"

namespace anvil::vulkan {
namespace {

constexpr uint64_t kAlign = 256;  // driver.h promises it

uint64_t align_up(uint64_t n, uint64_t to) { return div_up(n, to) * to; }

std::string mib(uint64_t bytes) { return str(bytes, " bytes (", bytes >> 20, " MiB)"); }

}  // namespace

Memory::Memory(Context& context) : context_(context) {}

Memory::~Memory() {
  std::lock_guard hold(lock_);
  while (!live_.empty()) destroy(live_.begin()->first);
}

void Memory::check_limit(uint64_t bytes) {
  const uint64_t limit = context_.config.options.memory_limit;
  std::lock_guard hold(lock_);
  require(limit == 0 || (live_bytes_ <= limit && bytes <= limit - live_bytes_), Code::resource_exhausted,
          "out of device memory: ", mib(bytes), " asked for, ", mib(live_bytes_), " in use, and ANVIL_MEMORY_LIMIT is ",
          mib(limit), "; use a smaller batch or model, or raise the limit");
}

void* Memory::allocate(uint64_t bytes) {
  bytes = align_up(std::max<uint64_t>(bytes, 1), kAlign);
  check_limit(bytes);
  const bool map = context_.direct_write;
  Allocation a;
  try {
    if (context_.faults.hit(FaultKind::alloc)) throw to_error(VK_ERROR_OUT_OF_DEVICE_MEMORY, "an injected allocation");
    // A mapping need not be aligned as we promise (lavapipe: 64 bytes), hence the spare bytes.
    a.memory = context_.make_memory(bytes + (map ? kAlign : 0), context_.adapter.device_type, map);
  } catch (const Error& e) {
    std::lock_guard hold(lock_);
    fail(e.code, "out of device memory: ", mib(bytes), " asked for, ", mib(live_bytes_), " in use of ",
         mib(context_.adapter.heap_bytes), ": ", e.what());
  }
  Region r;
  r.bytes = bytes;
  r.buffer = to_number(a.memory.buffer);
  r.offset = align_up(a.memory.device, kAlign) - a.memory.device;
  r.device = a.memory.device + r.offset;
  r.host = a.memory.host ? a.memory.host + r.offset : nullptr;
  const bool open = context_.direct_read && !context_.config.options.guard;
  if (open && reinterpret_cast<uintptr_t>(r.host) % kAlign == 0) {
    r.begin = reinterpret_cast<uintptr_t>(r.host);
  } else {
    a.guard_bytes = align_up(bytes, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
    a.guard = mmap(nullptr, a.guard_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a.guard == MAP_FAILED) {
      context_.destroy_memory(a.memory);
      fail(Code::resource_exhausted, "cannot reserve ", mib(a.guard_bytes), " of address space");
    }
    r.begin = reinterpret_cast<uintptr_t>(a.guard);
  }
  {
    std::lock_guard hold(lock_);
    live_bytes_ += bytes;
    live_.emplace(r.begin, a);
  }
  table_.insert(r);
  add(Counter::allocations);
  add(Counter::device_bytes, bytes);
  raise(Counter::device_bytes_peak, value(Counter::device_bytes));
  return reinterpret_cast<void*>(r.begin);
}

void Memory::close(const Allocation& a) {
  context_.destroy_memory(a.memory);
  if (a.guard) munmap(a.guard, a.guard_bytes);
}

void Memory::destroy(uintptr_t begin) {
  const auto it = live_.find(begin);
  const uint64_t bytes = it->second.memory.bytes - (context_.direct_write ? kAlign : 0);
  close(it->second);
  live_.erase(it);
  live_bytes_ -= bytes;
  add(Counter::frees);
  subtract(Counter::device_bytes, bytes);
}

void Memory::release(const Region& region, std::vector<Hold> holds) {
  std::lock_guard hold(lock_);
  if (holds.empty()) destroy(region.begin);
  else dying_.push_back({region.begin, std::move(holds)});
}

void Memory::reap() {
  std::lock_guard hold(lock_);
  const auto due = [&](const Dying& d) {
    for (const Hold& h : d.holds)
      if (!h.timeline->reached(h.value)) return false;
    destroy(d.begin);
    return true;
  };
  // After a failure everything counts as reached, but the GPU may still run: keep the memory until the device goes.
  if (!context_.sticky.set()) dying_.erase(std::remove_if(dying_.begin(), dying_.end(), due), dying_.end());
}

std::vector<Hold> Memory::pending() {
  std::lock_guard hold(lock_);
  std::vector<Hold> all;
  for (const Dying& d : dying_) all.insert(all.end(), d.holds.begin(), d.holds.end());
  return all;
}

MemoryInfo Memory::info() {
  MemoryInfo m = heap_budget(context_.adapter);
  const uint64_t limit = context_.config.options.memory_limit;
  std::lock_guard hold(lock_);
  if (!context_.adapter.memory_budget) m.free = m.total - std::min(m.total, live_bytes_);
  if (limit) {
    m.total = std::min(m.total, limit);
    m.free = std::min(m.free, limit - std::min(limit, live_bytes_));
  }
  return m;
}

}  // namespace anvil::vulkan
