// The ops that only move elements, on a device, against their definitions; and the planners behind them.
#include <cmath>
#include <numeric>

#include "ops/kernel_check.h"
#include "ops/planned_as.h"
#include "ops/strided_slice.h"

namespace anvil::ops::test {
namespace {

using Doubles = std::vector<double>;

Value counting(DType t, Shape shape) {
  Doubles v(static_cast<size_t>(count(shape)));
  std::iota(v.begin(), v.end(), 1);
  return tensor(t, std::move(shape), v);
}
// The value of `x` at coordinates.
double at(const Value& x, const std::vector<int64_t>& c) {
  int64_t i = 0;
  for (size_t d = 0; d < c.size(); ++d) i = i * x.shape[d] + c[d];
  return x.values()[static_cast<size_t>(i)];
}
// Calls f with every coordinate vector of the shape, in order.
template <class F>
Doubles each_point(const Shape& shape, F f) {
  Doubles out;
  std::vector<int64_t> c(shape.size());
  for (int64_t i = 0; i < count(shape); ++i) {
    int64_t rest = i;
    for (size_t d = shape.size(); d-- > 0;) {
      c[d] = rest % shape[d];
      rest /= shape[d];
    }
    out.push_back(f(c));
  }
  return out;
}

const DType kTypes[] = {DType::f32, DType::f16, DType::boolean, DType::i64};

TEST(Layout, TransposeInEveryOrder) {
  ANVIL_GPU_OR_SKIP(device);
  const Shape shapes[] = {{3, 4}, {2, 3, 4}, {2, 3, 4, 5}, {2, 3, 2, 3, 2, 3}, {40, 50}, {3, 33, 70}};
  for (const DType t : {DType::f32, DType::f16, DType::u8, DType::i64})
    for (const Shape& shape : shapes) {
      std::vector<int32_t> perm(shape.size());
      std::iota(perm.begin(), perm.end(), 0);
      const Value x = counting(t, shape);
      int tried = 0;
      do {
        const Value y = run_op(device, "Transpose", {x, host_ints(perm)})[0];
        Shape want_shape;
        for (const int p : perm) want_shape.push_back(shape[static_cast<size_t>(p)]);
        ASSERT_EQ(y.shape, want_shape);
        const Doubles source = x.values();
        const Doubles want = each_point(want_shape, [&](const std::vector<int64_t>& c) {
          std::vector<int64_t> from(c.size());
          for (size_t d = 0; d < c.size(); ++d) from[static_cast<size_t>(perm[d])] = c[d];
          int64_t i = 0;
          for (size_t d = 0; d < from.size(); ++d) i = i * shape[d] + from[d];
          return source[static_cast<size_t>(i)];
        });
        EXPECT_EQ(y.values(), want) << text(shape);
      } while (++tried < 40 && std::next_permutation(perm.begin(), perm.end()));
    }
}

// The kernel for GPUs, which a software device is not given: tiles, partial tiles, batches.
TEST(Layout, TransposeThroughSharedMemory) {
  ANVIL_GPU_OR_SKIP(device);
  PlannedAs discrete(device, DeviceKind::discrete, 16);
  for (const DType t : {DType::f32, DType::f16, DType::u8, DType::i64})
    for (const Shape& shape : {Shape{1, 32, 32}, Shape{3, 33, 70}, Shape{2, 8, 100}}) {
      const Value x = counting(t, shape);
      const Value y = run_op(discrete, "Transpose", {x, host_ints({0, 2, 1})})[0];
      const Doubles source = x.values();
      EXPECT_EQ(y.values(), each_point({shape[0], shape[2], shape[1]},
                                       [&](const auto& c) {
                                         return source[static_cast<size_t>((c[0] * shape[1] + c[2]) * shape[2] + c[1])];
                                       }))
          << text(shape);
    }
}

TEST(Layout, BroadcastToAndTile) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : kTypes) {
    const Value x = counting(t, {3, 1, 2});
    const Value y = run_op(device, "BroadcastTo", {x, host_ints({4, 3, 5, 2})})[0];
    EXPECT_EQ(y.values(), each_point({4, 3, 5, 2}, [&](const auto& c) { return at(x, {c[1], 0, c[3]}); }));
    const Value z = run_op(device, "Tile", {x, host_ints({2, 3, 4})})[0];
    EXPECT_EQ(z.shape, (Shape{6, 3, 8}));
    EXPECT_EQ(z.values(), each_point({6, 3, 8}, [&](const auto& c) { return at(x, {c[0] % 3, 0, c[2] % 2}); }));
  }
  const Value row = run_op(device, "BroadcastTo", {counting(DType::f32, {1}), host_ints({70001})})[0];
  EXPECT_EQ(row.values(), Doubles(70001, 1));
  EXPECT_THROW(run_op(device, "BroadcastTo", {counting(DType::f32, {3}), host_ints({2})}), Error);
  EXPECT_THROW(run_op(device, "Tile", {counting(DType::f32, {3}), host_ints({2, 2})}), Error);
}

