// Max and average pooling in two and three dimensions, and their gradients.  The bodies are in kernels/pool.slang.
#include "ops/pool.h"

#include <algorithm>
#include <limits>

#include "ops/packet.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in pool.slang
// llvmpipe cuts a thread's loops off at 65535 turns in all; a thread walks its window at most twice.
constexpr int64_t kSoftwareTurns = 24576;

std::string variant(const char* entry, const char* functor, DType t, bool wide) {
  return str("pool/", entry, "<", functor, *functor ? "," : "", packed(t), wide ? ",true>" : ",false>");
}
std::string narrow_variant(const char* entry, DType t) { return str("pool/", entry, "<", packed(t), ">"); }

const PoolAttrs& attrs_of(const State* s) { return *static_cast<const PoolAttrs*>(s); }

// Whether threads take packets of channels: they must be whole, and every tensor start on a packet boundary.
bool wide(const PoolGeometry& g, DType t, std::initializer_list<Tensor> tensors) {
  if (g.channels % packet_width(t) != 0) return false;
  for (const Tensor& x : tensors)
    if (reinterpret_cast<uintptr_t>(x.data) % 8 != 0) return false;
  return true;
}

template <class Params>
void launch(Call& call, const std::string& kernel, std::initializer_list<Arg> args, const PoolParams& shape,
            const Params& params) {
  if (shape.count == 0) return;
  int64_t turns = 1;
  for (const PoolAxisParams& axis : shape.axes)
    turns *= std::max(axis.window_and_stride & 0xffffu, axis.window_and_stride >> 16);
  require(!call.caps().cpu_type() || turns <= kSoftwareTurns, Code::unimplemented, "pooling windows of more than ",
          kSoftwareTurns, " elements are not supported on a software GPU; reduce over the axes instead");
  call.stream().launch(call.kernel(kernel), Grid::line(div_up(shape.count, kGroup)), args, params);
}

// ---- windows ----
struct Windows {
  std::vector<int64_t> window, stride;
};
std::vector<int64_t> host_list(const Tensor& t) {
  const int32_t* v = t.host<int32_t>();
  return {v, v + t.size()};
}
// From the attributes, or from the two inputs that start at `first` (the V2 ops).
Windows windows(Call& call, const PoolAttrs& attrs, int first, size_t rank) {
  if (!attrs.window.empty()) return {attrs.window, attrs.stride};
  Windows w{host_list(call.input(first)), host_list(call.input(first + 1))};
  check_window(w.window, w.stride, rank);
  return w;
}

// ---- forward ----
float lowest(DType t) {
  return t == DType::f16 ? -65504.0f : t == DType::bf16 ? -3.38953139e38f : std::numeric_limits<float>::lowest();
}

void forward(Call& call, const char* functor, const PoolGeometry& g, const Tensor& x, const Tensor& y, float start) {
  const bool packets = wide(g, x.type, {x, y});
  struct {
    PoolParams shape;
    float start;
  } params{pool_params(g, PoolWalk::outputs, packets ? packet_width(x.type) : 1), start};
  launch(call, variant("forward", functor, x.type, packets), {read(x), write(y)}, params.shape, params);
}
void forward_variants(const char* functor, DType t, std::vector<std::string>& names) {
  for (bool packets : {false, true}) names.push_back(variant("forward", functor, t, packets));
}

void check_input(const Tensor& x, size_t rank, const PoolAttrs& attrs) {
  require(x.shape.size() == rank, Code::invalid_argument, "tensor_in_shape must have ", rank - 2,
          " spatial dimensions. ", x.rank(), " ", attrs.channels_first ? 1 : 0);
}

template <int Rank>
void run_max(Call& call, const OpSpec&, const State* state) {
  const PoolAttrs& attrs = attrs_of(state);
  const Tensor x = call.input(0);
  const Windows w = windows(call, attrs, 1, Rank);
  check_input(x, Rank, attrs);
  const PoolGeometry g = plan_pool(x.shape, attrs, w.window, w.stride, nullptr);
  const Tensor y = call.output(0, x.type, g.output);
  if (y.size() == 0) return;
  if (g.depthwise == 1) return forward(call, "MaxPool", g, x, y, lowest(x.type));
  // Over channels: runs of neighbours in the channels-last layout, else whole planes.
  const int64_t inner = attrs.channels_first ? count(x.shape) / (x.shape[0] * x.shape[1]) : 1;
  const Shape view = {x.size() / (g.depthwise * inner), g.depthwise, inner};
  reduce(call, Reduction::max, x, y, collapse_axes(view, std::initializer_list<int64_t>{1}, false));
}
void max_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    forward_variants("MaxPool", t, names);
    reduce_variants(Reduction::max, t, names);
  }
}

