// Reductions: the plan by table, the kernels against double precision.
#include "ops/reduce.h"

#include <cmath>
#include <limits>
#include <random>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Caps software() {
  Caps c;
  c.kind = DeviceKind::cpu;
  c.cores = 2;
  return c;
}
Caps hardware() {
  Caps c;
  c.cores = 16;
  return c;
}

std::string plan_text(const Shape& in, std::vector<int64_t> axes, const Caps& caps) {
  std::string all;
  for (const ReduceStage& s : plan_reduce(collapse_axes(in, axes, false), caps))
    all += (all.empty() ? "" : "; ") + text(s);
  return all;
}

struct PlanRow {
  Shape in;
  std::vector<int64_t> axes;
  const char *software, *hardware;
};
void PrintTo(const PlanRow& row, std::ostream* out) { *out << text(row.in); }

class ReducePlan : public testing::TestWithParam<PlanRow> {};
TEST_P(ReducePlan, IsTheOneInTheTable) {
  EXPECT_EQ(plan_text(GetParam().in, GetParam().axes, software()), GetParam().software);
  EXPECT_EQ(plan_text(GetParam().in, GetParam().axes, hardware()), GetParam().hardware);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ReducePlan,
    testing::Values(
        PlanRow{{4096, 4096}, {1}, "lanes 4096x4096x1 in 1 parts of 4096", "groups 4096x4096x1 in 1 parts of 4096"},
        PlanRow{{4096, 10}, {-1}, "lanes 4096x10x1 in 1 parts of 10", "lanes 4096x10x1 in 1 parts of 10"},
        PlanRow{{50176, 32},
                {0},
                "columns 1x50176x32 in 16 parts of 3136; columns 1x16x32 in 1 parts of 16",
                "columns 1x50176x32 in 784 parts of 64; columns 1x784x32 in 17 parts of 48; columns 1x17x32 in 1 parts "
                "of 17"},
        PlanRow{{1 << 20},
                {0},
                "lanes 1x1048576x1 in 256 parts of 4096; lanes 1x256x1 in 1 parts of 256",
                "groups 1x1048576x1 in 32 parts of 32768; lanes 1x32x1 in 1 parts of 32"},
        // no thread of a software GPU gets more turns than llvmpipe grants
        PlanRow{{300, 600001},
                {1},
                "lanes 300x600001x1 in 5 parts of 120016; lanes 300x5x1 in 1 parts of 5",
                "groups 300x600001x1 in 1 parts of 600001"},
        PlanRow{{100003, 300},
                {0},
                "columns 1x100003x300 in 4 parts of 25008; columns 1x4x300 in 1 parts of 4",
                "columns 1x100003x300 in 110 parts of 912; columns 1x110x300 in 3 parts of 48; columns 1x3x300 in 1 "
                "parts of 3"},
        // interleaved axes go innermost first; axes of size 1 do not separate anything
        PlanRow{{2, 3, 4, 5},
                {0, 2},
                "columns 6x4x5 in 1 parts of 4; columns 1x2x15 in 1 parts of 2",
                "columns 6x4x5 in 1 parts of 4; columns 1x2x15 in 1 parts of 2"},
        PlanRow{{2, 3, 1, 5}, {1, 3}, "lanes 2x15x1 in 1 parts of 15", "lanes 2x15x1 in 1 parts of 15"},
        PlanRow{{3, 0}, {1}, "lanes 3x0x1 in 1 parts of 0", "lanes 3x0x1 in 1 parts of 0"},
        PlanRow{{}, {}, "lanes 1x1x1 in 1 parts of 1", "lanes 1x1x1 in 1 parts of 1"}));