TEST(Layout, FillZerosAndOnes) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : {DType::f32, DType::f16, DType::bf16, DType::i8, DType::i64, DType::boolean})
    for (const int32_t n : {0, 1, 3, 5001, 8192}) {
      const Value y = run_op(device, "Fill", {host_ints({n}), tensor(t, {}, {1})}, {}, 1)[0];
      EXPECT_EQ(y.values(), Doubles(static_cast<size_t>(n), 1)) << facts(t).tensorflow << n;
      const Value x = counting(t, {n});
      EXPECT_EQ(run_op(device, "ZerosLike", {x})[0].values(), Doubles(static_cast<size_t>(n), 0));
      EXPECT_EQ(run_op(device, "OnesLike", {x})[0].values(), Doubles(static_cast<size_t>(n), 1));
    }
}

TEST(Layout, ConcatSplitPackUnpack) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : {DType::f32, DType::f16, DType::bf16}) {
    const Value a = counting(t, {2, 3, 4}), b = counting(t, {2, 5, 4}), c = counting(t, {2, 0, 4});
    const Value y = run_op(device, "ConcatV2", {a, b, c, host_int(-2)})[0];
    EXPECT_EQ(y.shape, (Shape{2, 8, 4}));
    EXPECT_EQ(y.values(),
              each_point(y.shape, [&](const auto& i) { return i[1] < 3 ? at(a, i) : at(b, {i[0], i[1] - 3, i[2]}); }));
    RunOptions sizes;
    sizes.attrs = {{"num_split", int64_t{3}}};
    const auto parts = run_op(device, "SplitV", {y, host_ints({3, -1, 0}), host_int(1)}, sizes);
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_EQ(parts[0].bytes, a.bytes);
    EXPECT_EQ(parts[1].bytes, b.bytes);
    EXPECT_EQ(parts[2].shape, (Shape{2, 0, 4}));
    RunOptions halves;
    halves.attrs = {{"num_split", int64_t{2}}};
    const auto two = run_op(device, "Split", {host_int(2), a}, halves, 1);
    EXPECT_EQ(two[1].values(), each_point({2, 3, 2}, [&](const auto& i) { return at(a, {i[0], i[1], i[2] + 2}); }));
    for (const int64_t axis : {0, 1, 3}) {
      RunOptions stack;
      stack.attrs = {{"axis", axis}, {"num", int64_t{2}}};
      const Value other = floats(t, {2, 3, 4}, Doubles(24, -1));
      const Value packed = run_op(device, "Pack", {a, other}, stack)[0];
      const auto again = run_op(device, "Unpack", {packed}, stack);
      EXPECT_EQ(again[0].bytes, a.bytes) << axis;
      EXPECT_EQ(again[1].bytes, other.bytes) << axis;
      EXPECT_EQ(packed.shape[static_cast<size_t>(axis)], 2);
    }
  }
}
TEST(Layout, PackOfScalars) {
  ANVIL_GPU_OR_SKIP(device);
  RunOptions stack;
  stack.attrs = {{"axis", int64_t{0}}};
  std::vector<Value> bits;
  for (const double v : {1, 0, 0, 1, 1}) bits.push_back(tensor(DType::boolean, {}, {v}));
  EXPECT_EQ(run_op(device, "Pack", bits, stack)[0].values(), (Doubles{1, 0, 0, 1, 1}));
}

