// Joining tensors along an axis and splitting them again: Concat, ConcatV2, Pack, Unpack, Split, SplitV.
#include <numeric>
#include <utility>

#include "base/checked_shape.h"
#include "ops/host.h"

namespace anvil::ops {
namespace {

struct AxisState final : State {
  int64_t axis = 0, parts = 0;
};
std::unique_ptr<State> prepare_pack(const Attrs& attrs) {
  auto s = std::make_unique<AxisState>();
  s->axis = attrs.integer("axis");
  return s;
}
std::unique_ptr<State> prepare_unpack(const Attrs& attrs) {
  auto s = std::make_unique<AxisState>();
  s->axis = attrs.integer("axis");
  s->parts = attrs.integer("num");
  return s;
}
std::unique_ptr<State> prepare_split(const Attrs& attrs) {
  auto s = std::make_unique<AxisState>();
  s->parts = attrs.integer("num_split");
  return s;
}
const AxisState& axis_state(const State* s) { return *static_cast<const AxisState*>(s); }

int64_t product(const Shape& s, size_t from, size_t to) {
  return std::accumulate(s.begin() + static_cast<ptrdiff_t>(from), s.begin() + static_cast<ptrdiff_t>(to), int64_t{1},
                         std::multiplies<>());
}

// One part of a joined tensor: `outer` rows of `width` elements each, `pitch` apart in the whole and starting at `at`.
struct Part {
  int64_t outer, width, pitch, at;
  Walk into() const { return {{{width, {1, 1}}, {outer, {width, pitch}}}, 0, at}; }
  Walk out_of() const { return {{{width, {1, 1}}, {outer, {pitch, width}}}, at, 0}; }
};

void concat(Call& call, const OpSpec& op, int first, int n, int64_t axis) {
  const Tensor x0 = call.input(first);
  const int64_t rank = x0.rank();
  require(axis >= -rank && axis < rank, Code::invalid_argument,
          "ConcatOp : Expected concatenating dimensions in the range [", -rank, ", ", rank, "), but got ", axis);
  const size_t a = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  Shape shape = x0.shape;
  for (int i = 1; i < n; ++i) {
    const Shape& other = call.input(first + i).shape;
    require(other.size() == shape.size(), Code::invalid_argument,
            "ConcatOp : Ranks of all input tensors should match: shape[0] = ", text(x0.shape), " vs. shape[", i,
            "] = ", text(other));
    for (size_t d = 0; d < shape.size(); ++d)
      require(d == a || other[d] == shape[d], Code::invalid_argument, "ConcatOp : Dimension ", d,
              " in both shapes must be equal: shape[0] = ", text(x0.shape), " vs. shape[", i, "] = ", text(other));
    shape[a] = checked_sum(shape[a], other[a]);
  }
  if (n == 1) return call.output_alias(0, first, shape);
  const Tensor y = call.output(0, x0.type, shape);
  const int64_t outer = product(shape, 0, a), inner = product(shape, a + 1, shape.size());
  int64_t at = 0;
  for (int i = 0; i < n; ++i) {
    const Tensor x = call.input(first + i);
    const int64_t width = x.shape[a] * inner;
    move_elements(call, op, Part{outer, width, shape[a] * inner, at}.into(), x, y);
    at += width;
  }
}
void run_concat_v2(Call& call, const OpSpec& op, const State*) {
  const int n = call.inputs() - 1;
  concat(call, op, 0, n, host_scalar(call.input(n), "ConcatOp : Concat dim tensor"));
}
void run_concat(Call& call, const OpSpec& op, const State*) {
  concat(call, op, 1, call.inputs() - 1, host_scalar(call.input(0), "ConcatOp : Concat dim tensor"));
}

void run_pack(Call& call, const OpSpec& op, const State* state) {
  const Tensor x0 = call.input(0);
  const int64_t rank = x0.rank() + 1, axis = axis_state(state).axis;
  require(axis >= -rank && axis < rank, Code::invalid_argument, "axis = ", axis, " not in [", -rank, ", ", rank, ")");
  const size_t a = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  const int n = call.inputs();
  for (int i = 1; i < n; ++i)
    require(call.input(i).shape == x0.shape, Code::invalid_argument,
            "Shapes of all inputs must match: values[0].shape = ", text(x0.shape), " != values[", i,
            "].shape = ", text(call.input(i).shape));
  Shape shape = x0.shape;
  shape.insert(shape.begin() + static_cast<ptrdiff_t>(a), n);
  if (n == 1) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, x0.type, shape);
  const int64_t outer = product(shape, 0, a), inner = product(shape, a + 1, shape.size());
  for (int i = 0; i < n; ++i)
    move_elements(call, op, Part{outer, inner, n * inner, i * inner}.into(), call.input(i), y);
}

// Output i takes `widths[i]` of axis `a`; with `drop` the axis, of length 1, goes.
void split(Call& call, const OpSpec& op, const Tensor& x, int input, size_t a, const std::vector<int64_t>& widths,
           bool drop) {
  const int64_t outer = product(x.shape, 0, a), inner = product(x.shape, a + 1, x.shape.size());
  int64_t at = 0;
  for (size_t i = 0; i < widths.size(); ++i) {
    Shape shape = x.shape;
    shape[a] = widths[i];
    if (drop) shape.erase(shape.begin() + static_cast<ptrdiff_t>(a));
    const int64_t width = widths[i] * inner;
    if (widths.size() == 1) {
      call.output_alias(0, input, shape);
    } else {
      const Tensor y = call.output(static_cast<int>(i), x.type, shape);
      move_elements(call, op, Part{outer, width, x.shape[a] * inner, at}.out_of(), x, y);
    }
    at += width;
  }
}

size_t checked_axis(int64_t axis, int64_t rank, const char* what) {
  require(axis >= -rank && axis < rank, Code::invalid_argument, what, " must be in the range [", -rank, ", ", rank,
          "), but got ", axis);
  return static_cast<size_t>(axis < 0 ? axis + rank : axis);
}

void run_unpack(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  const size_t a = checked_axis(axis_state(state).axis, x.rank(), "axis");
  const int64_t parts = axis_state(state).parts;
  require(x.shape[a] == parts, Code::invalid_argument, "Input shape axis ", a, " must equal ", parts, ", got shape ",
          text(x.shape));
  split(call, op, x, 0, a, std::vector<int64_t>(static_cast<size_t>(parts), 1), true);
}

void run_split(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(1);
  const size_t a = checked_axis(host_scalar(call.input(0), "split_dim"), x.rank(), "split_dim");
  const int64_t parts = axis_state(state).parts;
  require(parts > 0, Code::invalid_argument, "Number of ways to split should be > 0, but got ", parts);
  require(x.shape[a] % parts == 0, Code::invalid_argument,
          "Number of ways to split should evenly divide the split dimension, but got split_dim ", a,
          " (size = ", x.shape[a], ") and num_split ", parts);
  split(call, op, x, 1, a, std::vector<int64_t>(static_cast<size_t>(parts), x.shape[a] / parts), false);
}

void run_split_v(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0), sizes = call.input(1);
  const size_t a = checked_axis(host_scalar(call.input(2), "split_dim"), x.rank(), "split_dim");
  require(sizes.rank() == 1 && sizes.size() == axis_state(state).parts, Code::invalid_argument,
          "size of the split_tensor must be 1-D and have the same elements as outputs got ", text(sizes.shape), " and ",
          axis_state(state).parts, " outputs");
  std::vector<int64_t> widths = host_values(sizes);
  int64_t known = 0, open = -1;
  for (size_t i = 0; i < widths.size(); ++i) {
    if (widths[i] == -1 && open < 0) open = static_cast<int64_t>(i);
    else {
      require(widths[i] >= 0, Code::invalid_argument, "Split size at index ", i, " must be >= 0. Got: ", widths[i]);
      known = checked_sum(known, widths[i]);
    }
  }
  const bool fits = open < 0 ? known == x.shape[a] : known <= x.shape[a];
  require(
      fits, Code::invalid_argument, "Determined shape must either match input shape along split_dim exactly if ",
      "fully specified, or be less than the size of the input along split_dim if not fully specified.  Got: ", known);
  if (open >= 0) widths[static_cast<size_t>(open)] = x.shape[a] - known;
  split(call, op, x, 0, a, widths, false);
}

