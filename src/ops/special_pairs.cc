// Special functions of two operands with broadcasting.  The bodies are in kernels/special_pairs.slang.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

Pair pair(const OpSpec& op) { return {{"special_pairs", str("Float<", op.name, ",F32>")}}; }
void variants(const OpSpec& op, std::vector<std::string>& names) { pair_variants(pair(op), names); }
void run(Call& call, const OpSpec& op, const State*) { run_pair(call, pair(op), DType::f32); }

OpSpec row(const char* name) { return {name, {DType::f32}, run, "", variants}; }
const Family special_pairs{
    row("Igamma"), row("Igammac"), row("IgammaGradA"), row("RandomGammaGrad"), row("Zeta"), row("Polygamma"),
};

}  // namespace
}  // namespace anvil::ops
