// What the families of two operands share: the shape rule, the output, the launch.
#pragma once
#include <string>
#include <vector>

#include "ops/map.h"

namespace anvil::ops {

// A functor and how it is used: `swapped` hands it (b, a), so that Greater is Less; `scalar_forms` as in plan_pair.
struct Pair {
  Functor functor;
  bool swapped = false;
  bool scalar_forms = false;
};

// The unsigned type of the same size: arithmetic that wraps is the same for both signs, so one kernel serves both.
DType unsigned_of(DType t);
// Integer kernels of the types that training uses get the one-element forms; the others go the general way.
bool scalar_forms_for(DType t);

void pair_variants(const Pair& p, std::vector<std::string>& names);
// Broadcasts inputs 0 and 1 to output 0 of type `out`, in the buffer of an input where that is allowed.
void run_pair(Call& call, const Pair& p, DType out, float parameter = 0);

}  // namespace anvil::ops
