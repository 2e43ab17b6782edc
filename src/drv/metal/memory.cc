#include "drv/metal/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/counters.h"

namespace anvil::metal {
namespace {

constexpr uint64_t kAlign = 256;  // driver.h promises it
// Of what the system recommends to use at most, this part is left to others, the system's own work on the GPU first of
// all: TensorFlow takes all that it is told there is.
constexpr uint64_t kMarginPart = 16;

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

Ref<MTL::Buffer> Memory::make(uint64_t bytes) {
  try {
    if (context_.faults.hit(FaultKind::alloc))
      throw to_error(MTL::CommandBufferErrorOutOfMemory, "injected", "an allocation");
    return context_.make_buffer(bytes + kAlign);  // small buffers need not be aligned as we promise
  } catch (const Error& e) {
    std::lock_guard hold(lock_);
    fail(e.code, "out of device memory: ", mib(bytes), " asked for, ", mib(live_bytes_), " in use of ",
         mib(context_.device->recommendedMaxWorkingSetSize()), ": ", e.what());
  }
}

void* Memory::allocate(uint64_t bytes) {
  const Pool pool;
  bytes = align_up(std::max<uint64_t>(bytes, 1), kAlign);
  check_limit(bytes);
  Allocation a{make(bytes), bytes};
  const uint64_t device = a.buffer->gpuAddress();
  Region r;
  r.bytes = bytes;
  r.buffer = reinterpret_cast<uintptr_t>(a.buffer.get());
  r.offset = align_up(device, kAlign) - device;
  r.device = device + r.offset;
  r.host = static_cast<std::byte*>(a.buffer->contents()) + r.offset;
  r.begin = reinterpret_cast<uintptr_t>(r.host);
  if (context_.config.options.guard || r.begin % kAlign != 0) {
    a.guard_bytes = align_up(bytes, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
    a.guard = mmap(nullptr, a.guard_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (a.guard == MAP_FAILED) {
      context_.drop_buffer(a.buffer.get());
      fail(Code::resource_exhausted, "cannot reserve ", mib(a.guard_bytes), " of address space");
    }
    r.begin = reinterpret_cast<uintptr_t>(a.guard);
  }
  {
    std::lock_guard hold(lock_);
    live_bytes_ += bytes;
    live_.emplace(r.begin, std::move(a));
  }
  table_.insert(r);
  add(Counter::allocations);
  add(Counter::device_bytes, bytes);
  raise(Counter::device_bytes_peak, value(Counter::device_bytes));
  return reinterpret_cast<void*>(r.begin);
}

void Memory::destroy(uintptr_t begin) {
  const auto it = live_.find(begin);
  const Allocation& a = it->second;
  context_.drop_buffer(a.buffer.get());
  if (a.guard) munmap(a.guard, a.guard_bytes);
  live_bytes_ -= a.bytes;
  add(Counter::frees);
  subtract(Counter::device_bytes, a.bytes);
  live_.erase(it);
}

void Memory::release(const Region& region, std::vector<Need> holds) {
  std::lock_guard hold(lock_);
  if (holds.empty()) destroy(region.begin);
  else dying_.push_back({region.begin, std::move(holds)});
}

void Memory::reap() {
  std::lock_guard hold(lock_);
  // After a failure everything counts as reached, but the GPU may still run: keep the memory until the device goes.
  if (context_.sticky.set()) return;
  std::erase_if(dying_, [&](const Dying& d) {
    const bool due = std::all_of(d.holds.begin(), d.holds.end(), [](const Need& n) { return n.on->reached(n.value); });
    if (due) destroy(d.begin);
    return due;
  });
}

std::vector<Need> Memory::pending() {
  std::lock_guard hold(lock_);
  std::vector<Need> all;
  for (const Dying& d : dying_) all.insert(all.end(), d.holds.begin(), d.holds.end());
  return all;
}

MemoryInfo Memory::info() {
  const uint64_t recommended = context_.device->recommendedMaxWorkingSetSize();
  const uint64_t used = context_.device->currentAllocatedSize();
  const uint64_t limit = context_.config.options.memory_limit;
  MemoryInfo m;
  m.total = recommended - recommended / kMarginPart;
  m.free = m.total - std::min(m.total, used);
  std::lock_guard hold(lock_);
  if (limit) {
    m.total = std::min(m.total, limit);
    m.free = std::min(m.free, limit - std::min(limit, live_bytes_));
  }
  return m;
}

}  // namespace anvil::metal
