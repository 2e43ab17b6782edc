// _MklLayerNorm and _MklFusedInstanceNorm: TensorFlow's remapper makes them of decomposed normalizations on any device
// where TensorFlow computes with oneDNN.  The bodies are in kernels/layer_norm.slang.
#include <algorithm>

#include "ops/copy.h"
#include "ops/packet.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 128;  // as in layer_norm.slang
// A row longer than this is worth more than one group, and is left to the reductions.
constexpr int64_t kLongestRow = 16384;

struct NormAttrs : State {
  std::vector<int64_t> axes;  // empty: the last one
  float epsilon = 0, alpha = 0;
  uint32_t activation = 0;
};

std::unique_ptr<State> prepare_layer(const Attrs& a) {
  auto s = std::make_unique<NormAttrs>();
  s->epsilon = a.real("epsilon");
  return s;
}
std::unique_ptr<State> prepare_instance(const Attrs& a) {
  auto s = std::make_unique<NormAttrs>();
  s->epsilon = a.real("epsilon");
  s->alpha = a.real("leakyrelu_alpha");
  s->axes = a.integers("reduction_axes");
  const std::vector<std::string> steps = a.strings("fused_ops");
  require(steps.size() <= 1, Code::invalid_argument, "InstanceNorm supports at most one op for fusion");
  if (steps.empty()) return s;
  require(steps[0] == "Relu" || steps[0] == "LeakyRelu", Code::unimplemented, "Fusion is not implemented: ", steps[0]);
  s->activation = steps[0] == "Relu" ? 1 : 2;
  return s;
}

// x seen as [outer, reduced, inner]; false where the reduced axes are not neighbours.
struct View {
  int64_t outer = 1, reduced = 1, inner = 1;
};
bool view_of(const Shape& x, const std::vector<int64_t>& axes, View& v) {
  const auto rank = static_cast<int64_t>(x.size());
  std::vector<bool> gone(x.size());
  for (const int64_t axis : axes) {
    require(axis >= -rank && axis < rank, Code::invalid_argument, "Invalid reduction dimension (", axis,
            " for input with ", rank, " dimension(s)");
    gone[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  const auto first = std::ranges::find(gone, true), end = std::find(first, gone.end(), false);
  if (std::find(end, gone.end(), true) != gone.end()) return false;
  for (size_t i = 0; i < x.size(); ++i)
    (gone[i] ? v.reduced : gone.begin() + static_cast<std::ptrdiff_t>(i) < first ? v.outer : v.inner) *= x[i];
  return true;
}

// Scale or offset, which broadcasts to x: element e takes number e / inner % channels.
struct Vector {
  Tensor values;
  int64_t inner = 1, channels = 1;
};
Vector along(Call& call, const Tensor& values, const Tensor& x) {
  const size_t rank = x.shape.size(), own = values.shape.size();
  require(broadcast_shape(values.shape, x.shape) == x.shape, Code::invalid_argument,
          "scale and offset must broadcast to the input: ", text(values.shape), " and ", text(x.shape));
  size_t first = rank, end = rank;
  for (size_t axis = rank; axis-- > rank - own;) {
    if (values.shape[axis - (rank - own)] == 1) continue;
    if (first == rank) end = axis + 1;
    first = axis;
  }
  bool run = true;
  for (size_t axis = first; axis < end; ++axis) run = run && values.shape[axis - (rank - own)] == x.shape[axis];
  if (!run) return {expanded(call, values, x.shape), 1, x.size()};
  Vector v{values, 1, values.size()};
  for (size_t axis = end; axis < rank; ++axis) v.inner *= x.shape[axis];
  return v;
}

uint32_t u(int64_t v) { return static_cast<uint32_t>(v); }
std::string variant(const char* entry, DType t) { return str("layer_norm/", entry, "<", packed(t), ">"); }

// (x, scale, offset)
void run(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = *static_cast<const NormAttrs*>(state);
  const Tensor x = call.input(0), scale = call.input(1), offset = call.input(2);
  require(x.rank() >= 1, Code::invalid_argument, "input must be at least 1-dimensional");
  require(x.size() < (int64_t{1} << 31), Code::unimplemented, "a batch of 2^31 elements or more is not supported");
  const Tensor y = call.output(0, x.type, x.shape);
  if (x.size() == 0) return;
  const std::vector<int64_t> axes = attrs.axes.empty() ? std::vector<int64_t>{-1} : attrs.axes;
  View v;
  const bool neighbours = view_of(x.shape, axes, v);
  if (!neighbours) v = {x.size(), 1, 1};
  const Vector scales = along(call, scale, x), offsets = along(call, offset, x);
  const struct {
    uint32_t count, reduced, inner, scale_inner, scale_channels, offset_inner, offset_channels, activation;
    float alpha, epsilon;
  } params{u(x.size()),      u(v.reduced),        u(v.inner),       u(scales.inner), u(scales.channels),
           u(offsets.inner), u(offsets.channels), attrs.activation, attrs.alpha,     attrs.epsilon};
  if (neighbours && v.inner == 1 && v.reduced <= kLongestRow && !call.caps().cpu_type()) {
    constexpr Arg kNone{nullptr, 0, Access::read};
    call.stream().launch(call.kernel(variant("rows", x.type)), Grid::line(uint64_t(v.outer)),
                         {read(x), write(y), kNone, kNone, read(scales.values), read(offsets.values)}, params);
    return;
  }
  const ReduceAxes runs = collapse_axes(x.shape, axes, true);
  const auto statistic = [&](const Tensor& of) {
    const Tensor mean = call.scratch(DType::f32, runs.result);
    reduce(call, Reduction::mean, of, mean, runs);
    return neighbours ? mean : expanded(call, mean, x.shape);
  };
  const Grid grid = Grid::line(div_up(div_up(x.size(), packet_width(x.type)), kGroup));
  const Tensor mean = statistic(x), squares = call.scratch(DType::f32, x.shape);
  const struct {
    uint32_t count, reduced, inner;
  } sizes{params.count, params.reduced, params.inner};
  call.stream().launch(call.kernel(variant("deviations", x.type)), grid, {read(x), read(mean), write(squares)}, sizes);
  const Tensor variance = statistic(squares);
  call.stream().launch(call.kernel(variant("finish", x.type)), grid,
                       {read(x), write(y), read(mean), read(variance), read(scales.values), read(offsets.values)},
                       params);
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  copy_variants(op, names);
  reduce_variants(Reduction::mean, DType::f32, names);
  for (const DType t : op.types) {
    for (const char* entry : {"rows", "deviations", "finish"}) names.push_back(variant(entry, t));
    reduce_variants(Reduction::mean, t, names, DType::f32);
  }
}

const Family layer_norm{
    {"_MklLayerNorm", kFloats, run, "", variants, prepare_layer},
    {"_MklFusedInstanceNorm", kFloats, run, "", variants, prepare_instance},
};

}  // namespace
}  // namespace anvil::ops