TEST(ReduceAxes, Shapes) {
  EXPECT_EQ(collapse_axes({2, 3, 4}, std::vector<int64_t>{1}, true).result, (Shape{2, 1, 4}));
  EXPECT_EQ(collapse_axes({2, 3, 4}, std::vector<int64_t>{-1, 0}, false).result, (Shape{3}));
  EXPECT_EQ(collapse_axes({2, 3, 4}, std::vector<int64_t>{-1, 0}, false).count, 8);
}
TEST(ReduceAxes, RefusesWhatTensorFlowRefuses) {
  const auto message = [](std::vector<int64_t> axes) -> std::string {
    try {
      collapse_axes({2, 3}, axes, false);
    } catch (const Error& e) {
      EXPECT_EQ(e.code, Code::invalid_argument);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message({2}), "Invalid reduction dimension (2 for input with 2 dimension(s)");
  EXPECT_EQ(message({-3}), "Invalid reduction dimension (-3 for input with 2 dimension(s)");
  EXPECT_EQ(message({1, -1}), "Invalid reduction arguments: Axes contains duplicate dimension: 1");
}
TEST(ReducePlanLimits, TwoToThe31IsRefused) {
  EXPECT_THROW(plan_reduce(collapse_axes({1 << 16, 1 << 15}, std::vector<int64_t>{1}, false), software()), Error);
}

// ---- on a device ----
std::vector<double> samples(int64_t n, uint32_t seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal(0.5, 1);
  std::vector<double> v(static_cast<size_t>(n));
  for (double& x : v) x = normal(engine);
  return v;
}

struct Case {
  Shape in;
  std::vector<int32_t> axes;
};
const Case kCases[] = {{{4, 5}, {1}},
                       {{33, 1001}, {1}},
                       {{1000, 33}, {0}},
                       {{1000, 32}, {0}},
                       {{2, 3, 4, 5}, {0, 2}},
                       {{3, 4, 5, 3, 2}, {0, 2, 4}},
                       {{70000}, {0}},
                       {{5, 300, 7}, {1}},
                       {{3, 0}, {1}},
                       {{0, 3}, {1}},
                       {{6}, {}},
                       {{2, 9000}, {1}}};

// Folds the elements of each result in double precision.
template <class Fold>
std::vector<double> expected(const Case& c, const std::vector<double>& x, double start, Fold fold) {
  std::vector<bool> gone(c.in.size());
  for (int32_t a : c.axes) gone[static_cast<size_t>(a)] = true;
  int64_t results = 1;
  for (size_t i = 0; i < c.in.size(); ++i) results *= gone[i] ? 1 : c.in[i];
  std::vector<double> y(static_cast<size_t>(results), start);
  for (int64_t i = 0; i < count(c.in); ++i) {
    int64_t rest = i, at = 0, step = 1;
    for (size_t d = c.in.size(); d-- > 0; rest /= c.in[d])
      if (!gone[d]) {
        at += rest % c.in[d] * step;
        step *= c.in[d];
      }
    y[static_cast<size_t>(at)] = fold(y[static_cast<size_t>(at)], x[static_cast<size_t>(i)]);
  }
  return y;
}

Value run_reduction(Device& gpu, const char* op, const Value& x, const std::vector<int32_t>& axes,
                    uint64_t misalign = 0) {
  RunOptions options;
  options.attrs = {{"keep_dims", false}};
  options.misalign_elements = misalign;
  return run_op(gpu, op, {x, host_ints(axes)}, options)[0];
}

class ReduceKernels : public testing::TestWithParam<DType> {};
TEST_P(ReduceKernels, AgreeWithDouble) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (const Case& c : kCases)
    for (uint64_t misalign : {0, 1}) {
      SCOPED_TRACE(text(c.in) + (misalign ? ", misaligned" : ""));
      const Value x = floats(GetParam(), c.in, samples(count(c.in), 7));
      const std::vector<double> v = x.values();
      double size = 1;
      for (int32_t a : c.axes) size *= static_cast<double>(c.in[static_cast<size_t>(a)]);
      const auto sum = expected(c, v, 0, [](double a, double b) { return a + b; });
      // A sum may be off by the rounding of its partial sums, which are about as large as the sum of magnitudes.
      const double floor = std::sqrt(size + 1);
      EXPECT_LE(worst_ulp(run_reduction(gpu, "Sum", x, c.axes, misalign), sum, floor), 4);
      auto mean = sum;
      for (double& m : mean) m /= size;
      EXPECT_LE(worst_ulp(run_reduction(gpu, "Mean", x, c.axes, misalign), mean, floor / (size + 1)), 5);
      const auto largest = expected(c, v, -kInf, [](double a, double b) { return std::fmax(a, b); });
      EXPECT_EQ(worst_ulp(run_reduction(gpu, "Max", x, c.axes, misalign), largest), 0);
      const auto smallest = expected(c, v, kInf, [](double a, double b) { return std::fmin(a, b); });
      EXPECT_EQ(worst_ulp(run_reduction(gpu, "Min", x, c.axes, misalign), smallest), 0);
      auto norm = expected(c, v, 0, [](double a, double b) { return a + b * b; });
      for (double& s : norm) s = std::sqrt(s);
      EXPECT_LE(worst_ulp(run_reduction(gpu, "EuclideanNorm", x, c.axes, misalign), norm), 4);
    }
}
INSTANTIATE_TEST_SUITE_P(Types, ReduceKernels, testing::Values(DType::f32, DType::f16, DType::bf16));

TEST(ReduceKernels, AreExactInIntegersAndBool) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value x = raw<int64_t>(DType::i64, {2, 3}, {1, int64_t{1} << 62, 5, -7, 3, int64_t{-1} << 62});
  EXPECT_EQ(run_reduction(gpu, "Sum", x, {1}).as<int64_t>(),
            (std::vector<int64_t>{6 + (int64_t{1} << 62), -4 - (int64_t{1} << 62)}));
  EXPECT_EQ(run_reduction(gpu, "Max", x, {0}).as<int64_t>(), (std::vector<int64_t>{1, int64_t{1} << 62, 5}));
  const Value b = raw<uint8_t>(DType::boolean, {2, 3}, {1, 0, 1, 1, 1, 1});
  EXPECT_EQ(run_reduction(gpu, "All", b, {1}).as<uint8_t>(), (std::vector<uint8_t>{0, 1}));
  EXPECT_EQ(run_reduction(gpu, "Any", b, {0}).as<uint8_t>(), (std::vector<uint8_t>{1, 1, 1}));
}

TEST(ReduceKernels, LetNaNThrough) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value x = floats(DType::f32, {3, 3}, {kNaN, 1, 2, 1, kNaN, 2, 1, 2, kNaN});
  for (const char* op : {"Max", "Min", "Sum"})
    for (double v : run_reduction(gpu, op, x, {1}).values()) EXPECT_TRUE(std::isnan(v)) << op;
}

TEST(ReduceKernels, RepeatBitForBit) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value x = floats(DType::f32, {100000}, samples(100000, 3));
  EXPECT_EQ(run_reduction(gpu, "Sum", x, {0}).bytes, run_reduction(gpu, "Sum", x, {0}).bytes);
}

}  // namespace
}  // namespace anvil::ops::test
