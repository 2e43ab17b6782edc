// Conv3D and its gradients: the windows are laid out as rows of a matrix, a slab at a time, and multiplied.
#include <algorithm>

#include "ops/conv2d.h"
#include "ops/copy.h"
#include "ops/map.h"
#include "ops/patches.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

// Bytes of patches at once: a software GPU wants them in a cache, a GPU many rows.
int64_t slab_bytes(const Caps& caps) { return caps.cpu_type() ? int64_t{4} << 20 : int64_t{64} << 20; }

struct VolumeAttrs : State {
  bool channels_first = false, same = false;
  std::array<int64_t, 3> stride{}, rate{};
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<VolumeAttrs>();
  s->channels_first = attrs.has("data_format") && attrs.string("data_format") == "NCDHW";
  s->same = attrs.string("padding") == "SAME";
  const std::vector<int64_t> stride = attrs.integers("strides");
  const std::vector<int64_t> rate = attrs.has("dilations") ? attrs.integers("dilations") : std::vector<int64_t>(5, 1);
  require(stride.size() == 5, Code::invalid_argument, "Sliding window strides field must specify 5 dimensions");
  require(rate.size() == 5, Code::invalid_argument, "Dilation rates field must specify 5 dimensions");
  const size_t channel = s->channels_first ? 1 : 4, first = s->channels_first ? 2 : 1;
  require(stride[0] == 1 && stride[channel] == 1, Code::invalid_argument,
          "Current implementation does not yet support strides in the batch and depth dimensions.");
  require(rate[0] == 1 && rate[channel] == 1, Code::invalid_argument,
          "Current implementation does not yet support dilation rates in the batch and depth dimensions.");
  for (size_t d = 0; d < 3; ++d) {
    s->stride[d] = stride[first + d];
    s->rate[d] = rate[first + d];
    require(s->stride[d] > 0, Code::invalid_argument, "Spatial strides should be larger than 0.");
    require(s->rate[d] > 0, Code::invalid_argument, "Dilated rates should be larger than 0.");
  }
  return s;
}

// ---- geometry ----
// Shapes with the channels last, whatever the layout in memory.
struct Volume {
  PatchGeometry g;  // of one group
  int64_t groups = 1, outputs = 0;
  Shape x, y;
};
Shape channels_last(const Shape& s, bool channels_first) {
  return channels_first ? Shape{s[0], s[2], s[3], s[4], s[1]} : s;
}
Shape as_stored(const Shape& s, bool channels_first) {
  return channels_first ? Shape{s[0], s[4], s[1], s[2], s[3]} : s;
}
Volume volume(const VolumeAttrs& attrs, const Shape& input, const Shape& filter) {
  require(input.size() == 5, Code::invalid_argument, "input must be 5-dimensional");
  require(filter.size() == 5, Code::invalid_argument, "filter must be 5-dimensional");
  Volume v;
  v.x = channels_last(input, attrs.channels_first);
  require(filter[3] > 0 && v.x[4] % filter[3] == 0, Code::invalid_argument,
          "Input depth must be evenly divisible by filter depth: ", v.x[4], " vs ", filter[3]);
  v.groups = v.x[4] / filter[3];
  v.outputs = filter[4];
  require(v.groups == 0 || v.outputs % v.groups == 0, Code::invalid_argument,
          "Output depth must be evenly divisible by number of groups: ", v.outputs, " vs ", v.groups);
  v.g.images = v.x[0];
  v.g.channels = filter[3];
  v.y = {v.x[0], 0, 0, 0, v.outputs};
  for (size_t d = 0; d < 3; ++d) {
    v.g.axes[d] = patch_axis(v.x[d + 1], filter[d], attrs.stride[d], attrs.rate[d], attrs.same);
    v.y[d + 1] = v.g.axes[d].out;
  }
  return v;
}

// ---- moving channels ----

