// Walks over tensors by strides: the arithmetic that broadcasting, slicing, padding and transposing share.  Pure.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/shape.h"

namespace anvil::ops {

// n / size as a multiplication and a shift (divide() in kernels/index.slang), exact for every 32-bit n.
struct Divisor {
  uint32_t magic = 0;
  uint32_t shift = 0;
};
Divisor divisor(uint32_t size);  // size >= 2

// One axis of a walk, with each operand's stride along it in elements: 0 where the operand is repeated, negative where
// it is walked backwards.
struct Axis {
  int64_t size = 1;
  std::array<int64_t, 3> stride{};
};
using Axes = std::vector<Axis>;  // innermost first

// Strides of a contiguous tensor, outermost first as its shape.
std::vector<int64_t> contiguous_strides(const Shape& shape);

// Drops axes of size 1 and joins neighbours that all operands walk as one.  A walk over nothing but such axes becomes
// one axis of size 1.
Axes collapse(const Axes& axes);

// The walk over `out` in which operand k repeats along the axes where its shape has a 1 or no axis.  At most 3
// operands, each of which must broadcast to `out`.
Axes broadcast_axes(const Shape& out, std::span<const Shape> operands);

// NumPy's rule; throws invalid_argument with TensorFlow's words, "Incompatible shapes: [2,3] vs. [4]".
Shape broadcast_shape(const Shape& a, const Shape& b);
bool broadcastable(const Shape& a, const Shape& b);

// A walk's sizes, divisors and strides as the kernels take them: `Rank` axes, the outermost in the last place.
template <int Rank, int Operands>
struct WalkBlock {
  uint32_t rank = 1;
  uint32_t shifts = 0;  // of the divisors, a byte each
  uint32_t size[Rank - 1] = {};
  uint32_t magic[Rank - 1] = {};
  uint32_t stride[Operands][Rank] = {};
};
template <int Rank, int Operands>
WalkBlock<Rank, Operands> walk_block(const Axes& axes) {
  static_assert(Rank <= 5, "shifts holds four bytes");
  WalkBlock<Rank, Operands> w;
  w.rank = static_cast<uint32_t>(axes.size());
  for (size_t d = 0; d < axes.size(); ++d) {
    const bool outermost = d + 1 == axes.size();
    if (!outermost) {
      const Divisor by = divisor(static_cast<uint32_t>(axes[d].size));
      w.size[d] = static_cast<uint32_t>(axes[d].size);
      w.magic[d] = by.magic;
      w.shifts |= by.shift << (8 * d);
    }
    // Negative strides wrap: the kernels add modulo 2^32.
    for (int k = 0; k < Operands; ++k) w.stride[k][outermost ? Rank - 1 : d] = static_cast<uint32_t>(axes[d].stride[k]);
  }
  return w;
}

}  // namespace anvil::ops
