// Conv2D, Conv2DBackpropInput and Conv2DBackpropFilter, with the checks and words of TensorFlow's CPU kernels.
#include "ops/conv2d.h"

#include <algorithm>

#include "base/log.h"
#include "ops/gemm_pack.h"

namespace anvil::ops {
namespace {

// What copies for a method are made of.
struct Copies {
  uint64_t unit;  // numbers of channels are multiples of it
  DType type;
};

// An image tensor as (image, pixel, group, channel), channels last and padded.
Tensor pack_image(Call& call, const Tensor& t, const ConvShape& s, Copies copies, uint64_t pixels, uint64_t channels) {
  const uint64_t all = channels * s.groups;
  const std::array<uint64_t, 4> last{pixels * all, all, channels, 1}, first{pixels * all, 1, channels * pixels, pixels};
  return pack(call, t,
              {.size = {s.images, pixels, s.groups, channels},
               .stride = s.nchw ? first : last,
               .padded = {pixels, round_up(channels, copies.unit)},
               .type = copies.type});
}

// The filter as (tap, channel, group, output), outputs and, if asked for, channels padded.
Tensor pack_filter(Call& call, const Tensor& t, const ConvShape& s, Copies copies, bool channels_too) {
  const uint64_t pitch = s.outputs * s.groups;
  return pack(call, t,
              {.size = {s.taps(), s.channels, s.groups, s.outputs},
               .stride = {s.channels * pitch, pitch, s.outputs, 1},
               .padded = {round_up(s.channels, channels_too ? copies.unit : 1), round_up(s.outputs, copies.unit)},
               .type = copies.type});
}

void launch_product(Call& call, ConvPass pass, const ConvShape& s, const ConvPlan& plan, const Tensor& a,
                    const Tensor& b, const Tensor& c) {
  const bool matrix = plan.method == ConvMethod::matrix;
  const Copies copies = matrix ? Copies{kMatrixUnit, s.type} : Copies{2, DType::f32};
  const auto input = [&](const Tensor& t) { return pack_image(call, t, s, copies, s.height * s.width, s.channels); };
  const auto output = [&](const Tensor& t) { return pack_image(call, t, s, copies, s.out_h * s.out_w, s.outputs); };
  // Kernels for CPU-type devices want the filter's channels even only where they are depths of the product.
  const auto filter = [&](const Tensor& t) {
    return pack_filter(call, t, s, copies, matrix || pass == ConvPass::forward);
  };
  const Tensor left = !plan.pack_a ? a : pass == ConvPass::input_gradient ? output(a) : input(a);
  const Tensor right = !plan.pack_b ? b : pass == ConvPass::filter_gradient ? output(b) : filter(b);
  // Kernels that store pairs need an aligned result; TensorFlow's own tensors always are.
  const bool direct = plan.method != ConvMethod::lanes || pair_aligned(c);
  const Tensor out = direct ? c : call.scratch(c.type, c.shape);
  const Tensor partial = plan.slices > 1 ? call.scratch(DType::f32, {plan.slices, c.size()}) : out;
  // Matrix kernels see all operands with whole eights of channels, whichever of them had to be copied.
  ConvShape seen = s;
  if (matrix) {
    seen.channels = round_up(s.channels, kMatrixUnit);
    seen.outputs = round_up(s.outputs, kMatrixUnit);
    seen.nchw = false;
  }
  struct {
    ConvGeometry geometry;
    uint32_t channels, outputs, nchw;
  } const params{conv_geometry(seen, plan.slice_depth), static_cast<uint32_t>(s.channels),
                 static_cast<uint32_t>(s.outputs), s.nchw};
  call.stream().launch(
      call.kernel(plan.kernel),
      Grid{static_cast<uint32_t>(plan.tiles), static_cast<uint32_t>(s.groups), std::max(plan.slices, plan.phases)},
      {read(left), read(right), write(partial)}, params);
  if (plan.slices > 1) sum_slices(call, partial, out, static_cast<uint64_t>(c.size()), plan.slices);
  if (!direct) call.stream().copy(c.data, out.data, c.bytes());
}

constexpr const char* kPassName[] = {"conv2d ", "conv2d input gradient ", "conv2d filter gradient "};

void run_forward(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ConvAttrs&>(*state);
  const Tensor x = call.input(0), w = call.input(1);
  require(x.rank() == 4, Code::invalid_argument, "convolution input must be 4-dimensional: ", text(x.shape));
  require(w.rank() == 4, Code::invalid_argument, "convolution filter must be 4-dimensional: ", text(w.shape));
  const int64_t depth = x.shape[attrs.channel_axis()], filter_depth = w.shape[2], out_depth = w.shape[3];
  require(filter_depth > 0, Code::invalid_argument, "filter depth must be stricly positive, got ", filter_depth);
  require(depth % filter_depth == 0, Code::invalid_argument,
          "input depth must be evenly divisible by filter depth: ", depth, " vs ", filter_depth);
  const int64_t groups = std::max<int64_t>(depth / filter_depth, 1);
  require(out_depth % groups == 0, Code::invalid_argument,
          "output depth must be evenly divisible by number of groups: ", out_depth, " vs ", groups);
  require(w.shape[0] > 0 && w.shape[1] > 0, Code::invalid_argument,
          "filter must not have zero elements (i.e. all dimensions must be non-zero)");
  const ConvShape s = conv_shape(attrs, x.type, x.shape, w.shape);
  conv2d(call, ConvPass::forward, s, x, w, call.output(0, x.type, output_shape(s)));
}

// The input's shape as the op was given it: all four sizes, or rows and columns only.
Shape input_sizes(const ConvAttrs& c, const Tensor& sizes, const Tensor& filter, const Tensor& dy) {
  require(sizes.rank() == 1, Code::invalid_argument, "Conv2DBackpropInput: input_sizes input must be 1-dim, not ",
          sizes.rank());
  require(dy.rank() == 4, Code::invalid_argument, "input_sizes must be 4-dimensional, got: ", dy.rank());
  Shape s = host_sizes(sizes);
  if (s.size() == 4) return s;
  require(s.size() == 2, Code::invalid_argument,
          "Conv2DBackpropInput requires input_sizes to contain 4 values or 2 values, but got: ", s.size());
  require(filter.rank() == 4, Code::invalid_argument, "Conv2DCustomBackpropInput: filter must be 4-dimensional");
  return c.nchw ? Shape{dy.shape[0], filter.shape[2], s[0], s[1]} : Shape{dy.shape[0], s[0], s[1], filter.shape[2]};
}

void run_input_gradient(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ConvAttrs&>(*state);
  const Tensor w = call.input(1), dy = call.input(2);
  const Shape input = input_sizes(attrs, call.input(0), w, dy);
  check_gradient("Conv2DCustomBackpropInput", attrs, input, w.shape, dy.shape);
  const Tensor dx = call.output(0, dy.type, input);
  conv2d(call, ConvPass::input_gradient, conv_shape(attrs, dy.type, input, w.shape), dx, w, dy);
}

void run_filter_gradient(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ConvAttrs&>(*state);
  const Tensor x = call.input(0), sizes = call.input(1), dy = call.input(2);
  require(sizes.rank() == 1, Code::invalid_argument,
          "Conv2DCustomBackpropFilter: filter_sizes input must be 1-dim, not ", sizes.rank());
  const Shape filter = host_sizes(sizes);
  check_gradient("Conv2DCustomBackpropFilter", attrs, x.shape, filter, dy.shape);
  const Tensor dw = call.output(0, dy.type, filter);
  conv2d(call, ConvPass::filter_gradient, conv_shape(attrs, x.type, x.shape, filter), x, dw, dy);
}

template <ConvPass P>
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) conv_variants(P, t, names);
}

