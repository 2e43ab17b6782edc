// Clipping, snapshots and diagonals on a device.
#include <cmath>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

using Doubles = std::vector<double>;

TEST(Clip, ByScalarsAndTensors) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : {DType::f32, DType::f16, DType::i8, DType::i64})
    for (const bool reuse : {false, true}) {
      RunOptions o;
      o.reuse = reuse;
      const Value x = tensor(t, {5}, {-9, -1, 0, 3, 50});
      const Value low = tensor(t, {}, {-2}), high = tensor(t, {5}, {4, 4, 4, 2, 40});
      EXPECT_EQ(run_op(device, "ClipByValue", {x, low, high}, o)[0].values(), (Doubles{-2, -1, 0, 2, 40}));
    }
  const Value x = floats(DType::f32, {2}, {NAN, 5});
  const Doubles y =
      run_op(device, "ClipByValue", {x, floats(DType::f32, {1}, {0}), floats(DType::f32, {}, {1})})[0].values();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 1);
  EXPECT_THROW(run_op(device, "ClipByValue", {x, floats(DType::f32, {3}, {0, 0, 0}), x}), Error);
}

TEST(Clip, OnTheHost) {
  ANVIL_GPU_OR_SKIP(device);
  RunOptions o;
  o.host_outputs = {0};
  const Value y = run_op(device, "ClipByValue", {host_ints({-5, 0, 9}), host_int(-1), host_int(4)}, o)[0];
  EXPECT_EQ(y.values(), (Doubles{-1, 0, 4}));
}

TEST(Snapshot, CopiesUnlessItMayKeepTheBuffer) {
  ANVIL_GPU_OR_SKIP(device);
  for (const bool reuse : {false, true}) {
    RunOptions o;
    o.reuse = reuse;
    EXPECT_EQ(run_op(device, "Snapshot", {floats(DType::f32, {3}, {1, 2, 3})}, o)[0].values(), (Doubles{1, 2, 3}));
  }
}

TEST(Diagonal, ToMatricesAndBack) {
  ANVIL_GPU_OR_SKIP(device);
  const Value x = floats(DType::f32, {2, 3}, {1, 2, 3, 4, 5, 6});
  const Value m = run_op(device, "MatrixDiag", {x})[0];
  EXPECT_EQ(m.shape, (Shape{2, 3, 3}));
  EXPECT_EQ(m.values(), (Doubles{1, 0, 0, 0, 2, 0, 0, 0, 3, 4, 0, 0, 0, 5, 0, 0, 0, 6}));
  EXPECT_EQ(run_op(device, "MatrixDiagPart", {m})[0].values(), x.values());
  const Value d = run_op(device, "Diag", {x})[0];
  EXPECT_EQ(d.shape, (Shape{2, 3, 2, 3}));
  EXPECT_EQ(run_op(device, "DiagPart", {d})[0].values(), x.values());
  double sum = 0;
  for (const double v : d.values()) sum += v;
  EXPECT_EQ(sum, 21);
}

TEST(Diagonal, BandPart) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : {DType::f32, DType::boolean, DType::f16}) {
    const Value x = tensor(t, {3, 4}, Doubles(12, 1));
    const auto band = [&](int32_t lower, int32_t upper) {
      return run_op(device, "MatrixBandPart", {x, host_int(lower), host_int(upper)})[0].values();
    };
    EXPECT_EQ(band(-1, 0), (Doubles{1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0}));
    EXPECT_EQ(band(0, -1), (Doubles{1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1}));
    EXPECT_EQ(band(1, 1), (Doubles{1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1}));
    EXPECT_THROW(band(4, 0), Error);
  }
}

}  // namespace
}  // namespace anvil::ops::test