RunOptions masks(int64_t begin, int64_t end, int64_t ellipsis, int64_t new_axis, int64_t shrink) {
  RunOptions o;
  o.attrs = {{"begin_mask", begin},
             {"end_mask", end},
             {"ellipsis_mask", ellipsis},
             {"new_axis_mask", new_axis},
             {"shrink_axis_mask", shrink}};
  return o;
}
TEST(Layout, StridedSliceAndItsGradient) {
  ANVIL_GPU_OR_SKIP(device);
  const Value x = counting(DType::f32, {5, 6, 7});
  // x[1:4:2, ::-2, None, 3]
  const RunOptions o = masks(2, 2, 0, 4, 8);
  const Value b = host_ints({1, 0, 0, 3}), e = host_ints({4, 0, 0, 4}), s = host_ints({2, -2, 1, 1});
  const Value y = run_op(device, "StridedSlice", {x, b, e, s}, o)[0];
  EXPECT_EQ(y.shape, (Shape{2, 3, 1}));
  EXPECT_EQ(y.values(), each_point({2, 3, 1}, [&](const auto& c) { return at(x, {1 + 2 * c[0], 5 - 2 * c[1], 3}); }));
  const Value dx = run_op(device, "StridedSliceGrad", {host_ints({5, 6, 7}), b, e, s, y}, o, 4)[0];
  EXPECT_EQ(dx.values(), each_point({5, 6, 7}, [&](const auto& c) {
              const bool taken = (c[0] == 1 || c[0] == 3) && c[1] % 2 == 1 && c[2] == 3;
              return taken ? at(x, c) : 0;
            }));
  EXPECT_THROW(run_op(device, "StridedSlice", {x, b, e, host_ints({0, 1, 1, 1})}, o), Error);
}
TEST(Layout, HostStridedSlice) {
  ANVIL_GPU_OR_SKIP(device);
  const Value shape = host_ints({9, 8, 7});
  RunOptions o = masks(0, 0, 0, 0, 1);
  o.host_outputs = {0};
  const Value y = run_op(device, "StridedSlice", {shape, host_ints({1}), host_ints({2}), host_ints({1})}, o)[0];
  EXPECT_EQ(y.shape, Shape{});
  EXPECT_EQ(y.as<int32_t>(), std::vector<int32_t>{8});
}
TEST(Layout, SliceReversePad) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : {DType::f32, DType::f16, DType::i8}) {
    const Value x = counting(t, {4, 5, 6});
    const Value y = run_op(device, "Slice", {x, host_ints({1, 0, 2}), host_ints({2, -1, 3})})[0];
    EXPECT_EQ(y.values(), each_point({2, 5, 3}, [&](const auto& c) { return at(x, {c[0] + 1, c[1], c[2] + 2}); }));
    const Value z = run_op(device, "ReverseV2", {x, host_ints({0, -1})})[0];
    EXPECT_EQ(z.values(), each_point(x.shape, [&](const auto& c) { return at(x, {3 - c[0], c[1], 5 - c[2]}); }));
    const Value paddings = on_host(raw(DType::i32, {3, 2}, std::vector<int32_t>{1, 0, 0, 0, 2, 1}));
    const auto inside = [](const auto& c) { return c[0] >= 1 && c[2] >= 2 && c[2] < 8; };
    const Value p = run_op(device, "PadV2", {x, paddings, on_host(tensor(t, {}, {9}))})[0];
    EXPECT_EQ(p.shape, (Shape{5, 5, 9}));
    EXPECT_EQ(p.values(),
              each_point(p.shape, [&](const auto& c) { return inside(c) ? at(x, {c[0] - 1, c[1], c[2] - 2}) : 9.0; }));
  }
}
TEST(Layout, MirrorPad) {
  ANVIL_GPU_OR_SKIP(device);
  const Value x = counting(DType::f32, {2, 3});
  const Value paddings = on_host(raw(DType::i32, {2, 2}, std::vector<int32_t>{1, 1, 2, 2}));
  RunOptions o;
  o.attrs = {{"mode", std::string("REFLECT")}};
  const Doubles reflect = {6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1, 6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1};
  EXPECT_EQ(run_op(device, "MirrorPad", {x, paddings}, o)[0].values(), reflect);
  o.attrs = {{"mode", std::string("SYMMETRIC")}};
  const Doubles symmetric = {2, 1, 1, 2, 3, 3, 2, 2, 1, 1, 2, 3, 3, 2, 5, 4, 4, 5, 6, 6, 5, 5, 4, 4, 5, 6, 6, 5};
  EXPECT_EQ(run_op(device, "MirrorPad", {x, paddings}, o)[0].values(), symmetric);
}