const std::vector<DType> kJoined = join({kFloats, kDeviceInts, kWide, {DType::boolean}});
const std::vector<DType> kPacked =
    join({kFloats, kWide, {DType::boolean, DType::i16, DType::i64, DType::u32, DType::u64}});
const std::vector<DType> kUnpacked = join({kFloats, kWide, {DType::boolean, DType::u8}});
const std::vector<DType> kSplit = join({kFloats, kWide});
const std::vector<DType> kInt32 = {DType::i32};

const Family join_and_split{
    {"Concat", kJoined, run_concat, "", copy_variants, nullptr, {"concat_dim"}},
    {"ConcatV2", kJoined, run_concat_v2, "", copy_variants, nullptr, {"axis"}},
    {"Pack", kPacked, run_pack, "", copy_variants, prepare_pack},
    {"Pack", kInt32, run_pack, kHost, nullptr, prepare_pack, {"values", "output"}},
    {"Unpack", kUnpacked, run_unpack, "", copy_variants, prepare_unpack},
    {"Split", kSplit, run_split, "", copy_variants, prepare_split, {"split_dim"}},
    {"SplitV", kSplit, run_split_v, "", copy_variants, prepare_split, {"size_splits", "split_dim"}},
    {"SplitV", kInt32, run_split_v, kHost, nullptr, prepare_split, {"value", "size_splits", "split_dim", "output"}},
};

}  // namespace
}  // namespace anvil::ops
