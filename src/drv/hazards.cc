#include "drv/hazards.h"

namespace anvil {
namespace {

bool overlaps_any(const Range& r, const std::vector<Range>& list) {
  for (const Range& o : list)
    if (r.overlaps(o)) return true;
  return false;
}

}  // namespace

bool any_conflict(std::span<const Range> a, std::span<const Range> b) {
  for (const Range& x : a)
    for (const Range& y : b)
      if (x.conflicts(y)) return true;
  return false;
}

bool Hazards::admit(std::span<const Range> next) {
  bool barrier = reads_.size() + writes_.size() > kMost;
  for (size_t i = 0; i < next.size() && !barrier; ++i)
    barrier = overlaps_any(next[i], writes_) || (next[i].write && overlaps_any(next[i], reads_));
  if (barrier) clear();
  for (const Range& r : next)
    if (r.begin != r.end) (r.write ? writes_ : reads_).push_back(r);
  return barrier;
}

void Hazards::clear() {
  reads_.clear();
  writes_.clear();
}

}  // namespace anvil
