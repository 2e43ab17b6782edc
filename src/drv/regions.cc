#include "drv/regions.h"

#include <algorithm>
#include <mutex>

namespace anvil {
namespace {

bool starts_before(uintptr_t address, const Region& r) { return address < r.begin; }

}  // namespace

void RegionTable::insert(const Region& region) {
  std::unique_lock hold(lock_);
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), region.begin, starts_before), region);
}

std::optional<Region> RegionTable::remove(uintptr_t begin) {
  std::unique_lock hold(lock_);
  const auto after = std::upper_bound(sorted_.begin(), sorted_.end(), begin, starts_before);
  if (after == sorted_.begin() || (after - 1)->begin != begin) return std::nullopt;
  const Region found = *(after - 1);
  sorted_.erase(after - 1);
  return found;
}

const Region& RegionTable::locate(uintptr_t address, uint64_t bytes) const {
  const auto after = std::upper_bound(sorted_.begin(), sorted_.end(), address, starts_before);
  if (after != sorted_.begin()) {
    const Region& r = *(after - 1);
    if (address - r.begin <= r.bytes && bytes <= r.bytes - (address - r.begin)) [[likely]]
      return r;
  }
  fail(Code::internal, "address ", reinterpret_cast<const void*>(address), " (", bytes,
       " bytes) is not inside of one live allocation of this device");
}

Span RegionTable::find(const void* address, uint64_t bytes) const {
  std::shared_lock hold(lock_);
  const auto at = reinterpret_cast<uintptr_t>(address);
  const Region& r = locate(at, bytes);
  const uint64_t into = at - r.begin;
  return {r.buffer, r.offset + into, r.device + into, r.host ? r.host + into : nullptr, bytes};
}

void RegionTable::translate(std::span<const Arg> args, uint64_t* out) const {
  std::shared_lock hold(lock_);
  for (size_t i = 0; i < args.size(); ++i) {
    out[i] = 0;
    if (args[i].bytes == 0) continue;
    const auto at = reinterpret_cast<uintptr_t>(args[i].address);
    const Region& r = locate(at, args[i].bytes);
    out[i] = r.device + (at - r.begin);
  }
}

std::vector<Region> RegionTable::all() const {
  std::shared_lock hold(lock_);
  return sorted_;
}

}  // namespace anvil
