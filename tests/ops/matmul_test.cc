// MatMul and the batch products against a product in double, by both families of kernels.
#include <cmath>
#include <random>

#include "ops/kernel_check.h"
#include "ops/planned_as.h"

namespace anvil::ops::test {
namespace {

std::vector<double> numbers(int64_t count, DType type, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> between(-1, 1);
  std::vector<double> v(static_cast<size_t>(count));
  for (double& x : v) x = between(random);
  return tensor(type, {count}, v).values();  // as the type holds them
}

// Result and, element by element, the sum of the absolute products, which bounds the rounding error.
struct Exact {
  std::vector<double> value, magnitude;
};
Exact product(const std::vector<double>& a, const std::vector<double>& b, int64_t m, int64_t n, int64_t k, bool ta,
              bool tb) {
  Exact e;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0, size = 0;
      for (int64_t l = 0; l < k; ++l) {
        const double p = a[ta ? l * m + i : i * k + l] * b[tb ? j * k + l : l * n + j];
        sum += p;
        size += std::fabs(p);
      }
      e.value.push_back(sum);
      e.magnitude.push_back(size);
    }
  return e;
}

// Half an ulp of the type for storing, and float rounding for adding up.
void expect_close(const Value& got, const Exact& e, const std::string& what) {
  const double unit = got.type == DType::f32 ? 0x1p-24 : got.type == DType::f16 ? 0x1p-11 : 0x1p-8;
  const std::vector<double> y = got.values();
  ASSERT_EQ(y.size(), e.value.size()) << what;
  for (size_t i = 0; i < y.size(); ++i)
    ASSERT_LE(std::fabs(y[i] - e.value[i]), 1.01 * unit * std::fabs(e.value[i]) + 0x1p-20 * e.magnitude[i] + 0x1p-24)
        << what << " element " << i << ": " << y[i] << ", want " << e.value[i];
}

void check_matmul(Device& device, DType t, int64_t m, int64_t n, int64_t k, uint64_t skew = 0) {
  for (int turn = 0; turn < 4; ++turn) {
    const bool ta = turn & 1, tb = turn & 2;
    const auto a = numbers(m * k, t, 1), b = numbers(k * n, t, 2);
    const auto y = run_op(device, "MatMul",
                          {floats(t, ta ? Shape{k, m} : Shape{m, k}, a), floats(t, tb ? Shape{n, k} : Shape{k, n}, b)},
                          {.attrs = {{"transpose_a", ta}, {"transpose_b", tb}}, .misalign_elements = skew});
    ASSERT_EQ(y[0].shape, (Shape{m, n}));
    expect_close(y[0], product(a, b, m, n, k, ta, tb), str(m, "x", n, "x", k, " ", ta, tb, " ", facts(t).tensorflow));
  }
}

constexpr int64_t kSizes[][3] = {{1, 1, 1},    {3, 7, 17},   {17, 3, 1},  {65, 33, 129}, {63, 65, 7},
                                 {1, 129, 65}, {129, 1, 63}, {5, 4, 999}, {16, 32, 64},  {4, 6, 0}};

TEST(MatMul, OddSizes) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : kFloats)
    for (const auto& [m, n, k] : kSizes) check_matmul(device, t, m, n, k);
}

TEST(MatMul, OddSizesByTheKernelsForGpus) {
  ANVIL_GPU_OR_SKIP(device);
  PlannedAs discrete(device, DeviceKind::discrete, 4);
  for (const DType t : kFloats)
    for (const auto& [m, n, k] : kSizes) check_matmul(discrete, t, m, n, k);
  check_matmul(discrete, DType::f32, 300, 260, 20);  // the largest tile
}

TEST(MatMul, UnalignedTensors) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : kFloats) check_matmul(device, t, 18, 20, 22, 1);
}

TEST(MatMul, EmptyResults) {
  ANVIL_GPU_OR_SKIP(device);
  check_matmul(device, DType::f32, 0, 3, 4);
  check_matmul(device, DType::f32, 3, 0, 4);
}

// What a zero is multiplied with still counts: 0 * inf is NaN, and padding must not make any.
TEST(MatMul, InfinitiesStayWhereTheyAre) {
  ANVIL_GPU_OR_SKIP(device);
  for (const int64_t k : {5, 6}) {
    std::vector<double> a(static_cast<size_t>(3 * k), 1.0), b(static_cast<size_t>(k * 4), 1.0);
    b[static_cast<size_t>((k - 1) * 4 + 2)] = INFINITY;  // last depth, column 2
    a[static_cast<size_t>(k - 1)] = 0;                   // row 0, last depth
    for (int turn = 0; turn < 2; ++turn) {
      std::vector<double> at(a.size());
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t l = 0; l < k; ++l) at[static_cast<size_t>(l * 3 + i)] = a[static_cast<size_t>(i * k + l)];
      const auto y =
          run_op(device, "MatMul",
                 {floats(DType::f32, turn ? Shape{k, 3} : Shape{3, k}, turn ? at : a), floats(DType::f32, {k, 4}, b)},
                 {.attrs = {{"transpose_a", turn == 1}, {"transpose_b", false}}})[0]
              .values();
      EXPECT_TRUE(std::isnan(y[2]));
      EXPECT_EQ(y[6], INFINITY);
      EXPECT_EQ(y[5], static_cast<double>(k));
    }
  }
}

