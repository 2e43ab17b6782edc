// Which pieces of work must not run at the same time?  Work since the last barrier is kept as ranges of device
// addresses; a new piece that conflicts with one of them needs a barrier first.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace anvil {

// [begin, end) of device addresses.
struct Range {
  uint64_t begin = 0, end = 0;
  bool write = false;

  bool overlaps(const Range& o) const { return begin < o.end && o.begin < end; }
  // Read after write, write after read or write after write.
  bool conflicts(const Range& o) const { return (write || o.write) && overlaps(o); }
};

bool any_conflict(std::span<const Range> a, std::span<const Range> b);

// Not thread-safe: one per stream, under its lock.
class Hazards {
 public:
  // Is a barrier due before work that touches `next`?  Then everything before it is forgotten.  The ranges are
  // remembered either way.  The ranges of one piece of work may overlap each other.
  bool admit(std::span<const Range> next);
  void clear();

 private:
  // Past this many ranges since the last barrier, looking for conflicts costs more than a barrier does.
  static constexpr size_t kMost = 256;
  std::vector<Range> reads_, writes_;
};

}  // namespace anvil
