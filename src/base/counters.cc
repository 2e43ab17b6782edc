#include "base/counters.h"

#include <mutex>

namespace anvil {
namespace {

constexpr size_t kCounters = static_cast<size_t>(Counter::count_);
constexpr std::array<CounterFacts, kCounters> kFacts = {{{"launches", false},
                                                         {"submissions", false},
                                                         {"barriers", false},
                                                         {"waits", false},
                                                         {"script_reads", false},
                                                         {"bytes_to_device", false},
                                                         {"bytes_to_host", false},
                                                         {"bytes_on_device", false},
                                                         {"direct_uploads", false},
                                                         {"staged_uploads", false},
                                                         {"staging_waits", false},
                                                         {"fills", false},
                                                         {"allocations", false},
                                                         {"frees", false},
                                                         {"device_bytes", true},
                                                         {"device_bytes_peak", true},
                                                         {"staging_bytes", true},
                                                         {"kernels_built", false},
                                                         {"kernel_build_ns", false},
                                                         {"pipeline_cache_bytes", true},
                                                         {"pipeline_cache_discarded", false},
                                                         {"validation_messages", false},
                                                         {"device_errors", false},
                                                         {"op_errors", false},
                                                         {"fallback_nodes", false},
                                                         {"cpu_nodes", false},
                                                         {"proxy_runs", false}}};

// Each on a cache line of its own: threads of TensorFlow's pool count at the same time.
struct alignas(64) Slot {
  std::atomic<uint64_t> n{0};
};
std::array<Slot, kCounters> slots;

std::atomic<uint64_t>& slot(Counter c) { return slots[static_cast<size_t>(c)].n; }

struct Named {
  std::mutex lock;
  std::map<std::string, std::map<std::string, uint64_t>> families;
};
Named& all_named() {
  static Named& n = *new Named;
  return n;
}

}  // namespace

const CounterFacts& facts(Counter c) { return kFacts[static_cast<size_t>(c)]; }
void add(Counter c, uint64_t n) { slot(c).fetch_add(n, std::memory_order_relaxed); }
void subtract(Counter c, uint64_t n) { slot(c).fetch_sub(n, std::memory_order_relaxed); }
uint64_t value(Counter c) { return slot(c).load(std::memory_order_relaxed); }

void raise(Counter peak, uint64_t level) {
  uint64_t now = value(peak);
  while (now < level && !slot(peak).compare_exchange_weak(now, level, std::memory_order_relaxed)) {
  }
}

void reset_counters() {
  for (size_t i = 0; i < kCounters; ++i)
    if (!kFacts[i].gauge) slots[i].n.store(0, std::memory_order_relaxed);
  slot(Counter::device_bytes_peak).store(value(Counter::device_bytes), std::memory_order_relaxed);
  std::lock_guard hold(all_named().lock);
  all_named().families.clear();
}

void add_named(const std::string& family, const std::string& name, uint64_t n) {
  std::lock_guard hold(all_named().lock);
  all_named().families[family][name] += n;
}

std::map<std::string, uint64_t> named(const std::string& family) {
  std::lock_guard hold(all_named().lock);
  const auto it = all_named().families.find(family);
  return it == all_named().families.end() ? std::map<std::string, uint64_t>{} : it->second;
}

}  // namespace anvil
