#include "ops/strided_slice.h"

#include <algorithm>

#include "base/error.h"

namespace anvil::ops {
namespace {

enum class Kind : uint8_t { range, index, new_axis };

// One axis of the input as the caller wrote it, or a new axis of the output.
struct Entry {
  Kind kind = Kind::range;
  int64_t begin = 0, end = 0, stride = 1;
  bool from_start = true, to_end = true;  // begin or end left out
};

bool bit(int64_t mask, size_t i) { return (mask >> i & 1) != 0; }

// Spells the ellipsis out: an entry for every axis of the input, and for every new one.
std::vector<Entry> spell_out(const Shape& input, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
                             const std::vector<int64_t>& strides, const SliceMasks& m) {
  const size_t n = begin.size();
  size_t named = 0, ellipses = 0;
  for (size_t i = 0; i < n; ++i) {
    if (bit(m.ellipsis, i)) ++ellipses;
    else if (!bit(m.new_axis, i)) ++named;
  }
  require(ellipses <= 1, Code::invalid_argument, "Multiple ellipses in slice spec not allowed");
  require(named <= input.size(), Code::invalid_argument, "Index out of range using input dim ", input.size(),
          "; input has only ", input.size(), " dims");
  const size_t hidden = input.size() - named;  // axes the ellipsis stands for; without one, those at the end

  std::vector<Entry> entries;
  for (size_t i = 0; i < n; ++i) {
    if (bit(m.ellipsis, i)) {
      entries.insert(entries.end(), hidden, Entry{});
    } else if (bit(m.new_axis, i)) {
      entries.push_back({Kind::new_axis});
    } else {
      const Kind kind = bit(m.shrink_axis, i) ? Kind::index : Kind::range;
      entries.push_back({kind, begin[i], end[i], strides[i], bit(m.begin, i), bit(m.end, i)});
    }
  }
  if (ellipses == 0) entries.insert(entries.end(), hidden, Entry{});
  return entries;
}

}  // namespace

SlicePlan plan_strided_slice(const Shape& input, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
                             const std::vector<int64_t>& strides, const SliceMasks& masks) {
  require(begin.size() == end.size() && begin.size() == strides.size(), Code::invalid_argument,
          "Expected begin, end, and strides to be 1D equal size tensors, but got lengths ", begin.size(), ", ",
          end.size(), " and ", strides.size(), " instead.");
  require(begin.size() < 32, Code::invalid_argument, "a slice of ", begin.size(), " parts is too long");
  SlicePlan plan;
  size_t axis = 0;
  for (const Entry& e : spell_out(input, begin, end, strides, masks)) {
    if (e.kind == Kind::new_axis) {
      plan.shape.push_back(1);
      continue;
    }
    const int64_t length = input[axis];
    require(e.stride != 0, Code::invalid_argument, "strides[", axis, "] must be non-zero");
    const bool forward = e.stride > 0;
    const int64_t lowest = forward ? 0 : -1, highest = forward ? length : length - 1;
    const auto place = [&](int64_t x) { return std::clamp(x < 0 ? length + x : x, lowest, highest); };
    int64_t first = e.from_start ? (forward ? lowest : highest) : place(e.begin);
    int64_t last = e.to_end ? (forward ? highest : lowest) : place(e.end);
    if (e.kind == Kind::index) {
      require(forward, Code::invalid_argument, "only stride 1 allowed on non-range indexing.");
      first = e.begin < 0 ? length + e.begin : e.begin;
      last = first + 1;
      require(first >= 0 && first < length, Code::invalid_argument, "slice index ", e.begin, " of dimension ", axis,
              " out of bounds.");
    }
    const int64_t span = last - first;
    const int64_t size = span == 0 || (span < 0) == forward ? 0 : span / e.stride + (span % e.stride != 0);
    plan.begin.push_back(first);
    plan.size.push_back(size);
    plan.stride.push_back(e.stride);
    if (e.kind == Kind::range) plan.shape.push_back(size);
    ++axis;
  }
  return plan;
}

Axes SlicePlan::axes(const Shape& input) const {
  const auto in = contiguous_strides(input), out = contiguous_strides(size);
  Axes axes;
  for (size_t d = input.size(); d-- > 0;) axes.push_back({size[d], {in[d] * stride[d], out[d]}});
  return axes;
}

int64_t SlicePlan::from(const Shape& input) const {
  const auto in = contiguous_strides(input);
  int64_t at = 0;
  for (size_t d = 0; d < input.size(); ++d) at += begin[d] * in[d];
  return at;
}

}  // namespace anvil::ops
