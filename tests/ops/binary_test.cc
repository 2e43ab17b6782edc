// The two-operand kernels on a device: every form of broadcasting, special values, integer rules.
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "ops/kernel_check.h"
#include "ops/map.h"

namespace anvil::ops::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Doubles = std::vector<double>;

Doubles samples(double low, double high, int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> d(low, high);
  Doubles v(static_cast<size_t>(n));
  for (double& x : v) x = d(random);
  return v;
}

// f over the broadcast of a and b, by the definition: coordinates, element by element.
Doubles reference(const Value& a, const Value& b, const Shape& y, const std::function<double(double, double)>& f) {
  const Doubles va = a.values(), vb = b.values();
  const auto at = [&](const Shape& s, int64_t flat) {
    int64_t index = 0, step = 1;
    for (size_t d = 0; d < y.size(); ++d) {
      const int64_t c = flat % y[y.size() - 1 - d];
      flat /= y[y.size() - 1 - d];
      if (d >= s.size()) continue;
      const int64_t size = s[s.size() - 1 - d];
      if (size != 1) index += c * step;
      step *= size;
    }
    return static_cast<size_t>(index);
  };
  Doubles out;
  for (int64_t i = 0; i < count(y); ++i) out.push_back(f(va[at(a.shape, i)], vb[at(b.shape, i)]));
  return out;
}

struct PairRow {
  const char* op;
  std::function<double(double, double)> f;
  double low, high, ulp;
};
void PrintTo(const PairRow& row, std::ostream* out) { *out << row.op; }
double floor_mod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
double max_nan(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::fmax(a, b); }
double min_nan(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::fmin(a, b); }

const PairRow kRows[] = {
    {"AddV2", std::plus<>(), -10, 10, 0.5},
    {"Sub", std::minus<>(), -10, 10, 0.5},
    {"Mul", std::multiplies<>(), -10, 10, 0.5},
    {"RealDiv", std::divides<>(), -10, 10, 2.5},
    {"Maximum", max_nan, -10, 10, 0},
    {"Minimum", min_nan, -10, 10, 0},
    {"DivNoNan", [](double a, double b) { return b == 0 ? 0 : a / b; }, -10, 10, 2.5},
    {"SquaredDifference", [](double a, double b) { return (a - b) * (a - b); }, -10, 10, 2.5},
    {"Pow", [](double a, double b) { return std::pow(a, b); }, 0, 10, 2},
    {"Atan2", [](double a, double b) { return std::atan2(a, b); }, -10, 10, 4},
    {"Xdivy", [](double a, double b) { return a == 0 ? 0 : a / b; }, -10, 10, 2.5},
    {"Xlogy", [](double a, double b) { return a == 0 ? 0 : a * std::log(b); }, 0, 10, 4},
    {"Less", std::less<>(), -10, 10, 0},
    {"GreaterEqual", std::greater_equal<>(), -10, 10, 0},
};

class PairKernel : public testing::TestWithParam<PairRow> {};

const std::pair<Shape, Shape> kShapes[] = {{{}, {}},
                                           {{5}, {}},
                                           {{}, {7}},
                                           {{3001}, {3001}},
                                           {{4096}, {1}},
                                           {{1}, {2501}},
                                           {{0}, {1}},
                                           {{3, 1}, {1, 4}},
                                           {{33, 257}, {257}},
                                           {{257, 33}, {257, 1}},
                                           {{2, 3, 4, 5}, {1, 3, 1, 1}},
                                           {{2, 1, 3, 1}, {1, 4, 1, 5}},
                                           {{2, 1, 3, 1, 2}, {1, 2, 1, 3, 1}},
                                           {{2, 1, 2, 3, 1, 2}, {2, 1, 1, 3, 4, 1}},
                                           {{2, 1, 3, 1, 2, 1, 3}, {1, 3, 1, 2, 1, 2, 1}},
                                           {{34, 256}, {256}},
                                           {{256, 36}, {256, 1}},
                                           {{256}, {30, 256}},
                                           {{30, 1}, {30, 64}}};

