// Reductions by segment (kernels/segment.slang), for the ops that reduce rows by id: UnsortedSegment*, Segment*,
// SparseSegment*, sparse matrices, weighted histograms.  Deterministic: each output element walks its rows in order.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"
#include "ops/sort.h"

namespace anvil::ops {

// Entry r belongs to segment ids[r * id_stride] and stands for row rows[r], or r.  Ids outside of [0, ids_limit) and
// rows outside of [0, rows_limit) take part in nothing.  In scratch memory, sorted if `sort`.
struct SegmentList {
  Tensor ids, rows = {{0}};
  int64_t count = 0, ids_limit = 0, rows_limit = 0, id_stride = 1;
  int64_t per_row = UINT32_MAX, row_ids = 0;  // of every per_row ids, each has row_ids segments to itself
};
SortRows segment_list(Call& call, const SegmentList& given, bool sort);
// [segments + 1]: where each segment starts in the sorted list.
Tensor segment_bounds(Call& call, const SortRows& list, int64_t segments);

struct Reduction {
  std::string how = "Sum";                    // Sum, Prod, Min or Max
  uint32_t finish = 0;                        // 0, or what divides: 1 the number of rows, 2 its root
  uint32_t empty = 0;                         // bits of what an empty segment gives
  int64_t width = 1;                          // elements of a row of the result
  int64_t row_stride = 1, column_stride = 1;  // of the data, in elements
  int64_t rows_limit = 0;                     // with columns: rows of the data
  Tensor columns = {{0}};                     // [.., 2]: entry r means row columns[r, column] of the data; else row r
  uint32_t column = 0;
  Tensor weights = {{0}};  // entry r is multiplied with weights[r]
  Tensor counts = {{0}};   // bounds of other segments: entry r is divided, as `finish` says, by the size of theirs
};
// y[s, j] for all segments of `bounds`.  data and y are f32, f16, bf16 or i32.
void launch_segments(Call& call, const Reduction& how, const SortRows& list, const Tensor& bounds, const Tensor& data,
                     const Tensor& y);
void segment_variants(std::vector<std::string>& names, const std::string& how, DType type);

}  // namespace anvil::ops
