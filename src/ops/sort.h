// Sorting rows on the device (kernels/sort.slang): TopK, Unique, segments, partitions.  Stable, so that the answer is
// the same every time.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// How a type's bits are compared, as sort.slang and search.slang take it.  NaN is larger than all numbers.
uint32_t order_of(DType type, bool descending = false);

// Rows of keys in scratch memory, each filled to a power of two.  Narrow: key << 32 | place in the row, in `keys`.
// Wide (keys of 64 bits): the places are in `places`, which is null otherwise.
struct SortRows {
  Tensor keys, places;
  int64_t rows = 0;
  int64_t length = 0;       // keys of a row that mean something
  uint32_t log_padded = 0;  // a row takes 2^log_padded places
  bool wide() const { return places.data != nullptr; }
  int64_t padded() const { return int64_t{1} << log_padded; }
};
// Scratch memory for rows that the caller fills, the rest of each row with all bits set.
SortRows sort_space(Call& call, int64_t rows, int64_t length, bool wide);
// The keys of x, seen as [rows, length]; not yet sorted.
SortRows sort_keys(Call& call, const Tensor& x, int64_t rows, int64_t length, bool descending);
void launch_sort(Call& call, const SortRows& s);

// One launch of the network: stages [first_run, last_run] within blocks, or one step (apart > 0) over all keys.  Pure.
struct SortLaunch {
  bool local = false;
  uint32_t first_run = 0, last_run = 0;  // logs; equal for a step
  uint32_t log_apart = 0;                // of a step
};
std::vector<SortLaunch> plan_sort(uint32_t log_padded, const Caps& caps);

void sort_variants(std::vector<std::string>& names, bool narrow, bool wide);
// Adds the kernels that sort_keys asks for, for types of so many bytes.
void sort_key_variants(std::vector<std::string>& names, std::initializer_list<uint32_t> bytes);

}  // namespace anvil::ops
