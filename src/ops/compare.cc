// Comparisons with broadcasting, bool = f(a, b).  The bodies are in kernels/binary.slang.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

struct EqualState final : State {
  // What Equal and NotEqual do with shapes that do not broadcast: an error, or one answer for the whole.
  bool incompatible_shape_error = true;
};
std::unique_ptr<State> prepare_equal(const Attrs& attrs) {
  auto s = std::make_unique<EqualState>();
  s->incompatible_shape_error = attrs.flag("incompatible_shape_error");
  return s;
}
struct Tolerance final : State {
  float tolerance = 0;
};
std::unique_ptr<State> prepare_tolerance(const Attrs& attrs) {
  auto s = std::make_unique<Tolerance>();
  s->tolerance = attrs.real("tolerance");
  return s;
}

// Greater(a, b) is Less(b, a).
Pair pair_of(const OpSpec& op, DType t) {
  const bool greater = op.kernel.starts_with("Greater");
  const std::string kernel = greater ? "Less" + op.kernel.substr(7) : op.kernel;
  if (t == DType::f64) return {{"binary_f64", str("Compare<", kernel, ">")}, greater};
  if (is_float(t))
    return {{"binary", str("FloatCompare<", kernel, ",", slang_name(t), ">")}, greater, {.scalar = true}};
  const bool any_sign = kernel == "Equal" || kernel == "NotEqual";
  return {{"binary", str("IntCompare<Int", kernel, ",", slang_name(any_sign ? unsigned_of(t) : t), ">")},
          greater,
          {.scalar = has_scalar_forms(t)}};
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) pair_variants(pair_of(op, t), names);
}
void run(Call& call, const OpSpec& op, const State*) {
  run_pair(call, pair_of(op, call.input(0).type), DType::boolean);
}

void run_equal(Call& call, const OpSpec& op, const State* state) {
  const Tensor a = call.input(0), b = call.input(1);
  if (!static_cast<const EqualState*>(state)->incompatible_shape_error && !broadcastable(a.shape, b.shape)) {
    const Tensor y = call.output(0, DType::boolean, {});
    return call.stream().fill(y.data, op.kernel == "NotEqual", 1, 1);
  }
  run(call, op, nullptr);
}

void run_approximate(Call& call, const OpSpec& op, const State* state) {
  const Tensor a = call.input(0), b = call.input(1);
  require(a.shape == b.shape, Code::invalid_argument, "x and y must be of the same shape. x shape: ", text(a.shape),
          ". y shape: ", text(b.shape));
  run_pair(call, pair_of(op, a.type), DType::boolean, static_cast<const Tolerance*>(state)->tolerance);
}

const std::vector<DType> kNumbers = join({kReals, kDeviceInts});
const std::vector<DType> kNumbersAndBool = join({kNumbers, {DType::boolean}});

const Family compare{
    {"Equal", kNumbersAndBool, run_equal, "Equal", variants, prepare_equal},
    {"NotEqual", kNumbersAndBool, run_equal, "NotEqual", variants, prepare_equal},
    {"Less", kNumbers, run, "Less", variants},
    {"LessEqual", kNumbers, run, "LessEqual", variants},
    {"Greater", kNumbers, run, "Greater", variants},
    {"GreaterEqual", kNumbers, run, "GreaterEqual", variants},
    {"ApproximateEqual", {DType::f32, DType::f64}, run_approximate, "ApproximateEqual", variants, prepare_tolerance},
};

}  // namespace
}  // namespace anvil::ops
