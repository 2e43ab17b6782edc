#include "ops/host.h"

#include <cstring>

namespace anvil::ops {
namespace {

// Calls move(from, to) for every point of the walk, offsets in elements.
template <class Move>
void for_each_point(const Walk& walk, Move move) {
  std::vector<int64_t> at(walk.axes.size(), 0);
  for (const Axis& a : walk.axes)
    if (a.size == 0) return;
  int64_t from = walk.from, to = walk.to;
  for (;;) {
    move(from, to);
    size_t d = 0;
    for (; d < walk.axes.size(); ++d) {
      const Axis& a = walk.axes[d];
      from += a.stride[0];
      to += a.stride[1];
      if (++at[d] < a.size) break;
      from -= a.size * a.stride[0];
      to -= a.size * a.stride[1];
      at[d] = 0;
    }
    if (d == walk.axes.size()) return;
  }
}

}  // namespace

std::vector<int64_t> host_values(const Tensor& t) {
  std::vector<int64_t> v(static_cast<size_t>(t.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = t.type == DType::i32 ? t.host<int32_t>()[i] : t.host<int64_t>()[i];
  return v;
}

Bits host_bits(const Tensor& t) {
  Bits bits;
  std::memcpy(&bits, t.data, size_of(t.type));
  return bits;
}

int64_t host_scalar(const Tensor& t, const char* name) {
  require(t.size() == 1, Code::invalid_argument, name, " must be a scalar, got shape ", text(t.shape));
  return host_values(t)[0];
}

Shape host_shape(const Tensor& t) {
  require(t.rank() <= 1, Code::invalid_argument, "a shape must be a vector, got one of shape ", text(t.shape));
  Shape s = host_values(t);
  for (const int64_t d : s) require(d >= 0, Code::invalid_argument, "Dimension ", d, " must be >= 0");
  return s;
}

void move_elements(Call& call, const OpSpec& op, const Walk& walk, const Tensor& x, const Tensor& y) {
  if (!on_host(op)) return launch_copy(call, walk, x, y);
  const size_t bytes = size_of(y.type);
  const char* from = static_cast<const char*>(x.data);
  char* to = static_cast<char*>(y.data);
  for_each_point({collapse(walk.axes), walk.from, walk.to}, [&](int64_t i, int64_t j) {
    std::memcpy(to + j * static_cast<int64_t>(bytes), from + i * static_cast<int64_t>(bytes), bytes);
  });
}

void set_elements(Call& call, const OpSpec& op, const Bits& bits, const Tensor& y) {
  if (!on_host(op)) return fill_elements(call, bits, y);
  const size_t bytes = size_of(y.type);
  for (int64_t i = 0; i < y.size(); ++i)
    std::memcpy(static_cast<char*>(y.data) + i * static_cast<int64_t>(bytes), &bits, bytes);
}

}  // namespace anvil::ops