TEST_P(PairKernel, BroadcastsInEveryRank) {
  ANVIL_GPU_OR_SKIP(device);
  const PairRow& row = GetParam();
  for (const DType t : {DType::f32, DType::f16})
    for (const auto& [sa, sb] : kShapes) {
      const Value a = floats(t, sa, samples(row.low, row.high, count(sa), 1));
      const Value b = floats(t, sb, samples(row.low, row.high, count(sb), 2));
      const Shape shape = broadcast_shape(sa, sb);
      for (const bool reuse : {false, true}) {
        RunOptions options;
        options.reuse = reuse;
        options.misalign_elements = reuse;
        const Value y = run_op(device, row.op, {a, b}, options)[0];
        EXPECT_EQ(y.shape, shape);
        const Doubles want = reference(a, b, shape, row.f);
        if (y.type == DType::boolean) EXPECT_EQ(y.values(), want) << text(sa) << text(sb);
        else EXPECT_LE(worst_ulp(y, want, t == DType::f16 ? 6.2e-5 : 1.2e-38), row.ulp) << text(sa) << text(sb);
      }
    }
}
INSTANTIATE_TEST_SUITE_P(All, PairKernel, testing::ValuesIn(kRows), [](const auto& i) { return i.param.op; });

Doubles pairwise(Device& device, const char* op, const Doubles& a, const Doubles& b) {
  const int64_t n = static_cast<int64_t>(a.size());
  RunOptions options;
  options.attrs = {{"incompatible_shape_error", true}};  // of Equal and NotEqual
  return run_op(device, op, {floats(DType::f32, {n}, a), floats(DType::f32, {n}, b)}, options)[0].values();
}

TEST(PairKernels, PowIsCsPow) {
  ANVIL_GPU_OR_SKIP(device);
  const Doubles specials = {0,    -0.0,  1,    -1,   2,     -2,       0.5,      -0.5,   3,      -3,
                            kInf, -kInf, kNaN, 1e10, -1e10, 16777216, 16777215, 0.999f, 1.001f, 2.5};
  Doubles a, b, want;
  for (const double x : specials)
    for (const double y : specials) {
      a.push_back(static_cast<float>(x));
      b.push_back(static_cast<float>(y));
      want.push_back(std::pow(a.back(), b.back()));
    }
  const int64_t n = static_cast<int64_t>(a.size());
  const Value y = run_op(device, "Pow", {floats(DType::f32, {n}, a), floats(DType::f32, {n}, b)})[0];
  const Doubles got = y.values();
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::fabs(want[i]) < 1.2e-38 && want[i] != 0) continue;
    const Value one = floats(DType::f32, {1}, {got[i]});
    EXPECT_LE(worst_ulp(one, {want[i]}, 1.2e-38), 2) << a[i] << " ^ " << b[i] << " = " << got[i];
    EXPECT_EQ(std::signbit(got[i]), std::signbit(want[i]) && !std::isnan(want[i])) << a[i] << " ^ " << b[i];
  }
}
TEST(PairKernels, PowHoldsOverWideRanges) {
  ANVIL_GPU_OR_SKIP(device);
  Doubles a = samples(0.9, 1.1, 4000, 3), b = samples(-800, 800, 4000, 4);
  for (double& x : a) x = static_cast<float>(x);
  for (double& x : b) x = static_cast<float>(x);
  Doubles want;
  for (size_t i = 0; i < a.size(); ++i) want.push_back(std::pow(a[i], b[i]));
  const Value y = run_op(device, "Pow", {floats(DType::f32, {4000}, a), floats(DType::f32, {4000}, b)})[0];
  EXPECT_LE(worst_ulp(y, want, 1.2e-38), 2);
}