// A channels-first tensor with its channels last, or the other way round.
void turn_channels(Call& call, const Tensor& x, const Tensor& y, bool to_last) {
  const Shape& last = to_last ? y.shape : x.shape;
  const int64_t n = last[0], space = last[1] * last[2] * last[3], c = last[4];
  const std::array<int64_t, 3> at_last = {1, c, space * c}, at_first = {space, 1, space * c};
  const auto &from = to_last ? at_first : at_last, &to = to_last ? at_last : at_first;
  launch_copy(call, {{{c, {from[0], to[0]}}, {space, {from[1], to[1]}}, {n, {from[2], to[2]}}}}, x, y);
}
Tensor with_channels_last(Call& call, const Tensor& t, bool channels_first) {
  if (!channels_first) return t;
  const Tensor y = call.scratch(t.type, channels_last(t.shape, true));
  if (t.size() > 0) turn_channels(call, t, y, true);
  return y;
}
// Columns [first, first + width) of the matrix of rows of `whole` that x's last axis makes, copied in either direction.
void copy_columns(Call& call, const Tensor& from, int64_t from_width, int64_t from_first, const Tensor& to,
                  int64_t to_width, int64_t to_first, int64_t width) {
  const int64_t rows = from.size() / from_width;
  launch_copy(call, {{{width, {1, 1}}, {rows, {from_width, to_width}}}, from_first, to_first}, from, to);
}
Tensor columns(Call& call, const Tensor& x, int64_t first, int64_t width) {
  const int64_t all = x.shape.back();
  if (width == all) return x;
  const Tensor part = call.scratch(x.type, {x.size() / all, width});
  copy_columns(call, x, all, first, part, width, 0, width);
  return part;
}

Tensor rows_of(const Tensor& t, int64_t first, int64_t rows, int64_t width) {
  return {{rows, width}, t.type, static_cast<char*>(t.data) + first * width * static_cast<int64_t>(size_of(t.type))};
}
Tensor in_float(Call& call, const Tensor& t) {
  if (t.type == DType::f32) return t;
  const Tensor y = call.scratch(DType::f32, t.shape);
  launch_map(call, {"cast", str("FloatToFloat<", slang_name(t.type), ",F32>")}, t, y);
  return y;
}
Functor from_float(DType t) { return {"cast", str("FloatToFloat<F32,", slang_name(t), ">")}; }
void cast_variants(DType t, std::vector<std::string>& names) {
  if (t == DType::f32) return;
  map_variants({"cast", str("FloatToFloat<", slang_name(t), ",F32>")}, names);
  map_variants(from_float(t), names);
}

GemmProblem product(DType t, int64_t m, int64_t n, int64_t k) {
  GemmProblem p;
  p.type = t;
  p.m = static_cast<uint64_t>(m);
  p.n = static_cast<uint64_t>(n);
  p.k = static_cast<uint64_t>(k);
  return p;
}
bool pointwise(const PatchGeometry& g) {
  return g.volume() == 1 && std::ranges::all_of(g.axes, [](const PatchAxis& a) { return a.stride == 1; });
}
// Rows of patches a slab holds.
int64_t slab_rows(Call& call, const PatchGeometry& g, DType t) {
  const int64_t row = std::max<int64_t>(1, g.width() * static_cast<int64_t>(size_of(t)));
  return std::max<int64_t>(1, slab_bytes(call.caps()) / row);
}

// ---- one group, channels last ----
void forward(Call& call, const PatchGeometry& g, const Tensor& x, const Tensor& w, const Tensor& y, int64_t outputs) {
  const int64_t rows = g.images * g.windows();
  if (pointwise(g)) return gemm(call, product(x.type, rows, outputs, g.width()), x, w, y);
  const int64_t slab = std::min(rows, slab_rows(call, g, x.type));
  const Tensor patches = call.scratch(x.type, {slab, g.width()});
  for (int64_t first = 0; first < rows; first += slab) {
    const int64_t m = std::min(slab, rows - first);
    launch_patches(call, g, x, patches, first, m);
    gemm(call, product(x.type, m, outputs, g.width()), patches, w, rows_of(y, first, m, outputs));
  }
}

