#include <algorithm>

#include "ops/pool.h"
#include "ops/strided.h"

namespace anvil::ops {
namespace {

std::string list(const std::vector<int64_t>& v) {
  std::string s;
  for (size_t i = 0; i < v.size(); ++i) s += (i ? "," : "") + std::to_string(v[i]);
  return s;
}

void check_pads(const std::vector<int64_t>& pads, size_t rank, size_t channel_axis) {
  require(pads.size() == 2 * rank, Code::invalid_argument, "explicit_paddings attribute must contain ", 2 * rank,
          " values, but got: ", pads.size());
  for (int64_t p : pads)
    require(p >= 0, Code::invalid_argument, "All elements of explicit_paddings must be nonnegative");
  require(pads[0] == 0 && pads[1] == 0 && pads[2 * channel_axis] == 0 && pads[2 * channel_axis + 1] == 0,
          Code::invalid_argument, "Nonzero explicit padding in the batch or depth dimensions is not supported");
}

// `before` and `after` are used with explicit padding only.
PoolDim plan_dim(int64_t in, int64_t window, int64_t stride, Padding padding, int64_t before, int64_t after) {
  require(stride > 0, Code::invalid_argument, "Stride must be > 0, but got ", stride);
  PoolDim d{in, 0, window, stride, 0};
  if (padding == Padding::same) {
    d.out = (in + stride - 1) / stride;
    d.pad = std::max<int64_t>(0, (d.out - 1) * stride + window - in) / 2;
    return d;
  }
  if (padding == Padding::explicit_) d.pad = before;
  else before = after = 0;
  d.out = (in + before + after - window + stride) / stride;
  require(d.out >= 0, Code::invalid_argument, "Computed output size would be negative: ", d.out, " [input_size: ", in,
          ", effective_filter_size: ", window, ", stride: ", stride, "]");
  return d;
}

}  // namespace

std::unique_ptr<State> read_pool_attrs(const Attrs& a) {
  auto s = std::make_unique<PoolAttrs>();
  if (a.has("ksize")) s->window = a.integers("ksize");
  if (a.has("strides")) s->stride = a.integers("strides");
  const std::string padding = a.string("padding");
  s->padding = padding == "SAME" ? Padding::same : padding == "VALID" ? Padding::valid : Padding::explicit_;
  if (a.has("explicit_paddings")) s->pads = a.integers("explicit_paddings");
  if (a.has("data_format")) s->channels_first = a.string("data_format").starts_with("NC");
  if (a.has("include_batch_in_index")) s->whole_batch = a.flag("include_batch_in_index");
  if (!s->window.empty()) check_window(s->window, s->stride, s->window.size() == 5 ? 5 : 4);
  return s;
}

void check_window(const std::vector<int64_t>& window, const std::vector<int64_t>& stride, size_t rank) {
  require(window.size() == rank, Code::invalid_argument, "Sliding window ksize field must specify ", rank,
          " dimensions");
  require(stride.size() == rank, Code::invalid_argument, "Sliding window stride field must specify ", rank,
          " dimensions");
  for (int64_t w : window)
    require(w > 0, Code::invalid_argument,
            "Sliding window ksize must be positive. The specified or inferred ksize is: ", list(window));
  require(window[0] == 1 && stride[0] == 1, Code::unimplemented,
          "Pooling is not yet supported on the batch dimension.");
}

PoolGeometry plan_pool(const Shape& input, const PoolAttrs& attrs, const std::vector<int64_t>& window,
                       const std::vector<int64_t>& stride, const char* channel_error) {
  const size_t rank = window.size(), spatial = rank - 2;
  const size_t first = attrs.channels_first ? 2 : 1, channel_axis = attrs.channels_first ? 1 : rank - 1;
  PoolGeometry g;
  g.output = input;
  if (window[channel_axis] > 1) {
    require(!channel_error, Code::unimplemented, channel_error ? channel_error : "");
    const bool spatial_too =
        std::any_of(window.begin() + first, window.begin() + first + spatial, [](int64_t w) { return w > 1; });
    require(!spatial_too, Code::unimplemented,
            "MaxPooling supports exactly one of pooling across depth or pooling across width/height.");
    require(input[channel_axis] % window[channel_axis] == 0, Code::unimplemented,
            "Depthwise max pooling requires the depth window to evenly divide the input depth");
    require(window[channel_axis] == stride[channel_axis], Code::unimplemented,
            "Depthwise max pooling requires the depth window to equal the depth stride");
    g.depthwise = window[channel_axis];
    g.output[channel_axis] /= g.depthwise;
  }
  if (attrs.padding == Padding::explicit_) check_pads(attrs.pads, rank, channel_axis);
  PoolDim* dims[3] = {&g.depth, &g.height, &g.width};
  for (size_t i = 0; i < spatial; ++i) {
    const size_t axis = first + i;
    const bool pads = attrs.padding == Padding::explicit_;
    const int64_t before = pads ? attrs.pads[2 * axis] : 0, after = pads ? attrs.pads[2 * axis + 1] : 0;
    if (pads && spatial == 2) {
      static constexpr const char* kSides[2][2] = {{"Top", "Bottom"}, {"Left", "Right"}};
      for (int side : {0, 1}) {
        const int64_t p = side ? after : before;
        require(p < window[axis], Code::invalid_argument, kSides[i][side], " padding ", p,
                " needs to be smaller than the window size ", window[axis]);
      }
    }
    PoolDim& d = *dims[3 - spatial + i];
    d = plan_dim(input[axis], window[axis], stride[axis], attrs.padding, before, after);
    g.output[axis] = d.out;
  }
  g.images = attrs.channels_first ? input[0] * input[1] : input[0];
  g.channels = attrs.channels_first ? 1 : input[channel_axis];
  return g;
}

PoolParams pool_params(const PoolGeometry& g, PoolWalk walk, uint32_t lanes) {
  PoolParams p{};
  int64_t threads = g.images * (g.channels / lanes), inputs = g.images * g.channels, outputs = inputs;
  const PoolDim* dims[3] = {&g.depth, &g.height, &g.width};
  for (size_t i = 0; i < 3; ++i) {
    const PoolDim& d = *dims[i];
    const int64_t n = walk == PoolWalk::outputs ? d.out : walk == PoolWalk::inputs ? d.in : d.cells();
    threads *= n;
    inputs *= d.in;
    outputs *= d.out;
    require(d.window < 65536 && d.stride < 65536, Code::unimplemented, "pooling windows of 65536 are not supported");
    const Divisor by = n >= 2 ? divisor(static_cast<uint32_t>(n)) : Divisor{};
    p.axes[i] = {uint32_t(d.in),  uint32_t(d.out), uint32_t(n), uint32_t(d.window | d.stride << 16),
                 uint32_t(d.pad), by.magic,        by.shift};
  }
  require(std::max({threads, inputs, outputs}) < (int64_t{1} << 31), Code::unimplemented,
          "pooling of 2^31 elements or more is not supported");
  p.count = static_cast<uint32_t>(threads);
  p.chunks = static_cast<uint32_t>(g.channels / lanes);
  const Divisor by = p.chunks >= 2 ? divisor(p.chunks) : Divisor{};
  p.chunks_magic = by.magic;
  p.chunks_shift = by.shift;
  return p;
}

}  // namespace anvil::ops
