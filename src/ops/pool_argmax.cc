// MaxPoolGradWithArgmax and MaxPoolGradGradWithArgmax: the gradients of MaxPoolWithArgmax, at the places it kept.
#include "ops/map.h"
#include "ops/pool.h"
#include "ops/scatter.h"

namespace anvil::ops {
namespace {

constexpr int kGroup = 256;  // as in pool_index.slang
Grid over(int64_t count) { return Grid::line(div_up(static_cast<uint64_t>(count), kGroup)); }
uint32_t u(int64_t v) { return static_cast<uint32_t>(v); }

// (input, grad, argmax), and the places as places in the whole batch.
struct Problem {
  Tensor x, grad, places;
};
Problem problem_of(Call& call, const OpSpec& op, const State* state, bool gradient_like_input) {
  const auto& attrs = *static_cast<const PoolAttrs*>(state);
  Problem p{call.input(0), call.input(1), call.input(2)};
  require(p.x.rank() == 4, Code::invalid_argument, "tensor_in must be 4-dimensional (2)");
  const PoolGeometry g = plan_pool(p.x.shape, attrs, attrs.window, attrs.stride,
                                   "MaxPoolWithArgmax is not supported across channels on this device");
  const Shape& expected = gradient_like_input ? p.x.shape : g.output;
  require(p.grad.shape == expected, Code::invalid_argument, "Expected grad shape to be ", text(expected), ", but got ",
          text(p.grad.shape));
  require(p.places.shape == g.output, Code::invalid_argument, "Expected argmax shape to be ", text(g.output),
          ", but got ", text(p.places.shape));
  require_indexable(op.name, p.x);
  if (attrs.whole_batch || p.places.size() == 0) return p;
  const Tensor given = p.places;
  p.places = call.scratch(DType::i64, given.shape);
  const struct {
    uint32_t count, per_image, limit;
  } params{u(given.size()), u(given.size() / given.shape[0]), u(p.x.size() / p.x.shape[0])};
  call.stream().launch(call.kernel("pool_index/flat"), over(given.size()), {read(given), write(p.places)}, params);
  return p;
}

Functor cast(DType from, DType to) {
  return {"cast", str("FloatToFloat<", slang_name(from), ",", slang_name(to), ">")};
}

// Windows that overlap give several numbers to one element; half types are summed up in float32.
void run(Call& call, const OpSpec& op, const State* state) {
  const Problem p = problem_of(call, op, state, false);
  const DType type = p.x.type;
  const Tensor dx = call.output(0, type, p.x.shape);
  if (dx.size() == 0) return;
  const bool narrow = type != DType::f32;
  const Tensor sum = narrow ? call.scratch(DType::f32, {dx.size()}) : Tensor{{dx.size()}, type, dx.data};
  call.stream().fill(sum.data, 0, 4, sum.bytes());
  if (p.places.size() > 0) {
    const Tensor given = narrow ? call.scratch(DType::f32, p.grad.shape) : p.grad;
    if (narrow) launch_map(call, cast(type, DType::f32), p.grad, given);
    launch_scatter(call, ScatterOp::add, {{dx.size()}, p.places.size(), 1}, p.places, given, sum);
  }
  if (narrow) launch_map(call, cast(DType::f32, type), sum, dx);
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  names.emplace_back("pool_index/flat");
  scatter_variants(ScatterOp::add, DType::f32, names);
  for (const DType t : op.types)
    if (t != DType::f32) {
      map_variants(cast(t, DType::f32), names);
      map_variants(cast(DType::f32, t), names);
    }
}

std::string pick(DType t) { return str("pool_index/pick<", size_of(t), ">"); }
void run_second(Call& call, const OpSpec& op, const State* state) {
  const Problem p = problem_of(call, op, state, true);
  const Tensor y = call.output(0, p.x.type, p.places.shape);
  if (y.size() == 0) return;
  const struct {
    uint32_t count, limit;
  } params{u(y.size()), u(p.x.size())};
  call.stream().launch(call.kernel(pick(y.type)), over(y.size()), {read(p.grad), read(p.places), write(y)}, params);
}
void second_variants(const OpSpec& op, std::vector<std::string>& names) {
  names.emplace_back("pool_index/flat");
  for (const DType t : op.types) names.push_back(pick(t));
}

const std::vector<TypeAxis> kPlaces = {{"Targmax", {DType::i64}}};
const Family pool_argmax{
    {"MaxPoolGradWithArgmax", kFloats, run, "", variants, read_pool_attrs, {}, "T", kPlaces},
    {"MaxPoolGradGradWithArgmax", kFloats, run_second, "", second_variants, read_pool_attrs, {}, "T", kPlaces},
};

}  // namespace
}  // namespace anvil::ops
