// Scattering rows on a device: every operation, type and width, with indices named often and indices out of range.
#include "ops/scatter.h"

#include <algorithm>
#include <random>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

using Doubles = std::vector<double>;

struct Case {
  int64_t rows, width, count;
  int highest;  // indices are drawn from [-1, highest]
};

double apply(ScatterOp op, double a, double b) {
  switch (op) {
    case ScatterOp::update: return b;
    case ScatterOp::add: return a + b;
    case ScatterOp::sub: return a - b;
    case ScatterOp::mul: return a * b;
    case ScatterOp::div: return a / b;
    case ScatterOp::min: return std::min(a, b);
    case ScatterOp::max: return std::max(a, b);
  }
  return 0;
}

const std::vector<std::pair<const char*, ScatterOp>> kOps = {
    {"ResourceScatterUpdate", ScatterOp::update}, {"ResourceScatterAdd", ScatterOp::add},
    {"ResourceScatterSub", ScatterOp::sub},       {"ResourceScatterMul", ScatterOp::mul},
    {"ResourceScatterDiv", ScatterOp::div},       {"ResourceScatterMin", ScatterOp::min},
    {"ResourceScatterMax", ScatterOp::max}};

// Small whole numbers, and powers of two for products, so that every type holds every result.
double draw(std::mt19937& rng, ScatterOp op) {
  const bool product = op == ScatterOp::mul || op == ScatterOp::div;
  return product ? 1 : static_cast<double>(rng() % 4);
}

void check(Device& device, const char* name, ScatterOp op, DType type, DType index_type, const Case& c) {
  std::mt19937 rng(7);
  Doubles y(static_cast<size_t>(c.rows * c.width)), u(static_cast<size_t>(c.count * c.width));
  for (double& v : y) v = draw(rng, op) + (op == ScatterOp::sub ? 60 : 0);  // unsigned types stay above 0
  for (double& v : u) v = draw(rng, op);
  Doubles indices(static_cast<size_t>(c.count));
  for (double& i : indices) i = static_cast<double>(rng() % static_cast<uint32_t>(c.highest + 2)) - 1;
  Doubles want = y;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= static_cast<double>(c.rows)) continue;
    for (int64_t k = 0; k < c.width; ++k) {
      double& at = want[static_cast<size_t>(indices[i]) * static_cast<size_t>(c.width) + static_cast<size_t>(k)];
      at = apply(op, at, u[i * static_cast<size_t>(c.width) + static_cast<size_t>(k)]);
    }
  }
  const auto got = run_op(device, name,
                          {tensor(type, {c.rows, c.width}, y), tensor(index_type, {c.count}, indices),
                           tensor(type, {c.count, c.width}, u)});
  EXPECT_EQ(got.at(0).values(), want) << name << " " << facts(type).tensorflow << " " << c.rows << "x" << c.width;
}

TEST(Scatter, EveryOperationAndType) {
  ANVIL_GPU_OR_SKIP(device);
  for (const auto& [name, op] : kOps)
    for (const DType t : join({kFloats, kDeviceInts})) {
      check(device, name, op, t, DType::i32, {5, 3, 11, 6});
      check(device, name, op, t, DType::i64, {17, 1, 40, 17});
    }
}

TEST(Scatter, RowsNamedOften) {
  ANVIL_GPU_OR_SKIP(device);
  for (const auto& [name, op] : kOps) {
    check(device, name, op, DType::f32, DType::i32, {3, 70, 200, 2});
    check(device, name, op, DType::f32, DType::i32, {1000, 4, 3000, 999});
  }
}

TEST(Scatter, MoreIndicesThanOneLaunchTakes) {
  ANVIL_GPU_OR_SKIP(device);
  check(device, "ResourceScatterAdd", ScatterOp::add, DType::f32, DType::i32, {300, 1, 70001, 299});
}

// Rounded sums depend on the order, so they show it.
TEST(Scatter, TakesUpdatesInOrder) {
  ANVIL_GPU_OR_SKIP(device);
  std::mt19937 rng(3);
  std::vector<float> u(5000);
  for (float& v : u) v = std::ldexp(static_cast<float>(rng() % 1000), static_cast<int>(rng() % 30));
  std::vector<int32_t> indices(u.size());
  for (int32_t& i : indices) i = static_cast<int32_t>(rng() % 7);
  std::vector<float> want(7, 0);
  for (size_t i = 0; i < u.size(); ++i) want[static_cast<size_t>(indices[i])] += u[i];
  const auto got = run_op(
      device, "ResourceScatterAdd",
      {raw(DType::f32, {7}, std::vector<float>(7, 0)), raw(DType::i32, {5000}, indices), raw(DType::f32, {5000}, u)});
  EXPECT_EQ(got.at(0).as<float>(), want);
}

TEST(Scatter, OneElementForAllRows) {
  ANVIL_GPU_OR_SKIP(device);
  const Value y = floats(DType::f32, {3, 2}, {1, 2, 3, 4, 5, 6}), indices = tensor(DType::i32, {2}, {2, 0});
  const Value one = floats(DType::f32, {}, {10});
  EXPECT_EQ(run_op(device, "ResourceScatterAdd", {y, indices, one})[0].values(), (Doubles{11, 12, 3, 4, 15, 16}));
  EXPECT_EQ(run_op(device, "ResourceScatterUpdate", {y, indices, one})[0].values(), (Doubles{10, 10, 3, 4, 10, 10}));
}

TEST(Scatter, ByVectors) {
  ANVIL_GPU_OR_SKIP(device);
  const Value y = floats(DType::f32, {2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Value pairs = tensor(DType::i64, {3, 2}, {1, 0, 1, 0, 0, 2});
  const Value u = floats(DType::f32, {3, 2}, {10, 20, 30, 40, 50, 60});
  EXPECT_EQ(run_op(device, "ResourceScatterNdAdd", {y, pairs, u})[0].values(), (Doubles{1, 2, 3, 4, 45, 66, 7, 8}));
  EXPECT_EQ(run_op(device, "ResourceScatterNdUpdate", {y, pairs, u})[0].values(), (Doubles{1, 2, 3, 4, 30, 40, 7, 8}));
  EXPECT_THROW(run_op(device, "ResourceScatterNdAdd", {y, pairs, floats(DType::f32, {3}, {1, 2, 3})}), Error);
}

TEST(Scatter, PartsFillTheDevice) {
  Caps gpu, cpu;
  cpu.kind = DeviceKind::cpu;
  EXPECT_EQ(plan_scatter_parts({{10000}, 5, 64}, gpu), 256u);
  EXPECT_EQ(plan_scatter_parts({{10000}, 5, 64}, cpu), 1u);
  EXPECT_EQ(plan_scatter_parts({{3}, 5, 1}, gpu), 2u);
  EXPECT_EQ(plan_scatter_parts({{3}, 5, 100000}, gpu), 1u);
}

}  // namespace
}  // namespace anvil::ops::test
