// Gradients of the ops in unary.cc: two operands of one shape, (gradients, features) or (y, dy) as each op orders them.
// The bodies are in kernels/binary.slang.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) pair_variants(arithmetic("binary", op, t), Forms{}, names);
}

void run(Call& call, const OpSpec& op, const State* state) {
  const Tensor a = call.input(0), b = call.input(1);
  require(a.shape == b.shape, Code::invalid_argument, op.name, ": the inputs must have the same shape, got ",
          text(a.shape), " and ", text(b.shape));
  const Tensor y = call.output_reusing(0, {0, 1}, a.type, a.shape);
  launch_pair(call, arithmetic("binary", op, a.type), Forms{}, a, b, y, alpha_of(state));
}

const Family gradients{
    {"ReluGrad", kFloats, run, "ReluGrad", variants},
    {"Relu6Grad", kFloats, run, "Relu6Grad", variants},
    {"LeakyReluGrad", kFloats, run, "LeakyReluGrad", variants, read_alpha},
    {"EluGrad", kFloats, run, "EluGrad", variants},
    {"SeluGrad", kFloats, run, "SeluGrad", variants},
    {"SoftplusGrad", kFloats, run, "SoftplusGrad", variants},
    {"SoftsignGrad", kFloats, run, "SoftsignGrad", variants},
    {"SigmoidGrad", kFloats, run, "SigmoidGrad", variants},
    {"TanhGrad", kFloats, run, "TanhGrad", variants},
    {"SqrtGrad", kFloats, run, "SqrtGrad", variants},
    {"RsqrtGrad", kFloats, run, "RsqrtGrad", variants},
    {"ReciprocalGrad", kFloats, run, "ReciprocalGrad", variants},
    {"InvGrad", kFloats, run, "ReciprocalGrad", variants},
};

}  // namespace
}  // namespace anvil::ops
