// LRN and LRNGrad.  The bodies are in kernels/lrn.slang.
#include <algorithm>

#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kNormalise = "lrn/normalise", *kGradient = "lrn/gradient";

struct LrnState : State {
  int64_t radius = 0;
  float bias = 0, alpha = 0, beta = 0;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<LrnState>();
  s->radius = attrs.integer("depth_radius");
  s->bias = attrs.real("bias");
  s->alpha = attrs.real("alpha");
  s->beta = attrs.real("beta");
  return s;
}

struct LrnParams {
  uint32_t count, channels, radius;
  float bias, alpha, beta;
};
LrnParams lrn_params(const Tensor& x, const State* state) {
  const auto& s = static_cast<const LrnState&>(*state);
  const int64_t channels = std::max<int64_t>(1, x.shape[3]);
  return {uint32_t(x.size()),
          uint32_t(channels),
          uint32_t(std::clamp<int64_t>(s.radius, 0, channels)),
          s.bias,
          s.alpha,
          s.beta};
}
void normalise(Call& call, const Tensor& x, const Tensor& y, const LrnParams& shape, bool norms) {
  struct {
    LrnParams shape;
    uint32_t norms;
  } params{shape, norms};
  launch_threads(call, kNormalise, x.size(), {read(x), write(y)}, params);
}

void run(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0);
  require(x.rank() == 4, Code::invalid_argument, "in must be 4-dimensional");
  normalise(call, x, call.output(0, x.type, x.shape), lrn_params(x, state), false);
}

// (input_grads, input_image, output_image)
void run_gradient(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0), x = call.input(1), y = call.input(2);
  require(dy.rank() == 4 && x.rank() == 4, Code::invalid_argument, "inputs must be 4-dimensional");
  require(dy.shape == x.shape && y.shape == x.shape, Code::invalid_argument,
          "input_grads, input_image, and out_image should have the same shape");
  const Tensor dx = call.output(0, x.type, x.shape);
  if (dx.size() == 0) return;
  const Tensor norms = call.scratch(DType::f32, x.shape);
  const LrnParams params = lrn_params(x, state);
  normalise(call, x, norms, params, true);
  launch_threads(call, kGradient, x.size(), {read(dy), read(x), read(y), read(norms), write(dx)}, params);
}
void variants(const OpSpec&, std::vector<std::string>& names) {
  names.push_back(kNormalise);
  names.push_back(kGradient);
}

const Family normalisation{
    {"LRN", {DType::f32}, run, "", variants, prepare},
    {"LRNGrad", {DType::f32}, run_gradient, "", variants, prepare},
};

}  // namespace
}  // namespace anvil::ops
