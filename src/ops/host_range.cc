// Range: computed on the host, from host arguments, and uploaded.  TensorFlow's CUDA build does the same.
#include <cmath>
#include <cstring>

#include "ops/host.h"

namespace anvil::ops {
namespace {

uint16_t bfloat_of(float f) {
  uint32_t b;
  std::memcpy(&b, &f, 4);
  return static_cast<uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}
float float_of(uint16_t bfloat) {
  const uint32_t b = static_cast<uint32_t>(bfloat) << 16;
  float f;
  std::memcpy(&f, &b, 4);
  return f;
}

// start + i * delta as T adds it, element after element.
template <class T, class Size>
void upload_range(Call& call, T start, T limit, T delta, DType type, Size size_of_range) {
  require(delta != T{0}, Code::invalid_argument, "Requires delta != 0: ", delta);
  require(delta > T{0} ? start <= limit : start >= limit, Code::invalid_argument, "Requires start ",
          delta > T{0} ? "<=" : ">=", " limit when delta ", delta > T{0} ? ">" : "<", " 0: ", start,
          delta > T{0} ? ">" : "<", limit);
  const int64_t n = size_of_range();
  const Tensor y = call.output(0, type, {n});
  if (n == 0) return;
  std::vector<std::byte> bytes(y.bytes());
  T value = start;
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, float>) {
      if (type == DType::bf16) {
        const uint16_t b = bfloat_of(value);
        std::memcpy(bytes.data() + 2 * i, &b, 2);
        value = float_of(bfloat_of(float_of(b) + delta));
        continue;
      }
    }
    std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
    if constexpr (std::is_integral_v<T>)
      value = static_cast<T>(static_cast<uint64_t>(value) + static_cast<uint64_t>(delta));
    else value += delta;
  }
  call.stream().upload(y.data, bytes.data(), bytes.size());
}

void run(Call& call, const OpSpec&, const State*) {
  Tensor t[3];
  const char* const names[] = {"start", "limit", "delta"};
  for (int i = 0; i < 3; ++i) {
    t[i] = call.input(i);
    require(t[i].size() == 1, Code::invalid_argument, names[i], " must be a scalar, not shape ", text(t[i].shape));
  }
  if (t[0].type == DType::i64) {
    const int64_t start = *t[0].host<int64_t>(), limit = *t[1].host<int64_t>(), delta = *t[2].host<int64_t>();
    return upload_range(call, start, limit, delta, DType::i64, [&] {
      const uint64_t span = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                      : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
      return static_cast<int64_t>(
          div_up(span, delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta)));
    });
  }
  const auto value = [&](int i) {
    return t[i].type == DType::bf16 ? float_of(*t[i].host<uint16_t>()) : *t[i].host<float>();
  };
  const float start = value(0), limit = value(1), delta = value(2);
  upload_range(call, start, limit, delta, t[0].type, [&] {
    const double n = std::ceil(std::fabs((double{limit} - start) / delta));
    require(n < 9.2e18, Code::invalid_argument, "Requires ((limit - start) / delta) <= 2^63 - 1");
    return static_cast<int64_t>(n);
  });
}

const Family range{
    {"Range", {DType::f32, DType::bf16, DType::i64}, run, "", nullptr, nullptr, {"start", "limit", "delta"}, "Tidx"},
};

}  // namespace
}  // namespace anvil::ops
