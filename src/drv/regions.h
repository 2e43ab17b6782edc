// Which allocation does an address belong to?  Every driver hands out addresses and is given back addresses inside of
// them; this table turns one into the driver's own terms.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <vector>

#include "drv/driver.h"

namespace anvil {

// One allocation as the driver sees it.
struct Region {
  uintptr_t begin = 0;        // the address handed out
  uint64_t bytes = 0;         // from there
  uint64_t device = 0;        // what kernels use for `begin`
  std::byte* host = nullptr;  // where the host sees `begin`, or nullptr
  uint64_t buffer = 0;        // the driver's buffer object ...
  uint64_t offset = 0;        // ... and where in it `begin` lies
};

// A range inside of one region, in the driver's terms.
struct Span {
  uint64_t buffer = 0, offset = 0;
  uint64_t device = 0;
  std::byte* host = nullptr;
  uint64_t bytes = 0;
};

// Thread-safe; readers do not block one another.
class RegionTable {
 public:
  void insert(const Region& region);
  // Takes the region that begins at `begin` out of the table; empty if there is none.
  std::optional<Region> remove(uintptr_t begin);
  // Throws internal if [address, address + bytes) is not inside of one live region.
  Span find(const void* address, uint64_t bytes) const;
  // Device addresses of all arguments, 0 for empty ones, under one lock.  `out` holds args.size() values.
  void translate(std::span<const Arg> args, uint64_t* out) const;
  std::vector<Region> all() const;

 private:
  const Region& locate(uintptr_t address, uint64_t bytes) const;
  mutable std::shared_mutex lock_;
  std::vector<Region> sorted_;  // by begin; a few large ones, so a vector beats a tree
};

}  // namespace anvil
