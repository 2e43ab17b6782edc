// The one-operand kernels on a device, against double precision and C's special values.
#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "ops/kernel_check.h"
#include "ops/map.h"
#include "ops/planned_as.h"

namespace anvil::ops::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct UnaryRow {
  const char* op;
  std::function<double(double)> f;
  double low, high;  // where it is sampled
  double ulp;        // allowed in float32
};
void PrintTo(const UnaryRow& row, std::ostream* out) { *out << row.op; }

double round_half_even(double x) { return std::nearbyint(x); }
double selu(double x) { return x < 0 ? 1.7580993408473768 * std::expm1(x) : 1.0507009873554805 * x; }

const UnaryRow kRows[] = {
    {"Relu", [](double x) { return std::isnan(x) ? x : std::fmax(x, 0.0); }, -10, 10, 0},
    {"Relu6", [](double x) { return std::isnan(x) ? x : std::fmin(std::fmax(x, 0.0), 6.0); }, -10, 10, 0},
    {"Elu", [](double x) { return x < 0 ? std::expm1(x) : x; }, -30, 10, 3},
    {"Selu", selu, -30, 10, 4},
    {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }, -80, 80, 4},
    {"Softplus", [](double x) { return x > 700 ? x : std::log1p(std::exp(x)); }, -80, 80, 4},
    {"Softsign", [](double x) { return std::isinf(x) ? kNaN : x / (1 + std::fabs(x)); }, -50, 50, 3},
    {"Neg", [](double x) { return -x; }, -50, 50, 0},
    {"Square", [](double x) { return x * x; }, -50, 50, 0.5},
    {"Abs", [](double x) { return std::fabs(x); }, -50, 50, 0},
    {"Sign", [](double x) { return x > 0    ? 1.0
                                   : x < 0  ? -1.0
                                   : x == 0 ? 0.0
                                            : x; }, -50, 50, 0},
    {"Reciprocal", [](double x) { return 1 / x; }, -50, 50, 2.5},
    {"Floor", [](double x) { return std::floor(x); }, -50, 50, 0},
    {"Ceil", [](double x) { return std::ceil(x); }, -50, 50, 0},
    {"Round", round_half_even, -50, 50, 0},
    {"Sqrt", [](double x) { return std::sqrt(x); }, 0, 100, 3},
    {"Rsqrt", [](double x) { return 1 / std::sqrt(x); }, 1e-6, 100, 4},
    {"Exp", [](double x) { return std::exp(x); }, -87, 88, 2.5},
    {"Expm1", [](double x) { return std::expm1(x); }, -20, 80, 3},
    {"Expm1", [](double x) { return std::expm1(x); }, -0.5, 0.5, 3},
    {"Log", [](double x) { return std::log(x); }, 1e-30, 1e30, 2.5},
    {"Log", [](double x) { return std::log(x); }, 0.5, 2, 2.5},
    {"Log1p", [](double x) { return std::log1p(x); }, -0.99, 2, 3.5},
    {"Log1p", [](double x) { return std::log1p(x); }, 1, 1e9, 3.5},
    {"Sin", [](double x) { return std::sin(x); }, -50, 50, 2.5},
    {"Sin", [](double x) { return std::sin(x); }, -19999, 19999, 2.5},
    {"Sin", [](double x) { return std::sin(x); }, -3e6, 3e6, 2.5},
    {"Cos", [](double x) { return std::cos(x); }, -50, 50, 2.5},
    {"Cos", [](double x) { return std::cos(x); }, -1e30, 1e30, 2.5},
    {"Tan", [](double x) { return std::tan(x); }, -50, 50, 4},
    {"Asin", [](double x) { return std::asin(x); }, -1, 1, 4},
    {"Acos", [](double x) { return std::acos(x); }, -1, 1, 4},
    {"Atan", [](double x) { return std::atan(x); }, -20, 20, 4},
    {"Sinh", [](double x) { return std::sinh(x); }, -80, 80, 4},
    {"Sinh", [](double x) { return std::sinh(x); }, -2, 2, 4},
    {"Cosh", [](double x) { return std::cosh(x); }, -80, 80, 4},
    {"Tanh", [](double x) { return std::tanh(x); }, -12, 12, 3},
    {"Asinh", [](double x) { return std::asinh(x); }, -50, 50, 5},
    {"Acosh", [](double x) { return std::acosh(x); }, 1, 50, 5},
    {"Atanh", [](double x) { return std::atanh(x); }, -0.999, 0.999, 5},
    {"Erf", [](double x) { return std::erf(x); }, -5, 5, 4},
    {"Erfc", [](double x) { return std::erfc(x); }, -5, 9, 8},
};

