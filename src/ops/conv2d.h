// Two-dimensional convolution and its gradients: attributes, geometry, planner and launches.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/gemm.h"
#include "ops/op.h"

namespace anvil::ops {

enum class ConvPadding : uint8_t { same, valid, explicit_ };

// The attributes of the Conv2D ops, read and checked once a node.
struct ConvAttrs : State {
  bool nchw = false;
  ConvPadding padding = ConvPadding::valid;
  std::array<int64_t, 2> stride{1, 1}, dilation{1, 1};   // rows, columns
  std::array<std::array<int64_t, 2>, 2> explicit_pad{};  // rows, columns: before, after
  int channel_axis() const { return nchw ? 1 : 3; }
  int row_axis() const { return nchw ? 2 : 1; }
};
// Throws invalid_argument as TensorFlow's kernels do when they are built; `outside` is the class for strides in the
// batch and depth dimensions, where the kernels differ.
std::unique_ptr<State> read_conv_attrs(const Attrs&, Code outside);
template <Code outside>
std::unique_ptr<State> prepare_conv(const Attrs& attrs) {
  return read_conv_attrs(attrs, outside);
}

// One convolution with all sizes known.  Channels and outputs are those of one group.
struct ConvShape {
  DType type = DType::f32;
  uint64_t images = 0, height = 0, width = 0, channels = 0;
  uint64_t filter_h = 0, filter_w = 0;
  uint64_t out_h = 0, out_w = 0, outputs = 0;
  uint64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_h = 0, pad_w = 0;  // before the first row and column
  uint64_t groups = 1;
  bool nchw = false;
  bool aligned = true;  // can all three tensors be loaded as they lie (load_aligned() in gemm_pack.h)?

  uint64_t pixels_in() const { return images * height * width; }
  uint64_t pixels_out() const { return images * out_h * out_w; }
  uint64_t taps() const { return filter_h * filter_w; }
  std::string text() const;
};

// Size of the output along one axis and the padding before it.  Throws invalid_argument where TensorFlow does.
struct Window {
  int64_t out, before;
};
Window window(const ConvAttrs&, int axis, int64_t input, int64_t filter);

// The convolution of an input with a filter of these shapes (rank 4, checked by the caller).
ConvShape conv_shape(const ConvAttrs&, DType, const Shape& input, const Shape& filter);
Shape output_shape(const ConvShape&);

// All three of a gradient's operands are 4-D; throws invalid_argument, named `label`, in the CPU kernel's words.
void check_gradient_ranks(const std::string& label, const Shape& input, const Shape& filter, const Shape& out_backprop);

// The checks that both gradients make of the three shapes, in the CPU kernels' order and words; `label` begins each.
void check_gradient(const std::string& label, const ConvAttrs&, const Shape& input, const Shape& filter,
                    const Shape& out_backprop);

// Reads a vector of sizes from a host tensor (int32 or int64).
Shape host_sizes(const Tensor&);

enum class ConvPass : uint8_t { forward, input_gradient, filter_gradient };

enum class ConvMethod : uint8_t {
  nothing,  // no results
  zeros,    // results, but nothing to add up
  product,  // 1x1, stride 1, one group, NHWC: a plain matrix product
  tiles,    // implicit matrix product through tiles in group-shared memory
  matrix,   // the same on matrix units, half only
  lanes,    // the same in blocks in the registers of eight lanes, for CPU-type devices
};

struct ConvPlan {
  ConvMethod method = ConvMethod::nothing;
  GemmProblem product;  // with ConvMethod::product: of which operand with which is the pass's own business
  TileShape tile{};
  MatrixShape matrix{};
  LaneShape lanes{};
  // Which operands of the product, in the order of the pass, are first copied with channels last: with lanes to float
  // and an even number of them, with matrix to whole eights.
  bool pack_a = false, pack_b = false;
  uint32_t phases = 1;           // of the input gradient, see conv.slang
  uint64_t tiles = 0;            // of one group and slice or phase
  uint64_t m = 0, n = 0, k = 0;  // of the implicit product, per group
  uint32_t slices = 1;
  uint64_t slice_depth = 0;
  std::string kernel;

  std::string text() const;
};

// Pure.  Throws unimplemented where a tensor has 2^32 elements or more.
ConvPlan plan_conv2d(ConvPass, const ConvShape&, const Caps&);

// Every kernel that a pass may ask for with this type.
void conv_variants(ConvPass, DType, std::vector<std::string>& names);

// The convolution as kernels see it: Geometry in conv.slang.
struct ConvGeometry {
  uint32_t images, height, width, channels, filter_h, filter_w, out_h, out_w, outputs, stride_h, stride_w;
  int32_t pad_h, pad_w;
  uint32_t dilation_h, dilation_w, groups, nchw, slice;
};
ConvGeometry conv_geometry(const ConvShape&, uint64_t slice);

// Records one pass.  The tensors are those of the convolution: input, filter, output, of which the pass reads two and
// writes the third.
void conv2d(Call&, ConvPass, const ConvShape&, const Tensor& input, const Tensor& filter, const Tensor& output);

}  // namespace anvil::ops