TEST(BatchMatMul, Broadcasts) {
  ANVIL_GPU_OR_SKIP(device);
  PlannedAs discrete(device, DeviceKind::discrete, 4);
  struct Row {
    Shape x, y, out;
  };
  const Row rows[] = {{{}, {}, {}},
                      {{3}, {3}, {3}},
                      {{1}, {4}, {4}},
                      {{2, 1}, {1, 3}, {2, 3}},
                      {{2, 1, 3}, {4, 1}, {2, 4, 3}},
                      {{2, 1, 2, 1, 2}, {1, 2, 1, 2, 1}, {2, 2, 2, 2, 2}},
                      {{0}, {1}, {0}}};
  constexpr int64_t m = 3, n = 5, k = 7;
  for (Device* d : {&device, static_cast<Device*>(&discrete)})
    for (const Row& row : rows) {
      Shape xs = row.x, ys = row.y, zs = row.out;
      xs.insert(xs.end(), {m, k});
      ys.insert(ys.end(), {n, k});
      zs.insert(zs.end(), {m, n});
      const auto x = numbers(count(xs), DType::f32, 3), y = numbers(count(ys), DType::f32, 4);
      const auto z = run_op(*d, "BatchMatMulV2", {floats(DType::f32, xs, x), floats(DType::f32, ys, y)},
                            {.attrs = {{"adj_x", false}, {"adj_y", true}}});
      ASSERT_EQ(z[0].shape, zs);
      Exact want;
      for (int64_t b = 0; b < count(row.out); ++b) {
        int64_t rest = b, bx = 0, by = 0, step_x = 1, step_y = 1;
        for (size_t i = 0; i < row.out.size(); ++i) {
          const int64_t at = rest % row.out[row.out.size() - 1 - i];
          rest /= row.out[row.out.size() - 1 - i];
          const int64_t sx = i < row.x.size() ? row.x[row.x.size() - 1 - i] : 1;
          const int64_t sy = i < row.y.size() ? row.y[row.y.size() - 1 - i] : 1;
          bx += (sx > 1 ? at : 0) * step_x;
          by += (sy > 1 ? at : 0) * step_y;
          step_x *= sx;
          step_y *= sy;
        }
        const Exact one = product({x.begin() + bx * m * k, x.begin() + (bx + 1) * m * k},
                                  {y.begin() + by * n * k, y.begin() + (by + 1) * n * k}, m, n, k, false, true);
        want.value.insert(want.value.end(), one.value.begin(), one.value.end());
        want.magnitude.insert(want.magnitude.end(), one.magnitude.begin(), one.magnitude.end());
      }
      expect_close(z[0], want, text(xs) + text(ys));
    }
}

TEST(MatMul, BadShapesAreRefusedInTensorFlowsWords) {
  ANVIL_GPU_OR_SKIP(device);
  const auto message = [&](const char* op, Shape x, Shape y, const char* ta, const char* tb) {
    try {
      run_op(device, op,
             {floats(DType::f32, x, std::vector<double>(static_cast<size_t>(count(x)))),
              floats(DType::f32, y, std::vector<double>(static_cast<size_t>(count(y))))},
             {.attrs = {{ta, false}, {tb, false}}});
    } catch (const Error& e) {
      EXPECT_EQ(e.code, Code::invalid_argument);
      return std::string(e.what());
    }
    return std::string("no error");
  };
  const auto matmul = [&](Shape x, Shape y) { return message("MatMul", x, y, "transpose_a", "transpose_b"); };
  EXPECT_EQ(matmul({2, 3}, {4, 5}), "Matrix size-incompatible: In[0]: [2,3], In[1]: [4,5]");
  EXPECT_EQ(matmul({3}, {4, 5}), "In[0] and In[1] has different ndims: [3] vs. [4,5]");
  EXPECT_EQ(matmul({1, 2, 3}, {1, 3, 5}), "In[0] and In[1] ndims must be == 2: 3");
  EXPECT_EQ(message("BatchMatMulV2", {2, 3, 4}, {3, 4, 4}, "adj_x", "adj_y"),
            "In[0] and In[1] must have compatible batch dimensions: [2,3,4] vs. [3,4,4]");
  EXPECT_EQ(message("BatchMatMul", {2, 3, 4}, {3, 4, 4}, "adj_x", "adj_y"),
            "In[0].dim(0) and In[1].dim(0) must be the same: [2,3,4] vs [3,4,4]");
}

}  // namespace
}  // namespace anvil::ops::test
