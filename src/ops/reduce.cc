// Sum, Mean, Prod, Max, Min, All, Any, EuclideanNorm and L2Loss.  The bodies are in kernels/reduce.slang.
#include "ops/reduce.h"

#include <numeric>

#include "ops/packet.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // threads of `lanes` and `columns`, as in reduce.slang

// What partial results are kept in.
DType partial_type(DType t) { return is_float(t) && t != DType::f64 ? DType::f32 : t; }

// The functor for a launch that is the first, the last, both or neither of its reduction.
std::string functor(Reduction r, DType t, bool first, bool last) {
  const auto sum = [](bool square, const char* end) { return str("SumOf<", square ? "true" : "false", ",", end, ">"); };
  const auto whole = [t](const char* op) { return str(op, is_float(t) ? "" : slang_name(t)); };
  switch (r) {
    case Reduction::sum: return is_float(t) ? sum(false, "Keep") : whole("Add");
    case Reduction::mean: return sum(false, last ? "Divide" : "Keep");
    case Reduction::norm: return sum(first, last ? "Root" : "Keep");
    case Reduction::half_square: return sum(first, last ? "Half" : "Keep");
    case Reduction::prod: return whole("Multiply");
    case Reduction::max: return whole("Max");
    case Reduction::min: return "Min";
    case Reduction::all: return "All";
    case Reduction::any: return "Any";
  }
  fail(Code::internal, "no such reduction");
}

// One launch of the reduction of a tensor of `type` into one of `result`.
std::string variant(ReduceStage::Shape shape, Reduction r, DType type, DType result, bool first, bool last) {
  static constexpr const char* kEntries[] = {"lanes", "groups", "columns"};
  if (type == DType::f64) return str("reduce_f64/", kEntries[static_cast<int>(shape)]);
  return str("reduce/", kEntries[static_cast<int>(shape)], "<", functor(r, type, first, last), ",",
             packed(first ? type : partial_type(type)), ",", packed(last ? result : partial_type(type)), ">");
}

// What only the kernels of float64 take, which one functor serves (kernels/reduce_f64.slang).
uint32_t double_kind(Reduction r, bool first, bool last) {
  constexpr uint32_t kFirst = 16, kLast = 32;
  return static_cast<uint32_t>(r) | (first ? kFirst : 0) | (last ? kLast : 0);
}

void launch(Call& call, const std::string& kernel, uint64_t groups, const Tensor& from, const Tensor& to,
            const ReduceStage& s, int64_t count, uint32_t kind) {
  struct Stage {
    uint32_t outer, reduced, inner, parts, share;
  } stage{s.outer, s.reduced, s.inner, s.parts, s.share};
  const auto with = [&](const auto& params) {
    call.stream().launch(call.kernel(kernel), Grid::line(groups), {read(from), write(to)}, params);
  };
  struct Floats {
    Stage stage;
    float count;
  };
  struct Doubles {
    Stage stage;
    uint32_t count, kind;
  };
  if (from.type == DType::f64) return with(Doubles{stage, static_cast<uint32_t>(count), kind});
  with(Floats{stage, static_cast<float>(count)});
}

}  // namespace

void reduce_variants(Reduction r, DType t, std::vector<std::string>& names, std::optional<DType> result) {
  for (auto shape : {ReduceStage::Shape::lanes, ReduceStage::Shape::groups, ReduceStage::Shape::columns})
    for (bool first : {false, true})
      for (bool last : {false, true}) names.push_back(variant(shape, r, t, result.value_or(t), first, last));
}

void reduce(Call& call, Reduction r, const Tensor& x, const Tensor& y, const ReduceAxes& axes) {
  if (y.size() == 0) return;
  const std::vector<ReduceStage> stages = plan_reduce(axes, call.caps());
  Tensor from = x;
  for (size_t i = 0; i < stages.size(); ++i) {
    const ReduceStage& s = stages[i];
    const bool first = i == 0, last = i + 1 == stages.size();
    const Tensor to = last ? y : call.scratch(partial_type(x.type), {s.outer, s.parts, s.inner});
    uint64_t groups = uint64_t{s.outer} * s.parts;
    if (s.shape == ReduceStage::Shape::lanes) groups = div_up(groups, kGroup);
    if (s.shape == ReduceStage::Shape::columns) {
      const uint32_t width = packet_width(from.type);
      const bool wide = s.inner % width == 0 && reinterpret_cast<uintptr_t>(from.data) % 8 == 0;  // as the kernel finds
      groups = div_up(groups * (wide ? s.inner / width : s.inner), kGroup);
    }
    launch(call, variant(s.shape, r, x.type, y.type, first, last), groups, from, to, s, axes.count,
           double_kind(r, first, last));
    from = to;
  }
}