const Family conv{
    {.name = "Conv2D",
     .types = kFloats,
     .run = run_forward,
     .variants = variants<ConvPass::forward>,
     .prepare = prepare_conv<Code::unimplemented>},
    {.name = "Conv2DBackpropInput",
     .types = kFloats,
     .run = run_input_gradient,
     .variants = variants<ConvPass::input_gradient>,
     .prepare = prepare_conv<Code::unimplemented>,
     .host = {"input_sizes"}},
    {.name = "Conv2DBackpropFilter",
     .types = kFloats,
     .run = run_filter_gradient,
     .variants = variants<ConvPass::filter_gradient>,
     .prepare = prepare_conv<Code::invalid_argument>,
     .host = {"filter_sizes"}},
};

}  // namespace

ConvGeometry conv_geometry(const ConvShape& s, uint64_t slice) {
  const auto u = [](uint64_t v) { return static_cast<uint32_t>(v); };
  ConvGeometry g;
  g.images = u(s.images), g.height = u(s.height), g.width = u(s.width), g.channels = u(s.channels);
  g.filter_h = u(s.filter_h), g.filter_w = u(s.filter_w);
  g.out_h = u(s.out_h), g.out_w = u(s.out_w), g.outputs = u(s.outputs);
  g.stride_h = u(s.stride_h), g.stride_w = u(s.stride_w);
  g.pad_h = static_cast<int32_t>(s.pad_h), g.pad_w = static_cast<int32_t>(s.pad_w);
  g.dilation_h = u(s.dilation_h), g.dilation_w = u(s.dilation_w);
  g.groups = u(s.groups), g.nchw = s.nchw, g.slice = u(slice);
  return g;
}

void conv2d(Call& call, ConvPass pass, const ConvShape& shape, const Tensor& input, const Tensor& filter,
            const Tensor& output) {
  ConvShape s = shape;
  s.aligned = true;
  for (const Tensor* t : {&input, &filter, &output}) s.aligned = s.aligned && load_aligned(*t, call.caps());
  const ConvPlan plan = plan_conv2d(pass, s, call.caps());
  if (log_wanted(LogKind::plan))
    log_once(LogKind::plan, str(kPassName[int(pass)], facts(s.type).tensorflow, " ", s.text(), ": ", plan.text()));
  // The two operands and the result, in the order of the product each pass is.
  const Tensor* const roles[3][3] = {
      {&input, &filter, &output}, {&output, &filter, &input}, {&input, &output, &filter}};
  const auto& [a, b, c] = roles[int(pass)];
  switch (plan.method) {
    case ConvMethod::nothing: return;
    case ConvMethod::zeros: return call.stream().fill(c->data, 0, 1, c->bytes());
    case ConvMethod::product: return gemm(call, plan.product, *a, *b, *c);
    case ConvMethod::tiles:
    case ConvMethod::matrix:
    case ConvMethod::lanes: return launch_product(call, pass, s, plan, *a, *b, *c);
  }
}

}  // namespace anvil::ops
