// Device memory: allocations, the addresses handed out for them, and their return.
#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "drv/metal/context.h"
#include "drv/metal/timeline.h"
#include "drv/regions.h"

namespace anvil::metal {

// Thread-safe.
class Memory {
 public:
  explicit Memory(Context& context);
  ~Memory();  // no work may be running

  // Throws resource_exhausted with sizes.  Does not wait for freed memory; see pending().
  void* allocate(uint64_t bytes);
  // Takes the region out of the table; nullopt if `address` is not the start of an allocation.
  std::optional<Region> forget(void* address) { return table_.remove(reinterpret_cast<uintptr_t>(address)); }
  // Gives a forgotten region's memory back once all holds are reached.
  void release(const Region& region, std::vector<Need> holds);
  // Gives back what is due.  Never blocks on the GPU.
  void reap();
  // The holds of all memory that waits to be given back; empty if none does.
  std::vector<Need> pending();

  const RegionTable& table() const { return table_; }
  MemoryInfo info();

 private:
  struct Allocation {
    Ref<MTL::Buffer> buffer;
    uint64_t bytes = 0;     // of these, promised to the caller
    void* guard = nullptr;  // reserved, inaccessible address range, or nullptr
    uint64_t guard_bytes = 0;
  };
  struct Dying {
    uintptr_t begin;
    std::vector<Need> holds;
  };
  void check_limit(uint64_t bytes);
  Ref<MTL::Buffer> make(uint64_t bytes);
  void destroy(uintptr_t begin);  // lock held

  Context& context_;
  RegionTable table_;
  std::mutex lock_;
  std::unordered_map<uintptr_t, Allocation> live_;  // by address handed out; includes the dying
  std::vector<Dying> dying_;
  uint64_t live_bytes_ = 0;
};

inline MTL::Buffer* to_buffer(uint64_t number) { return reinterpret_cast<MTL::Buffer*>(number); }

}  // namespace anvil::metal
