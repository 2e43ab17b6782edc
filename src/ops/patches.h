// Windows of [n, d, h, w, c] tensors as rows of a matrix (kernels/patches.slang): what the patch ops return and what
// turns a three-dimensional convolution into a matrix product.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// One spatial axis, as in patches.slang.
struct PatchAxis {
  uint32_t in = 1, out = 1, window = 1, stride = 1, rate = 1, pad = 0;
};
// The outputs and the padding before the first element that TensorFlow gives an axis.  Throws invalid_argument for a
// window that does not fit unpadded.
PatchAxis patch_axis(int64_t in, int64_t window, int64_t stride, int64_t rate, bool same);

struct PatchGeometry {
  std::array<PatchAxis, 3> axes;  // depth, height, width
  int64_t images = 1, channels = 1;

  int64_t windows() const { return int64_t{axes[0].out} * axes[1].out * axes[2].out; }  // of an image
  int64_t volume() const { return int64_t{axes[0].window} * axes[1].window * axes[2].window; }
  int64_t width() const { return volume() * channels; }  // of a row
};

// y[r] = window `first` + r of x, for each of the `rows` rows of y.
void launch_patches(Call&, const PatchGeometry&, const Tensor& x, const Tensor& y, int64_t first, int64_t rows);
void patch_variants(DType, std::vector<std::string>& names);
// The transpose of that for all of the geometry's images: x's elements become sums of the patches' (float32).
void launch_fold(Call&, const PatchGeometry&, const Tensor& patches, const Tensor& x);
void fold_variants(DType, std::vector<std::string>& names);

}  // namespace anvil::ops
