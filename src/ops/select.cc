// SelectV2 and Select: a value from one of two tensors.  The bodies are in kernels/select.slang.
#include "ops/copy.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr int kSelectRank = 4;  // as in select.slang

struct ChunkParams {
  uint32_t count;
};
struct BroadcastParams {
  uint32_t count;
  WalkBlock<kSelectRank, 3> walk;
};

std::string chunks_name(size_t bytes, int scalars) { return str("select/chunks<", bytes, ",", scalars, ">"); }
std::string broadcast_name(size_t bytes) { return str("select/broadcast<", bytes, ">"); }

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) {
    for (int scalars = 0; scalars < 4; ++scalars) names.push_back(chunks_name(bytes, scalars));
    names.push_back(broadcast_name(bytes));
  }
  copy_variants(op, names);
}

Grid threads(uint64_t count) { return Grid::line(div_up(count, kMapGroup)); }

void launch_broadcast(Call& call, const Axes& axes, const Tensor& c, const Tensor& a, const Tensor& b,
                      const Tensor& y) {
  const BroadcastParams params{static_cast<uint32_t>(y.size()), walk_block<kSelectRank, 3>(axes)};
  call.stream().launch(call.kernel(broadcast_name(size_of(y.type))), threads(y.size()),
                       {read(c), read(a), read(b), write(y)}, params);
}

void launch_select(Call& call, const Tensor& c, const Tensor& a, const Tensor& b, const Tensor& y) {
  if (y.size() == 0) return;
  if (size_of(y.type) > 8) {
    Tensor by_pairs = c;
    by_pairs.shape.push_back(1);
    return launch_select(call, by_pairs, in_units(a), in_units(b), in_units(y));
  }
  require_indexable("SelectV2", y);
  const int64_t n = y.size();
  const bool one_a = a.size() == 1 && n > 1, one_b = b.size() == 1 && n > 1;
  const bool flat = c.size() == n && (one_a || a.size() == n) && (one_b || b.size() == n);
  if (!flat) {
    const Shape operands[] = {c.shape, a.shape, b.shape};
    const Axes axes = collapse(broadcast_axes(y.shape, operands));
    if (axes.size() <= kSelectRank) return launch_broadcast(call, axes, c, a, b, y);
    return launch_select(call, expanded(call, c, y.shape), expanded(call, a, y.shape), expanded(call, b, y.shape), y);
  }
  const uint32_t bytes = static_cast<uint32_t>(size_of(y.type)), lanes = 8 / bytes;
  const auto at = [](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data); };
  const bool aligned = at(c) % lanes == 0 && (one_a || at(a) % 8 == 0) && (one_b || at(b) % 8 == 0) && at(y) % 8 == 0;
  const MapPlan plan = plan_map(static_cast<uint64_t>(n), bytes, aligned);
  if (plan.chunks)
    call.stream().launch(call.kernel(chunks_name(bytes, one_a + 2 * one_b)), threads(plan.chunks),
                         {read(c), read(a), read(b), write(y)}, ChunkParams{static_cast<uint32_t>(plan.chunks)});
  if (!plan.rest) return;
  const uint64_t done = plan.chunks * plan.lanes;
  const Axis line{static_cast<int64_t>(plan.rest), {1, one_a ? 0 : 1, one_b ? 0 : 1}};
  launch_broadcast(call, {line}, tail(c, done), one_a ? a : tail(a, done), one_b ? b : tail(b, done), tail(y, done));
}

void run_v2(Call& call, const OpSpec&, const State*) {
  const Tensor c = call.input(0), a = call.input(1), b = call.input(2);
  const auto all = [&] { return str("condition ", text(c.shape), ", then ", text(a.shape), ", else ", text(b.shape)); };
  require(broadcastable(a.shape, b.shape), Code::invalid_argument, "shapes do not broadcast: ", all());
  const Shape ab = broadcast_shape(a.shape, b.shape);
  require(broadcastable(c.shape, ab), Code::invalid_argument, "shapes do not broadcast: ", all());
  launch_select(call, c, a, b, call.output_reusing(0, {1, 2}, a.type, broadcast_shape(c.shape, ab)));
}

// The older op: a condition of the values' shape, a scalar, or a vector that chooses whole rows.
void run_v1(Call& call, const OpSpec&, const State*) {
  Tensor c = call.input(0);
  const Tensor a = call.input(1), b = call.input(2);
  require(a.shape == b.shape, Code::invalid_argument,
          "'then' and 'else' must have the same size.  but received: ", text(a.shape), " vs. ", text(b.shape));
  if (c.rank() == 1 && c.shape != a.shape) {
    require(a.rank() >= 1, Code::invalid_argument, "'then' must be at least a vector, but saw shape: ", text(a.shape));
    require(a.shape[0] == c.shape[0], Code::invalid_argument,
            "Number of batches of 'then' must match size of 'cond', but saw: ", a.shape[0], " vs. ", c.shape[0]);
    c.shape.resize(a.shape.size(), 1);
  } else {
    require(c.rank() == 0 || c.shape == a.shape, Code::invalid_argument,
            "'cond' must be a scalar, a vector or of the shape of 'then', but saw ", text(c.shape), " and ",
            text(a.shape));
  }
  launch_select(call, c, a, b, call.output_reusing(0, {1, 2}, a.type, a.shape));
}

const std::vector<DType> kAll = join({kFloats, kDeviceInts, kWide, {DType::i32, DType::boolean}});

const Family select{
    {"SelectV2", kAll, run_v2, "", variants},
    {"Select", join({kFloats, kWide, {DType::boolean, DType::i32, DType::i64}}), run_v1, "", variants},
};

}  // namespace
}  // namespace anvil::ops
