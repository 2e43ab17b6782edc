// What the families of two operands share: the shape rule, the output, the launch.
#pragma once
#include <string>
#include <vector>

#include "ops/map.h"

namespace anvil::ops {

// A functor and how it is used: `swapped` hands it (b, a), so that Greater is Less.
struct Pair {
  Functor functor;
  bool swapped = false;
  Forms forms = {};
};

// The unsigned type of the same size: arithmetic that wraps is the same for both signs, so one kernel serves both.
DType unsigned_of(DType t);
// Floats and 64-bit integers, the types training uses, get kernels for one-element operands; others go the general way.
inline bool has_scalar_forms(DType t) { return t != DType::f64 && (is_float(t) || size_of(t) == 8); }

void pair_variants(const Pair& p, std::vector<std::string>& names);
// Broadcasts inputs 0 and 1 to output 0 of type `out`, in the buffer of an input where that is allowed.
void run_pair(Call& call, const Pair& p, DType out, float parameter = 0);

}  // namespace anvil::ops
