// Conversions between all pairs of types, on a device.
#include <cmath>
#include <limits>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

const DType kAll[] = {DType::f32, DType::f16, DType::bf16, DType::i8,  DType::i16, DType::i32,
                      DType::i64, DType::u8,  DType::u16,  DType::u32, DType::u64, DType::boolean};

Value cast(Device& device, const Value& x, DType to, bool truncate = false) {
  RunOptions o;
  o.attrs = {{"DstT", to}, {"Truncate", truncate}};
  Value y = run_op(device, "Cast", {x}, o)[0];
  y.type = to;  // an alias keeps its input's type here
  return y;
}

TEST(Cast, EveryPairKeepsWhatBothHold) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType from : kAll)
    for (const DType to : kAll)
      for (const int64_t n : {0, 1, 7, 3001}) {
        const bool sign = from != DType::boolean && to != DType::boolean && from < DType::u8 && to < DType::u8;
        std::vector<double> v;
        for (int64_t i = 0; i < n; ++i) {
          const bool bit = from == DType::boolean || to == DType::boolean;
          v.push_back(bit ? i % 3 == 0 : static_cast<double>(i % 127) * (sign && i % 2 ? -1 : 1));
        }
        const Value y = cast(device, tensor(from, {n}, v), to);
        EXPECT_EQ(y.values(), v) << facts(from).tensorflow << " to " << facts(to).tensorflow << " " << n;
      }
}

TEST(Cast, TowardsZeroFromFloats) {
  ANVIL_GPU_OR_SKIP(device);
  const Value x = floats(DType::f32, {6}, {-1.9, -0.5, 0.5, 1.9, 100.99, -100.99});
  for (const DType to : {DType::i8, DType::i16, DType::i32, DType::i64})
    EXPECT_EQ(cast(device, x, to).values(), (std::vector<double>{-1, 0, 0, 1, 100, -100}));
}

TEST(Cast, OutOfRangeIsTheMostNegativeNumber) {
  ANVIL_GPU_OR_SKIP(device);
  const double inf = std::numeric_limits<double>::infinity();
  const Value x = floats(DType::f32, {5}, {NAN, inf, -inf, 3e9, 1e20});
  EXPECT_EQ(cast(device, x, DType::i32).as<int32_t>(), std::vector<int32_t>(5, INT32_MIN));
  EXPECT_EQ(cast(device, x, DType::i64).as<int64_t>(),
            (std::vector<int64_t>{INT64_MIN, INT64_MIN, INT64_MIN, 3000000000, INT64_MIN}));
  const Value large = floats(DType::f32, {2}, {1.5e19, 3e9});
  EXPECT_EQ(cast(device, large, DType::u64).as<uint64_t>()[0], static_cast<uint64_t>(1.5e19f));
  EXPECT_EQ(cast(device, large, DType::u32).as<uint32_t>()[1], 3000000000u);
}

TEST(Cast, BoolIsWhetherItIsZero) {
  ANVIL_GPU_OR_SKIP(device);
  EXPECT_EQ(cast(device, floats(DType::f16, {4}, {0, -0.0, 0.001, NAN}), DType::boolean).values(),
            (std::vector<double>{0, 0, 1, 1}));
  EXPECT_EQ(cast(device, raw(DType::i64, {2}, std::vector<int64_t>{1LL << 40, 0}), DType::boolean).values(),
            (std::vector<double>{1, 0}));
}

TEST(Cast, WideIntegers) {
  ANVIL_GPU_OR_SKIP(device);
  const std::vector<int64_t> v = {INT64_MIN, -1, (1LL << 40) + 5, INT64_MAX};
  const Value x = raw(DType::i64, {4}, v);
  EXPECT_EQ(cast(device, x, DType::i32).as<int32_t>(), (std::vector<int32_t>{0, -1, 5, -1}));
  EXPECT_EQ(cast(device, x, DType::u8).as<uint8_t>(), (std::vector<uint8_t>{0, 255, 5, 255}));
  EXPECT_EQ(cast(device, x, DType::f32).as<float>(),
            (std::vector<float>{-9223372036854775808.f, -1, 1099511627776.f, 9223372036854775808.f}));
  EXPECT_EQ(cast(device, raw(DType::u32, {1}, std::vector<uint32_t>{3000000000}), DType::f32).values()[0], 3e9);
  EXPECT_EQ(cast(device, raw(DType::u64, {1}, std::vector<uint64_t>{1ull << 63}), DType::f32).values()[0],
            std::ldexp(1.0, 63));
  EXPECT_EQ(cast(device, raw(DType::i8, {1}, std::vector<int8_t>{-3}), DType::u64).as<uint64_t>()[0], UINT64_MAX - 2);
}

TEST(Cast, RoundsToNearestEvenOrTruncates) {
  ANVIL_GPU_OR_SKIP(device);
  const Value x = floats(DType::f32, {5}, {1 + 1.0 / 256, 1 + 3.0 / 256, 1 + 1.5 / 256, -1 - 1.9 / 128, 65519});
  EXPECT_EQ(cast(device, x, DType::bf16).values(),
            (std::vector<double>{1, 1 + 2.0 / 128, 1 + 1.0 / 128, -1 - 2.0 / 128, 65536}));
  EXPECT_EQ(cast(device, x, DType::bf16, true).values(),
            (std::vector<double>{1, 1 + 1.0 / 128, 1, -1 - 1.0 / 128, 65280}));
  EXPECT_EQ(cast(device, floats(DType::f32, {2}, {65519, 65520}), DType::f16).values()[0], 65504);
  EXPECT_TRUE(std::isinf(cast(device, floats(DType::f32, {1}, {65520}), DType::f16).values()[0]));
  EXPECT_EQ(cast(device, floats(DType::f32, {1}, {65520}), DType::f16, true).values()[0], 65504);
}

}  // namespace
}  // namespace anvil::ops::test
