#include <algorithm>

#include "ops/conv2d.h"
#include "ops/gemm_pack.h"

namespace anvil::ops {
namespace {

constexpr const char* kEntry[] = {"forward", "input_gradient", "filter_gradient"};

std::string tiled_kernel(ConvPass pass, DType in, DType out, const TileShape& t) {
  const std::string types =
      pass == ConvPass::filter_gradient ? str(slang_name(in), ",", slang_name(out)) : std::string(slang_name(in));
  return str("conv/", kEntry[int(pass)], "<", types, ",", tile_text(t), ">");
}

std::string lanes_kernel(ConvPass pass, DType out, const LaneShape& s) {
  return str("conv_lanes/", kEntry[int(pass)], "_lanes<", slang_name(out), ",", lane_text(s), ">");
}

std::string matrix_kernel(ConvPass pass, DType out, const MatrixShape& s) {
  const std::string type = pass == ConvPass::filter_gradient ? str(slang_name(out), ",") : "";
  return str("conv/", kEntry[int(pass)], "_matrix<", type, matrix_text(s), ">");
}

// With one tap, no padding and no gaps the pixels of both images are the same, and the channels lie side by side.
bool is_product(const ConvShape& s) {
  return !s.nchw && s.groups == 1 && s.taps() == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 &&
         s.pad_w == 0 && s.out_h == s.height && s.out_w == s.width;
}

GemmProblem as_product(ConvPass pass, const ConvShape& s) {
  GemmProblem p;
  p.type = s.type;
  switch (pass) {
    case ConvPass::forward: p.m = s.pixels_out(), p.n = s.outputs, p.k = s.channels; break;
    case ConvPass::input_gradient: p.m = s.pixels_in(), p.n = s.channels, p.k = s.outputs, p.turned_b = true; break;
    case ConvPass::filter_gradient: p.m = s.channels, p.n = s.outputs, p.k = s.pixels_out(), p.turned_a = true; break;
  }
  return p;
}

}  // namespace

std::string ConvShape::text() const {
  return str(images, "x", height, "x", width, "x", channels * groups, " by ", filter_h, "x", filter_w, "x",
             outputs * groups, " stride ", stride_h, ",", stride_w, " dilation ", dilation_h, ",", dilation_w, " pad ",
             pad_h, ",", pad_w, " groups ", groups, nchw ? " NCHW" : " NHWC");
}

std::string ConvPlan::text() const {
  switch (method) {
    case ConvMethod::nothing: return "nothing";
    case ConvMethod::zeros: return "zeros";
    case ConvMethod::product: return "matrix product";
    case ConvMethod::matrix:
      return str("matrix units ", matrix_text(matrix), pack_a ? " pack A" : "", pack_b ? " pack B" : "",
                 slices > 1 ? str(" x", slices, " slices") : "");
    case ConvMethod::lanes:
      return str("lanes ", lane_text(lanes), pack_a ? " pack A" : "", pack_b ? " pack B" : "",
                 slices > 1 ? str(" x", slices, " slices") : "");
    case ConvMethod::tiles: return str("tiles ", tile_text(tile), slices > 1 ? str(" x", slices, " slices") : "");
  }
  return {};
}

void conv_variants(ConvPass pass, DType type, std::vector<std::string>& names) {
  for (const TileShape& t : kTiles) {
    names.push_back(tiled_kernel(pass, type, type, t));
    if (pass == ConvPass::filter_gradient) names.push_back(tiled_kernel(pass, type, DType::f32, t));
  }
  if (pass == ConvPass::input_gradient) names.push_back(tiled_kernel(pass, type, type, kNarrowTile));
  if (type == DType::f16)
    for (const MatrixShape& s : kMatrixShapes) {
      names.push_back(matrix_kernel(pass, type, s));
      if (pass == ConvPass::filter_gradient) names.push_back(matrix_kernel(pass, DType::f32, s));
    }
  for (const LaneShape& s : kLaneShapes)
    for (const DType out : {type, pass == ConvPass::filter_gradient ? DType::f32 : type})
      names.push_back(lanes_kernel(pass, out, s));
  if (pass == ConvPass::filter_gradient) names.push_back(sum_slices_variant(type));
  gemm_variants(type, names);
}

ConvPlan plan_conv2d(ConvPass pass, const ConvShape& s, const Caps& caps) {
  ConvPlan plan;
  const uint64_t input = s.pixels_in() * s.channels * s.groups, output = s.pixels_out() * s.outputs * s.groups,
                 filter = s.taps() * s.channels * s.outputs * s.groups;
  const uint64_t results[] = {output, input, filter};
  require(std::max({input, output, filter}) <= UINT32_MAX, Code::unimplemented,
          "convolutions of tensors with 2^32 elements or more are not supported");
  if (results[int(pass)] == 0) return plan;
  if (input == 0 || output == 0 || filter == 0) {
    plan.method = ConvMethod::zeros;
    return plan;
  }
  if (is_product(s)) {
    plan.method = ConvMethod::product;
    plan.product = as_product(pass, s);
    return plan;
  }
  plan.method = ConvMethod::tiles;
  switch (pass) {
    case ConvPass::forward: plan.m = s.pixels_out(), plan.n = s.outputs, plan.k = s.taps() * s.channels; break;
    case ConvPass::input_gradient: plan.m = s.pixels_in(), plan.n = s.channels, plan.k = s.taps() * s.outputs; break;
    case ConvPass::filter_gradient: plan.m = s.taps() * s.channels, plan.n = s.outputs, plan.k = s.pixels_out(); break;
  }
  require(plan.k <= UINT32_MAX - 65536 && s.groups <= 65535, Code::unimplemented, "this convolution is too large");
  plan.slice_depth = plan.k;
  if (pass == ConvPass::input_gradient && !caps.cpu_type()) {
    require(s.stride_h * s.stride_w <= 65535, Code::unimplemented, "this convolution's strides are too large");
    plan.phases = static_cast<uint32_t>(s.stride_h * s.stride_w);
    plan.m = s.images * div_up(s.height, s.stride_h) * div_up(s.width, s.stride_w);  // of the largest phase
  }
  // How many tiles there may be for each one of the result: the filter gradient's are few, but deep.
  const uint64_t copies =
      s.groups * plan.phases * (pass == ConvPass::filter_gradient ? most_slices(plan.k, filter) : 1);
  uint64_t unit = 2;
  if (caps.cpu_type()) {
    plan.method = ConvMethod::lanes;
    const bool odd_in = s.channels % 2 != 0, odd_out = s.outputs % 2 != 0, other = s.type != DType::f32 || !s.aligned;
    const bool input_is = other || s.nchw || odd_in, output_is = other || s.nchw || odd_out;
    plan.pack_a = pass == ConvPass::input_gradient ? output_is : input_is;
    plan.pack_b =
        pass == ConvPass::filter_gradient ? output_is : other || odd_out || (pass == ConvPass::forward && odd_in);
    if (pass == ConvPass::filter_gradient) plan.m = s.taps() * round_up_even(s.channels);
    plan.lanes = choose_lanes(plan.m, plan.n);
    plan.tiles = div_up(plan.m, plan.lanes.rows()) * div_up(plan.n, plan.lanes.columns());
  } else if (const MatrixShape* shape = choose_matrix(s.type, plan.m, plan.n, copies, caps)) {
    plan.method = ConvMethod::matrix;
    plan.matrix = *shape;
    const bool odd_in = s.channels % kMatrixUnit != 0, odd_out = s.outputs % kMatrixUnit != 0;
    const bool input_is = s.nchw || odd_in || !s.aligned, output_is = s.nchw || odd_out || !s.aligned;
    plan.pack_a = pass == ConvPass::input_gradient ? output_is : input_is;
    plan.pack_b = pass == ConvPass::filter_gradient ? output_is : odd_in || odd_out || !s.aligned;
    if (pass == ConvPass::filter_gradient) plan.m = s.taps() * round_up(s.channels, kMatrixUnit);
    plan.tiles = div_up(plan.m, shape->bm) * div_up(plan.n, shape->bn);
    unit = kMatrixDepth;
  } else {
    plan.tile = choose_tile(plan.m, plan.n, copies, caps, pass == ConvPass::input_gradient);
    plan.tiles = div_up(plan.m, plan.tile.bm) * div_up(plan.n, plan.tile.bn);
    unit = plan.tile.bk;
  }
  if (pass == ConvPass::filter_gradient) {
    const uint64_t tiles = plan.tiles * s.groups, depth_bytes = 4 * (s.channels + s.outputs) * s.groups;
    plan.slices = caps.cpu_type() ? choose_cached_slices(tiles, plan.k, filter, depth_bytes, caps)
                                  : choose_slices(tiles, plan.k, filter, caps);
    plan.slice_depth = div_up(div_up(plan.k, plan.slices), unit) * unit;
    plan.slices = static_cast<uint32_t>(div_up(plan.k, plan.slice_depth));
  }
  const DType out = plan.slices > 1 ? DType::f32 : s.type;
  plan.kernel = plan.method == ConvMethod::lanes    ? lanes_kernel(pass, out, plan.lanes)
                : plan.method == ConvMethod::matrix ? matrix_kernel(pass, out, plan.matrix)
                                                    : tiled_kernel(pass, s.type, out, plan.tile);
  return plan;
}

}  // namespace anvil::ops