TEST(PairKernels, NanInfinityAndZero) {
  ANVIL_GPU_OR_SKIP(device);
  EXPECT_TRUE(std::isnan(pairwise(device, "Maximum", {kNaN}, {1})[0]));
  EXPECT_TRUE(std::isnan(pairwise(device, "Maximum", {1}, {kNaN})[0]));
  EXPECT_TRUE(std::isnan(pairwise(device, "Minimum", {1}, {kNaN})[0]));
  EXPECT_EQ(pairwise(device, "DivNoNan", {1, 0, kNaN}, {0, 0, 0}), (Doubles{0, 0, 0}));
  EXPECT_EQ(pairwise(device, "MulNoNan", {kNaN, kInf}, {0, 0}), (Doubles{0, 0}));
  EXPECT_EQ(pairwise(device, "Xlogy", {0, 0}, {0, kNaN}), (Doubles{0, 0}));
  EXPECT_EQ(pairwise(device, "Equal", {kNaN, 0, kInf}, {kNaN, -0.0, kInf}), (Doubles{0, 1, 1}));
  EXPECT_EQ(pairwise(device, "NotEqual", {kNaN, 0, kInf}, {kNaN, -0.0, kInf}), (Doubles{1, 0, 0}));
  EXPECT_EQ(pairwise(device, "FloorMod", {5, -5, 5, -5, 7.5}, {3, 3, -3, -3, 2}), (Doubles{2, 1, -1, -2, 1.5}));
  EXPECT_EQ(pairwise(device, "FloorDiv", {5, -5, 5, -5}, {3, 3, -3, -3}), (Doubles{1, -2, -2, 1}));
}
TEST(PairKernels, FloorModIsExact) {
  ANVIL_GPU_OR_SKIP(device);
  Doubles a = samples(-1e6, 1e6, 3000, 5), b = samples(-5, 5, 3000, 6), want;
  for (size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(a[i]);
    b[i] = static_cast<float>(b[i]);
    want.push_back(static_cast<float>(floor_mod(a[i], b[i])));
  }
  const Value y = run_op(device, "FloorMod", {floats(DType::f32, {3000}, a), floats(DType::f32, {3000}, b)})[0];
  EXPECT_LE(worst_ulp(y, want), 0.51);
}

template <class T>
std::vector<T> on_gpu(Device& device, const char* op, DType t, const std::vector<T>& a, const std::vector<T>& b) {
  const Shape shape{static_cast<int64_t>(a.size())};
  return run_op(device, op, {raw(t, shape, a), raw(t, shape, b)})[0].template as<T>();
}

