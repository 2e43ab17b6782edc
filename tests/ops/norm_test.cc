// Batch normalisation, biases and ArgMax against double precision.
#include <cmath>
#include <limits>
#include <random>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

std::vector<double> samples(int64_t n, double mean, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal(mean, 1);
  std::vector<double> v(static_cast<size_t>(n));
  for (double& x : v) x = normal(engine);
  return v;
}
Value vector32(const std::vector<double>& v) { return floats(DType::f32, {static_cast<int64_t>(v.size())}, v); }

struct Statistics {
  std::vector<double> mean, variance;
};
size_t channel_of(const Shape& s, bool first, int64_t i) {
  const int64_t inner = first ? s[2] * s[3] : 1, channels = first ? s[1] : s[3];
  return static_cast<size_t>(i / inner % channels);
}
Statistics statistics(const Shape& s, bool first, const std::vector<double>& x) {
  const size_t channels = static_cast<size_t>(first ? s[1] : s[3]);
  const double n = static_cast<double>(x.size() / channels);
  Statistics r{std::vector<double>(channels), std::vector<double>(channels)};
  for (size_t i = 0; i < x.size(); ++i) r.mean[channel_of(s, first, int64_t(i))] += x[i] / n;
  for (size_t i = 0; i < x.size(); ++i) {
    const size_t c = channel_of(s, first, int64_t(i));
    r.variance[c] += (x[i] - r.mean[c]) * (x[i] - r.mean[c]) / n;
  }
  return r;
}

constexpr double kEpsilon = 1e-3;
RunOptions norm_options(bool first, bool training, float factor = 1) {
  RunOptions o;
  o.attrs = {{"epsilon", float(kEpsilon)},
             {"exponential_avg_factor", factor},
             {"data_format", std::string(first ? "NCHW" : "NHWC")},
             {"is_training", training}};
  return o;
}

class BatchNorm : public testing::TestWithParam<DType> {};
TEST_P(BatchNorm, TrainsAndDifferentiatesLikeDouble) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (const Shape& s : {Shape{2, 3, 3, 4}, Shape{4, 5, 5, 3}, Shape{8, 14, 14, 16}})
    for (bool first : {false, true}) {
      SCOPED_TRACE(text(s) + (first ? "NCHW" : "NHWC"));
      const size_t channels = static_cast<size_t>(first ? s[1] : s[3]);
      // A mean far from 0: a variance from E[x^2] - E[x]^2 would fail.
      const Value x = floats(GetParam(), s, samples(count(s), 20, 1));
      const Value dy = floats(GetParam(), s, samples(count(s), 0.3, 2));
      const std::vector<double> v = x.values(), d = dy.values();
      const std::vector<double> scale = samples(int64_t(channels), 1, 3), offset = samples(int64_t(channels), 0, 4);
      const Value scale32 = vector32(scale), offset32 = vector32(offset), none = vector32({});
      const std::vector<double> scales = scale32.values(), offsets = offset32.values();
      const Statistics st = statistics(s, first, v);
      const double n = static_cast<double>(v.size() / channels);

      const auto y = run_op(gpu, "FusedBatchNormV3", {x, scale32, offset32, none, none}, norm_options(first, true));
      std::vector<double> want(v.size()), unbiased = st.variance;
      for (double& u : unbiased) u *= n / (n - 1);
      for (size_t i = 0; i < v.size(); ++i) {
        const size_t c = channel_of(s, first, int64_t(i));
        want[i] = (v[i] - st.mean[c]) / std::sqrt(st.variance[c] + kEpsilon) * scales[c] + offsets[c];
      }
      const double slack = GetParam() == DType::f32 ? 64 : 2;  // the mean itself is rounded, and x is 20 deviations off
      EXPECT_LE(worst_ulp(y[0], want, 1), slack);
      EXPECT_LE(worst_ulp(y[1], st.mean), 4);
      EXPECT_LE(worst_ulp(y[2], unbiased), 16);
      EXPECT_LE(worst_ulp(y[4], st.variance), 16);
      EXPECT_EQ(y[5].shape, Shape{});

      const auto g = run_op(gpu, "FusedBatchNormGradV3", {dy, x, scale32, y[3], y[4], none}, norm_options(first, true));
      // The gradient is that of the saved statistics, which are rounded to float32.
      const std::vector<double> mean = y[3].values(), variance = y[4].values();
      std::vector<double> sum(channels), sum_x(channels), dx(v.size());
      for (size_t i = 0; i < v.size(); ++i) {
        const size_t c = channel_of(s, first, int64_t(i));
        sum[c] += d[i];
        sum_x[c] += d[i] * (v[i] - mean[c]) / std::sqrt(variance[c] + kEpsilon);
      }
      for (size_t i = 0; i < v.size(); ++i) {
        const size_t c = channel_of(s, first, int64_t(i));
        const double inverse = 1 / std::sqrt(variance[c] + kEpsilon), hat = (v[i] - mean[c]) * inverse;
        dx[i] = (d[i] - sum[c] / n - hat * sum_x[c] / n) * scales[c] * inverse;
      }
      EXPECT_LE(worst_ulp(g[0], dx, 1), slack);
      EXPECT_LE(worst_ulp(g[1], sum_x, std::sqrt(n)), 64);
      EXPECT_LE(worst_ulp(g[2], sum, std::sqrt(n)), 8);
    }
}
INSTANTIATE_TEST_SUITE_P(Types, BatchNorm, testing::Values(DType::f32, DType::f16, DType::bf16));

