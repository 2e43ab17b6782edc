// Reductions over any set of axes: the plan, and the launch that other families share.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// The input seen as alternating runs of kept and reduced axes: neighbours of one kind are merged, axes of size 1 go.
struct ReduceAxes {
  struct Extent {
    int64_t size;
    bool reduced;
    bool operator==(const Extent&) const = default;
  };
  std::vector<Extent> runs;
  Shape result;       // with keep_dims, reduced axes stay as 1
  int64_t count = 1;  // elements reduced into each result
};
// `axes` may be negative.  Throws invalid_argument for an axis out of range or named twice.
ReduceAxes collapse_axes(const Shape& in, std::span<const int64_t> axes, bool keep_dims);

// One launch: y[o, part, i] = reduction over the part's share of r of x[o, r, i].
struct ReduceStage {
  enum class Shape : uint8_t { lanes, groups, columns } shape;  // entry points of kernels/reduce.slang
  uint32_t outer, reduced, inner, parts, share;
  bool operator==(const ReduceStage&) const = default;
};
// The launches that reduce `runs`, innermost axes first; pure.  Never empty: results of nothing still get the
// reduction's start value.  Throws unimplemented at 2^31 elements.
std::vector<ReduceStage> plan_reduce(const ReduceAxes& axes, const Caps& caps);
std::string text(const ReduceStage& stage);
using anvil::text;  // of a Shape

enum class Reduction : uint8_t { sum, mean, prod, max, min, all, any, norm, half_square };

// Every kernel that reduce() may launch for an input of `type` and an output of `result` (the same unless given).
void reduce_variants(Reduction reduction, DType type, std::vector<std::string>& names,
                     std::optional<DType> result = std::nullopt);
// Records y = reduction of x.  y has x's type, or float32 where x is
// a floating type, and as many elements as axes.result.  Sums of 16-bit floats
// are kept in float32 throughout.
void reduce(Call& call, Reduction reduction, const Tensor& x, const Tensor& y, const ReduceAxes& axes);

}  // namespace anvil::ops
