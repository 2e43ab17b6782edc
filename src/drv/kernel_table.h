// The kernels a device has built, by name.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/counters.h"

namespace anvil {

// Thread-safe.  A kernel is built once even if several threads ask for it at the same time; others go on meanwhile.
// One whose building throws is built again when it is next asked for.
template <class Pipeline>
class KernelTable {
 public:
  // `build(name)` makes a std::unique_ptr<Pipeline>.
  template <class Build>
  const Pipeline& get(std::string_view name, const Build& build) {
    Slot& s = slot(name);
    if (const Pipeline* p = s.ready.load(std::memory_order_acquire)) [[likely]]
      return *p;
    std::lock_guard hold(s.building);
    if (!s.made) {
      const auto start = std::chrono::steady_clock::now();
      s.made = build(name);
      s.ready.store(s.made.get(), std::memory_order_release);
      add(Counter::kernels_built);
      const auto took = std::chrono::steady_clock::now() - start;
      add(Counter::kernel_build_ns, static_cast<uint64_t>(std::chrono::nanoseconds(took).count()));
    }
    return *s.made;
  }

 private:
  struct Slot {
    std::mutex building;
    std::unique_ptr<Pipeline> made;  // set once, under `building`
    std::atomic<const Pipeline*> ready{nullptr};
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  Slot& slot(std::string_view name) {
    {
      std::shared_lock hold(lock_);
      if (const auto it = slots_.find(name); it != slots_.end()) [[likely]]
        return *it->second;
    }
    std::unique_lock hold(lock_);
    auto& s = slots_[std::string(name)];
    if (!s) s = std::make_unique<Slot>();
    return *s;
  }

  std::shared_mutex lock_;
  std::unordered_map<std::string, std::unique_ptr<Slot>, Hash, std::equal_to<>> slots_;
};

}  // namespace anvil
