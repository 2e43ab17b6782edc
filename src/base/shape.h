// Shapes: sizes per axis, outermost first, as TensorFlow has them.
#pragma once
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace anvil {

using Shape = std::vector<int64_t>;

// Number of elements; 1 for a scalar.
inline int64_t count(const Shape& s) {
  int64_t n = 1;
  for (int64_t d : s) n *= d;
  return n;
}

// "[2,3]", as TensorFlow writes a shape in its messages.
inline std::string text(const Shape& s) {
  std::string out = "[";
  for (size_t i = 0; i < s.size(); ++i) out += (i ? "," : "") + std::to_string(s[i]);
  return out + "]";
}

}  // namespace anvil
