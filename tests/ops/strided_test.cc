// The arithmetic of strided walks, without a GPU.
#include "ops/strided.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "ops/copy.h"

namespace anvil::ops {
namespace {

uint32_t divided(uint32_t n, Divisor d) {  // as divide() in kernels/index.slang
  const auto high = static_cast<uint32_t>(uint64_t{n} * d.magic >> 32);
  return (high + ((n - high) >> 1)) >> d.shift;
}

TEST(Divisor, IsExactAtTheEdges) {
  for (const uint32_t d : {2u, 3u, 5u, 7u, 10u, 255u, 256u, 641u, 65535u, 65536u, 65537u, 0x7fffffffu, 0x80000000u,
                           0x80000001u, 0xfffffffeu, 0xffffffffu})
    for (const uint32_t n :
         {0u, 1u, 2u, d - 1, d, d + 1, 2 * d - 1, 2 * d, 0x7fffffffu, 0x80000000u, 0xfffffffeu, 0xffffffffu})
      EXPECT_EQ(divided(n, divisor(d)), n / d) << n << " / " << d;
}
TEST(Divisor, IsExactForRandomNumbers) {
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i) {
    const uint32_t d = std::max(2u, static_cast<uint32_t>(random()) >> (random() % 31));
    const auto n = static_cast<uint32_t>(random());
    ASSERT_EQ(divided(n, divisor(d)), n / d) << n << " / " << d;
  }
}
TEST(Divisor, RefusesZeroAndOne) {
  EXPECT_THROW(divisor(0), Error);
  EXPECT_THROW(divisor(1), Error);
}

TEST(BroadcastShape, FollowsNumpy) {
  EXPECT_EQ(broadcast_shape({2, 1, 3}, {4, 1}), (Shape{2, 4, 3}));
  EXPECT_EQ(broadcast_shape({}, {5}), (Shape{5}));
  EXPECT_EQ(broadcast_shape({0}, {1}), (Shape{0}));
  try {
    broadcast_shape({2, 3}, {4});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code, Code::invalid_argument);
    EXPECT_STREQ(e.what(), "Incompatible shapes: [2,3] vs. [4]");
  }
}

Axes walk_of(const Shape& out, const Shape& a, const Shape& b) {
  const Shape operands[] = {a, b};
  return collapse(broadcast_axes(out, operands));
}
TEST(Collapse, JoinsWhatAllOperandsWalkAsOne) {
  EXPECT_EQ(walk_of({2, 3, 4}, {2, 3, 4}, {2, 3, 4}).size(), 1u);
  const Axes bias = walk_of({2, 3, 4}, {2, 3, 4}, {4});
  ASSERT_EQ(bias.size(), 2u);
  EXPECT_EQ(bias[0].size, 4);
  EXPECT_EQ(bias[1].size, 6);
  EXPECT_EQ(walk_of({2, 3, 4}, {2, 1, 4}, {2, 3, 4}).size(), 3u);
}
TEST(Collapse, DropsAxesOfOne) {
  const Axes axes = walk_of({1, 5, 1, 7, 1}, {1, 5, 1, 7, 1}, {1, 5, 1, 1, 1});
  ASSERT_EQ(axes.size(), 2u);
  EXPECT_EQ(axes[0].size, 7);
  const Axes nothing = walk_of({1, 1}, {1, 1}, {1});
  ASSERT_EQ(nothing.size(), 1u);
  EXPECT_EQ(nothing[0].size, 1);
}
TEST(Collapse, JoinsBackwardAxes) {
  const Axes axes = collapse({{4, {-1, 1}}, {3, {-4, 4}}});
  ASSERT_EQ(axes.size(), 1u);
  EXPECT_EQ(axes[0].size, 12);
  EXPECT_EQ(axes[0].stride[0], -1);
}

TEST(WalkBlock, KeepsTheOutermostAxisLast) {
  const auto w = walk_block<5, 2>({{7, {1, 1}}, {5, {7, -7}}});
  EXPECT_EQ(w.rank, 2u);
  EXPECT_EQ(w.size[0], 7u);
  EXPECT_EQ(w.stride[0][0], 1u);
  EXPECT_EQ(w.stride[0][4], 7u);
  EXPECT_EQ(w.stride[1][4], static_cast<uint32_t>(-7));
}

TEST(CopyPlan, SeesContiguousRuns) {
  const CopyPlan plan = plan_copy({{{4, {1, 1}}, {6, {4, 4}}}, 8, 0}, 4, 16);
  EXPECT_EQ(plan.how, CopyPlan::How::contiguous);
  EXPECT_EQ(plan.walk.axes[0].size, 24);
  EXPECT_EQ(plan.walk.from, 8);
  EXPECT_EQ(plan_copy({{{0, {1, 1}}}, 0, 0}, 4, 16).how, CopyPlan::How::none);
}
TEST(CopyPlan, MovesNeighboursTogether) {
  const Walk rows{{{8, {1, 1}}, {6, {32, 8}}}, 4, 0};
  EXPECT_EQ(plan_copy(rows, 1, 16).bytes, 4u);  // the start of the source allows no more
  EXPECT_EQ(plan_copy(rows, 2, 16).bytes, 8u);
  EXPECT_EQ(plan_copy(rows, 2, 4).bytes, 4u);  // nor does the alignment of the addresses
  EXPECT_EQ(plan_copy({{{7, {1, 1}}, {6, {32, 8}}}, 0, 0}, 4, 16).bytes, 4u);
  const CopyPlan wide = plan_copy({{{8, {1, 1}}, {6, {32, 8}}}, 0, 0}, 4, 16);
  EXPECT_EQ(wide.walk.axes[0].size, 4);
  EXPECT_EQ(wide.walk.axes[1].stride[0], 16);
}
TEST(CopyPlan, LeavesTransposesAlone) {
  const CopyPlan plan = plan_copy({{{8, {6, 1}}, {6, {1, 8}}}, 0, 0}, 4, 16);
  EXPECT_EQ(plan.how, CopyPlan::How::kernel);
  EXPECT_EQ(plan.bytes, 4u);
}
TEST(CopyPlan, WalksExtraAxesOnTheHost) {
  Walk walk;
  int64_t step = 1;
  for (int d = 0; d < 7; ++d) {
    walk.axes.push_back({2, {step, -step}});
    step *= 3;
  }
  const CopyPlan plan = plan_copy(walk, 4, 16);
  EXPECT_EQ(plan.walk.axes.size(), static_cast<size_t>(kCopyRank));
  ASSERT_EQ(plan.outer.size(), 4u);
  EXPECT_EQ(plan.outer[3].from, 243 + 729);
  EXPECT_EQ(plan.outer[3].to, -(243 + 729));
}

}  // namespace
}  // namespace anvil::ops
