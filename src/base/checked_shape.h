// Shapes and sizes that came from data: refused where 64 bits, or TensorFlow, cannot hold them.  All throw
// invalid_argument.
#pragma once
#include <cstdint>

#include "base/error.h"
#include "base/shape.h"

namespace anvil {

// a + b and a * b.  A result that wrapped around would pass later checks as a small or a negative size.
inline int64_t checked_sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  require(!__builtin_add_overflow(a, b, &sum), Code::invalid_argument, "Encountered overflow when adding ", a, " and ",
          b);
  return sum;
}
inline int64_t checked_product(int64_t a, int64_t b) {
  int64_t product = 0;
  require(!__builtin_mul_overflow(a, b, &product), Code::invalid_argument, "Encountered overflow when multiplying ", a,
          " with ", b);
  return product;
}

// Can TensorFlow hold a tensor of this shape?  It multiplies the axes in their order, so a 0 behind two large ones does
// not help; and it ends the process when a kernel gives it a shape that it cannot hold.
inline void check_shape(const Shape& s) {
  constexpr size_t kMostAxes = 254;
  require(s.size() <= kMostAxes, Code::invalid_argument, "a shape of ", s.size(), " axes; at most ", kMostAxes,
          " are possible");
  int64_t n = 1;
  for (const int64_t d : s) {
    require(d >= 0, Code::invalid_argument, "Expected shape dimensions to be non-negative, got ", text(s));
    n = checked_product(n, d);
  }
}

}  // namespace anvil
