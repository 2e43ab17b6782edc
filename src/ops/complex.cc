// Complex64 numbers made of, and taken apart into, float32: Complex, Real, Imag, Conj, ComplexAbs and Angle.
#include "ops/copy.h"
#include "ops/pair.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

// x's real or imaginary parts, as a walk over pairs of floats.
Tensor parts(const Tensor& x) { return {{2 * x.size()}, DType::f32, x.data}; }

void run_part(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), y = call.output(0, DType::f32, x.shape);
  if (y.size() == 0) return;
  launch_copy(call, {{{x.size(), {2, 1}}}, op.kernel == "imag" ? 1 : 0, 0}, parts(x), y);
}

void run_complex(Call& call, const OpSpec&, const State*) {
  const Tensor re = call.input(0), im = call.input(1);
  const Shape shape = broadcast_shape(re.shape, im.shape);
  const Tensor y = call.output(0, DType::c64, shape);
  if (y.size() == 0) return;
  for (int part : {0, 1})
    launch_copy(call, {{{y.size(), {1, 2}}}, 0, part}, expanded(call, part ? im : re, shape), parts(y));
}
void copies(const OpSpec& op, std::vector<std::string>& names) { copy_variants(op, names); }

std::string each(const OpSpec& op) { return str("complex/elements<", op.name, ">"); }
void run_each(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), y = call.output(0, op.more.empty() ? DType::c64 : DType::f32, x.shape);
  launch_threads(call, each(op), x.size(), {read(x), write(y)}, static_cast<uint32_t>(x.size()));
}
void each_variants(const OpSpec& op, std::vector<std::string>& names) { names.push_back(each(op)); }

const TypeAxis kReal{"Tout", {DType::f32}};
OpSpec taken(const char* name, Run run, Variants variants, const char* part = "") {
  return {name, {DType::c64}, run, part, variants, nullptr, {}, "T", {kReal}};
}

const Family complex_numbers{
    {"Complex", {DType::f32}, run_complex, "", copies, nullptr, {}, "T", {{"Tout", {DType::c64}}}},
    taken("Real", run_part, copies, "real"),
    taken("Imag", run_part, copies, "imag"),
    taken("ComplexAbs", run_each, each_variants),
    taken("Angle", run_each, each_variants),
    {"Conj", {DType::c64}, run_each, "", each_variants},
};

}  // namespace
}  // namespace anvil::ops
