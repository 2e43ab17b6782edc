// DepthwiseConv2dNative and its gradients: one thread a result, or eight bytes of channels.  Filters are (rows,
// columns, channels, multiplier).
#include <algorithm>

#include "base/log.h"
#include "ops/conv2d.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;   // as in conv_depthwise.slang
constexpr uint64_t kColumns = 4;  // of a thread of the wide kernels

std::string variant(const char* entry, DType t) { return str("conv_depthwise/", entry, "<", slang_name(t), ">"); }

// After the addresses, as DepthwiseParams in conv_depthwise.slang.
struct Params {
  ConvGeometry geometry;
  uint32_t count, pad = 0;
};

// As a convolution whose `outputs` are the filters of one channel.
ConvShape depthwise_shape(const ConvAttrs& c, DType t, const Shape& input, const Shape& filter) {
  ConvShape s = conv_shape(c, t, input, {filter[0], filter[1], input[c.channel_axis()], filter[3]});
  require(std::max(s.pixels_in() * s.channels, s.pixels_out() * s.channels * s.outputs) <= UINT32_MAX,
          Code::unimplemented, "convolutions of tensors with 2^32 elements or more are not supported");
  return s;
}

// Can a thread take eight bytes of channels at once?
bool is_wide(const ConvAttrs& attrs, const ConvShape& s, std::initializer_list<Tensor> tensors) {
  const bool aligned =
      std::ranges::all_of(tensors, [](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data) % 8 == 0; });
  return attrs.channel_axis() == 3 && s.outputs == 1 && s.channels * size_of(s.type) % 8 == 0 && aligned;
}
uint64_t words_of(const ConvShape& s) { return s.channels * size_of(s.type) / 8; }

void log_plan(const std::string& entry, const ConvShape& s, bool wide) {
  if (log_wanted(LogKind::plan))
    log_once(LogKind::plan, str(entry, " ", facts(s.type).tensorflow, " ", s.text(), ": one thread ",
                                wide ? "8 bytes of channels" : "a result"));
}

// c has the shape of the results: lines of `width` pixels.
void launch(Call& call, const ConvAttrs& attrs, std::string entry, const ConvShape& s, const Tensor& a, const Tensor& b,
            const Tensor& c) {
  if (c.size() == 0) return;
  const bool wide = is_wide(attrs, s, {a, b, c});
  log_plan(entry, s, wide);
  uint64_t threads = static_cast<uint64_t>(c.size());
  if (wide) {
    entry += "_wide";
    threads = static_cast<uint64_t>(c.shape[0] * c.shape[1]) * div_up(c.shape[2], kColumns) * words_of(s);
  }
  const Params params{conv_geometry(s, 0), static_cast<uint32_t>(threads)};
  call.stream().launch(call.kernel(variant(entry.c_str(), s.type)), Grid::line(div_up(threads, kGroup)),
                       {read(a), read(b), write(c)}, params);
}

void run_forward(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ConvAttrs&>(*state);
  const Tensor x = call.input(0), w = call.input(1);
  require(x.rank() == 4, Code::invalid_argument, "input must be 4-dimensional", text(x.shape));
  require(w.rank() == 4, Code::invalid_argument, "filter must be 4-dimensional: ", text(w.shape));
  const int64_t depth = x.shape[attrs.channel_axis()];
  require(depth == w.shape[2], Code::invalid_argument, "input and filter must have the same depth: ", depth, " vs ",
          w.shape[2]);
  const ConvShape s = depthwise_shape(attrs, x.type, x.shape, w.shape);
  Shape out = output_shape(s);
  out[attrs.channel_axis()] = depth * w.shape[3];
  launch(call, attrs, "depthwise", s, x, w, call.output(0, x.type, out));
}

void check(const std::string& label, const ConvAttrs& c, const Shape& input, const Shape& filter,
           const Shape& out_backprop) {
  check_gradient_ranks(label, input, filter, out_backprop);
  require(input[0] == out_backprop[0], Code::invalid_argument, label,
          ": input and out_backprop must have the same batch size");
  const int64_t depth = input[c.channel_axis()];
  require(depth == filter[2], Code::invalid_argument, label, ": input and filter must have the same in_depth");
  require(filter[3] * depth == out_backprop[c.channel_axis()], Code::invalid_argument, label,
          ": depth_multiplier * in_depth not equal to out_depth");
  for (int axis = 0; axis < 2; ++axis) {
    const int dim = c.row_axis() + axis;
    const int64_t expected = window(c, axis, input[dim], filter[axis]).out;
    require(out_backprop[dim] == expected, Code::invalid_argument, label, ": Number of ", axis ? "cols" : "rows",
            " of out_backprop doesn't match computed: actual = ", out_backprop[dim], ", computed = ", expected);
  }
}

