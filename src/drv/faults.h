// Injected faults (ANVIL_FAULT), so that the way a driver handles them can be tested on any machine.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>

namespace anvil {

enum class FaultKind : uint8_t { alloc, submit, lost, pipeline, count_ };

// Counts calls of each kind and says which one has to fail.  Thread-safe.
class Faults {
 public:
  Faults() = default;
  // "alloc:3,lost:20": the third allocation and the twentieth submission fail.  Throws invalid_argument if malformed.
  explicit Faults(const std::string& spec);
  bool hit(FaultKind kind) {
    const auto k = static_cast<size_t>(kind);
    return at_[k] != 0 && calls_[k].fetch_add(1, std::memory_order_relaxed) + 1 == at_[k];
  }

 private:
  static constexpr size_t kKinds = static_cast<size_t>(FaultKind::count_);
  std::array<uint64_t, kKinds> at_{};
  std::array<std::atomic<uint64_t>, kKinds> calls_{};
};

}  // namespace anvil