constexpr const char* kNoChannels = "Non-spatial pooling is not yet supported. Volunteers? :)";

template <int Rank>
void run_average(Call& call, const OpSpec&, const State* state) {
  const PoolAttrs& attrs = attrs_of(state);
  const Tensor x = call.input(0);
  check_input(x, Rank, attrs);
  const PoolGeometry g = plan_pool(x.shape, attrs, attrs.window, attrs.stride, kNoChannels);
  const Tensor y = call.output(0, x.type, g.output);
  if (y.size() > 0) forward(call, "AvgPool", g, x, y, 0);
}
void average_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) forward_variants("AvgPool", t, names);
}

void run_with_argmax(Call& call, const OpSpec&, const State* state) {
  const PoolAttrs& attrs = attrs_of(state);
  const Tensor x = call.input(0);
  require(x.rank() == 4, Code::invalid_argument, "tensor_in must be 4-dimensional (2)");
  require(x.size() > 0, Code::invalid_argument, "tensor_in must not be empty (2)");
  const PoolGeometry g = plan_pool(x.shape, attrs, attrs.window, attrs.stride,
                                   "MaxPoolWithArgmax is not supported across channels on this device; pool each group "
                                   "of channels with Max and ArgMax instead");
  const Tensor y = call.output(0, x.type, g.output), index = call.output(1, DType::i64, g.output);
  struct {
    PoolParams shape;
    uint32_t whole_batch;
  } params{pool_params(g, PoolWalk::outputs, 1), attrs.whole_batch};
  launch(call, narrow_variant("with_argmax", x.type), {read(x), write(y), write(index)}, params.shape, params);
}
void argmax_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(narrow_variant("with_argmax", t));
}

// ---- gradients of max pooling: (orig_input, orig_output, grad) ----
struct MaxGradient {
  Tensor x, y, dy;
  PoolGeometry g;
};
// `gradient_like_input`: the incoming gradient has the input's shape (the second gradient) and not the output's.
MaxGradient read_gradient(Call& call, const PoolAttrs& attrs, size_t rank, bool gradient_like_input) {
  MaxGradient m{call.input(0), call.input(1), call.input(2), {}};
  const Tensor& y = m.y;
  const Windows w = windows(call, attrs, 3, rank);
  require(m.x.shape.size() == rank, Code::invalid_argument, "tensor_in must be ", rank, "-dimensional");
  require(y.shape.size() == rank, Code::invalid_argument, "tensor_out must be ", rank, "-dimensional");
  require(m.dy.shape.size() == rank, Code::invalid_argument, "out_backprop must be ", rank, "-dimensional");
  m.g = plan_pool(m.x.shape, attrs, w.window, w.stride, "MaxPoolingGrad is not yet supported on the depth dimension.");
  require(y.shape == m.g.output, Code::invalid_argument, "Expected orig_output shape to be ", text(m.g.output),
          ", but got ", text(y.shape));
  const Shape& expected = gradient_like_input ? m.x.shape : m.g.output;
  require(m.dy.shape == expected, Code::invalid_argument, "Expected grad shape to be ", text(expected), ", but got ",
          text(m.dy.shape));
  return m;
}

void run_max_gradient(Call& call, const OpSpec&, const State* state) {
  const MaxGradient m = read_gradient(call, attrs_of(state), 4, false);
  const Tensor dx = call.output(0, m.x.type, m.x.shape);
  if (dx.size() == 0) return;
  const DType t = dx.type;
  const PoolGeometry& g = m.g;
  const bool packets = wide(g, t, {m.x, m.dy, dx});
  const uint32_t lanes = packets ? packet_width(t) : 1;
  if (!g.depth.overlaps() && !g.height.overlaps() && !g.width.overlaps()) {
    const PoolParams shape = pool_params(g, PoolWalk::cells, lanes);
    return launch(call, variant("max_cells", "", t, packets), {read(m.x), read(m.dy), write(dx)}, shape, shape);
  }
  const Tensor choice = call.scratch(DType::u32, g.output);
  const PoolParams outputs = pool_params(g, PoolWalk::outputs, lanes), inputs = pool_params(g, PoolWalk::inputs, lanes);
  launch(call, variant("choices", "", t, packets), {read(m.x), write(choice)}, outputs, outputs);
  launch(call, variant("gather", "MaxShare", t, packets), {read(choice), read(m.dy), write(dx)}, inputs, inputs);
}
void max_gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types)
    for (bool packets : {false, true}) {
      names.push_back(variant("max_cells", "", t, packets));
      names.push_back(variant("choices", "", t, packets));
      names.push_back(variant("gather", "MaxShare", t, packets));
    }
}