// A quotient by zero is -1 and the remainder the dividend; the most negative number by -1 wraps.  Neither may trap.
TEST(PairKernels, IntegerDivision) {
  ANVIL_GPU_OR_SKIP(device);
  using Bytes = std::vector<int8_t>;
  const Bytes a = {7, -7, 7, -7, 5, -128, 0, -128}, b = {3, 3, -3, -3, 0, -1, 5, 0};
  EXPECT_EQ(on_gpu(device, "FloorDiv", DType::i8, a, b), (Bytes{2, -3, -3, 2, -1, -128, 0, -1}));
  EXPECT_EQ(on_gpu(device, "TruncateDiv", DType::i8, a, b), (Bytes{2, -2, -2, 2, -1, -128, 0, -1}));
  EXPECT_EQ(on_gpu(device, "FloorMod", DType::i8, a, b), (Bytes{1, 2, -2, -1, 5, 0, 0, -128}));
  using Words = std::vector<int64_t>;
  const Words c = {7, -7, INT64_MIN, 9, INT64_MIN}, d = {3, 3, -1, 0, 3};
  EXPECT_EQ(on_gpu(device, "FloorDiv", DType::i64, c, d), (Words{2, -3, INT64_MIN, -1, -3074457345618258603}));
  EXPECT_EQ(on_gpu(device, "FloorMod", DType::i64, c, d), (Words{1, 2, 0, 9, 1}));
  using Unsigned = std::vector<uint64_t>;
  EXPECT_EQ(on_gpu(device, "FloorDiv", DType::u64, Unsigned{UINT64_MAX, 5, 7, UINT64_MAX},
                   Unsigned{2, 0, UINT64_MAX, UINT64_MAX}),
            (Unsigned{UINT64_MAX / 2, UINT64_MAX, 0, 1}));
}
TEST(PairKernels, IntegersWrapAndCompareBySign) {
  ANVIL_GPU_OR_SKIP(device);
  using Bytes = std::vector<int8_t>;
  EXPECT_EQ(on_gpu(device, "AddV2", DType::i8, Bytes{127, -128}, Bytes{1, -1}), (Bytes{-128, 127}));
  EXPECT_EQ(on_gpu(device, "Mul", DType::i8, Bytes{100, -3}, Bytes{3, 5}), (Bytes{44, -15}));
  EXPECT_EQ(on_gpu(device, "Maximum", DType::i8, Bytes{-1, 5}, Bytes{1, -5}), (Bytes{1, 5}));
  EXPECT_EQ(on_gpu(device, "Pow", DType::i8, Bytes{2, -3, 7, 0, 2}, Bytes{6, 3, 0, 0, 9}), (Bytes{64, -27, 1, 1, 0}));
  using Unsigned = std::vector<uint8_t>;
  EXPECT_EQ(on_gpu(device, "Maximum", DType::u8, Unsigned{255, 5}, Unsigned{1, 250}), (Unsigned{255, 250}));
  EXPECT_EQ(on_gpu(device, "Less", DType::u8, Unsigned{255, 5}, Unsigned{1, 250}), (Unsigned{0, 1}));
  const auto less = run_op(device, "Less", {raw(DType::i8, {2}, Bytes{-1, 5}), raw(DType::i8, {2}, Bytes{1, -6})});
  EXPECT_EQ(less[0].values(), (Doubles{1, 0}));
}
TEST(PairKernels, BitsAndShifts) {
  ANVIL_GPU_OR_SKIP(device);
  using Ints = std::vector<int32_t>;
  EXPECT_EQ(on_gpu(device, "BitwiseAnd", DType::i32, Ints{-1, 12}, Ints{7, 10}), (Ints{7, 8}));
  EXPECT_EQ(on_gpu(device, "BitwiseOr", DType::i32, Ints{-1, 12}, Ints{7, 10}), (Ints{-1, 14}));
  EXPECT_EQ(on_gpu(device, "BitwiseXor", DType::i32, Ints{-1, 12}, Ints{7, 10}), (Ints{-8, 6}));
  using Bytes = std::vector<int8_t>;
  EXPECT_EQ(on_gpu(device, "LeftShift", DType::i8, Bytes{1, 1, -1, -1}, Bytes{9, -1, 3, 7}),
            (Bytes{-128, 1, -8, -128}));
  EXPECT_EQ(on_gpu(device, "RightShift", DType::i8, Bytes{1, 64, -1, -128}, Bytes{9, -1, 3, 100}),
            (Bytes{0, 64, -1, -1}));
  EXPECT_EQ(on_gpu(device, "LogicalAnd", DType::boolean, std::vector<uint8_t>{1, 1, 0}, std::vector<uint8_t>{1, 0, 0}),
            (std::vector<uint8_t>{1, 0, 0}));
}

TEST(PairKernels, EqualOfShapesThatDoNotFit) {
  ANVIL_GPU_OR_SKIP(device);
  const Value a = floats(DType::f32, {2}, {1, 2}), b = floats(DType::f32, {3}, {1, 2, 3});
  RunOptions strict, loose;
  strict.attrs = {{"incompatible_shape_error", true}};
  loose.attrs = {{"incompatible_shape_error", false}};
  EXPECT_THROW(run_op(device, "Equal", {a, b}, strict), Error);
  EXPECT_EQ(run_op(device, "Equal", {a, b}, loose)[0].values(), Doubles{0});
  EXPECT_EQ(run_op(device, "NotEqual", {a, b}, loose)[0].values(), Doubles{1});
}

