// The planners of products and convolutions, by table and without a GPU.
#include <gtest/gtest.h>

#include "ops/conv2d.h"
#include "ops/gemm.h"

namespace anvil::ops {
namespace {

Caps big_gpu() {
  Caps c;
  c.cores = 132;
  return c;
}
Caps matrix_gpu() {
  Caps c = big_gpu();
  c.matrix_f16 = true;
  c.group_memory = 49152;
  return c;
}
Caps small_gpu() {
  Caps c;
  c.cores = 8;
  c.group_memory = 16384;
  c.max_group = 256;
  return c;
}
Caps software() {
  Caps c;
  c.kind = DeviceKind::cpu;
  c.cores = 2;
  c.subgroup = 8;
  return c;
}

GemmProblem product(uint64_t m, uint64_t n, uint64_t k, bool ta = false, bool tb = false, DType t = DType::f32) {
  GemmProblem p;
  p.type = t;
  p.m = m;
  p.n = n;
  p.k = k;
  p.turned_a = ta;
  p.turned_b = tb;
  return p;
}

struct GemmCase {
  GemmProblem problem;
  Caps caps;
  const char* plan;
  const char* kernel;
};

TEST(GemmPlan, Table) {
  const GemmCase cases[] = {
      {product(0, 5, 3), big_gpu(), "nothing", ""},
      {product(4, 5, 0), big_gpu(), "zeros", ""},
      {product(4096, 4096, 512), big_gpu(), "tiles 128,128,16,8,8", "gemm/tiled<F32,F32,0,1,128,128,16,8,8>"},
      {product(1024, 1024, 128), big_gpu(), "tiles 64,64,16,4,4", "gemm/tiled<F32,F32,0,1,64,64,16,4,4>"},
      {product(64, 10, 128, true, true, DType::f16), big_gpu(), "tiles 32,32,16,2,2",
       "gemm/tiled<F16,F16,1,0,32,32,16,2,2>"},
      // 16 KiB of group memory do not hold the largest tile.
      {product(4096, 4096, 128), small_gpu(), "tiles 64,64,16,4,4", "gemm/tiled<F32,F32,0,1,64,64,16,4,4>"},
      // Few tiles and a long depth: slices, whose partial results are float whatever the type.
      {product(64, 64, 100000, true, false, DType::bf16), big_gpu(), "tiles 32,32,16,2,2 x66 slices",
       "gemm/tiled<BF16,F32,1,1,32,32,16,2,2>"},
      // Matrix units take half and nothing else: float is never rounded on the way.
      {product(4096, 4096, 512, false, true, DType::f16), matrix_gpu(), "matrix units 128,128,2,2",
       "gemm/matrix<F16,0,0,128,128,2,2>"},
      {product(64, 10, 8192, true, false, DType::f16), matrix_gpu(), "matrix units 64,64,2,2 pack B x32 slices",
       "gemm/matrix<F32,1,1,64,64,2,2>"},
      {product(4096, 4096, 512), matrix_gpu(), "tiles 128,128,16,8,8", "gemm/tiled<F32,F32,0,1,128,128,16,8,8>"},
      {product(512, 512, 512), software(), "lanes 2,4", "gemm/lanes<F32,0,0,2,4>"},
      {product(64, 10, 128), software(), "lanes 4,2", "gemm/lanes<F32,0,0,4,2>"},
      // Odd pitches and types other than float are copied; an odd depth matters only where it is a row.
      {product(64, 33, 127), software(), "lanes 4,2 pack A pack B", "gemm/lanes<F32,0,0,4,2>"},
      {product(64, 32, 127, true), software(), "lanes 2,4", "gemm/lanes<F32,1,0,2,4>"},
      {product(64, 32, 128, true, true, DType::f16), software(), "lanes 2,4 pack A pack B", "gemm/lanes<F16,1,1,2,4>"},
  };
  for (const GemmCase& c : cases) {
    const GemmPlan plan = plan_gemm(c.problem, c.caps);
    EXPECT_EQ(plan.text(), c.plan);
    EXPECT_EQ(plan.kernel, c.kernel);
  }
}

TEST(GemmPlan, SlicesCoverTheDepth) {
  for (const Caps& caps : {big_gpu(), matrix_gpu(), small_gpu(), software()})
    for (const uint64_t k : {1, 15, 16, 17, 255, 512, 513, 4097, 100001})
      for (const uint64_t m : {1, 31, 288}) {
        const GemmPlan plan = plan_gemm(product(m, 64, k, true), caps);
        ASSERT_GE(plan.slices * plan.slice_depth, k);
        ASSERT_LT((plan.slices - 1) * plan.slice_depth, k);
        ASSERT_LE(plan.slices * m * 64 * 4, kSliceBytes);
        if (plan.slices > 1) {
          ASSERT_EQ(plan.slice_depth % (caps.cpu_type() ? 2 : plan.tile.bk), 0u);
        }
      }
}

TEST(GemmPlan, UnalignedOperandsAreCopied) {
  GemmProblem p = product(64, 64, 64);
  p.aligned_b = false;
  const GemmPlan plan = plan_gemm(p, software());
  EXPECT_FALSE(plan.pack_a);
  EXPECT_TRUE(plan.pack_b);
}

TEST(GemmPlan, BatchAxesThatAreOneAreJoined) {
  GemmProblem p = product(3, 5, 7);
  p.batch = {{4, 2 * 21, 2 * 35}, {2, 21, 35}, {1, 0, 0}};
  EXPECT_EQ(plan_gemm(p, big_gpu()).batch.size(), 1u);
  p.batch = {{4, 21, 0}, {2, 0, 35}};  // each operand is broadcast along the other's axis
  EXPECT_EQ(plan_gemm(p, big_gpu()).batch.size(), 2u);
}

TEST(GemmPlan, TooLargeIsRefused) {
  EXPECT_THROW(plan_gemm(product(65536, 65536, 1), big_gpu()), Error);
  EXPECT_THROW(plan_gemm(product(1, 65536, 65536), big_gpu()), Error);
}

// Whatever the planner may choose is listed, so that it is in the kernel pack.
TEST(GemmPlan, EveryKernelIsListed) {
  for (const DType t : kFloats) {
    std::vector<std::string> names;
    gemm_variants(t, names);
    for (const Caps& caps : {big_gpu(), matrix_gpu(), small_gpu(), software()})
      for (const uint64_t m : {1, 40, 1000, 9000})
        for (const uint64_t n : {1, 16, 40, 9000})
          for (const uint64_t k : {1, 33, 20000})
            for (int turn = 0; turn < 4; ++turn) {
              const GemmPlan plan = plan_gemm(product(m, n, k, turn & 1, turn & 2, t), caps);
              EXPECT_NE(std::find(names.begin(), names.end(), plan.kernel), names.end()) << plan.kernel;
            }
  }
}

ConvShape conv(uint64_t images, uint64_t size, uint64_t channels, uint64_t filter, uint64_t outputs) {
  ConvShape s;
  s.images = images;
  s.height = s.width = s.out_h = s.out_w = size;
  s.channels = channels;
  s.filter_h = s.filter_w = filter;
  s.outputs = outputs;
  s.pad_h = s.pad_w = static_cast<int64_t>(filter / 2);
  return s;
}

struct ConvCase {
  ConvPass pass;
  ConvShape shape;
  Caps caps;
  const char* plan;
  const char* kernel;
};

TEST(ConvPlan, Table) {
  ConvShape half = conv(8, 56, 64, 3, 128);
  half.type = DType::f16;
  ConvShape odd_half = conv(8, 56, 3, 3, 64);
  odd_half.type = DType::f16;
  ConvShape planes = conv(64, 8, 32, 3, 64);
  planes.nchw = true;
  const ConvCase cases[] = {
      {ConvPass::forward, conv(0, 8, 3, 3, 4), big_gpu(), "nothing", ""},
      {ConvPass::filter_gradient, conv(0, 8, 3, 3, 4), big_gpu(), "zeros", ""},
      {ConvPass::forward, conv(8, 56, 64, 1, 64), big_gpu(), "matrix product", ""},
      {ConvPass::forward, conv(8, 56, 64, 3, 128), big_gpu(), "tiles 128,128,16,8,8",
       "conv/forward<F32,128,128,16,8,8>"},
      {ConvPass::input_gradient, conv(8, 56, 64, 3, 128), small_gpu(), "tiles 64,64,16,4,4",
       "conv/input_gradient<F32,64,64,16,4,4>"},
      {ConvPass::forward, half, matrix_gpu(), "matrix units 128,128,2,2", "conv/forward_matrix<128,128,2,2>"},
      // Odd numbers of channels are copied to whole eights; few channels take the narrow tile.
      {ConvPass::input_gradient, odd_half, matrix_gpu(), "matrix units 64,64,2,2 pack B",
       "conv/input_gradient_matrix<64,64,2,2>"},
      {ConvPass::input_gradient, conv(8, 224, 3, 7, 64), big_gpu(), "tiles 128,16,16,4,2",
       "conv/input_gradient<F32,128,16,16,4,2>"},
      {ConvPass::filter_gradient, conv(8, 56, 64, 3, 64), big_gpu(), "tiles 64,64,16,4,4 x29 slices",
       "conv/filter_gradient<F32,F32,64,64,16,4,4>"},
      {ConvPass::forward, conv(64, 8, 32, 3, 64), software(), "lanes 2,4", "conv_lanes/forward_lanes<F32,2,4>"},
      {ConvPass::forward, conv(64, 8, 1, 3, 16), software(), "lanes 4,2 pack A pack B",
       "conv_lanes/forward_lanes<F32,4,2>"},
      {ConvPass::input_gradient, conv(64, 8, 3, 3, 32), software(), "lanes 4,2",
       "conv_lanes/input_gradient_lanes<F32,4,2>"},
      {ConvPass::filter_gradient, conv(8, 56, 64, 3, 64), software(), "lanes 2,4 x25 slices",
       "conv_lanes/filter_gradient_lanes<F32,2,4>"},
      {ConvPass::forward, planes, software(), "lanes 2,4 pack A", "conv_lanes/forward_lanes<F32,2,4>"},
  };
  for (const ConvCase& c : cases) {
    const ConvPlan plan = plan_conv2d(c.pass, c.shape, c.caps);
    EXPECT_EQ(plan.text(), c.plan) << c.shape.text();
    EXPECT_EQ(plan.kernel, c.kernel) << c.shape.text();
  }
}

TEST(ConvPlan, EveryKernelIsListed) {
  for (const ConvPass pass : {ConvPass::forward, ConvPass::input_gradient, ConvPass::filter_gradient})
    for (const DType t : kFloats) {
      std::vector<std::string> names;
      conv_variants(pass, t, names);
      for (const Caps& caps : {big_gpu(), matrix_gpu(), small_gpu(), software()})
        for (const uint64_t channels : {1, 3, 64})
          for (const uint64_t size : {3, 56}) {
            ConvShape s = conv(8, size, channels, 3, 64);
            s.type = t;
            const ConvPlan plan = plan_conv2d(pass, s, caps);
            EXPECT_NE(std::find(names.begin(), names.end(), plan.kernel), names.end()) << plan.kernel;
          }
    }
}

}  // namespace
}  // namespace anvil::ops
