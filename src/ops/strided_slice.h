// The meaning of StridedSlice's arguments: Python's x[begin:end:stride, ..., new axis, index].  Pure.
#pragma once
#include <cstdint>
#include <vector>

#include "base/shape.h"
#include "ops/strided.h"

namespace anvil::ops {

struct SliceMasks {
  int64_t begin = 0, end = 0, ellipsis = 0, new_axis = 0, shrink_axis = 0;  // bit i speaks of element i of the vectors
};

// What is taken of each axis of the input, and the shape it is given.
struct SlicePlan {
  std::vector<int64_t> begin, size, stride;  // an entry for each axis of the input
  Shape shape;                               // with new axes, without the shrunk ones; as many elements as `size`

  // The walk from the input (operand 0) to the contiguous output (operand 1).  `from` is the input's first element.
  Axes axes(const Shape& input) const;
  int64_t from(const Shape& input) const;
};
// Throws invalid_argument with the words of TensorFlow's ValidateStridedSliceOp.
SlicePlan plan_strided_slice(const Shape& input, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
                             const std::vector<int64_t>& strides, const SliceMasks& masks);

}  // namespace anvil::ops