std::vector<double> samples(double low, double high, size_t n) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> d(low, high);
  std::vector<double> v(n);
  for (double& x : v) x = d(random);
  return v;
}
std::vector<double> each(const std::function<double(double)>& f, const std::vector<double>& x) {
  std::vector<double> y;
  for (const double v : x) y.push_back(f(v));
  return y;
}

class UnaryKernel : public testing::TestWithParam<UnaryRow> {};

// The smallest normal number: below it devices may flush to zero.
double smallest(DType t) { return t == DType::f16 ? 6.2e-5 : 1.2e-38; }

TEST_P(UnaryKernel, IsAccurateInEveryFloatType) {
  ANVIL_GPU_OR_SKIP(device);
  const UnaryRow& row = GetParam();
  for (const DType t : find_row(row.op, DType::f32).types) {
    if (!is_float(t) || (t == DType::f64 && !device.caps().f64)) continue;
    const double limit = t == DType::f16 ? 60000 : 1e38;
    const Value x = floats(t, {4099}, samples(std::max(row.low, -limit), std::min(row.high, limit), 4099));
    const double allowed = t == DType::f32 ? row.ulp : std::min(row.ulp, 0.51);
    EXPECT_LE(worst_ulp(run_op(device, row.op, {x})[0], each(row.f, x.values()), smallest(t)), allowed)
        << facts(t).tensorflow;
  }
}

TEST_P(UnaryKernel, HasTheSpecialValuesOfC) {
  ANVIL_GPU_OR_SKIP(device);
  const UnaryRow& row = GetParam();
  const Value x =
      floats(DType::f32, {14}, {kNaN, kInf, -kInf, 0.0, -0.0, 1, -1, 0.5, -0.5, 2.5, -2.5, 3.5, 1e30, -1e30});
  const auto want = each(row.f, x.values());
  const Value y = run_op(device, row.op, {x})[0];
  const double loose = std::string(row.op) == "Erfc" ? 16 : 8;
  EXPECT_LE(worst_ulp(y, want, 1.2e-38), loose);
  const auto got = y.values();
  for (size_t i = 3; i < 5; ++i)
    if (want[i] == 0) {
      EXPECT_EQ(std::signbit(got[i]),
                std::signbit(want[i]) && std::string(row.op) != "Relu" && std::string(row.op) != "Relu6")
          << "the sign of zero at " << i;
    }
}

TEST_P(UnaryKernel, TakesAnyLengthAlignmentAndItsOwnInput) {
  ANVIL_GPU_OR_SKIP(device);
  const UnaryRow& row = GetParam();
  for (const DType t : {DType::f32, DType::f16})
    for (const size_t n : {0u, 1u, 2u, 3u, 7u, 255u, 2049u, 2051u})
      for (const bool shifted : {false, true}) {
        const Value x =
            floats(t, {static_cast<int64_t>(n)}, samples(std::max(row.low, -6e4), std::min(row.high, 6e4), n));
        RunOptions options;
        options.reuse = true;
        options.misalign_elements = shifted;
        const Value y = run_op(device, row.op, {x}, options)[0];
        EXPECT_LE(worst_ulp(y, each(row.f, x.values()), smallest(t)), row.ulp) << n << (shifted ? " shifted" : "");
      }
}

INSTANTIATE_TEST_SUITE_P(All, UnaryKernel, testing::ValuesIn(kRows),
                         [](const auto& i) { return std::string(i.param.op) + "_" + std::to_string(i.index); });

TEST(UnaryKernels, LeakyReluTakesItsSlope) {
  ANVIL_GPU_OR_SKIP(device);
  RunOptions options;
  options.attrs = {{"alpha", 0.25f}};
  const Value x = floats(DType::f32, {3}, {-4, 0, 4});
  EXPECT_EQ(run_op(device, "LeakyRelu", {x}, options)[0].values(), (std::vector<double>{-1, 0, 4}));
}

// The order in which a thread takes its chunks is another one on GPUs.
TEST(UnaryKernels, StreamInAGpusOrder) {
  ANVIL_GPU_OR_SKIP(found);
  PlannedAs device(found, DeviceKind::discrete, 64);
  for (const DType t : {DType::f32, DType::f16})
    for (const int64_t n : {2, 2048, 2051, 8196, 9001}) {
      const Value x = floats(t, {n}, samples(-9, 9, n)), one = floats(t, {}, {3});
      const auto got = x.values();
      RunOptions options;
      options.reuse = true;
      EXPECT_EQ(run_op(device, "Neg", {x}, options)[0].values(), each([](double v) { return -v; }, got)) << n;
      EXPECT_EQ(run_op(device, "Sub", {x, x}, options)[0].values(), std::vector<double>(n, 0)) << n;
      EXPECT_EQ(run_op(device, "Maximum", {x, one}, options)[0].values(),
                each([](double v) { return std::max(v, 3.0); }, got))
          << n;
    }
}

