#include "ops/copy.h"

#include <algorithm>

#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 256;  // as in copy.slang

struct CopyParams {
  uint32_t count, x_start, y_start;
  WalkBlock<kCopyRank, 2> walk;
};
static_assert(16 + sizeof(CopyParams) <= 128);

std::string copy_name(uint32_t bytes, size_t axes) {
  return str("copy/copy<", bytes, ",", axes <= 2 ? 2 : axes == 3 ? 3 : kCopyRank, ">");
}
std::string fill_name(uint32_t bytes, bool whole) { return str("copy/fill<", bytes, ",", whole ? 8 : bytes, ">"); }
struct FillParams {
  uint32_t count;
};

bool divides(int64_t n, const Walk& w, size_t from_axis) {
  if (w.from % n || w.to % n) return false;
  for (size_t d = from_axis; d < w.axes.size(); ++d)
    if (w.axes[d].stride[0] % n || w.axes[d].stride[1] % n) return false;
  return true;
}

int64_t elements(const Axes& axes) {
  int64_t n = 1;
  for (const Axis& a : axes) n *= a.size;
  return n;
}

}  // namespace

CopyPlan plan_copy(const Walk& walk, uint32_t element_bytes, uint32_t alignment) {
  if (element_bytes == 16) {
    Walk pairs = walk;
    pairs.from *= 2;
    pairs.to *= 2;
    for (Axis& a : pairs.axes)
      for (int64_t& s : a.stride) s *= 2;
    pairs.axes.insert(pairs.axes.begin(), Axis{2, {1, 1}});
    return plan_copy(pairs, 8, alignment);
  }
  CopyPlan plan;
  if (elements(walk.axes) == 0) return plan;
  plan.walk = {collapse(walk.axes), walk.from, walk.to};
  plan.bytes = element_bytes;
  Axis& inner = plan.walk.axes[0];
  const bool runs = inner.size == 1 || (inner.stride[0] == 1 && inner.stride[1] == 1);
  if (runs && plan.walk.axes.size() == 1) {
    plan.how = CopyPlan::How::contiguous;
    return plan;
  }
  plan.how = CopyPlan::How::kernel;
  while (runs && plan.bytes < 8 && plan.bytes * 2 <= alignment && inner.size % 2 == 0 && divides(2, plan.walk, 1)) {
    inner.size /= 2;
    plan.walk.from /= 2;
    plan.walk.to /= 2;
    for (size_t d = 1; d < plan.walk.axes.size(); ++d)
      for (int64_t& s : plan.walk.axes[d].stride) s /= 2;
    plan.bytes *= 2;
  }
  if (inner.size == 1) plan.walk.axes = collapse(plan.walk.axes);

  // Axes beyond what a launch walks: the outermost ones are walked here, a launch for each of their points.
  plan.outer = {Walk{{}, 0, 0}};
  while (plan.walk.axes.size() > kCopyRank) {
    const Axis out = plan.walk.axes.back();
    plan.walk.axes.pop_back();
    std::vector<Walk> more;
    for (const Walk& w : plan.outer)
      for (int64_t i = 0; i < out.size; ++i) more.push_back({{}, w.from + i * out.stride[0], w.to + i * out.stride[1]});
    plan.outer = std::move(more);
  }
  return plan;
}

void launch_copy(Call& call, const Walk& walk, const Tensor& x, const Tensor& y) {
  const uint32_t bytes = static_cast<uint32_t>(size_of(y.type));
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(x.data) | reinterpret_cast<uintptr_t>(y.data);
  const uint32_t alignment = static_cast<uint32_t>(addresses & -addresses & 15);
  const CopyPlan plan = plan_copy(walk, bytes, alignment ? alignment : 16);
  if (plan.how == CopyPlan::How::none) return;
  const uint64_t count = static_cast<uint64_t>(elements(plan.walk.axes));
  if (plan.how == CopyPlan::How::contiguous)
    return call.stream().copy(static_cast<char*>(y.data) + plan.walk.to * plan.bytes,
                              static_cast<const char*>(x.data) + plan.walk.from * plan.bytes, count * plan.bytes);
  const int64_t limit = bytes > plan.bytes ? UINT32_MAX / 2 : UINT32_MAX;
  require(x.size() <= limit && y.size() <= limit, Code::unimplemented, "tensors over ", limit,
          " elements cannot be copied by strides, got ", text(x.shape), " and ", text(y.shape));
  const Kernel& kernel = call.kernel(copy_name(plan.bytes, plan.walk.axes.size()));
  for (const Walk& at : plan.outer) {
    const CopyParams params{static_cast<uint32_t>(count), static_cast<uint32_t>(plan.walk.from + at.from),
                            static_cast<uint32_t>(plan.walk.to + at.to), walk_block<kCopyRank, 2>(plan.walk.axes)};
    call.stream().launch(kernel, Grid::line(div_up(count, kGroup)), {read(x), write(y)}, params);
  }
}

void copy_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const uint32_t bytes : {1, 2, 4, 8})
    for (const size_t axes : {2, 3, kCopyRank}) names.push_back(copy_name(bytes, axes));
}

Tensor in_units(Tensor t) {
  if (size_of(t.type) <= 8) return t;
  t.shape.push_back(2);
  t.type = DType::f64;
  return t;
}

Tensor expanded(Call& call, const Tensor& x, const Shape& shape) {
  if (x.size() == count(shape)) return {shape, x.type, x.data};
  const Tensor y = call.scratch(x.type, shape);
  const Shape operands[] = {x.shape, shape};
  launch_copy(call, {broadcast_axes(shape, operands)}, x, y);
  return y;
}

void launch_fill(Call& call, const Tensor& x, const Tensor& y) {
  if (y.size() == 0) return;
  require_indexable("Fill", y);
  const uint32_t bytes = static_cast<uint32_t>(size_of(y.type));
  if (bytes > 8) return launch_copy(call, {{{y.size(), {0, 1}}}}, x, y);
  const MapPlan plan = plan_map(static_cast<uint64_t>(y.size()), bytes, reinterpret_cast<uintptr_t>(y.data) % 8 == 0);
  const auto launch = [&](bool whole, uint64_t count, const Tensor& to) {
    call.stream().launch(call.kernel(fill_name(bytes, whole)), Grid::line(div_up(count, kGroup)), {read(x), write(to)},
                         FillParams{static_cast<uint32_t>(count)});
  };
  if (plan.chunks) launch(true, plan.chunks, y);
  if (plan.rest) launch(false, plan.rest, tail(y, plan.chunks * plan.lanes));
}

void fill_elements(Call& call, const Bits& bits, const Tensor& y) {
  if (y.size() == 0) return;
  const size_t bytes = size_of(y.type);
  const uint64_t first = bits.low & 0xff;
  bool one_byte = true;
  for (size_t k = 1; k < bytes; ++k) one_byte &= ((k < 8 ? bits.low : bits.high) >> (8 * (k % 8)) & 0xff) == first;
  if (one_byte) return call.stream().fill(y.data, static_cast<uint32_t>(first), 1, y.bytes());
  if (bytes == 4) return call.stream().fill(y.data, static_cast<uint32_t>(bits.low), 4, y.bytes());
  const Tensor one = call.scratch(y.type, {});
  call.stream().upload(one.data, &bits, bytes);
  launch_fill(call, one, y);
}

void fill_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const uint32_t bytes : {1, 2, 4, 8})
    for (const bool whole : {false, true}) names.push_back(fill_name(bytes, whole));
  names.push_back(copy_name(8, 2));
}

}  // namespace anvil::ops
