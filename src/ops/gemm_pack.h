// Copies of operands for the kernels of CPU-type devices (float, innermost size even) and for matrix units (half, in
// whole eights); zeros where they were padded.
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
  DType type = DType::f32;               // of the copy
};

// The copy, in scratch memory of the call.
Tensor pack(Call&, const Tensor&, const PackLayout&);
std::string pack_variant(DType from, DType to);

constexpr uint64_t round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }
constexpr uint64_t round_up_even(uint64_t n) { return round_up(n, 2); }
// Can kernels take the tensor's pairs of elements as 64-bit words?
inline bool pair_aligned(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data) % 8 == 0; }
// Do the device's kernels load the tensor as it lies: pairs of floats on a CPU-type device, eights of halves elsewhere?
inline bool load_aligned(const Tensor& t, const Caps& caps) {
  return reinterpret_cast<uintptr_t>(t.data) % (caps.cpu_type() ? 8 : 16) == 0;
}

}  // namespace anvil::ops