TEST(Layout, GatherAndItsBounds) {
  ANVIL_GPU_OR_SKIP(device);
  RunOptions o;
  o.attrs = {{"batch_dims", int64_t{0}}};
  const Value x = counting(DType::f32, {3, 4, 5});
  const Value indices = raw(DType::i32, {2, 2}, std::vector<int32_t>{3, 0, -1, 4});
  const Value y = run_op(device, "GatherV2", {x, indices, host_int(1)}, o)[0];
  EXPECT_EQ(y.shape, (Shape{3, 2, 2, 5}));
  EXPECT_EQ(y.values(), each_point(y.shape, [&](const auto& c) {
              const int64_t i = std::vector<int64_t>{3, 0, -1, 4}[static_cast<size_t>(c[1] * 2 + c[2])];
              return i >= 0 && i < 4 ? at(x, {c[0], i, c[3]}) : 0.0;
            }));
  o.attrs = {{"batch_dims", int64_t{1}}};
  const Value rows = raw(DType::i64, {3, 2}, std::vector<int64_t>{0, 3, 1, 1, 1LL << 40, 2});
  const Value z = run_op(device, "GatherV2", {x, rows, host_int(1)}, o)[0];
  EXPECT_EQ(z.values(), each_point({3, 2, 5}, [&](const auto& c) {
              const int64_t i = rows.as<int64_t>()[static_cast<size_t>(c[0] * 2 + c[1])];
              return i < 4 ? at(x, {c[0], i, c[2]}) : 0.0;
            }));
}

TEST(Layout, SelectInEveryForm) {
  ANVIL_GPU_OR_SKIP(device);
  const std::array<Shape, 3> shapes[] = {{{{2500}, {2500}, {2500}}},
                                         {{{2501}, {}, {2501}}},
                                         {{{2500}, {2500}, {}}},
                                         {{{64}, {}, {}}},
                                         {{{}, {3, 4}, {3, 4}}},
                                         {{{3, 1}, {1, 4}, {}}},
                                         {{{2, 1, 3, 1, 2}, {1, 3, 1, 2, 1}, {2, 3, 3, 2, 2}}}};
  for (const DType t : {DType::f32, DType::f16, DType::boolean, DType::i64})
    for (const auto& [sc, sa, sb] : shapes) {
      Value c = counting(DType::u8, sc);
      Doubles bits;
      for (const double v : c.values()) bits.push_back(static_cast<int>(v) % 3 == 0);
      c = tensor(DType::boolean, sc, bits);
      const Value a = counting(t, sa), b = tensor(t, sb, Doubles(static_cast<size_t>(count(sb)), 0));
      const Shape shape = broadcast_shape(sc, broadcast_shape(sa, sb));
      const auto pick = [](const Value& v, const std::vector<int64_t>& p) {
        int64_t i = 0;
        for (size_t d = 0; d < v.shape.size(); ++d) {
          const int64_t x = p[p.size() - v.shape.size() + d];
          i = i * v.shape[d] + (v.shape[d] == 1 ? 0 : x);
        }
        return v.values()[static_cast<size_t>(i)];
      };
      for (const bool reuse : {false, true}) {
        RunOptions o;
        o.reuse = reuse;
        const Value y = run_op(device, "SelectV2", {c, a, b}, o, 1)[0];
        const Doubles vc = c.values();
        if (count(shape) < 200) {
          EXPECT_EQ(y.values(),
                    each_point(shape, [&](const auto& p) { return pick(c, p) != 0 ? pick(a, p) : pick(b, p); }))
              << text(sc) << text(sa) << text(sb);
        } else {
          const Doubles va = a.values(), got = y.values();
          for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], vc[i] != 0 ? va[va.size() == 1 ? 0 : i] : 0.0) << i;
        }
      }
    }
}
TEST(Layout, SelectByRows) {
  ANVIL_GPU_OR_SKIP(device);
  const Value c = tensor(DType::boolean, {2}, {0, 1}), a = counting(DType::f32, {2, 2});
  EXPECT_EQ(run_op(device, "Select", {c, a, floats(DType::f32, {2, 2}, {-1, -2, -3, -4})}, {}, 1)[0].values(),
            (Doubles{-1, -2, 3, 4}));
}

