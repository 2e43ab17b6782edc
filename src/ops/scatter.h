// Scattering rows: y[row(i)] = y[row(i)] (op) updates[i], for i in order.  Shared by every op that writes where indices
// say: TensorScatter*, ScatterNd, UnsortedSegment*, ResourceScatter*.
//
// The answer is that of taking the updates one after the other, also where a row is named more than once, so it is the
// same every time and, for 32-bit floats, the CPU kernels' to the bit.  An index outside of y takes part in nothing, as
// in TensorFlow's CUDA build: the host does not see the indices, so it cannot refuse them.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

enum class ScatterOp : uint8_t { update, add, sub, mul, div, min, max };

inline constexpr int kScatterAxes = 8;  // that an index vector may name
// Words of row numbers, two each, that one launch of a kernel that walks them takes: some drivers end longer loops.
inline constexpr uint64_t kScatterWords = 32768;

// Where the updates go.
struct ScatterRows {
  Shape space;        // sizes of y's axes that one index vector names, outermost first; {} names all of y
  int64_t count = 0;  // index vectors
  int64_t width = 1;  // elements of one row
};
// For index vectors along the last axis of `indices`, as the Nd ops have them; and for single indices of y's first
// axis, as ScatterAdd has them.
ScatterRows nd_rows(const Shape& y, const Shape& indices);
ScatterRows first_axis_rows(const Shape& y, const Shape& indices);

// Throws invalid_argument where updates.shape is not indices.shape[:-1] + y.shape[indices.shape[-1]:], in the words of
// TensorFlow's scatter_nd kernels.
void require_nd(const Shape& y, const Shape& indices, const Shape& updates);

// Records the kernel "scatter/rows": the row that each index vector names, as uint32 in scratch memory, 2^32 - 1 where
// it points outside.  Their number is padded to an even one.
Tensor launch_row_numbers(Call& call, const ScatterRows& rows, const Tensor& indices);

// How the rows of an arithmetic scatter are shared out; pure.  Each of `parts` (a power of two) groups of `width` lanes
// owns the rows that are equal to it modulo `parts`.
uint32_t plan_scatter_parts(const ScatterRows& rows, const Caps& caps);

// Records it.  indices: int32 or int64, rows.count vectors; updates: y's type, a row for each vector, or one element
// for all.  Neither may overlap y.  Throws unimplemented for more elements than 32-bit indices reach.
void launch_scatter(Call& call, ScatterOp op, const ScatterRows& rows, const Tensor& indices, const Tensor& updates,
                    const Tensor& y);

// Adds the kernels that it may ask for.  `update` moves any type; arithmetic has every real type of at most 64 bits but
// float64.
void scatter_variants(ScatterOp op, DType type, std::vector<std::string>& names);

}  // namespace anvil::ops
