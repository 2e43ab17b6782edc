// ClipByValue: min(max(x, low), high), each bound a scalar or a tensor of x's shape.  Two launches of binary kernels.
#include <algorithm>

#include "ops/host.h"
#include "ops/pair.h"

namespace anvil::ops {
namespace {

Functor functor(const char* op, DType t) {
  if (is_float(t)) return {"binary", str("Float<", op, ",", slang_name(t), ">")};
  return {"binary", str("Int<Int", op, ",", slang_name(t), ">")};
}
Forms forms(DType t) { return {.scalar = has_scalar_forms(t)}; }

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types)
    for (const char* f : {"Minimum", "Maximum"}) pair_variants(functor(f, t), forms(t), names);
}

void check(const Tensor& x, const Tensor& low, const Tensor& high) {
  for (const Tensor& bound : {low, high})
    require(bound.shape == x.shape || bound.size() == 1, Code::invalid_argument,
            "clip_value_min and clip_value_max must be either of the same shape as input, or a scalar. input shape: ",
            text(x.shape), ", clip_value_min shape: ", text(low.shape), ", clip_value_max shape: ", text(high.shape));
}

void run(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0), low = call.input(1), high = call.input(2);
  check(x, low, high);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  // One element of any rank counts as a scalar.
  const auto bound = [&](const Tensor& b) { return Tensor{b.shape == x.shape ? x.shape : Shape{}, b.type, b.data}; };
  launch_pair(call, functor("Minimum", x.type), forms(x.type), x, bound(high), y);
  launch_pair(call, functor("Maximum", x.type), forms(x.type), y, bound(low), y);
}

void run_on_host(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0), low = call.input(1), high = call.input(2);
  check(x, low, high);
  const Tensor y = call.output(0, x.type, x.shape);
  for (int64_t i = 0; i < x.size(); ++i) {
    const int32_t least = low.host<int32_t>()[low.size() == 1 ? 0 : i];
    const int32_t most = high.host<int32_t>()[high.size() == 1 ? 0 : i];
    y.host_out<int32_t>()[i] = std::max(std::min(x.host<int32_t>()[i], most), least);
  }
}

const Family clip{
    {"ClipByValue", join({kFloats, {DType::i8, DType::i16, DType::i64, DType::u8, DType::u16}}), run, "", variants},
    {"ClipByValue",
     {DType::i32},
     run_on_host,
     kHost,
     nullptr,
     nullptr,
     {"t", "clip_value_min", "clip_value_max", "output"}},
};

}  // namespace
}  // namespace anvil::ops
