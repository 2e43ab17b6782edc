// Maths of one operand, y[i] = f(x[i]).  The bodies are in kernels/unary.slang; to add an op, add one struct there, one
// row here and one row in tests/table/.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

Functor maths(const OpSpec& op, DType t) { return arithmetic(ElementWise::unary, op, t); }
Functor wrapping(const OpSpec& op, DType t) { return maths(op, is_float(t) ? t : unsigned_of(t)); }
Functor test(const OpSpec& op, DType t) {
  if (t == DType::f64) return {"unary_f64", str("Test<", op.kernel, ">")};
  return {"unary", str("Test<", op.kernel, ",", slang_name(t), ">")};
}
Functor bits(const OpSpec& op, DType t) { return {"unary", str(op.kernel, "<", slang_name(unsigned_of(t)), ">")}; }

using NameOf = Functor (*)(const OpSpec&, DType);

template <NameOf name>
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) map_variants(name(op, t), names);
}
template <NameOf name>
void run(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  launch_map(call, name(op, x.type), x, y, alpha_of(state));
}
void run_test(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  launch_map(call, test(op, x.type), x, call.output(0, DType::boolean, x.shape));
}

void not_variants(const OpSpec& op, std::vector<std::string>& names) { map_variants({"unary", op.kernel}, names); }
void run_not(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  launch_map(call, {"unary", op.kernel}, x, call.output_reusing(0, {0}, DType::boolean, x.shape));
}

// Ops that change nothing for their types: the output is the input.
void run_same(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  call.output_alias(0, 0, x.shape);
}

constexpr auto kRun = run<maths>;
constexpr auto kVariants = variants<maths>;
constexpr auto kRunWrapping = run<wrapping>;
constexpr auto kWrapping = variants<wrapping>;

const std::vector<DType> kSigned = {DType::i8, DType::i16, DType::i64};
const std::vector<DType> kUnsigned = {DType::u8, DType::u16, DType::u32, DType::u64};
const std::vector<DType> kFloatAndSigned = join({kFloats, kSigned}), kRealAndSigned = join({kReals, kSigned});

const Family unary{
    {"Relu", kRealAndSigned, kRun, "Relu", kVariants},
    {"Relu", kUnsigned, run_same},
    {"Relu6", kReals, kRun, "Relu6", kVariants},
    {"LeakyRelu", kReals, kRun, "LeakyRelu", kVariants, read_alpha},
    {"Elu", kReals, kRun, "Elu", kVariants},
    {"Selu", kReals, kRun, "Selu", kVariants},
    {"Sigmoid", kReals, kRun, "Sigmoid", kVariants},
    {"Softplus", kReals, kRun, "Softplus", kVariants},
    {"Softsign", kReals, kRun, "Softsign", kVariants},

    {"Neg", kFloatAndSigned, kRunWrapping, "Neg", kWrapping},
    {"Square", join({kReals, kDeviceInts}), kRunWrapping, "Square", kWrapping},
    {"Abs", kRealAndSigned, kRun, "Abs", kVariants},
    {"Sign", kRealAndSigned, kRun, "Sign", kVariants},
    {"Reciprocal", join({kReals, {DType::i64}}), kRun, "Reciprocal", kVariants},
    {"Inv", join({kReals, {DType::i64}}), kRun, "Reciprocal", kVariants},
    {"Floor", kReals, kRun, "Floor", kVariants},
    {"Ceil", kReals, kRun, "Ceil", kVariants},
    {"Round", kReals, kRun, "Round", kVariants},
    {"Round", {DType::i32, DType::i64}, run_same},
    {"Rint", {DType::f32, DType::f16, DType::f64}, kRun, "Round", kVariants},

    {"Sqrt", kReals, kRun, "Sqrt", kVariants},
    {"Rsqrt", kReals, kRun, "Rsqrt", kVariants},
    {"Exp", kReals, kRun, "Exp", kVariants},
    {"Expm1", kReals, kRun, "Expm1", kVariants},
    {"Log", kReals, kRun, "Log", kVariants},
    {"Log1p", kReals, kRun, "Log1p", kVariants},

    {"Sin", kReals, kRun, "Sin", kVariants},
    {"Cos", kReals, kRun, "Cos", kVariants},
    {"Tan", kFloats, kRun, "Tan", kVariants},
    {"Asin", kFloats, kRun, "Asin", kVariants},
    {"Acos", kFloats, kRun, "Acos", kVariants},
    {"Atan", kFloats, kRun, "Atan", kVariants},
    {"Sinh", kReals, kRun, "Sinh", kVariants},
    {"Cosh", kReals, kRun, "Cosh", kVariants},
    {"Tanh", kReals, kRun, "Tanh", kVariants},
    {"Asinh", kFloats, kRun, "Asinh", kVariants},
    {"Acosh", kFloats, kRun, "Acosh", kVariants},
    {"Atanh", kFloats, kRun, "Atanh", kVariants},
    {"Erf", kFloats, kRun, "Erf", kVariants},
    {"Erfc", kFloats, kRun, "Erfc", kVariants},
    {"Erfinv", {DType::f32}, kRun, "Erfinv", kVariants},

    {"IsNan", kReals, run_test, "IsNan", variants<test>},
    {"IsInf", kReals, run_test, "IsInf", variants<test>},
    {"IsFinite", kReals, run_test, "IsFinite", variants<test>},
    {"LogicalNot", {}, run_not, "LogicalNot", not_variants},
    {"Invert", join({kDeviceInts, {DType::i32}}), run<bits>, "Invert", variants<bits>},
};

}  // namespace
}  // namespace anvil::ops
