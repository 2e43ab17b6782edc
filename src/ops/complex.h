// Conjugates of complex64 and complex128, which are nothing but signs turned around (kernels/complex.slang).
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// y may be x.
void launch_conj(Call& call, const Tensor& x, const Tensor& y);
void conj_variants(const OpSpec&, std::vector<std::string>& names);

}  // namespace anvil::ops
