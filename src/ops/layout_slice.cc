// Slice, StridedSlice and its gradient.
#include <algorithm>
#include <utility>

#include "ops/host.h"
#include "ops/strided_slice.h"

namespace anvil::ops {
namespace {

struct Masks final : State {
  SliceMasks masks;
};
std::unique_ptr<State> prepare_masks(const Attrs& attrs) {
  auto s = std::make_unique<Masks>();
  s->masks = {attrs.integer("begin_mask"), attrs.integer("end_mask"), attrs.integer("ellipsis_mask"),
              attrs.integer("new_axis_mask"), attrs.integer("shrink_axis_mask")};
  return s;
}

// The plan from three host arguments, the first of which is number `first`.
SlicePlan read_plan(Call& call, int first, const Shape& input, const State* state) {
  const Tensor b = call.input(first), e = call.input(first + 1), s = call.input(first + 2);
  require(b.rank() == 1 && e.shape == b.shape && s.shape == b.shape, Code::invalid_argument,
          "Expected begin, end, and strides to be 1D equal size tensors, but got shapes ", text(b.shape), ", ",
          text(e.shape), ", and ", text(s.shape), " instead.");
  return plan_strided_slice(input, host_values(b), host_values(e), host_values(s),
                            static_cast<const Masks*>(state)->masks);
}

void run_strided_slice(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  const SlicePlan plan = read_plan(call, 1, x.shape, state);
  if (plan.size == x.shape && std::ranges::all_of(plan.stride, [](int64_t s) { return s == 1; }))
    return call.output_alias(0, 0, plan.shape);
  const Tensor y = call.output(0, x.type, plan.shape);
  move_elements(call, op, {plan.axes(x.shape), plan.from(x.shape), 0}, x, y);
}

void run_strided_slice_grad(Call& call, const OpSpec& op, const State* state) {
  const Shape shape = host_shape(call.input(0));
  const SlicePlan plan = read_plan(call, 1, shape, state);
  const Tensor dy = call.input(4);
  require(dy.shape == plan.shape, Code::invalid_argument, "shape of dy was ", text(dy.shape), " instead of ",
          text(plan.shape));
  const Tensor y = call.output(0, dy.type, shape);
  if (dy.size() != y.size()) set_elements(call, op, 0, y);
  Walk walk{plan.axes(shape), 0, plan.from(shape)};
  for (Axis& a : walk.axes) std::swap(a.stride[0], a.stride[1]);
  move_elements(call, op, walk, dy, y);
}

// A copy of the input with a window of it replaced by the value, which broadcasts.
void run_strided_slice_update(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0), value = call.input(4);
  const SlicePlan plan = read_plan(call, 1, x.shape, state);
  // As in the CPU kernel any value goes into an empty window.
  require(count(plan.shape) == 0 ||
              (broadcastable(value.shape, plan.shape) && broadcast_shape(value.shape, plan.shape) == plan.shape),
          Code::invalid_argument, "l-value of shape ", text(plan.shape), " cannot take a value of shape ",
          text(value.shape));
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  const Shape& shape = x.shape;
  if (y.data != x.data) move_elements(call, op, {{{x.size(), {1, 1}}}}, x, y);
  if (count(plan.shape) == 0) return;
  // The value, in the shape of the window; along axes it broadcasts its steps are 0.
  const Shape operands[] = {value.shape, plan.shape};
  std::vector<int32_t> spread;
  Tensor whole{plan.shape, value.type, value.data};
  if (value.size() != count(plan.shape)) {
    if (on_host(op)) {
      spread.resize(static_cast<size_t>(count(plan.shape)));
      whole.data = spread.data();
      move_elements(call, op, {broadcast_axes(plan.shape, operands)}, value, whole);
    } else {
      whole = expanded(call, value, plan.shape);
    }
  }
  Walk walk{plan.axes(shape), 0, plan.from(shape)};
  for (Axis& a : walk.axes) std::swap(a.stride[0], a.stride[1]);
  move_elements(call, op, walk, whole, y);
}

// The variable's part that the slice names becomes the value, or one element of it everywhere.
void run_assign(Call& call, const OpSpec&, const State* state) {
  const Tensor ref = call.input(0), value = call.input(4);
  const SlicePlan plan = read_plan(call, 1, ref.shape, state);
  require(value.shape == plan.shape || value.size() == 1, Code::invalid_argument, "cannot assign a value of shape ",
          text(value.shape), " to a slice of shape ", text(plan.shape));
  if (count(plan.shape) == 0) return;
  Walk walk{plan.axes(ref.shape), 0, plan.from(ref.shape)};
  for (Axis& a : walk.axes) {
    std::swap(a.stride[0], a.stride[1]);
    if (value.shape != plan.shape) a.stride[0] = 0;
  }
  launch_copy(call, walk, value, ref);
}
OpSpec slice_assign(const char* name, bool resource) {
  OpSpec row{name, join({kFloats, kDeviceInts, kWide, {DType::boolean}}), run_assign, "", copy_variants, prepare_masks};
  row.host = {"begin", "end", "strides"};
  if (resource) row.host.push_back("ref");
  row.variables = {0};
  return row;
}

void run_slice(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), b = call.input(1), s = call.input(2);
  const Shape wanted{x.rank()};
  require(b.shape == wanted && s.shape == wanted, Code::invalid_argument,
          "Expected begin and size arguments to be 1-D tensors of size ", x.rank(), ", but got shapes ", text(b.shape),
          " and ", text(s.shape), " instead.");
  SlicePlan plan{host_values(b), host_values(s), std::vector<int64_t>(x.shape.size(), 1), {}};
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const int64_t first = plan.begin[d], length = x.shape[d];
    require(first >= 0 && first <= length, Code::invalid_argument, "Expected begin[", d, "] in [0, ", length,
            "], but got ", first);
    if (plan.size[d] == -1) plan.size[d] = length - first;
    require(plan.size[d] >= 0 && plan.size[d] <= length - first, Code::invalid_argument, "Expected size[", d,
            "] in [0, ", length - first, "], but got ", plan.size[d]);
  }
  if (plan.size == x.shape) return call.output_alias(0, 0, x.shape);
  const Tensor y = call.output(0, x.type, plan.size);
  move_elements(call, op, {plan.axes(x.shape), plan.from(x.shape), 0}, x, y);
}

