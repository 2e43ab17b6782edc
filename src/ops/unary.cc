// Unary maths, y[i] = f(x[i]).  The bodies are in kernels/unary.slang; to add an op, add one struct there, one row here
// and one row in tests/table/.
#include "ops/op.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 256, kPerThread = 4;  // as in unary.slang

std::string variant(const OpSpec& op, DType t) {
  return str("unary/unary<", op.kernel, ",", slang_name(t), ">");
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(variant(op, t));
}

void run(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (y.size() == 0) return;
  require(y.size() <= UINT32_MAX, Code::unimplemented, op.name, ": tensors over 2^32 elements are not supported");
  struct { uint32_t count; } params{static_cast<uint32_t>(y.size())};
  call.stream().launch(call.kernel(variant(op, x.type)), Grid::line(div_up(y.size(), kGroup * kPerThread)),
                       {read(x), write(y)}, params);
}

const Family unary{
    {"Relu", kFloats, run, "Relu", variants},
};

}  // namespace
}  // namespace anvil::ops
