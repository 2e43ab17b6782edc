// The helpers that drivers share: region table, hazards, injected faults.
#include <gtest/gtest.h>

#include <random>

#include "drv/faults.h"
#include "drv/hazards.h"
#include "drv/regions.h"

namespace anvil {
namespace {

Region region(uintptr_t begin, uint64_t bytes, uint64_t device) { return {begin, bytes, device, nullptr, begin, 16}; }
const void* at(uintptr_t a) { return reinterpret_cast<const void*>(a); }

TEST(RegionTable, FindsTheRegionAndTheOffset) {
  RegionTable t;
  t.insert(region(0x3000, 0x100, 0x900000));
  t.insert(region(0x1000, 0x1000, 0x800000));
  const Span s = t.find(at(0x1010), 0x20);
  EXPECT_EQ(s.device, 0x800010u);
  EXPECT_EQ(s.buffer, 0x1000u);
  EXPECT_EQ(s.offset, 16u + 0x10);
  EXPECT_EQ(s.host, nullptr);
  EXPECT_EQ(t.find(at(0x3000), 0x100).device, 0x900000u);
  EXPECT_EQ(t.find(at(0x1fff), 1).device, 0x800fffu);
  EXPECT_EQ(t.all().size(), 2u);
}

TEST(RegionTable, RefusesWhatIsNotInsideOfOneRegion) {
  RegionTable t;
  t.insert(region(0x1000, 0x1000, 0x800000));
  t.insert(region(0x2000, 0x1000, 0x900000));  // a neighbour
  EXPECT_THROW(t.find(at(0xfff), 1), Error);
  EXPECT_THROW(t.find(at(0x1800), 0x801), Error);
  EXPECT_THROW(t.find(at(0x3000), 1), Error);
  EXPECT_THROW(t.find(at(0x1000), UINT64_MAX), Error);
  EXPECT_FALSE(t.remove(0x1001).has_value());
  EXPECT_EQ(t.remove(0x1000)->device, 0x800000u);
  EXPECT_THROW(t.find(at(0x1000), 1), Error);
  EXPECT_NO_THROW(t.find(at(0x2000), 1));
}

TEST(RegionTable, TranslatesArgumentsAndLeavesEmptyOnesNull) {
  RegionTable t;
  t.insert(region(0x1000, 0x1000, 0x800000));
  const Arg args[] = {{at(0x1004), 4, Access::read}, {at(0x7777), 0, Access::read}, {at(0x1100), 8, Access::write}};
  uint64_t out[3] = {1, 1, 1};
  t.translate(args, out);
  EXPECT_EQ(out[0], 0x800004u);
  EXPECT_EQ(out[1], 0u);
  EXPECT_EQ(out[2], 0x800100u);
}

Range reads(uint64_t a, uint64_t b) { return {a, b, false}; }
Range writes(uint64_t a, uint64_t b) { return {a, b, true}; }

TEST(Hazards, OnlyConflictsNeedABarrier) {
  const auto needs = [](Range first, Range second) {
    Hazards h;
    EXPECT_FALSE(h.admit({&first, 1}));
    return h.admit({&second, 1});
  };
  EXPECT_FALSE(needs(reads(0, 10), reads(0, 10)));
  EXPECT_TRUE(needs(writes(0, 10), reads(9, 20)));
  EXPECT_TRUE(needs(reads(0, 10), writes(5, 6)));
  EXPECT_TRUE(needs(writes(0, 10), writes(0, 1)));
  EXPECT_FALSE(needs(writes(0, 10), writes(10, 20)));
  EXPECT_FALSE(needs(writes(10, 20), reads(0, 10)));
}

TEST(Hazards, ABarrierForgetsWhatWasBeforeButNotTheWorkThatNeededIt) {
  Hazards h;
  const Range a = writes(0, 10), b = reads(0, 10), c = writes(100, 110), d = writes(0, 5);
  EXPECT_FALSE(h.admit({&a, 1}));
  EXPECT_FALSE(h.admit({&c, 1}));
  EXPECT_TRUE(h.admit({&b, 1}));   // behind a
  EXPECT_FALSE(h.admit({&c, 1}));  // its first writer is behind the barrier as well
  EXPECT_TRUE(h.admit({&d, 1}));   // b reads it since
}

TEST(Hazards, RangesOfOnePieceOfWorkMayOverlap) {
  Hazards h;
  const Range in_place[] = {reads(0, 10), writes(0, 10)};
  EXPECT_FALSE(h.admit(in_place));
  EXPECT_TRUE(h.admit(in_place));
}

// Against a model that keeps every range for ever and knows which came after the last barrier.
TEST(Hazards, AgreeWithAModelOnRandomWork) {
  std::mt19937 random(5);
  Hazards h;
  std::vector<Range> since;
  for (int i = 0; i < 20'000; ++i) {
    Range r[2];
    for (Range& x : r) {
      const uint64_t from = random() % 1000;
      x = {from, from + 1 + random() % 40, random() % 3 == 0};
    }
    const bool conflict = any_conflict(r, since);
    const bool barrier = h.admit(r);
    if (conflict) {
      ASSERT_TRUE(barrier) << i;  // it may also come early, never late
    }
    if (barrier) since.clear();
    since.insert(since.end(), std::begin(r), std::end(r));
  }
}

TEST(Faults, HitOnceAtTheirCount) {
  Faults f("alloc:3,lost:1");
  EXPECT_FALSE(f.hit(FaultKind::alloc));
  EXPECT_FALSE(f.hit(FaultKind::alloc));
  EXPECT_TRUE(f.hit(FaultKind::alloc));
  EXPECT_FALSE(f.hit(FaultKind::alloc));
  EXPECT_TRUE(f.hit(FaultKind::lost));
  EXPECT_FALSE(f.hit(FaultKind::submit));
  for (const char* bad : {"alloc", "alloc:", "alloc:x", "alloc:0", "nothing:1", "alloc:1x"}) {
    EXPECT_THROW(Faults{bad}, Error) << bad;
  }
  EXPECT_FALSE(Faults("").hit(FaultKind::alloc));
}

TEST(Grid, FoldsLongLines) {
  EXPECT_EQ(Grid::line(5).x, 5u);
  const Grid g = Grid::line(100'000);
  EXPECT_EQ(g.x, Grid::kFold);
  EXPECT_GE(uint64_t{g.x} * g.y, 100'000u);
  EXPECT_LT(uint64_t{g.x} * (g.y - 1), 100'000u);
  EXPECT_THROW(Grid::line(uint64_t{1} << 40), Error);
}

}  // namespace
}  // namespace anvil
