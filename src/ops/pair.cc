#include "ops/pair.h"

#include <utility>

namespace anvil::ops {

DType unsigned_of(DType t) {
  switch (size_of(t)) {
    case 1: return DType::u8;
    case 2: return DType::u16;
    case 4: return DType::u32;
    default: return DType::u64;
  }
}

void pair_variants(const Pair& p, std::vector<std::string>& names) { pair_variants(p.functor, p.forms, names); }

void run_pair(Call& call, const Pair& p, DType out, float parameter) {
  Tensor a = call.input(0), b = call.input(1);
  const Shape shape = a.shape == b.shape ? a.shape : broadcast_shape(a.shape, b.shape);
  // An operand of fewer elements cannot become the output: TensorFlow compares the shapes.
  const Tensor y = call.output_reusing(0, {0, 1}, out, shape);
  if (p.swapped) std::swap(a, b);
  launch_pair(call, p.functor, p.forms, a, b, y, parameter);
}

}  // namespace anvil::ops