namespace {

struct KeepDims : State {
  bool keep;
  explicit KeepDims(bool k) : keep(k) {}
};
std::unique_ptr<State> prepare(const Attrs& a) { return std::make_unique<KeepDims>(a.flag("keep_dims")); }

std::vector<int64_t> axis_list(const Tensor& axes) {
  std::vector<int64_t> list(axes.size());
  for (size_t i = 0; i < list.size(); ++i)
    list[i] = axes.type == DType::i32 ? axes.host<int32_t>()[i] : axes.host<int64_t>()[i];
  return list;
}

template <Reduction R>
void run(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  const ReduceAxes axes = collapse_axes(x.shape, axis_list(call.input(1)), static_cast<const KeepDims*>(state)->keep);
  const bool nothing_reduced = axes.count == 1 && R != Reduction::norm;
  if (nothing_reduced) return call.output_alias(0, 0, axes.result);
  reduce(call, R, x, call.output(0, x.type, axes.result), axes);
}

template <Reduction R>
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types.empty() ? std::vector<DType>{DType::boolean} : op.types) reduce_variants(R, t, names);
}

void run_l2_loss(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  std::vector<int64_t> all(x.shape.size());
  std::iota(all.begin(), all.end(), 0);
  const ReduceAxes axes = collapse_axes(x.shape, all, false);
  reduce(call, Reduction::half_square, x, call.output(0, x.type, {}), axes);
}

// int32 is host memory in TensorFlow's convention: shape arithmetic, a handful of values.
void run_host_sum(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0);
  const ReduceAxes axes = collapse_axes(x.shape, axis_list(call.input(1)), static_cast<const KeepDims*>(state)->keep);
  const Tensor y = call.output(0, x.type, axes.result);
  uint32_t* sums = y.host_out<uint32_t>();  // unsigned: sums wrap
  std::fill(sums, sums + y.size(), 0u);
  std::vector<int64_t> stride(axes.runs.size());  // of each run in y; 0 where reduced
  int64_t step = 1;
  for (size_t i = axes.runs.size(); i-- > 0;) {
    stride[i] = axes.runs[i].reduced ? 0 : step;
    if (!axes.runs[i].reduced) step *= axes.runs[i].size;
  }
  for (int64_t i = 0; i < x.size(); ++i) {
    int64_t rest = i, to = 0;
    for (size_t d = axes.runs.size(); d-- > 0; rest /= axes.runs[d].size) to += rest % axes.runs[d].size * stride[d];
    sums[to] += x.host<uint32_t>()[i];
  }
}

template <Reduction R>
OpSpec row(const char* name, std::vector<DType> types, std::vector<DType> index_types) {
  return {name,
          std::move(types),
          run<R>,
          "",
          variants<R>,
          prepare,
          {"reduction_indices"},
          "T",
          {{"Tidx", std::move(index_types)}}};
}
void l2_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) reduce_variants(Reduction::half_square, t, names);
}

const std::vector<DType> kIndices = {DType::i32, DType::i64};
const Family reductions{
    row<Reduction::sum>("Sum", join({kReals, {DType::i64}}), kIndices),
    row<Reduction::mean>("Mean", kReals, kIndices),
    row<Reduction::prod>("Prod", join({kReals, {DType::i32, DType::i64}}), kIndices),
    row<Reduction::max>("Max", join({kReals, {DType::i64}}), kIndices),
    row<Reduction::min>("Min", kReals, kIndices),
    row<Reduction::norm>("EuclideanNorm", kReals, kIndices),
    row<Reduction::all>("All", {}, kIndices),
    row<Reduction::any>("Any", {}, kIndices),
    {"L2Loss", kReals, run_l2_loss, "", l2_variants},
    {"Sum",
     {DType::i32},
     run_host_sum,
     "",
     nullptr,
     prepare,
     {"input", "reduction_indices", "output"},
     "T",
     {{"Tidx", kIndices}}},
};

}  // namespace
}  // namespace anvil::ops