void filter_gradient(Call& call, const PatchGeometry& g, const Tensor& x, const Tensor& dy, const Tensor& dw,
                     int64_t outputs) {
  const int64_t rows = g.images * g.windows(), slab = std::min(rows, slab_rows(call, g, x.type));
  GemmProblem p = product(x.type, g.width(), outputs, rows);
  p.turned_a = true;
  if (pointwise(g)) return gemm(call, p, x, dy, dw);
  const int64_t slabs = rows == 0 ? 1 : (rows + slab - 1) / slab;
  if (slabs > 1 && x.type != DType::f32) {  // so that no partial sum is rounded
    const Tensor sum = call.scratch(DType::f32, dw.shape);
    filter_gradient(call, g, in_float(call, x), in_float(call, dy), sum, outputs);
    return launch_map(call, from_float(dw.type), sum, dw);
  }
  const Tensor patches = call.scratch(x.type, {slab, g.width()});
  const int64_t results = g.width() * outputs;
  const Tensor parts = slabs == 1 ? dw : call.scratch(x.type, {slabs, results});
  for (int64_t s = 0; s < slabs; ++s) {
    const int64_t first = s * slab, m = std::min(slab, rows - first);
    if (m > 0) launch_patches(call, g, x, patches, first, m);
    p.k = static_cast<uint64_t>(m);
    gemm(call, p, patches, rows_of(dy, first, m, outputs), rows_of(parts, s, 1, results));
  }
  if (slabs > 1)
    reduce(call, Reduction::sum, parts, dw, collapse_axes({slabs, results}, std::initializer_list<int64_t>{0}, false));
}

void input_gradient(Call& call, PatchGeometry g, const Tensor& dy, const Tensor& w, const Tensor& dx, int64_t outputs) {
  const int64_t images = g.images, windows = g.windows();
  GemmProblem p = product(dx.type, images * windows, g.width(), outputs);
  p.turned_b = true;
  if (pointwise(g)) return gemm(call, p, dy, w, dx);
  // In float32: the fold adds what the product rounds.
  const Tensor dy32 = in_float(call, dy), w32 = in_float(call, w);
  const int64_t slab = std::clamp<int64_t>(slab_rows(call, g, DType::f32) / std::max<int64_t>(windows, 1), 1, images);
  const int64_t image = dx.size() / images;
  const Tensor patches = call.scratch(DType::f32, {slab * windows, g.width()});
  for (int64_t first = 0; first < images; first += slab) {
    g.images = std::min(slab, images - first);
    p.type = DType::f32;
    p.m = static_cast<uint64_t>(g.images * windows);
    gemm(call, p, rows_of(dy32, first * windows, g.images * windows, outputs), w32, patches);
    launch_fold(call, g, patches, rows_of(dx, first, g.images, image));
  }
}

// ---- the ops ----
const VolumeAttrs& attrs_of(const State* s) { return static_cast<const VolumeAttrs&>(*s); }

void run_forward(Call& call, const OpSpec&, const State* state) {
  const VolumeAttrs& attrs = attrs_of(state);
  const Tensor x = call.input(0), w = call.input(1);
  const Volume v = volume(attrs, x.shape, w.shape);
  const Tensor out = call.output(0, x.type, as_stored(v.y, attrs.channels_first));
  if (out.size() == 0) return;
  const Tensor last = with_channels_last(call, x, attrs.channels_first);
  const Tensor y = attrs.channels_first ? call.scratch(x.type, v.y) : out;
  const int64_t width = v.outputs / std::max<int64_t>(v.groups, 1);
  if (v.groups <= 1) forward(call, v.g, last, w, y, width);
  for (int64_t k = 0; v.groups > 1 && k < v.groups; ++k) {
    const Tensor part = call.scratch(x.type, {y.size() / v.outputs, width});
    forward(call, v.g, columns(call, last, k * v.g.channels, v.g.channels), columns(call, w, k * width, width), part,
            width);
    copy_columns(call, part, width, 0, y, v.outputs, k * width, width);
  }
  if (attrs.channels_first) turn_channels(call, y, out, false);
}