void both_variants(const OpSpec& op, std::vector<std::string>& names) {
  copy_variants(op, names);
  fill_variants(op, names);
}

const std::vector<DType> kAll = join({kFloats, kDeviceInts, kWide, {DType::boolean}});
const std::vector<DType> kSliced = join({kFloats, kWide, {DType::boolean, DType::i8, DType::i64}});
const std::vector<DType> kInt32 = {DType::i32};

const Family slice{
    slice_assign("ResourceStridedSliceAssign", true),
    slice_assign("StridedSliceAssign", false),
    {"Slice", kSliced, run_slice, "", copy_variants, nullptr, {"begin", "size"}},
    {"StridedSlice", kAll, run_strided_slice, "", copy_variants, prepare_masks, {"begin", "end", "strides"}},
    {"StridedSlice",
     kInt32,
     run_strided_slice,
     kHost,
     nullptr,
     prepare_masks,
     {"input", "begin", "end", "strides", "output"}},
    {"TensorStridedSliceUpdate",
     kAll,
     run_strided_slice_update,
     "",
     copy_variants,
     prepare_masks,
     {"begin", "end", "strides"}},
    {"TensorStridedSliceUpdate",
     kInt32,
     run_strided_slice_update,
     kHost,
     nullptr,
     prepare_masks,
     {"input", "begin", "end", "strides", "value", "output"}},
    {"StridedSliceGrad",
     kAll,
     run_strided_slice_grad,
     "",
     both_variants,
     prepare_masks,
     {"shape", "begin", "end", "strides"}},
    {"StridedSliceGrad",
     kInt32,
     run_strided_slice_grad,
     kHost,
     nullptr,
     prepare_masks,
     {"shape", "begin", "end", "strides", "dy", "output"}},
};

}  // namespace
}  // namespace anvil::ops
