// Copies of operands for the kernels of CPU-type devices: float, innermost size even, zeros where it was padded.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// An operand as four axes, innermost last.  Axes 1 and 3 are padded to `padded`, which axis 3 needs even.
struct PackLayout {
  std::array<uint64_t, 4> size, stride;  // in elements of the operand
  std::array<uint64_t, 2> padded;        // sizes of axes 1 and 3 in the copy
};

// The copy, in scratch memory of the call.
Tensor pack(Call&, const Tensor&, const PackLayout&);
std::string pack_variant(DType);

constexpr uint64_t round_up_even(uint64_t n) { return (n + 1) & ~uint64_t{1}; }
// Can kernels take the tensor's pairs of elements as 64-bit words?
inline bool pair_aligned(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data) % 8 == 0; }

}  // namespace anvil::ops