TEST(BatchNorm, RunningStatisticsAreBlended) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value x = floats(DType::f32, {1, 1, 2, 1}, {1, 3});
  const auto y = run_op(gpu, "FusedBatchNormV3", {x, vector32({1}), vector32({0}), vector32({10}), vector32({6})},
                        norm_options(false, true, 0.25f));
  EXPECT_EQ(y[1].values(), std::vector<double>{8});  // 0.75 * 10 + 0.25 * 2
  EXPECT_EQ(y[2].values(), std::vector<double>{5});  // 0.75 * 6 + 0.25 * 2, the unbiased variance
  EXPECT_EQ(y[4].values(), std::vector<double>{1});
}

TEST(BatchNorm, InferenceUsesTheGivenStatistics) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value x = floats(DType::f32, {1, 1, 2, 1}, {1, 3});
  RunOptions options = norm_options(false, false);
  options.attrs["epsilon"] = 0.0f;
  const auto y =
      run_op(gpu, "FusedBatchNormV3", {x, vector32({2}), vector32({1}), vector32({3}), vector32({4})}, options);
  EXPECT_EQ(y[0].values(), (std::vector<double>{-1, 1}));
}

TEST(Bias, AddsPerChannelInBothLayouts) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (const char* layout : {"NHWC", "NCHW"})
    for (uint64_t misalign : {0, 1}) {
      const Shape s = {2, 3, 5, 3};
      const Value x = floats(DType::f32, s, samples(count(s), 0, 1)), bias = vector32({1, 10, 100});
      RunOptions options;
      options.attrs = {{"data_format", std::string(layout)}};
      options.misalign_elements = misalign;
      const auto y = run_op(gpu, "BiasAdd", {x, bias}, options)[0].as<float>();
      const auto gradient = run_op(gpu, "BiasAddGrad", {x}, options)[0].values();
      const auto v = x.as<float>();
      std::vector<double> sum(3);
      const float biases[] = {1, 10, 100};
      for (size_t i = 0; i < v.size(); ++i) {
        const size_t c = channel_of(s, std::string(layout) == "NCHW", int64_t(i));
        EXPECT_EQ(y[i], v[i] + biases[c]) << layout << i;
        sum[c] += v[i];
      }
      for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(gradient[c], sum[c], 1e-5) << layout;
    }
}

TEST(Arg, FirstOfEqualsAndNaNNeverWins) {
  ANVIL_GPU_OR_SKIP(gpu);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Value x = floats(DType::f32, {4, 3}, {nan, 1, 2, 2, 2, 1, nan, nan, nan, 5, nan, 6});
  RunOptions options;
  options.attrs = {{"output_type", DType::i64}};
  EXPECT_EQ(run_op(gpu, "ArgMax", {x, host_int(1)}, options)[0].as<int64_t>(), (std::vector<int64_t>{2, 0, 0, 2}));
  EXPECT_EQ(run_op(gpu, "ArgMin", {x, host_int(-1)}, options)[0].as<int64_t>(), (std::vector<int64_t>{1, 2, 0, 0}));
}

TEST(Arg, FindsThePlaceInLongRowsAndColumns) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (int axis : {0, 1}) {
    const Shape s = axis == 1 ? Shape{3, 70001} : Shape{70001, 3};
    std::vector<double> v(210003);
    const int64_t places[] = {0, 70000, 35000};
    for (int64_t r = 0; r < 3; ++r) v[static_cast<size_t>(axis == 1 ? r * 70001 + places[r] : places[r] * 3 + r)] = 1;
    RunOptions options;
    options.attrs = {{"output_type", DType::i32}};
    EXPECT_EQ(run_op(gpu, "ArgMax", {floats(DType::f16, s, v), host_int(axis)}, options)[0].as<int32_t>(),
              (std::vector<int32_t>{0, 70000, 35000}));
  }
}

}  // namespace
}  // namespace anvil::ops::test