void run_max_gradient_3d(Call& call, const OpSpec&, const State* state) {
  const MaxGradient m = read_gradient(call, attrs_of(state), 5, false);
  const Tensor dx = call.output(0, m.x.type, m.x.shape);
  const PoolParams shape = pool_params(m.g, PoolWalk::inputs, 1);
  launch(call, narrow_variant("gather_equal", dx.type), {read(m.x), read(m.y), read(m.dy), write(dx)}, shape, shape);
}
void max_gradient_3d_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(narrow_variant("gather_equal", t));
}

template <int Rank>
void run_second_gradient(Call& call, const OpSpec&, const State* state) {
  const MaxGradient m = read_gradient(call, attrs_of(state), Rank, true);
  const Tensor ddy = call.output(0, m.x.type, m.g.output);
  const PoolParams shape = pool_params(m.g, PoolWalk::outputs, 1);
  launch(call, narrow_variant("second", ddy.type), {read(m.x), read(m.dy), write(ddy)}, shape, shape);
}
void second_gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(narrow_variant("second", t));
}

// ---- gradient of average pooling: (orig_input_shape, grad) ----
template <int Rank>
void run_average_gradient(Call& call, const OpSpec&, const State* state) {
  const PoolAttrs& attrs = attrs_of(state);
  const Tensor sizes = call.input(0), dy = call.input(1);
  require(sizes.rank() == 1 && sizes.size() == Rank, Code::invalid_argument, "out_backprop must be 1-dimensional and ",
          Rank, " elements");
  require(dy.rank() == Rank, Code::invalid_argument, "out_backprop must be ", Rank, "-dimensional");
  const Shape input = host_list(sizes);
  for (int64_t s : input) require(s >= 0, Code::invalid_argument, "Expected a non-negative size, got ", s);
  const PoolGeometry g = plan_pool(input, attrs, attrs.window, attrs.stride, kNoChannels);
  require(dy.shape == g.output, Code::invalid_argument, "Expected grad shape to be ", text(g.output), ", but got ",
          text(dy.shape));
  const Tensor dx = call.output(0, dy.type, input);
  if (dx.size() == 0) return;
  const bool packets = wide(g, dx.type, {dy, dx});
  const PoolParams shape = pool_params(g, PoolWalk::inputs, packets ? packet_width(dx.type) : 1);
  launch(call, variant("gather", "AvgShare", dx.type, packets), {Arg{nullptr, 0, Access::read}, read(dy), write(dx)},
         shape, shape);
}
void average_gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types)
    for (bool packets : {false, true}) names.push_back(variant("gather", "AvgShare", t, packets));
}

// ---- the rows ----
OpSpec row(const char* name, Run run, Variants variants, std::vector<const char*> host = {}) {
  return {name, kFloats, run, "", variants, read_pool_attrs, std::move(host)};
}
OpSpec with_types(OpSpec spec, std::vector<TypeAxis> more) {
  spec.more = std::move(more);
  return spec;
}

const Family pooling{
    row("MaxPool", run_max<4>, max_variants),
    row("MaxPoolV2", run_max<4>, max_variants, {"ksize", "strides"}),
    row("MaxPool3D", run_max<5>, max_variants),
    row("AvgPool", run_average<4>, average_variants),
    row("AvgPool3D", run_average<5>, average_variants),
    row("MaxPoolGrad", run_max_gradient, max_gradient_variants),
    row("MaxPoolGradV2", run_max_gradient, max_gradient_variants, {"ksize", "strides"}),
    row("MaxPool3DGrad", run_max_gradient_3d, max_gradient_3d_variants),
    row("MaxPoolGradGrad", run_second_gradient<4>, second_gradient_variants),
    row("MaxPoolGradGradV2", run_second_gradient<4>, second_gradient_variants, {"ksize", "strides"}),
    row("MaxPool3DGradGrad", run_second_gradient<5>, second_gradient_variants),
    row("AvgPoolGrad", run_average_gradient<4>, average_gradient_variants, {"orig_input_shape"}),
    row("AvgPool3DGrad", run_average_gradient<5>, average_gradient_variants, {"orig_input_shape"}),
    with_types(row("MaxPoolWithArgmax", run_with_argmax, argmax_variants), {{"Targmax", {DType::i64}}}),
};

}  // namespace
}  // namespace anvil::ops
