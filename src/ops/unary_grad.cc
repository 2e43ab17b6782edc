// Gradients of the ops in unary.cc: two operands of one shape, (gradients, features) or (y, dy) as each op orders them.
// The bodies are in kernels/binary.slang.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) pair_variants(arithmetic(ElementWise::binary, op, t), Forms{}, names);
}

// TensorFlow's kernels of some compare the shapes, of others only the numbers of elements; the first has the result's.
enum class Alike : uint8_t { shapes, sizes };
template <Alike alike>
void run(Call& call, const OpSpec& op, const State* state) {
  const Tensor a = call.input(0), b = call.input(1);
  require(alike == Alike::shapes ? a.shape == b.shape : a.size() == b.size(), Code::invalid_argument, op.name,
          ": the inputs must have the same shape, got ", text(a.shape), " and ", text(b.shape));
  const Tensor y = call.output_reusing(0, {0, 1}, a.type, a.shape);
  launch_pair(call, arithmetic(ElementWise::binary, op, a.type), Forms{}, a, b, y, alpha_of(state));
}

const Family gradients{
    {"ReluGrad", kReals, run<Alike::shapes>, "ReluGrad", variants},
    {"Relu6Grad", kReals, run<Alike::shapes>, "Relu6Grad", variants},
    {"LeakyReluGrad", kReals, run<Alike::shapes>, "LeakyReluGrad", variants, read_alpha},
    {"EluGrad", kReals, run<Alike::shapes>, "EluGrad", variants},
    {"SeluGrad", kReals, run<Alike::shapes>, "SeluGrad", variants},
    {"SoftplusGrad", kReals, run<Alike::shapes>, "SoftplusGrad", variants},
    {"SoftsignGrad", kReals, run<Alike::shapes>, "SoftsignGrad", variants},
    {"SigmoidGrad", kReals, run<Alike::sizes>, "SigmoidGrad", variants},
    {"TanhGrad", kReals, run<Alike::sizes>, "TanhGrad", variants},
    {"SqrtGrad", kReals, run<Alike::sizes>, "SqrtGrad", variants},
    {"RsqrtGrad", kReals, run<Alike::sizes>, "RsqrtGrad", variants},
    {"ReciprocalGrad", kReals, run<Alike::sizes>, "ReciprocalGrad", variants},
    {"InvGrad", kReals, run<Alike::sizes>, "ReciprocalGrad", variants},
};

}  // namespace
}  // namespace anvil::ops
