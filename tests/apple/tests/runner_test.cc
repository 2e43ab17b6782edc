// The rig itself: does the runner give kernels a GPU's threads, and notice what a GPU would not forgive?
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "apple/msl/kernel.h"

namespace apple::msl {
namespace {

std::shared_ptr<const Kernel> kernel(const std::string& body) {
  std::string why;
  const auto all = compile("#include <metal_stdlib>\nusing namespace metal;\n" + body, why);
  EXPECT_EQ(all.size(), 1u) << why;
  return all.empty() ? nullptr : all[0];
}

// 128 values of 1 to 128 in, as many out.
struct Sums {
  std::vector<float> in = std::vector<float>(128), out = std::vector<float>(128);
  Sums() { std::iota(in.begin(), in.end(), 1.0f); }
  std::string run(const Kernel& k, uint32_t threads, uint32_t seed) {
    void* arguments[2] = {in.data(), out.data()};
    return msl::run(k, arguments, {128 / threads, 1, 1}, {threads, 1, 1}, seed);
  }
};

// Sums a group of 128 by halves: needs every one of its barriers.
std::string tree(bool barrier) {
  const std::string wait = barrier ? "threadgroup_barrier(mem_flags::mem_threadgroup);" : "simd_any(true);";
  return R"(
kernel void tree(const device float* in [[buffer(0)]], device float* out [[buffer(1)]],
                 uint i [[thread_index_in_threadgroup]]) {
  threadgroup float shared[128];
  shared[i] = in[i];
)" + wait +
         "for (uint n = 64; n > 0; n /= 2) { if (i < n) shared[i] += shared[i + n]; " + wait + R"( }
  out[i] = shared[0];
})";
}

TEST(Runner, GivesThreadsTheirPlaces) {
  const auto k = kernel(R"(
kernel void places(device uint* out [[buffer(0)]], uint3 at [[thread_position_in_grid]],
                   uint3 group [[threadgroup_position_in_grid]], ushort2 in [[thread_position_in_threadgroup]],
                   uint3 all [[threads_per_grid]], uint index [[thread_index_in_threadgroup]]) {
  out[(at.z * all.y + at.y) * all.x + at.x] = group.x + 10 * group.y + 100 * in.x + 1000 * in.y + 10000 * index;
})");
  constexpr uint32_t kX = 6, kY = 6;
  std::vector<uint32_t> out(kX * kY);
  void* arguments[1] = {out.data()};
  for (const uint32_t seed : {0u, 1u, 2u}) {
    EXPECT_EQ(run(*k, arguments, {3, 2, 1}, {2, 3, 1}, seed), "");
    for (uint32_t y = 0; y < kY; ++y)
      for (uint32_t x = 0; x < kX; ++x)
        EXPECT_EQ(out[y * kX + x], x / 2 + 10 * (y / 3) + 100 * (x % 2) + 1000 * (y % 3) + 10000 * (y % 3 * 2 + x % 2));
  }
}

TEST(Runner, HonoursBarriersInAnyOrder) {
  const auto k = kernel(tree(true));
  for (uint32_t seed = 0; seed < 6; ++seed) {
    Sums s;
    EXPECT_EQ(s.run(*k, 128, seed), "");
    EXPECT_EQ(s.out, std::vector<float>(128, 128 * 129 / 2)) << seed;
  }
}

TEST(Runner, ShowsThatABarrierIsMissing) {
  const auto k = kernel(tree(false));
  int wrong = 0;
  for (uint32_t seed = 1; seed < 6; ++seed) {
    Sums s;
    EXPECT_EQ(s.run(*k, 128, seed), "");
    wrong += s.out != std::vector<float>(128, 128 * 129 / 2);
  }
  EXPECT_GE(wrong, 2) << "of 5 orders";
}

TEST(Runner, RefusesABarrierThatNotAllReach) {
  const auto k = kernel(R"(
kernel void some(device float* out [[buffer(1)]], uint i [[thread_index_in_threadgroup]]) {
  if (i < 3) threadgroup_barrier(mem_flags::mem_threadgroup);
  out[i] = 1;
})");
  Sums s;
  EXPECT_EQ(s.run(*k, 128, 1), "a barrier that only 3 of 128 threads reach");
}

TEST(Runner, LetsLanesExchangeValues) {
  const auto k = kernel(R"(
kernel void lanes(const device float* in [[buffer(0)]], device float* out [[buffer(1)]],
                  uint i [[thread_position_in_grid]], uint lane [[thread_index_in_simdgroup]]) {
  float v = simd_sum(in[i]);
  if (lane < 16) v += simd_shuffle_xor(in[i], 1);
  out[i] = v + simd_prefix_exclusive_sum(1.0f);
})");
  for (const uint32_t seed : {0u, 1u, 7u}) {
    Sums s;
    EXPECT_EQ(s.run(*k, 64, seed), "");
    for (uint32_t i = 0; i < 128; ++i) {
      const uint32_t first = i / 32 * 32, lane = i % 32;
      const float sum = static_cast<float>(32 * first + 32 * 33 / 2);
      EXPECT_EQ(s.out[i], sum + (lane < 16 ? s.in[i ^ 1] : 0) + static_cast<float>(lane)) << i;
    }
  }
}

TEST(Runner, MultipliesMatricesOfASimdGroup) {
  const auto k = kernel(R"(
#include <metal_simdgroup_matrix>
kernel void product(const device float* in [[buffer(0)]], device float* out [[buffer(1)]]) {
  simdgroup_float8x8 a, b, c = make_filled_simdgroup_matrix<float, 8, 8>(0.5f);
  simdgroup_load(a, in, 8);
  simdgroup_load(b, in + 64, 8);
  simdgroup_multiply_accumulate(c, a, b, c);
  simdgroup_store(c, out, 8);
})");
  Sums s;
  void* arguments[2] = {s.in.data(), s.out.data()};
  EXPECT_EQ(run(*k, arguments, {1, 1, 1}, {32, 1, 1}, 3), "");
  for (uint32_t i = 0; i < 8; ++i)
    for (uint32_t j = 0; j < 8; ++j) {
      float sum = 0.5f;
      for (uint32_t n = 0; n < 8; ++n) sum += s.in[i * 8 + n] * s.in[64 + n * 8 + j];
      EXPECT_EQ(s.out[i * 8 + j], sum);
    }
}

TEST(Runner, PassesOnWhatTheCompilerSays) {
  std::string why;
  EXPECT_TRUE(
      compile("#include <metal_stdlib>\nkernel void f(device float* x [[buffer(0)]]) { x[0] = absent; }", why).empty());
  EXPECT_NE(why.find("absent"), std::string::npos) << why;
  EXPECT_TRUE(compile("kernel void f(device float* x) {}", why).empty());
  EXPECT_NE(why.find("without an attribute"), std::string::npos) << why;
}

}  // namespace
}  // namespace apple::msl
