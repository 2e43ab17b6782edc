#include "ops/map.h"

#include <algorithm>

#include "ops/copy.h"

namespace anvil::ops {
namespace {

struct MapParams {
  uint32_t count;
  float parameter;
};
struct BroadcastParams {
  uint32_t count;
  float parameter;
  WalkBlock<kBroadcastRank, 2> walk;
};

Grid threads(uint64_t count) { return Grid::line(div_up(count, kMapGroup)); }

bool aligned(const Tensor& t, uint32_t lanes) {
  return reinterpret_cast<uintptr_t>(t.data) % (lanes * size_of(t.type)) == 0;
}

std::string name(const Functor& f, const char* entry, const char* more = "") {
  return str(f.module, '/', entry, '<', f.name, more, '>');
}

void launch_broadcast(Call& call, const Functor& f, const Axes& axes, const Tensor& a, const Tensor& b, const Tensor& y,
                      float parameter) {
  const BroadcastParams params{static_cast<uint32_t>(y.size()), parameter, walk_block<kBroadcastRank, 2>(axes)};
  call.stream().launch(call.kernel(name(f, "broadcast")), threads(y.size()), {read(a), read(b), write(y)}, params);
}

}  // namespace

MapPlan plan_map(uint64_t count, uint32_t widest_bytes, bool aligned) {
  MapPlan plan;
  plan.lanes = 8 / widest_bytes;
  // A second launch for a few left-over elements costs more than it saves on a short tensor.
  constexpr uint64_t kShort = 2048;
  const bool even = count % plan.lanes == 0;
  if (aligned && (even || count > kShort)) plan.chunks = count / plan.lanes;
  plan.rest = count - plan.chunks * plan.lanes;
  return plan;
}

PairPlan plan_pair(const Shape& a, const Shape& b, const Shape& y, bool scalar_forms) {
  const int64_t na = count(a), nb = count(b), n = count(y);
  if (na == n && nb == n) return {PairForm::flat, {}};
  if (scalar_forms && nb == 1 && na == n) return {PairForm::scalar_b, {}};
  if (scalar_forms && na == 1 && nb == n) return {PairForm::scalar_a, {}};
  const Shape operands[] = {a, b};
  PairPlan plan{PairForm::broadcast, collapse(broadcast_axes(y, operands))};
  if (plan.axes.size() > kBroadcastRank) plan = {PairForm::expand, {}};
  return plan;
}

void require_indexable(const char* op, const Tensor& t) {
  require(t.size() <= UINT32_MAX, Code::unimplemented, op, ": tensors over 2^32 elements are not supported, got ",
          text(t.shape));
}

Tensor tail(const Tensor& t, uint64_t first) {
  return {{t.size() - static_cast<int64_t>(first)}, t.type, static_cast<char*>(t.data) + first * size_of(t.type)};
}

void map_variants(const Functor& f, std::vector<std::string>& names) {
  for (const char* entry : {"chunks", "elements"}) names.push_back(name(f, entry));
}

void launch_map(Call& call, const Functor& f, const Tensor& x, const Tensor& y, float parameter) {
  if (y.size() == 0) return;
  require_indexable(f.module, y);
  const uint32_t widest = static_cast<uint32_t>(std::max(size_of(x.type), size_of(y.type)));
  const uint32_t lanes = 8 / widest;
  const MapPlan plan = plan_map(y.size(), widest, aligned(x, lanes) && aligned(y, lanes));
  const auto launch = [&](const char* entry, uint64_t count, const Tensor& from, const Tensor& to) {
    call.stream().launch(call.kernel(name(f, entry)), threads(count), {read(from), write(to)},
                         MapParams{static_cast<uint32_t>(count), parameter});
  };
  if (plan.chunks) launch("chunks", plan.chunks, x, y);
  const uint64_t done = plan.chunks * plan.lanes;
  if (plan.rest) launch("elements", plan.rest, tail(x, done), tail(y, done));
}

void pair_variants(const Functor& f, bool scalar_forms, std::vector<std::string>& names) {
  names.push_back(name(f, "broadcast"));
  names.push_back(name(f, "chunks", ",0"));
  if (scalar_forms)
    for (const char* side : {",1", ",2"}) names.push_back(name(f, "chunks", side));
  copy_variants({}, names);
}

void launch_pair(Call& call, const Functor& f, bool scalar_forms, const Tensor& a, const Tensor& b, const Tensor& y,
                 float parameter) {
  if (y.size() == 0) return;
  require_indexable(f.module, y);
  const PairPlan plan = plan_pair(a.shape, b.shape, y.shape, scalar_forms);
  if (plan.form == PairForm::broadcast) return launch_broadcast(call, f, plan.axes, a, b, y, parameter);
  if (plan.form == PairForm::expand)
    return launch_pair(call, f, scalar_forms, expanded(call, a, y.shape), expanded(call, b, y.shape), y, parameter);

  const bool one_a = plan.form == PairForm::scalar_a, one_b = plan.form == PairForm::scalar_b;
  const uint32_t widest = static_cast<uint32_t>(std::max(size_of(a.type), size_of(y.type)));
  const uint32_t lanes = 8 / widest;
  const bool whole = (one_a || aligned(a, lanes)) && (one_b || aligned(b, lanes)) && aligned(y, lanes);
  const MapPlan split = plan_map(y.size(), widest, whole);
  if (split.chunks)
    call.stream().launch(call.kernel(name(f, "chunks",
                                          one_a   ? ",1"
                                          : one_b ? ",2"
                                                  : ",0")),
                         threads(split.chunks), {read(a), read(b), write(y)},
                         MapParams{static_cast<uint32_t>(split.chunks), parameter});
  if (!split.rest) return;
  const uint64_t done = split.chunks * split.lanes;
  const Axis line{static_cast<int64_t>(split.rest), {one_a ? 0 : 1, one_b ? 0 : 1}};
  launch_broadcast(call, f, {line}, one_a ? a : tail(a, done), one_b ? b : tail(b, done), tail(y, done), parameter);
}

}  // namespace anvil::ops
