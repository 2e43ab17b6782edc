// Distinct keys among sorted ones (kernels/unique.slang).
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"
#include "ops/sort.h"

namespace anvil::ops {

struct Heads {
  Tensor flags, ranks;  // [length]: 1 at the first of equal keys; the running sums of that
  Tensor count;         // one element, the number of heads; on the device
};
// Of a sorted list of segments: entries without a segment are no heads.
Heads list_heads(Call& call, const SortRows& list);
// Numbers the segments of `list` from 0 on in their order; values, [heads], receives what they were called.
void number_heads(Call& call, const SortRows& list, const Heads& heads, const Tensor& values);
void head_variants(std::vector<std::string>& names);

}  // namespace anvil::ops
