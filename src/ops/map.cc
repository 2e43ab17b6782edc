#include "ops/map.h"

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

#include "ops/copy.h"

namespace anvil::ops {

Functor arithmetic(ElementWise kind, const OpSpec& op, DType t) {
  const bool unary = kind == ElementWise::unary;
  if (t == DType::f64) return {unary ? "unary_f64" : "binary_f64", str("Double<", op.kernel, ">")};
  const char* module = unary ? "unary" : "binary";
  if (is_float(t)) return {module, str("Float<", op.kernel, ",", slang_name(t), ">")};
  return {module, str("Int<Int", op.kernel, ",", slang_name(t), ">")};
}

bool of_doubles(const Functor& f) { return std::string_view(f.module).ends_with("_f64"); }

bool streams(const Functor& f) {
  constexpr std::string_view kBinary[] = {"Add", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference", "ReluGrad"};
  constexpr std::string_view kUnary[] = {"Abs", "Neg", "Relu", "Square"};
  const auto one_of = [&](std::span<const std::string_view> names) {
    return std::ranges::any_of(names, [&](std::string_view n) { return f.name.starts_with(str("Float<", n, ",")); });
  };
  return f.module == std::string_view("binary") ? one_of(kBinary)
                                                : f.module == std::string_view("unary") && one_of(kUnary);
}

std::unique_ptr<State> read_alpha(const Attrs& attrs) { return std::make_unique<Alpha>(attrs.real("alpha")); }
namespace {

struct MapParams {
  uint32_t count;
  float parameter;
};
struct StreamParams {
  uint32_t count;
  float parameter;
  uint32_t lane_step, chunk_step;  // see map.slang
};
struct RowsParams {
  uint32_t count;
  float parameter;
  uint32_t width, magic, shift;
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

// The part in whole chunks of a functor of one or, without broadcasting, two operands; `more` ends the kernel's name.
void launch_chunks(Call& call, const Functor& f, const char* more, uint64_t chunks, std::initializer_list<Arg> args,
                   float parameter) {
  const auto n = static_cast<uint32_t>(chunks);
  if (!streams(f))
    return call.stream().launch(call.kernel(name(f, "chunks", more)), threads(n), args, MapParams{n, parameter});
  // A core takes its memory in order, a GPU's threads together what lies side by side.
  const bool in_order = call.caps().cpu_type();
  call.stream().launch(call.kernel(name(f, "streams", more)), threads(div_up(chunks, kMapStream)), args,
                       StreamParams{n, parameter, in_order ? kMapStream : 1, in_order ? 1 : kMapGroup});
}

void launch_broadcast(Call& call, const Functor& f, const Axes& axes, const Tensor& a, const Tensor& b, const Tensor& y,
                      float parameter) {
  const BroadcastParams params{static_cast<uint32_t>(y.size()), parameter, walk_block<kBroadcastRank, 2>(axes)};
  call.stream().launch(call.kernel(name(f, "broadcast")), threads(y.size()), {read(a), read(b), write(y)}, params);
}

// Any plan but `expand`, with the operands in the kernel's order.
void launch_planned(Call& call, const Functor& f, const PairPlan& plan, const Tensor& a, const Tensor& b,
                    const Tensor& y, float parameter) {
  const uint32_t widest = static_cast<uint32_t>(std::max(size_of(a.type), size_of(y.type)));
  const uint32_t lanes = 8 / widest;
  const bool by_rows = plan.form == PairForm::row || plan.form == PairForm::column;
  if (by_rows) {
    const int64_t width = plan.axes[0].size / lanes;
    const bool whole = plan.axes[0].size % lanes == 0 && width >= 2 && aligned(a, lanes) && aligned(y, lanes) &&
                       (plan.form == PairForm::column || aligned(b, lanes));
    if (!whole) return launch_broadcast(call, f, plan.axes, a, b, y, parameter);
    const uint64_t chunks = static_cast<uint64_t>(y.size()) / lanes;
    const Divisor by = divisor(static_cast<uint32_t>(width));
    const RowsParams params{static_cast<uint32_t>(chunks), parameter, static_cast<uint32_t>(width), by.magic, by.shift};
    const char* shape = plan.form == PairForm::row ? ",0" : ",1";
    return call.stream().launch(call.kernel(name(f, "rows", shape)), threads(chunks), {read(a), read(b), write(y)},
                                params);
  }
  if (plan.form == PairForm::broadcast) return launch_broadcast(call, f, plan.axes, a, b, y, parameter);

  const bool one_a = plan.form == PairForm::scalar_a, one_b = plan.form == PairForm::scalar_b;
  const bool whole =
      !of_doubles(f) && (one_a || aligned(a, lanes)) && (one_b || aligned(b, lanes)) && aligned(y, lanes);
  const MapPlan split = plan_map(static_cast<uint64_t>(y.size()), widest, whole);
  if (split.chunks)
    launch_chunks(call, f, one_a ? ",1" : one_b ? ",2" : ",0", split.chunks, {read(a), read(b), write(y)}, parameter);
  if (!split.rest) return;
  const uint64_t done = split.chunks * split.lanes;
  const Axis line{static_cast<int64_t>(split.rest), {one_a ? 0 : 1, one_b ? 0 : 1}};
  launch_broadcast(call, f, {line}, one_a ? a : tail(a, done), one_b ? b : tail(b, done), tail(y, done), parameter);
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

PairPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& y) {
  const Shape operands[] = {a, b};
  PairPlan plan{PairForm::broadcast, false, collapse(broadcast_axes(y, operands))};
  if (plan.axes.size() > kBroadcastRank) plan = {PairForm::expand};
  return plan;
}

PairPlan plan_pair(const Shape& a, const Shape& b, const Shape& y, Forms forms) {
  const int64_t na = count(a), nb = count(b), n = count(y);
  if (na == n && nb == n) return {PairForm::flat};
  if (forms.scalar && nb == 1 && na == n) return {PairForm::scalar_b};
  if (forms.scalar && na == 1 && nb == n) return {PairForm::scalar_a};
  PairPlan plan = plan_broadcast(a, b, y);
  if (!forms.rows || plan.axes.size() != 2) return plan;
  if (forms.commutes && na < n && nb == n) {
    plan.swapped = true;
    for (Axis& x : plan.axes) std::swap(x.stride[0], x.stride[1]);
  }
  const Axis &inner = plan.axes[0], &outer = plan.axes[1];
  if (inner.stride[0] != 1 || outer.stride[0] != inner.size) return plan;
  if (inner.stride[1] == 1 && outer.stride[1] == 0) plan.form = PairForm::row;
  if (inner.stride[1] == 0 && outer.stride[1] == 1) plan.form = PairForm::column;
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
  names.push_back(name(f, streams(f) ? "streams" : "chunks"));
  if (!of_doubles(f)) names.push_back(name(f, "elements"));
}

void launch_map(Call& call, const Functor& f, const Tensor& x, const Tensor& y, float parameter) {
  if (y.size() == 0) return;
  require_indexable(f.module, y);
  const uint32_t widest = static_cast<uint32_t>(std::max(size_of(x.type), size_of(y.type)));
  const uint32_t lanes = 8 / widest;
  const MapPlan plan = plan_map(y.size(), widest, of_doubles(f) || (aligned(x, lanes) && aligned(y, lanes)));
  if (plan.chunks) launch_chunks(call, f, "", plan.chunks, {read(x), write(y)}, parameter);
  if (!plan.rest) return;
  const uint64_t done = plan.chunks * plan.lanes;
  call.stream().launch(call.kernel(name(f, "elements")), threads(plan.rest),
                       {read(tail(x, done)), write(tail(y, done))},
                       MapParams{static_cast<uint32_t>(plan.rest), parameter});
}

void pair_variants(const Functor& f, Forms forms, std::vector<std::string>& names) {
  names.push_back(name(f, "broadcast"));
  copy_variants({}, names);
  if (of_doubles(f)) return;
  const char* whole = streams(f) ? "streams" : "chunks";
  names.push_back(name(f, whole, ",0"));
  if (forms.scalar)
    for (const char* side : {",1", ",2"}) names.push_back(name(f, whole, side));
  if (forms.rows)
    for (const char* shape : {",0", ",1"}) names.push_back(name(f, "rows", shape));
}

void launch_pair(Call& call, const Functor& f, Forms forms, const Tensor& a, const Tensor& b, const Tensor& y,
                 float parameter) {
  if (y.size() == 0) return;
  require_indexable(f.module, y);
  PairPlan plan = plan_pair(a.shape, b.shape, y.shape, forms);
  if (plan.swapped) return launch_planned(call, f, plan, b, a, y, parameter);
  if (plan.form != PairForm::expand) return launch_planned(call, f, plan, a, b, y, parameter);
  launch_pair(call, f, forms, expanded(call, a, y.shape), expanded(call, b, y.shape), y, parameter);
}

}  // namespace anvil::ops