void run_input_gradient(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ConvAttrs&>(*state);
  const Tensor sizes = call.input(0), w = call.input(1), dy = call.input(2);
  require(sizes.rank() == 1, Code::invalid_argument, "Conv2DBackpropInput: input_sizes input must be 1-dim, not ",
          sizes.rank());
  const Shape input = host_sizes(sizes);
  check("DepthwiseConv2DBackpropInput", attrs, input, w.shape, dy.shape);
  const Tensor dx = call.output(0, dy.type, input);
  if (dy.size() == 0 || w.size() == 0) return call.stream().fill(dx.data, 0, 1, dx.bytes());
  launch(call, attrs, "depthwise_input_gradient", depthwise_shape(attrs, dy.type, input, w.shape), dy, w, dx);
}

void run_filter_gradient(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ConvAttrs&>(*state);
  const Tensor x = call.input(0), sizes = call.input(1), dy = call.input(2);
  require(sizes.rank() == 1, Code::invalid_argument, "Conv2DBackpropFilter: filter_sizes input must be 1-dim, not ",
          sizes.rank());
  const Shape filter = host_sizes(sizes);
  check("DepthwiseConv2DBackpropFilter", attrs, x.shape, filter, dy.shape);
  const Tensor dw = call.output(0, dy.type, filter);
  if (dw.size() == 0) return;
  if (dy.size() == 0) return call.stream().fill(dw.data, 0, 1, dw.bytes());
  const ConvShape s = depthwise_shape(attrs, x.type, x.shape, filter);
  // Filters are small: slices of the pixels make threads enough, as if 4,096 results were a tile.
  const uint64_t count = static_cast<uint64_t>(dw.size()), pixels = s.pixels_out();
  const uint32_t wanted = std::min<uint32_t>(choose_slices(div_up(count, 4096), pixels, count, call.caps()), 65535);
  const uint64_t slice = div_up(pixels, wanted);
  const auto slices = static_cast<uint32_t>(div_up(pixels, slice));
  const Tensor partial = call.scratch(DType::f32, {slices, dw.size()});
  const bool wide = is_wide(attrs, s, {x, dy});
  log_plan("depthwise_filter_gradient", s, wide);
  const uint64_t threads = wide ? count / s.channels * words_of(s) : count;
  const Params params{conv_geometry(s, slice), static_cast<uint32_t>(threads)};
  const char* entry = wide ? "depthwise_filter_gradient_wide" : "depthwise_filter_gradient";
  call.stream().launch(call.kernel(variant(entry, s.type)),
                       Grid{static_cast<uint32_t>(div_up(threads, kGroup)), slices, 1},
                       {read(x), read(dy), write(partial)}, params);
  sum_slices(call, partial, dw, count, slices);
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) {
    names.push_back(variant(op.kernel.c_str(), t));
    names.push_back(variant((op.kernel + "_wide").c_str(), t));
    if (op.run == run_filter_gradient) names.push_back(sum_slices_variant(t));
  }
}

std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto state = read_conv_attrs(attrs, Code::invalid_argument);
  const auto& c = static_cast<const ConvAttrs&>(*state);
  require(c.stride[0] == c.stride[1], Code::invalid_argument,
          "Current implementation only supports equal length strides in the row and column dimensions.");
  return state;
}

const Family depthwise{
    {.name = "DepthwiseConv2dNative",
     .types = kFloats,
     .run = run_forward,
     .kernel = "depthwise",
     .variants = variants,
     .prepare = prepare},
    {.name = "DepthwiseConv2dNativeBackpropInput",
     .types = kFloats,
     .run = run_input_gradient,
     .kernel = "depthwise_input_gradient",
     .variants = variants,
     .prepare = prepare,
     .host = {"input_sizes"}},
    {.name = "DepthwiseConv2dNativeBackpropFilter",
     .types = kFloats,
     .run = run_filter_gradient,
     .kernel = "depthwise_filter_gradient",
     .variants = variants,
     .prepare = prepare,
     .host = {"filter_sizes"}},
};

}  // namespace
}  // namespace anvil::ops
