// Copies between strided walks (kernels/copy.slang), the base of every op that only moves elements.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"
#include "ops/strided.h"

namespace anvil::ops {

inline constexpr int kCopyRank = 5;  // axes one launch walks

// Operand 0 of the axes is the source, 1 the destination; the starts are in elements.
struct Walk {
  Axes axes;
  int64_t from = 0;
  int64_t to = 0;
};

// What a walk needs of the device; pure.
struct CopyPlan {
  enum class How : uint8_t { none, contiguous, kernel } how = How::none;
  uint32_t bytes = 1;       // of the unit moved: neighbouring elements move as one where both sides allow
  Walk walk;                // collapsed, in units; at most kCopyRank axes
  std::vector<Walk> outer;  // offsets of each launch, where the walk has more axes
};
// `alignment`: what the addresses of both tensors are multiples of, in bytes.
// Elements of 16 bytes are pairs of units of 8.
CopyPlan plan_copy(const Walk& walk, uint32_t element_bytes, uint32_t alignment);

// Copies elements of x to y along the walk; their types are equally wide.  Elements of y off the walk are left alone.
void launch_copy(Call& call, const Walk& walk, const Tensor& x, const Tensor& y);
// Adds the kernels that launch_copy may ask for: all of them, whatever the type, since units join elements.
void copy_variants(const OpSpec&, std::vector<std::string>& names);

// Elements of 16 bytes as pairs of 8 on a further axis, since no kernel moves more at once; other tensors as they are.
Tensor in_units(Tensor t);

// x spread out to `shape`, in scratch memory; x itself if it has that many elements.
Tensor expanded(Call& call, const Tensor& x, const Shape& shape);

// Every element of y becomes the one element of x, a device tensor.
void launch_fill(Call& call, const Tensor& x, const Tensor& y);
// The bytes of an element, low end first; the rest is zero.
struct Bits {
  uint64_t low = 0, high = 0;
  Bits() = default;
  Bits(uint64_t bits) : low(bits) {}
};
// Every element of y becomes the one whose bytes these are.
void fill_elements(Call& call, const Bits& bits, const Tensor& y);
// Adds the kernels that both may ask for.
void fill_variants(const OpSpec&, std::vector<std::string>& names);

}  // namespace anvil::ops
