// FakeQuantWithMinMaxArgs, -Vars, -VarsPerChannel and their gradients.  The bodies are in kernels/fake_quant.slang.
#include <cmath>
#include <numeric>
#include <vector>

#include "ops/reduce.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kQuantise = "fake_quant/quantise", *kGradient = "fake_quant/gradient";

struct QuantState final : State {
  float min = 0, max = 0;  // of the form that has them as attributes
  float first_step = 0, last_step = 255;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<QuantState>();
  const int64_t bits = attrs.integer("num_bits");
  require(bits >= 2 && bits <= 16, Code::invalid_argument, "num_bits must be between 2 and 16, inclusive");
  s->first_step = attrs.flag("narrow_range") ? 1.0f : 0.0f;
  s->last_step = static_cast<float>((1 << bits) - 1);
  if (attrs.has("min")) {
    s->min = attrs.real("min");
    s->max = attrs.real("max");
    require(s->min < s->max, Code::invalid_argument, "min has to be smaller than max, was: ", s->min, " >= ", s->max);
  }
  return s;
}

// A range moved so that 0 is one of its steps, as in fake_quant.slang.  Size 0: min and max are 0, and so is
// everything.
struct Steps {
  float low = 0, high = 0, size = 0, zero = 0;
};
Steps nudge(float min, float max, const QuantState& s) {
  if (min == 0 && max == 0) return {};
  Steps r;
  r.size = (max - min) / (s.last_step - s.first_step);
  const float from_min = s.first_step - min / r.size;
  const float point = from_min < s.first_step  ? s.first_step
                      : from_min > s.last_step ? s.last_step
                                               : std::round(from_min);
  r.low = (s.first_step - point) * r.size;
  r.high = (s.last_step - point) * r.size;
  r.zero = std::floor(-r.low / r.size + 0.5f);
  return r;
}
Tensor upload_steps(Call& call, const std::vector<Steps>& steps) {
  const Tensor t = call.scratch(DType::f32, {static_cast<int64_t>(steps.size()), 4});
  call.stream().upload(t.data, steps.data(), t.bytes());
  return t;
}

enum class Form : uint8_t { attributes, scalars, channels };
// The ranges, from the attributes or from the host inputs at `first` and after it.
std::vector<Steps> ranges(Call& call, const State* state, Form form, int first, const Shape& shape) {
  const auto& s = *static_cast<const QuantState*>(state);
  if (form == Form::attributes) return {nudge(s.min, s.max, s)};
  const Tensor low = call.input(first), high = call.input(first + 1);
  const int rank = form == Form::scalars ? 0 : 1;
  require(low.rank() == rank && high.rank() == rank, Code::invalid_argument, "`min` and `max` must be rank ", rank,
          " but are ", text(low.shape), " and ", text(high.shape));
  if (form == Form::channels) {
    require(!shape.empty(), Code::invalid_argument, "Input must be at least rank 1");
    require(low.size() == shape.back(), Code::invalid_argument, "min has incorrect size, expected ", shape.back(),
            " was ", low.size());
    require(high.size() == shape.back(), Code::invalid_argument, "max has incorrect size, expected ", shape.back(),
            " was ", high.size());
  }
  std::vector<Steps> all;
  for (int64_t i = 0; i < low.size(); ++i) all.push_back(nudge(low.host<float>()[i], high.host<float>()[i], s));
  return all;
}

struct Sizes {
  uint32_t count, channels;
};
template <Form form>
void run(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0);
  const auto steps = ranges(call, state, form, 1, x.shape);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (x.size() == 0) return;
  launch_threads(call, kQuantise, x.size(), {read(x), read(upload_steps(call, steps)), write(y)},
                 Sizes{uint32_t(x.size()), uint32_t(steps.size())});
}
// (gradients, inputs[, min, max])
template <Form form>
void run_gradient(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0), x = call.input(1);
  require(dy.shape == x.shape, Code::invalid_argument, "gradient and input must be the same size: ", text(dy.shape),
          " and ", text(x.shape));
  const auto steps = ranges(call, state, form, 2, x.shape);
  const Tensor dx = call.output(0, x.type, x.shape);
  const bool ends = form != Form::attributes;
  Tensor below{{0}}, above{{0}};
  if (ends) below = call.scratch(x.type, x.shape), above = call.scratch(x.type, x.shape);
  if (x.size())
    launch_threads(call, kGradient, x.size(),
                   {read(dy), read(x), read(upload_steps(call, steps)), write(dx), write(below), write(above)},
                   Sizes{uint32_t(x.size()), uint32_t(steps.size())});
  if (!ends) return;
  std::vector<int64_t> axes(x.shape.size() - (form == Form::channels ? 1 : 0));
  std::iota(axes.begin(), axes.end(), 0);
  const ReduceAxes sums = collapse_axes(x.shape, axes, false);
  for (const int i : {1, 2})
    reduce(call, Reduction::sum, i == 1 ? below : above, call.output(i, x.type, sums.result), sums);
}
void variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kQuantise, kGradient});
  reduce_variants(Reduction::sum, DType::f32, names);
}

OpSpec row(const char* name, Run run_row, bool host) {
  OpSpec r{name, {}, run_row, "", variants, prepare};
  if (host) r.host = {"min", "max"};
  return r;
}
const Family fake_quant{
    row("FakeQuantWithMinMaxArgs", run<Form::attributes>, false),
    row("FakeQuantWithMinMaxArgsGradient", run_gradient<Form::attributes>, false),
    row("FakeQuantWithMinMaxVars", run<Form::scalars>, true),
    row("FakeQuantWithMinMaxVarsGradient", run_gradient<Form::scalars>, true),
    row("FakeQuantWithMinMaxVarsPerChannel", run<Form::channels>, true),
    row("FakeQuantWithMinMaxVarsPerChannelGradient", run_gradient<Form::channels>, true),
};

}  // namespace
}  // namespace anvil::ops
