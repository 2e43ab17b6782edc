// float64, computed where the device has doubles: each kind of kernel, by the plans for CPUs and for GPUs, against
// plain loops.  What a table row says of each op is in tests/table.
#include <cmath>
#include <random>

#include "ops/kernel_check.h"
#include "ops/planned_as.h"

namespace anvil::ops::test {
namespace {

std::vector<double> drawn(int64_t n, unsigned seed, double low = -2, double high = 2) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<double> v(static_cast<size_t>(n));
  for (double& x : v) x = uniform(random);
  return v;
}
Value doubles(Shape shape, const std::vector<double>& v) { return raw(DType::f64, std::move(shape), v); }

class Doubles : public testing::Test {
 protected:
  void SetUp() override {
    if (!gpu() || !gpu()->caps().f64) GTEST_SKIP() << "no device that computes with doubles";
    gpu_plans_ = std::make_unique<PlannedAs>(*gpu(), DeviceKind::discrete, 4);
  }
  std::vector<Device*> both() const { return {gpu(), gpu_plans_.get()}; }

 private:
  std::unique_ptr<PlannedAs> gpu_plans_;
};

TEST_F(Doubles, ArithmeticKeepsAllBitsAndBroadcasts) {
  const std::vector<double> a = {1.0 + 0x1p-52, 1e300, -0x1p-1000}, b = {1.0, 3.0};
  const auto y = run_op(*gpu(), "AddV2", {doubles({3, 1}, a), doubles({2}, b)})[0];
  EXPECT_EQ(y.shape, (Shape{3, 2}));
  std::vector<double> want;
  for (const double p : a)
    for (const double q : b) want.push_back(p + q);
  EXPECT_EQ(y.values(), want);
  const auto quotient = run_op(*gpu(), "RealDiv", {doubles({3}, a), doubles({}, {3.0})})[0].values();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_DOUBLE_EQ(quotient[i], a[i] / 3.0);
}

TEST_F(Doubles, CastsToAndFromWideIntegers) {
  const std::vector<int64_t> wide = {INT64_MAX, INT64_MIN, (int64_t{1} << 53) + 1, -7, 0};
  const AttrMap to_double = {{"DstT", DType::f64}, {"Truncate", false}};
  const auto y = run_op(*gpu(), "Cast", {raw(DType::i64, {5}, wide)}, {.attrs = to_double})[0].values();
  for (size_t i = 0; i < wide.size(); ++i) EXPECT_EQ(y[i], static_cast<double>(wide[i]));
  const std::vector<double> x = {0x1p62 + 1024, -0x1p63, 4294967295.75, -2.99, 0.0};
  const AttrMap to_int = {{"DstT", DType::i64}, {"Truncate", false}};
  const auto back = run_op(*gpu(), "Cast", {doubles({5}, x)}, {.attrs = to_int})[0].as<int64_t>();
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(back[i], static_cast<int64_t>(x[i]));
}

TEST_F(Doubles, SumsOfEveryForm) {
  struct Form {
    Shape shape;
    int32_t axis;
  };
  for (Device* device : both())
    for (const Form& f :
         {Form{{3, 40000}, 1}, Form{{5, 70}, 1}, Form{{3000, 7}, 0}, Form{{2, 9, 5}, 1}, Form{{4, 0}, 1}}) {
      const auto x = drawn(count(f.shape), 3);
      int64_t outer = 1, inner = 1;
      for (int32_t i = 0; i < f.axis; ++i) outer *= f.shape[static_cast<size_t>(i)];
      for (size_t i = static_cast<size_t>(f.axis) + 1; i < f.shape.size(); ++i) inner *= f.shape[i];
      const int64_t length = f.shape[static_cast<size_t>(f.axis)];
      const auto y =
          run_op(*device, "Sum", {doubles(f.shape, x), host_ints({f.axis})}, {.attrs = {{"keep_dims", false}}})[0];
      ASSERT_EQ(y.values().size(), static_cast<size_t>(outer * inner));
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
          long double want = 0, size = 0;
          for (int64_t l = 0; l < length; ++l) {
            const double v = x[static_cast<size_t>((o * length + l) * inner + i)];
            want += v;
            size += std::fabs(v);
          }
          EXPECT_NEAR(y.values()[static_cast<size_t>(o * inner + i)], static_cast<double>(want),
                      4 * 0x1p-52 * static_cast<double>(size));
        }
    }
}

TEST_F(Doubles, ProductsOfEveryOrientationAndALongDepth) {
  for (Device* device : both())
    for (const auto& [m, n, k] : {std::array<int64_t, 3>{65, 67, 9}, {3, 5, 0}, {1, 2, 70001}, {4, 130, 17}})
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          const auto a = drawn(m * k, 1), b = drawn(k * n, 2);
          const auto c =
              run_op(*device, "MatMul",
                     {doubles(ta ? Shape{k, m} : Shape{m, k}, a), doubles(tb ? Shape{n, k} : Shape{k, n}, b)},
                     {.attrs = {{"transpose_a", ta}, {"transpose_b", tb}}})[0]
                  .values();
          for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j) {
              long double want = 0, size = 0;
              for (int64_t l = 0; l < k; ++l) {
                const double p = a[static_cast<size_t>(ta ? l * m + i : i * k + l)];
                const double q = b[static_cast<size_t>(tb ? j * k + l : l * n + j)];
                want += static_cast<long double>(p) * q;
                size += std::fabs(p * q);
              }
              ASSERT_NEAR(c[static_cast<size_t>(i * n + j)], static_cast<double>(want),
                          8 * 0x1p-52 * static_cast<double>(size) + 1e-300)
                  << m << "x" << n << "x" << k;
            }
        }
}

TEST_F(Doubles, RunningSums) {
  const auto x = drawn(5000, 4);
  for (Device* device : both()) {
    const auto y = run_op(*device, "Cumsum", {doubles({5000}, x), host_int(0)},
                          {.attrs = {{"exclusive", false}, {"reverse", false}}})[0]
                       .values();
    long double sum = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      sum += x[i];
      ASSERT_NEAR(y[i], static_cast<double>(sum), 1e-12);
    }
  }
}

// Long arguments of the circular functions, tiny and huge ones of the others: within 2 ulp of the host's.
TEST_F(Doubles, FunctionsOnTheirWholeDomain) {
  struct Function {
    const char* op;
    double (*exact)(double);
    double low, high;
  };
  for (const Function& f : {Function{"Exp", std::exp, -740, 709},
                            {"Log", std::log, 1e-300, 1e300},
                            {"Sin", std::sin, -1e5, 1e5},
                            {"Cos", std::cos, -1e300, 1e300},
                            {"Tanh", std::tanh, -20, 20},
                            {"Expm1", std::expm1, -1, 1},
                            {"Sqrt", std::sqrt, 0, 1e300},
                            {"Reciprocal", [](double x) { return 1 / x; }, -1e300, 1e300}}) {
    const auto x = drawn(4000, 5, f.low, f.high);
    const auto y = run_op(*gpu(), f.op, {doubles({4000}, x)})[0].values();
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = f.exact(x[i]), ulp = std::nextafter(std::fabs(want), INFINITY) - std::fabs(want);
      if (!(std::fabs(want) > 1e-307)) continue;
      ASSERT_LE(std::fabs(y[i] - want), 3 * ulp) << f.op << " of " << x[i];
    }
  }
}

}  // namespace
}  // namespace anvil::ops::test
