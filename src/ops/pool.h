// Pooling's geometry: attributes, output sizes, and the parameter block its kernels share.  Pure.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

enum class Padding : uint8_t { same, valid, explicit_ };

// What the attributes of a pooling node say.  Windows and strides are per axis of the tensor, in its own layout.
struct PoolAttrs : State {
  std::vector<int64_t> window, stride;  // empty where they are inputs (the V2 ops)
  Padding padding = Padding::valid;
  std::vector<int64_t> pads;  // explicit: before and after, per axis
  bool channels_first = false;
  bool whole_batch = false;  // MaxPoolWithArgmax's include_batch_in_index
};
std::unique_ptr<State> read_pool_attrs(const Attrs& a);

// One spatial axis.
struct PoolDim {
  int64_t in = 1, out = 1, window = 1, stride = 1, pad = 0;  // pad: before the first element
  bool overlaps() const { return window > stride; }
  // Strides' boxes that cover the input and its leading padding.
  int64_t cells() const { return (in + pad + stride - 1) / stride; }
};
struct PoolGeometry {
  int64_t images = 1, channels = 1;  // channels-first: images = n * channels, channels = 1
  PoolDim depth, height, width;
  int64_t depthwise = 1;  // pooling over channels instead, in runs of this many
  Shape output;           // in the tensor's own layout
};
// For an input of rank 4 (two spatial axes) or 5 (three).  Throws what TensorFlow's CPU kernels throw for windows,
// strides, paddings and sizes that do not fit; `channel_error` is the message for windows over channels, or nullptr
// where max pooling's own rules for them apply.
PoolGeometry plan_pool(const Shape& input, const PoolAttrs& attrs, const std::vector<int64_t>& window,
                       const std::vector<int64_t>& stride, const char* channel_error);
// Throws as TensorFlow does unless there is one positive entry per axis.
void check_window(const std::vector<int64_t>& window, const std::vector<int64_t>& stride, size_t rank);

// As PoolAxis and PoolShape in kernels/pool.slang.
struct PoolAxisParams {
  uint32_t in, out, walk, window_and_stride, pad, magic, shift;
};
struct PoolParams {
  std::array<PoolAxisParams, 3> axes;
  uint32_t count, chunks, chunks_magic, chunks_shift;
};
enum class PoolWalk : uint8_t { outputs, inputs, cells };
// `lanes` channels go to one thread.  Throws unimplemented for tensors of 2^31 elements or windows of 65536.
PoolParams pool_params(const PoolGeometry& g, PoolWalk walk, uint32_t lanes);

}  // namespace anvil::ops
