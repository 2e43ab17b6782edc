// Arithmetic of two operands with broadcasting, y = f(a, b).  The bodies are in kernels/binary.slang; to add an op, add
// one struct there, one row here and one row in tests/table/.  int32 lives in host memory: see host_binary.cc.
#include <algorithm>

#include "ops/pair.h"

namespace anvil::ops {
namespace {

Functor maths(const OpSpec& op, DType t) { return arithmetic(ElementWise::binary, op, t); }
Functor wrapping(const OpSpec& op, DType t) { return maths(op, is_float(t) ? t : unsigned_of(t)); }
Functor bits(const OpSpec& op, DType t) {
  return {"binary", str("Bits<", op.kernel, ",", slang_name(unsigned_of(t)), ">")};
}
Functor shift(const OpSpec& op, DType t) { return {"binary", str(op.kernel, "<", slang_name(t), ">")}; }

// Rows and columns (a bias, a normaliser) matter for the arithmetic of layers.
Forms forms_of(const OpSpec& op, DType t) {
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), op.kernel) != names.end();
  };
  if (t == DType::f64) return {};
  return {has_scalar_forms(t), is_float(t) && is({"Add", "Sub", "Mul", "Div", "SquaredDifference"}),
          is({"Add", "Mul", "SquaredDifference"})};
}

using NameOf = Functor (*)(const OpSpec&, DType);
template <NameOf name>
Pair pair_of(const OpSpec& op, DType t) {
  return {name(op, t), false, forms_of(op, t)};
}
template <NameOf name>
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) pair_variants(pair_of<name>(op, t), names);
}
template <NameOf name>
void run(Call& call, const OpSpec& op, const State*) {
  const DType t = call.input(0).type;
  run_pair(call, pair_of<name>(op, t), t);
}

void logic_variants(const OpSpec& op, std::vector<std::string>& names) {
  pair_variants({{"binary", str("Logic<", op.kernel, ">")}}, names);
}
void run_logic(Call& call, const OpSpec& op, const State*) {
  run_pair(call, {{"binary", str("Logic<", op.kernel, ">")}}, DType::boolean);
}

constexpr auto kRun = run<maths>;
constexpr auto kVariants = variants<maths>;
constexpr auto kRunWrapping = run<wrapping>;
constexpr auto kWrapping = variants<wrapping>;
constexpr auto kRunBits = run<bits>;
constexpr auto kBits = variants<bits>;

const std::vector<DType> kAll = join({kReals, kDeviceInts});
const std::vector<DType> kAllButBrain = {DType::f32, DType::f16, DType::f64};
const std::vector<DType> kBitTypes = join({kDeviceInts, {DType::i32}});

const Family binary{
    {"Add", join({kReals, {DType::i8, DType::i16, DType::i64, DType::u8}}), kRunWrapping, "Add", kWrapping},
    {"AddV2", kAll, kRunWrapping, "Add", kWrapping},
    {"Sub", kAll, kRunWrapping, "Sub", kWrapping},
    {"Mul", kAll, kRunWrapping, "Mul", kWrapping},
    {"SquaredDifference", join({kReals, {DType::i64}}), kRunWrapping, "SquaredDifference", kWrapping},
    {"Div", kReals, kRun, "Div", kVariants},
    {"Div", kDeviceInts, kRun, "TruncateDiv", kVariants},
    {"RealDiv", kReals, kRun, "Div", kVariants},
    {"DivNoNan", kReals, kRun, "DivNoNan", kVariants},
    {"MulNoNan", kAllButBrain, kRun, "MulNoNan", kVariants},
    {"FloorDiv", kAll, kRun, "FloorDiv", kVariants},
    {"FloorMod", join({kAllButBrain, kDeviceInts}), kRun, "FloorMod", kVariants},
    {"TruncateDiv", join({kAllButBrain, kDeviceInts}), kRun, "TruncateDiv", kVariants},
    {"Maximum", kAll, kRun, "Maximum", kVariants},
    {"Minimum", kAll, kRun, "Minimum", kVariants},
    {"Pow", join({kReals, {DType::i8, DType::i16, DType::i64}}), kRun, "Pow", kVariants},
    {"Atan2", kFloats, kRun, "Atan2", kVariants},
    {"NextAfter", {DType::f32}, kRun, "NextAfter", kVariants},
    {"Xdivy", kReals, kRun, "Xdivy", kVariants},
    {"Xlogy", kReals, kRun, "Xlogy", kVariants},
    {"Xlog1py", kReals, kRun, "Xlog1py", kVariants},

    {"BitwiseAnd", kBitTypes, kRunBits, "And", kBits},
    {"BitwiseOr", kBitTypes, kRunBits, "Or", kBits},
    {"BitwiseXor", kBitTypes, kRunBits, "Xor", kBits},
    {"LeftShift", kBitTypes, run<shift>, "LeftShift", variants<shift>},
    {"RightShift", kBitTypes, run<shift>, "RightShift", variants<shift>},
    {"LogicalAnd", {}, run_logic, "LogicalAnd", logic_variants},
    {"LogicalOr", {}, run_logic, "LogicalOr", logic_variants},
};

}  // namespace
}  // namespace anvil::ops
