// AddN: the sum of any number of tensors of one shape, added in their order.
#include "ops/pair.h"

namespace anvil::ops {
namespace {

Functor add(DType t) {
  if (t == DType::f64) return {"binary_f64", "Double<Add>"};
  if (is_float(t)) return {"binary", str("Float<Add,", slang_name(t), ">")};
  return {"binary", str("Int<IntAdd,", slang_name(unsigned_of(t)), ">")};
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) pair_variants(add(t), Forms{}, names);
}

void run(Call& call, const OpSpec&, const State*) {
  const Tensor first = call.input(0);
  for (int i = 1; i < call.inputs(); ++i)
    require(call.input(i).shape == first.shape, Code::invalid_argument,
            "Inputs to operation AddN must have the same size and shape.  Input 0: ", text(first.shape), " != input ",
            i, ": ", text(call.input(i).shape));
  if (call.inputs() == 1) return call.output_alias(0, 0, first.shape);
  // Only the operands of the first addition may become the output: the others are read after it is written.
  const Tensor y = call.output_reusing(0, {0, 1}, first.type, first.shape);
  const Functor f = add(first.type);
  launch_pair(call, f, Forms{}, first, call.input(1), y);
  for (int i = 2; i < call.inputs(); ++i) launch_pair(call, f, Forms{}, y, call.input(i), y);
}

const Family add_n{{"AddN", join({kReals, {DType::i64, DType::u32}}), run, "", variants}};

}  // namespace
}  // namespace anvil::ops
