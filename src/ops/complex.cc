// Complex numbers made of, and taken apart into, their parts: Complex, Real, Imag, Conj, ComplexAbs and Angle.  Neg of
// all types of 8 bytes and more.
#include "ops/complex.h"

#include "ops/copy.h"
#include "ops/pair.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char* kTurnSigns = "complex/turn_signs";

DType part_type(DType t) { return t == DType::c64 ? DType::f32 : DType::f64; }
// x's real and imaginary parts in turn.
Tensor parts(const Tensor& x) { return {{2 * x.size()}, part_type(x.type), x.data}; }

void run_part(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), y = call.output(0, part_type(x.type), x.shape);
  if (y.size() == 0) return;
  launch_copy(call, {{{x.size(), {2, 1}}}, op.kernel == "imag" ? 1 : 0, 0}, parts(x), y);
}

void run_complex(Call& call, const OpSpec&, const State*) {
  const Tensor re = call.input(0), im = call.input(1);
  const Shape shape = broadcast_shape(re.shape, im.shape);
  const Tensor y = call.output(0, re.type == DType::f32 ? DType::c64 : DType::c128, shape);
  if (y.size() == 0) return;
  for (int part : {0, 1})
    launch_copy(call, {{{y.size(), {1, 2}}}, 0, part}, expanded(call, part ? im : re, shape), parts(y));
}
void copies(const OpSpec& op, std::vector<std::string>& names) { copy_variants(op, names); }

std::string each(const OpSpec& op) { return str("complex/elements<", op.name, ">"); }
void run_each(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), y = call.output(0, DType::f32, x.shape);
  launch_threads(call, each(op), x.size(), {read(x), write(y)}, static_cast<uint32_t>(x.size()));
}
void each_variants(const OpSpec& op, std::vector<std::string>& names) { names.push_back(each(op)); }

void turn_signs(Call& call, const Tensor& x, const Tensor& y, uint64_t signs, bool odd) {
  const int64_t words = static_cast<int64_t>(x.bytes() / 8);
  struct {
    uint64_t signs;
    uint32_t count, odd;
  } const params{signs, static_cast<uint32_t>(words), odd ? 1U : 0U};
  launch_threads(call, kTurnSigns, words, {read(x), write(y)}, params);
}
void run_conj(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  launch_conj(call, x, call.output_reusing(0, {0}, x.type, x.shape));
}
void run_neg(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  turn_signs(call, x, call.output_reusing(0, {0}, x.type, x.shape),
             x.type == DType::c64 ? 0x8000000080000000 : 0x8000000000000000, false);
}

OpSpec taken(const char* name, Run run, Variants variants, const char* part = "", DType type = DType::c64) {
  return {name, {type}, run, part, variants, nullptr, {}, "T", {{"Tout", {part_type(type)}}}};
}

const Family complex_numbers{
    {"Complex", {DType::f32}, run_complex, "", copies, nullptr, {}, "T", {{"Tout", {DType::c64}}}},
    {"Complex", {DType::f64}, run_complex, "", copies, nullptr, {}, "T", {{"Tout", {DType::c128}}}},
    taken("Real", run_part, copies, "real"),
    taken("Real", run_part, copies, "real", DType::c128),
    taken("Imag", run_part, copies, "imag"),
    taken("Imag", run_part, copies, "imag", DType::c128),
    taken("ComplexAbs", run_each, each_variants),
    taken("Angle", run_each, each_variants),
    {"Conj", {DType::c64, DType::c128}, run_conj, "", conj_variants},
    {"Neg", kWide, run_neg, "", conj_variants},
};

}  // namespace

void launch_conj(Call& call, const Tensor& x, const Tensor& y) {
  turn_signs(call, x, y, 0x8000000000000000, x.type == DType::c128);
}
void conj_variants(const OpSpec&, std::vector<std::string>& names) { names.push_back(kTurnSigns); }

}  // namespace anvil::ops