TEST(UnaryKernels, PredicatesGiveBool) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : kFloats) {
    const Value x = floats(t, {5}, {kNaN, kInf, -kInf, 0, 3});
    EXPECT_EQ(run_op(device, "IsNan", {x})[0].values(), (std::vector<double>{1, 0, 0, 0, 0}));
    EXPECT_EQ(run_op(device, "IsInf", {x})[0].values(), (std::vector<double>{0, 1, 1, 0, 0}));
    EXPECT_EQ(run_op(device, "IsFinite", {x})[0].values(), (std::vector<double>{0, 0, 0, 1, 1}));
  }
}

template <class T>
std::vector<T> on_gpu(Device& device, const char* op, DType t, const std::vector<T>& x) {
  return run_op(device, op, {raw(t, {static_cast<int64_t>(x.size())}, x)})[0].template as<T>();
}

TEST(UnaryKernels, IntegersWrap) {
  ANVIL_GPU_OR_SKIP(device);
  using Bytes = std::vector<int8_t>;
  const Bytes x = {-128, -7, -1, 0, 1, 7, 100, 127};
  EXPECT_EQ(on_gpu(device, "Neg", DType::i8, x), (Bytes{-128, 7, 1, 0, -1, -7, -100, -127}));
  EXPECT_EQ(on_gpu(device, "Abs", DType::i8, x), (Bytes{-128, 7, 1, 0, 1, 7, 100, 127}));
  EXPECT_EQ(on_gpu(device, "Sign", DType::i8, x), (Bytes{-1, -1, -1, 0, 1, 1, 1, 1}));
  EXPECT_EQ(on_gpu(device, "Square", DType::i8, x), (Bytes{0, 49, 1, 0, 1, 49, 16, 1}));
  EXPECT_EQ(on_gpu(device, "Relu", DType::i8, x), (Bytes{0, 0, 0, 0, 1, 7, 100, 127}));
  EXPECT_EQ(on_gpu(device, "Invert", DType::i8, x), (Bytes{127, 6, 0, -1, -2, -8, -101, -128}));
  using Words = std::vector<int64_t>;
  const Words w = {INT64_MIN, -1, 0, 1, 5000000000};
  EXPECT_EQ(on_gpu(device, "Neg", DType::i64, w), (Words{INT64_MIN, 1, 0, -1, -5000000000}));
  EXPECT_EQ(on_gpu(device, "Abs", DType::i64, w), (Words{INT64_MIN, 1, 0, 1, 5000000000}));
  EXPECT_EQ(on_gpu(device, "Reciprocal", DType::i64, w), (Words{0, -1, -1, 1, 0}));
  EXPECT_EQ(on_gpu(device, "LogicalNot", DType::boolean, std::vector<uint8_t>{0, 1, 1}),
            (std::vector<uint8_t>{1, 0, 0}));
}

TEST(MapPlan, SendsWholeChunksFirst) {
  const MapPlan even = plan_map(1000, 4, true);
  EXPECT_EQ(even.chunks, 500u);
  EXPECT_EQ(even.rest, 0u);
  const MapPlan odd = plan_map(100001, 2, true);
  EXPECT_EQ(odd.chunks, 25000u);
  EXPECT_EQ(odd.rest, 1u);
}
TEST(MapPlan, StreamsWhatIsCheap) {
  EXPECT_TRUE(streams({"binary", "Float<Add,F32>"}));
  EXPECT_TRUE(streams({"unary", "Float<Relu,BF16>"}));
  EXPECT_FALSE(streams({"unary", "Float<Relu6,F32>"}));
  EXPECT_FALSE(streams({"binary", "Int<IntAdd,U32>"}));
  EXPECT_FALSE(streams({"special", "Float<Abs,F32>"}));
}
TEST(MapPlan, TakesElementsWhereChunksDoNotPay) {
  EXPECT_EQ(plan_map(1000, 4, false).rest, 1000u);
  EXPECT_EQ(plan_map(5, 4, true).rest, 5u);
  EXPECT_EQ(plan_map(0, 4, true).rest, 0u);
}

}  // namespace
}  // namespace anvil::ops::test
