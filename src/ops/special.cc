// Special functions of one operand.  The bodies are in kernels/special.slang; to add one, add a struct there, a row
// here and a row in tests/table/.
#include "ops/map.h"

namespace anvil::ops {
namespace {

Functor functor(const OpSpec& op, DType t) { return {"special", str("Float<", op.kernel, ",", slang_name(t), ">")}; }
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) map_variants(functor(op, t), names);
}
void run(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  launch_map(call, functor(op, x.type), x, call.output_reusing(0, {0}, x.type, x.shape));
}

const std::vector<DType> kHalfAndSingle = {DType::f32, DType::f16}, kSingle = {DType::f32};
OpSpec row(const char* name, const std::vector<DType>& types) { return {name, types, run, name, variants}; }

const Family special{
    row("Lgamma", kHalfAndSingle),   row("Digamma", kHalfAndSingle),
    row("BesselI0", kHalfAndSingle), row("BesselI0e", kHalfAndSingle),
    row("BesselI1", kHalfAndSingle), row("BesselI1e", kHalfAndSingle),
    row("BesselK0", kHalfAndSingle), row("BesselK0e", kHalfAndSingle),
    row("BesselK1", kHalfAndSingle), row("BesselK1e", kHalfAndSingle),
    row("BesselJ0", kHalfAndSingle), row("BesselJ1", kHalfAndSingle),
    row("BesselY0", kHalfAndSingle), row("BesselY1", kHalfAndSingle),
    row("Dawsn", kSingle),           row("Ndtri", kSingle),
    row("Spence", kSingle),          row("Expint", kSingle),
};

}  // namespace
}  // namespace anvil::ops
