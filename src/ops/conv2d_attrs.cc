// The attributes of the Conv2D ops and the shapes that follow from them, with TensorFlow's checks and words.
#include <algorithm>

#include "ops/conv2d.h"

namespace anvil::ops {
namespace {

constexpr const char* kOnlySpace = " in the batch and depth dimensions.";

ConvPadding padding_of(const std::string& name) {
  if (name == "SAME") return ConvPadding::same;
  if (name == "VALID") return ConvPadding::valid;
  require(name == "EXPLICIT", Code::invalid_argument, "Unknown padding type: ", name);
  return ConvPadding::explicit_;
}

void read_explicit(const Attrs& attrs, ConvAttrs& c) {
  const std::vector<int64_t> pads =
      attrs.has("explicit_paddings") ? attrs.integers("explicit_paddings") : std::vector<int64_t>{};
  if (c.padding != ConvPadding::explicit_) {
    require(pads.empty(), Code::invalid_argument,
            "explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT");
    return;
  }
  require(pads.size() == 8, Code::invalid_argument,
          "explicit_paddings attribute must contain 8 values, but got: ", pads.size());
  for (const int64_t p : pads)
    require(p >= 0, Code::invalid_argument, "All elements of explicit_paddings must be nonnegative");
  const int channel = 2 * c.channel_axis();
  require(pads[0] == 0 && pads[1] == 0 && pads[channel] == 0 && pads[channel + 1] == 0, Code::invalid_argument,
          "Nonzero explicit padding in the batch or depth dimensions is not supported");
  for (int axis = 0; axis < 2; ++axis)
    c.explicit_pad[axis] = {pads[2 * (c.row_axis() + axis)], pads[2 * (c.row_axis() + axis) + 1]};
}

}  // namespace

std::unique_ptr<State> read_conv_attrs(const Attrs& attrs, Code outside) {
  auto c = std::make_unique<ConvAttrs>();
  const std::string format = attrs.string("data_format");
  require(format == "NHWC" || format == "NCHW", Code::invalid_argument, "Invalid data format");
  c->nchw = format == "NCHW";
  const std::vector<int64_t> strides = attrs.integers("strides");
  require(strides.size() == 4, Code::invalid_argument, "Sliding window strides field must specify 4 dimensions");
  std::vector<int64_t> dilations =
      attrs.has("dilations") ? attrs.integers("dilations") : std::vector<int64_t>{1, 1, 1, 1};
  require(dilations.size() == 4, Code::invalid_argument, "Sliding window dilations field must specify 4 dimensions");
  require(strides[0] == 1 && strides[c->channel_axis()] == 1, outside,
          "Current implementation does not yet support strides", kOnlySpace);
  require(dilations[0] == 1 && dilations[c->channel_axis()] == 1, outside,
          "Current implementation does not yet support dilations", kOnlySpace);
  for (int axis = 0; axis < 2; ++axis) {
    c->stride[axis] = strides[c->row_axis() + axis];
    c->dilation[axis] = dilations[c->row_axis() + axis];
  }
  require(c->stride[0] > 0 && c->stride[1] > 0, Code::invalid_argument,
          "Row and column strides should be larger than 0.");
  require(c->dilation[0] > 0 && c->dilation[1] > 0, Code::invalid_argument, "Dilated rates should be larger than 0.");
  c->padding = padding_of(attrs.string("padding"));
  read_explicit(attrs, *c);
  return c;
}

Window window(const ConvAttrs& c, int axis, int64_t input, int64_t filter) {
  const int64_t reach = (filter - 1) * c.dilation[axis] + 1, stride = c.stride[axis];
  switch (c.padding) {
    case ConvPadding::valid: return {std::max<int64_t>((input - reach + stride) / stride, 0), 0};
    case ConvPadding::same: {
      const int64_t out = (input + stride - 1) / stride;
      return {out, std::max<int64_t>((out - 1) * stride + reach - input, 0) / 2};
    }
    case ConvPadding::explicit_: {
      const auto [before, after] = c.explicit_pad[axis];
      return {std::max<int64_t>((input + before + after - reach + stride) / stride, 0), before};
    }
  }
  return {};
}

ConvShape conv_shape(const ConvAttrs& c, DType type, const Shape& input, const Shape& filter) {
  ConvShape s;
  const int64_t depth = input[c.channel_axis()];
  s.type = type;
  s.nchw = c.nchw;
  s.groups = static_cast<uint64_t>(filter[2] > 0 ? std::max<int64_t>(depth / filter[2], 1) : 1);
  s.images = input[0];
  s.height = input[c.row_axis()];
  s.width = input[c.row_axis() + 1];
  s.channels = static_cast<uint64_t>(depth) / s.groups;
  s.filter_h = filter[0];
  s.filter_w = filter[1];
  s.outputs = static_cast<uint64_t>(filter[3]) / s.groups;
  const Window rows = window(c, 0, input[c.row_axis()], filter[0]);
  const Window columns = window(c, 1, input[c.row_axis() + 1], filter[1]);
  s.out_h = rows.out;
  s.out_w = columns.out;
  s.pad_h = rows.before;
  s.pad_w = columns.before;
  s.stride_h = c.stride[0];
  s.stride_w = c.stride[1];
  s.dilation_h = c.dilation[0];
  s.dilation_w = c.dilation[1];
  return s;
}

Shape output_shape(const ConvShape& s) {
  const auto i = [](uint64_t v) { return static_cast<int64_t>(v); };
  const int64_t depth = i(s.outputs * s.groups);
  if (s.nchw) return {i(s.images), depth, i(s.out_h), i(s.out_w)};
  return {i(s.images), i(s.out_h), i(s.out_w), depth};
}

void check_gradient_ranks(const std::string& label, const Shape& input, const Shape& filter,
                          const Shape& out_backprop) {
  const auto rank4 = [&](const Shape& s, const char* what) {
    require(s.size() == 4, Code::invalid_argument, label, ": ", what, " must be 4-dimensional");
  };
  rank4(input, "input");
  rank4(filter, "filter");
  rank4(out_backprop, "out_backprop");
}

void check_gradient(const std::string& label, const ConvAttrs& c, const Shape& input, const Shape& filter,
                    const Shape& out_backprop) {
  check_gradient_ranks(label, input, filter, out_backprop);
  require(input[0] == out_backprop[0], Code::invalid_argument, label,
          ": input and out_backprop must have the same batch size. Input batch: ", input[0],
          ", outbackprop batch: ", out_backprop[0], ", batch_dim: 0");
  const int64_t depth = input[c.channel_axis()];
  require(filter[2] > 0 && depth % filter[2] == 0, Code::invalid_argument, label,
          ": input depth must be evenly divisible by filter depth");
  require(filter[3] == out_backprop[c.channel_axis()], Code::invalid_argument, label,
          ": filter and out_backprop must have the same out_depth");
  const int64_t groups = std::max<int64_t>(depth / filter[2], 1);
  require(filter[3] % groups == 0, Code::invalid_argument, label,
          ": output depth must be evenly divisible by number of groups: ", filter[3], " vs ", groups);
  for (int axis = 0; axis < 2; ++axis) {
    const int dim = c.row_axis() + axis;
    const int64_t expected = window(c, axis, input[dim], filter[axis]).out;
    require(out_backprop[dim] == expected, Code::invalid_argument, label,
            ": Size of out_backprop doesn't match computed: actual = ", out_backprop[dim], ", computed = ", expected,
            " spatial_dim: ", dim, " input: ", input[dim], " filter: ", filter[axis], " output: ", out_backprop[dim],
            " stride: ", c.stride[axis], " dilation: ", c.dilation[axis]);
  }
}

Shape host_sizes(const Tensor& t) {
  Shape sizes(static_cast<size_t>(t.size()));
  for (size_t i = 0; i < sizes.size(); ++i) {
    sizes[i] = t.type == DType::i64 ? t.host<int64_t>()[i] : t.host<int32_t>()[i];
    require(sizes[i] >= 0, Code::invalid_argument, "Dimension ", sizes[i], " must be >= 0");
  }
  return sizes;
}

}  // namespace anvil::ops