// What both gradients know: (x or its sizes, w or its sizes, dy).
Volume gradient_shapes(const VolumeAttrs& attrs, const Shape& x, const Shape& w, const Tensor& dy) {
  require(dy.rank() == 5, Code::invalid_argument, "out_backprop must be 5-dimensional");
  const Volume v = volume(attrs, x, w);
  const Shape want = as_stored(v.y, attrs.channels_first);
  require(dy.shape == want, Code::invalid_argument, "out_backprop has shape ", text(dy.shape), ", expected ",
          text(want));
  return v;
}
// A host argument with the sizes, or for the ops of TensorFlow 0.9 a tensor that has them.
Shape shape_argument(const OpSpec& op, const Tensor& t) {
  if (op.host.empty()) return t.shape;
  require(t.rank() == 1, Code::invalid_argument, "sizes must be a vector, got shape ", text(t.shape));
  return host_sizes(t);
}

void run_input_gradient(Call& call, const OpSpec& op, const State* state) {
  const VolumeAttrs& attrs = attrs_of(state);
  const Tensor w = call.input(1), grad = call.input(2);
  const Shape shape = shape_argument(op, call.input(0));
  const Volume v = gradient_shapes(attrs, shape, w.shape, grad);
  const Tensor out = call.output(0, grad.type, shape);
  if (out.size() == 0) return;
  if (grad.size() == 0) return call.stream().fill(out.data, 0, 1, out.bytes());
  const Tensor dy = with_channels_last(call, grad, attrs.channels_first);
  const Tensor dx = attrs.channels_first ? call.scratch(out.type, v.x) : out;
  const int64_t width = v.outputs / v.groups, channels = v.g.channels;
  if (v.groups == 1) input_gradient(call, v.g, dy, w, dx, width);
  for (int64_t k = 0; v.groups > 1 && k < v.groups; ++k) {
    const Tensor part = call.scratch(dx.type, {dx.size() / v.x[4], channels});
    input_gradient(call, v.g, columns(call, dy, k * width, width), columns(call, w, k * width, width), part, width);
    copy_columns(call, part, channels, 0, dx, v.x[4], k * channels, channels);
  }
  if (attrs.channels_first) turn_channels(call, dx, out, false);
}

void run_filter_gradient(Call& call, const OpSpec& op, const State* state) {
  const VolumeAttrs& attrs = attrs_of(state);
  const Tensor input = call.input(0), grad = call.input(2);
  const Shape shape = shape_argument(op, call.input(1));
  const Volume v = gradient_shapes(attrs, input.shape, shape, grad);
  const Tensor dw = call.output(0, grad.type, shape);
  if (dw.size() == 0) return;
  if (grad.size() == 0 || input.size() == 0) return call.stream().fill(dw.data, 0, 1, dw.bytes());
  const Tensor x = with_channels_last(call, input, attrs.channels_first);
  const Tensor dy = with_channels_last(call, grad, attrs.channels_first);
  const int64_t width = v.outputs / v.groups, channels = v.g.channels;
  if (v.groups == 1) return filter_gradient(call, v.g, x, dy, dw, width);
  for (int64_t k = 0; k < v.groups; ++k) {
    const Tensor part = call.scratch(dw.type, {dw.size() / v.outputs, width});
    filter_gradient(call, v.g, columns(call, x, k * channels, channels), columns(call, dy, k * width, width), part,
                    width);
    copy_columns(call, part, width, 0, dw, v.outputs, k * width, width);
  }
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    gemm_variants(t, names);
    patch_variants(t, names);
    fold_variants(t, names);
    cast_variants(t, names);
  }
  gemm_variants(DType::f32, names);
  patch_variants(DType::f32, names);
  reduce_variants(Reduction::sum, DType::f32, names);
  copy_variants(op, names);
}

OpSpec row(const char* name, Run run, std::vector<const char*> host = {}) {
  return {name, kFloats, run, "", variants, prepare, std::move(host)};
}
const Family conv3d{
    row("Conv3D", run_forward),
    row("Conv3DBackpropInputV2", run_input_gradient, {"input_sizes"}),
    row("Conv3DBackpropFilterV2", run_filter_gradient, {"filter_sizes"}),
    row("Conv3DBackpropInput", run_input_gradient),
    row("Conv3DBackpropFilter", run_filter_gradient),
};

}  // namespace
}  // namespace anvil::ops