TEST(Layout, AddNAddsInOrder) {
  ANVIL_GPU_OR_SKIP(device);
  for (const bool reuse : {false, true}) {
    RunOptions o;
    o.reuse = reuse;
    const Value x = counting(DType::f32, {501});
    const Doubles y = run_op(device, "AddN", {x, x, x, x}, o)[0].values();
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(y[i], 4.0 * static_cast<double>(i + 1));
  }
  EXPECT_THROW(run_op(device, "AddN", {counting(DType::f32, {2}), counting(DType::f32, {3})}), Error);
}

TEST(Layout, RangeFromTheHost) {
  ANVIL_GPU_OR_SKIP(device);
  const auto scalar = [](DType t, double v) { return on_host(tensor(t, {}, {v})); };
  const auto range = [&](DType t, double a, double b, double d) {
    return run_op(device, "Range", {scalar(t, a), scalar(t, b), scalar(t, d)})[0].values();
  };
  EXPECT_EQ(range(DType::i64, 3, 10, 3), (Doubles{3, 6, 9}));
  EXPECT_EQ(range(DType::i64, 3, -4, -3), (Doubles{3, 0, -3}));
  EXPECT_EQ(range(DType::f32, 0, 1, 0.25), (Doubles{0, 0.25, 0.5, 0.75}));
  EXPECT_EQ(range(DType::bf16, 0, 3, 1), (Doubles{0, 1, 2}));
  EXPECT_EQ(range(DType::bf16, 0, 2000, 3).size(), 668u);  // 2000 / 3 in bfloat16
  EXPECT_EQ(range(DType::f16, 1, -1, -0.5), (Doubles{1, 0.5, 0, -0.5}));
  EXPECT_EQ(range(DType::f16, 2047, 2052, 1),
            (Doubles{2047, 2048, 2048, 2050, 2052}));  // from 2048 on, halves are even
  EXPECT_EQ(range(DType::i64, 3, 3, 1), Doubles{});
  EXPECT_THROW(range(DType::i64, 3, 9, 0), Error);
  EXPECT_THROW(range(DType::i64, 9, 3, 1), Error);
}

TEST(SlicePlan, SpellsOutPythonsRules) {
  const SlicePlan all = plan_strided_slice({4, 5, 6}, {0}, {0}, {1}, {0, 0, 1, 0, 0});
  EXPECT_EQ(all.shape, (Shape{4, 5, 6}));
  const SlicePlan last = plan_strided_slice({4, 5, 6}, {0, -1}, {0, 0}, {1, 1}, {0, 0, 1, 0, 2});  // x[..., -1]
  EXPECT_EQ(last.shape, (Shape{4, 5}));
  EXPECT_EQ(last.begin, (std::vector<int64_t>{0, 0, 5}));
  const SlicePlan back = plan_strided_slice({5}, {-1}, {-6}, {-2}, {});
  EXPECT_EQ(back.shape, (Shape{3}));
  EXPECT_EQ(plan_strided_slice({5}, {4}, {2}, {1}, {}).shape, (Shape{0}));
  EXPECT_EQ(plan_strided_slice({5}, {100}, {200}, {1}, {}).shape, (Shape{0}));
  EXPECT_THROW(plan_strided_slice({5}, {5}, {6}, {1}, {0, 0, 0, 0, 1}), Error);
  EXPECT_THROW(plan_strided_slice({5}, {0, 0}, {1, 1}, {1, 1}, {}), Error);
  EXPECT_THROW(plan_strided_slice({5}, {0}, {1}, {0}, {}), Error);
}

}  // namespace
}  // namespace anvil::ops::test
