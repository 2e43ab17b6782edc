// Ops that sort, count, choose and place elements, on a device, where a GPU's compiler could take their kernels
// otherwise than the software driver that the op table runs on.
#include <numeric>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

using Doubles = std::vector<double>;

Doubles counting(size_t n, int modulus) {
  Doubles v(n);
  for (size_t i = 0; i < n; ++i) v[i] = static_cast<double>(i * 31 % static_cast<size_t>(modulus));
  return v;
}

TEST(Arrays, SegmentsOfManyAndOfFewRows) {
  ANVIL_GPU_OR_SKIP(device);
  const size_t rows = 3000;
  // Segment 2 has most of the rows, so that its sum goes by way of partial sums; segment 1 has none.
  Doubles ids(rows, 2), data(rows * 2);
  for (size_t i = 0; i < rows; i += 7) ids[i] = i % 3 == 0 ? 0 : 3;
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<double>(i % 11);
  Doubles want(8);
  for (size_t i = 0; i < rows; ++i)
    for (size_t c = 0; c < 2; ++c) want[static_cast<size_t>(ids[i]) * 2 + c] += data[i * 2 + c];
  for (const DType t : {DType::f32, DType::i32})
    for (const DType index : {DType::i32, DType::i64})
      EXPECT_EQ(run_op(device, "UnsortedSegmentSum",
                       {tensor(t, {static_cast<int64_t>(rows), 2}, data),
                        tensor(index, {static_cast<int64_t>(rows)}, ids), host_int(4)})[0]
                    .values(),
                want);
}

TEST(Arrays, ScansAndBounds) {
  ANVIL_GPU_OR_SKIP(device);
  const Doubles x = counting(700, 5);
  Doubles sums(700);
  std::partial_sum(x.begin(), x.end(), sums.begin());
  const RunOptions forwards{.attrs = {{"exclusive", false}, {"reverse", false}}};
  for (const DType t : {DType::f32, DType::i32, DType::i64})
    EXPECT_EQ(run_op(device, "Cumsum", {tensor(t, {700}, x), host_int(0)}, forwards)[0].values(), sums);
  for (const DType t : {DType::f32, DType::f16, DType::i8, DType::i64}) {
    const auto at =
        run_op(device, "LowerBound", {tensor(t, {1, 5}, {-3, -1, 0, 0, 4}), tensor(t, {1, 4}, {-4, 0, 1, 9})},
               {.attrs = {{"out_type", DType::i32}}});
    EXPECT_EQ(at[0].values(), (Doubles{0, 2, 4, 5}));
  }
}

TEST(Arrays, BandsAndMarks) {
  ANVIL_GPU_OR_SKIP(device);
  const Value k = host_ints({-1, 1});
  const RunOptions right{.attrs = {{"align", std::string("RIGHT_LEFT")}}};
  for (const DType t : {DType::f32, DType::f16}) {
    const Value x = tensor(t, {3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
    const auto part = run_op(device, "MatrixDiagPartV3", {x, k, on_host(tensor(t, {}, {0.0}))}, right);
    EXPECT_EQ(part[0].values(), (Doubles{0, 2, 6, 1, 5, 9, 4, 8, 0}));
    const auto set = run_op(device, "MatrixSetDiagV3", {tensor(t, {3, 3}, Doubles(9, 7)), part[0], k}, right);
    EXPECT_EQ(set[0].values(), (Doubles{1, 2, 7, 4, 5, 6, 7, 8, 9}));
  }
  const RunOptions last{.attrs = {{"axis", int64_t{-1}}}};
  const auto hot =
      run_op(device, "OneHot",
             {tensor(DType::i8, {2}, {-1, 2}), host_int(3), tensor(DType::f32, {}, {5}), tensor(DType::f32, {}, {1})},
             last, 2);
  EXPECT_EQ(hot[0].values(), (Doubles{1, 1, 1, 1, 1, 5}));
}

}  // namespace
}  // namespace anvil::ops::test
