// Cast and Bitcast.  The bodies are in kernels/cast.slang.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

struct CastState final : State {
  DType to{};
  bool truncate = false;  // cut instead of rounding, from a wider to a narrower floating type
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<CastState>();
  s->to = attrs.type("DstT");
  s->truncate = attrs.flag("Truncate");
  return s;
}

bool is_bits(DType t) { return is_integer(t) || t == DType::boolean; }
bool is_signed(DType t) { return t == DType::i8 || t == DType::i16 || t == DType::i32 || t == DType::i64; }

// Equal bits mean the same in both types (bool is kept as 0 or 1).
bool same_bits(DType from, DType to) {
  return from == to || (is_bits(from) && is_bits(to) && size_of(from) == size_of(to) && to != DType::boolean);
}

// From and to float64: integers of one size share a kernel, and its parameter says what they are.
Functor double_functor(DType from, DType to) {
  const auto name = [](std::string functor) -> Functor { return {"cast_f64", std::move(functor)}; };
  if (from != DType::f64)
    return name(is_float(from) ? str("FloatToDouble<", slang_name(from), ">")
                               : str("IntToDouble<", size_of(from), ">"));
  if (to == DType::boolean) return name("DoubleToBool");
  return name(is_float(to) ? str("DoubleToFloat<", slang_name(to), ">") : str("DoubleToInt<", size_of(to), ">"));
}
// Between floating types, whether to cut; else, which only the kernels of float64 heed, the integer's kind.
float parameter(DType from, DType to, bool truncate) {
  if (is_float(from) && is_float(to)) return truncate;
  return is_float(to) ? is_signed(from) : !is_signed(to);
}

Functor functor(DType from, DType to) {
  if (from == DType::f64 || to == DType::f64) return double_functor(from, to);
  const auto name = [](const char* kind, DType x, DType y) -> Functor {
    return {"cast", str(kind, "<", slang_name(x), ",", slang_name(y), ">")};
  };
  const DType x = from == DType::boolean ? DType::u8 : from;  // to the kernels, a byte
  if (to == DType::boolean) {
    const DType by_size = is_float(x) ? x : unsigned_of(x);
    return {"cast", str(is_float(x) ? "FloatToBool<" : "IntToBool<", slang_name(by_size), ">")};
  }
  if (is_float(x)) return is_float(to) ? name("FloatToFloat", x, to) : name("FloatToInt", x, to);
  if (is_float(to)) return name("IntToFloat", x, to);
  // A narrower target takes the low bits whatever the sign of the source.
  return name("IntToInt", size_of(to) < size_of(x) ? unsigned_of(x) : x, unsigned_of(to));
}

const std::vector<DType> kAll = join({kReals, kDeviceInts, {DType::i32, DType::boolean}});

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType from : op.types)
    for (const DType to : kAll)
      if (!same_bits(from, to)) map_variants(functor(from, to), names);
}

void run(Call& call, const OpSpec&, const State* state) {
  const auto& s = static_cast<const CastState&>(*state);
  const Tensor x = call.input(0);
  if (same_bits(x.type, s.to)) return call.output_alias(0, 0, x.shape);
  launch_map(call, functor(x.type, s.to), x, call.output(0, s.to, x.shape), parameter(x.type, s.to, s.truncate));
}

struct BitcastState final : State {
  DType to{};
};
std::unique_ptr<State> prepare_bitcast(const Attrs& attrs) {
  auto s = std::make_unique<BitcastState>();
  s->to = attrs.type("type");
  return s;
}
void run_bitcast(Call& call, const OpSpec&, const State* state) {
  const DType to = static_cast<const BitcastState&>(*state).to;
  const Tensor x = call.input(0);
  const size_t in = size_of(x.type), out = size_of(to);
  Shape shape = x.shape;
  if (out < in) shape.push_back(static_cast<int64_t>(in / out));
  if (out > in) {
    require(!shape.empty() && shape.back() == static_cast<int64_t>(out / in), Code::invalid_argument,
            "Cannot bitcast from ", facts(x.type).tensorflow, " to ", facts(to).tensorflow, ": shape ", text(x.shape));
    shape.pop_back();
  }
  call.output_alias(0, 0, shape);
}

const Family cast{
    {"Cast", kAll, run, "", variants, prepare, {}, "SrcT", {{"DstT", kAll}}},
    {"Bitcast", {}, run_bitcast, "", nullptr, prepare_bitcast},
};

}  // namespace
}  // namespace anvil::ops