struct GradientRow {
  const char* op;
  std::function<double(double, double)> f;
};
TEST(PairKernels, Gradients) {
  ANVIL_GPU_OR_SKIP(device);
  const GradientRow rows[] = {
      {"ReluGrad", [](double dy, double x) { return x > 0 ? dy : 0; }},
      {"Relu6Grad", [](double dy, double x) { return x > 0 && x < 6 ? dy : 0; }},
      {"EluGrad", [](double dy, double y) { return y < 0 ? dy * (y + 1) : dy; }},
      {"SeluGrad", [](double dy, double y) { return y < 0 ? dy * (y + 1.7580993408473768) : dy * 1.0507009873554805; }},
      {"SoftplusGrad", [](double dy, double x) { return dy / (1 + std::exp(-x)); }},
      {"SoftsignGrad", [](double dy, double x) { return dy / ((1 + std::fabs(x)) * (1 + std::fabs(x))); }},
      {"SigmoidGrad", [](double y, double dy) { return dy * y * (1 - y); }},
      {"SqrtGrad", [](double y, double dy) { return 0.5 * dy / y; }},
      {"RsqrtGrad", [](double y, double dy) { return -0.5 * dy * y * y * y; }},
      {"ReciprocalGrad", [](double y, double dy) { return -dy * y * y; }},
  };
  for (const GradientRow& row : rows) {
    const Value a = floats(DType::f32, {2000}, samples(-7, 7, 2000, 8)),
                b = floats(DType::f32, {2000}, samples(-7, 7, 2000, 9));
    const Value y = run_op(device, row.op, {a, b})[0];
    EXPECT_LE(worst_ulp(y, reference(a, b, {2000}, row.f), 0.5), 5) << row.op;
  }
  RunOptions options;
  options.attrs = {{"alpha", 0.5f}};
  EXPECT_EQ(
      run_op(device, "LeakyReluGrad", {floats(DType::f32, {2}, {2, 2}), floats(DType::f32, {2}, {-1, 1})}, options)[0]
          .values(),
      (Doubles{1, 2}));
}

TEST(PairPlan, ChoosesTheCheapestForm) {
  const Forms all{true, true, true}, none{};
  EXPECT_EQ(plan_pair({4, 5}, {4, 5}, {4, 5}, all).form, PairForm::flat);
  EXPECT_EQ(plan_pair({4, 5}, {}, {4, 5}, all).form, PairForm::scalar_b);
  EXPECT_EQ(plan_pair({1, 1}, {4, 5}, {4, 5}, all).form, PairForm::scalar_a);
  EXPECT_EQ(plan_pair({4, 5}, {}, {4, 5}, none).form, PairForm::broadcast);
  EXPECT_EQ(plan_pair({4, 5, 6}, {4, 1, 6}, {4, 5, 6}, all).form, PairForm::broadcast);
  EXPECT_EQ(plan_pair({2, 1, 3, 1, 2, 1}, {1, 3, 1, 2, 1, 2}, {2, 3, 3, 2, 2, 2}, all).form, PairForm::expand);
}
TEST(PairPlan, SeesRowsAndColumnsThroughAnyRank) {
  const Forms all{true, true, true}, ordered{true, true, false};
  const PairPlan bias = plan_pair({8, 16, 16, 32}, {32}, {8, 16, 16, 32}, ordered);
  EXPECT_EQ(bias.form, PairForm::row);
  EXPECT_FALSE(bias.swapped);
  ASSERT_EQ(bias.axes.size(), 2u);
  EXPECT_EQ(bias.axes[0].size, 32);
  EXPECT_EQ(bias.axes[1].size, 8 * 16 * 16);
  EXPECT_EQ(plan_pair({8, 16, 32}, {8, 1, 1}, {8, 16, 32}, ordered).form, PairForm::column);
  EXPECT_EQ(plan_pair({32}, {8, 32}, {8, 32}, ordered).form, PairForm::broadcast);
  const PairPlan mirrored = plan_pair({32}, {8, 32}, {8, 32}, all);
  EXPECT_EQ(mirrored.form, PairForm::row);
  EXPECT_TRUE(mirrored.swapped);
}

}  // namespace
}  // namespace anvil::ops::test
