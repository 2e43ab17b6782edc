#include "ops/strided.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace anvil::ops {

// Granlund and Montgomery: with l = ceil(log2 d), m = 2^32 (2^l - d) / d + 1, the quotient is
// (h + (n - h) / 2) >> (l - 1), where h is the upper half of m n.
Divisor divisor(uint32_t size) {
  require(size >= 2, Code::internal, "no division by ", size);
  const uint32_t l = static_cast<uint32_t>(std::bit_width(size - 1));
  const uint64_t magic = (((uint64_t{1} << l) - size) << 32) / size + 1;
  return {static_cast<uint32_t>(magic), l - 1};
}

std::vector<int64_t> contiguous_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t d = shape.size(); d-- > 0; step *= shape[d]) strides[d] = step;
  return strides;
}

Axes collapse(const Axes& axes) {
  Axes out;
  for (const Axis& axis : axes) {
    if (axis.size == 1) continue;
    const bool joins = !out.empty() && std::ranges::equal(axis.stride, out.back().stride, {}, {},
                                                          [&](int64_t inner) { return inner * out.back().size; });
    if (joins) out.back().size *= axis.size;
    else out.push_back(axis);
  }
  if (out.empty()) out.emplace_back();
  return out;
}

Axes broadcast_axes(const Shape& out, std::span<const Shape> operands) {
  Axes axes(out.size());
  for (size_t d = 0; d < out.size(); ++d) axes[d].size = out[out.size() - 1 - d];
  for (size_t k = 0; k < operands.size(); ++k) {
    const auto strides = contiguous_strides(operands[k]);
    for (size_t d = 0; d < operands[k].size(); ++d) {
      const size_t at = operands[k].size() - 1 - d;
      axes[d].stride[k] = operands[k][at] == 1 ? 0 : strides[at];
    }
  }
  return axes;
}

bool broadcastable(const Shape& a, const Shape& b) {
  for (size_t d = 0; d < std::min(a.size(), b.size()); ++d) {
    const int64_t x = a[a.size() - 1 - d], y = b[b.size() - 1 - d];
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
  require(broadcastable(a, b), Code::invalid_argument, "Incompatible shapes: ", text(a), " vs. ", text(b));
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  for (size_t d = 0; d < shorter.size(); ++d) {
    int64_t& size = out[longer.size() - shorter.size() + d];
    if (size == 1) size = shorter[d];
  }
  return out;
}

}  // namespace anvil::ops
