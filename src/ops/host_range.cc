// Range: computed on the host, from host arguments, and uploaded.  TensorFlow's CUDA build does the same.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/host.h"

namespace anvil::ops {
namespace {

// The nearest number of a 16-bit type, ties to even, as float: what adding in that type gives.
struct Narrow {
  int digits;          // of the significand
  int least_exponent;  // of its smallest normal number, as frexp has it
  float largest;
  float round(float f) const {
    if (f == 0 || !std::isfinite(f)) return f;
    int e = 0;
    std::frexp(f, &e);
    const int ulp = std::max(e, least_exponent) - digits;
    const float rounded = std::ldexp(std::nearbyint(std::ldexp(f, -ulp)), ulp);
    return std::fabs(rounded) > largest ? std::copysign(INFINITY, rounded) : rounded;
  }
};
constexpr Narrow kHalf{11, -13, 65504.0F}, kBfloat{8, -125, 3.38953139e38F};

uint16_t bits_of(DType type, float rounded) {
  uint32_t b = 0;
  std::memcpy(&b, &rounded, 4);
  if (type == DType::bf16) return static_cast<uint16_t>(b >> 16);
  const uint32_t sign = b >> 16 & 0x8000, size = b & 0x7fffffff;
  if (size >= 0x47800000) return static_cast<uint16_t>(sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00));
  if (size < 0x38800000)  // below 2^-14 a half counts units of 2^-24
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::ldexp(std::fabs(rounded), 24)));
  return static_cast<uint16_t>(sign | ((size - 0x38000000) >> 13));
}
float value_of(const Tensor& t) {
  if (t.type == DType::f32) return *t.host<float>();
  const uint32_t h = *t.host<uint16_t>();
  if (t.type == DType::bf16) {
    const uint32_t b = h << 16;
    float f = 0;
    std::memcpy(&f, &b, 4);
    return f;
  }
  const int exponent = static_cast<int>(h >> 10 & 31), mantissa = static_cast<int>(h & 1023);
  const float size = exponent == 31  ? (mantissa != 0 ? NAN : INFINITY)
                     : exponent != 0 ? std::ldexp(1024.0f + static_cast<float>(mantissa), exponent - 25)
                                     : std::ldexp(static_cast<float>(mantissa), -24);
  return (h & 0x8000) != 0 ? -size : size;
}

// start + i * delta, each step rounded to the type, as TensorFlow 2.21's CPU kernel does it: no drift over long ranges.
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
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_integral_v<T>) {
      const T value =
          static_cast<T>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(delta));
      std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
    } else if (type == DType::f32) {
      const T step = static_cast<T>(i) * delta, value = start + step;
      std::memcpy(bytes.data() + static_cast<size_t>(i) * sizeof(T), &value, sizeof(T));
    } else {
      const Narrow& narrow = type == DType::f16 ? kHalf : kBfloat;
      const float step = narrow.round(narrow.round(static_cast<float>(i)) * delta);
      const uint16_t bits = bits_of(type, narrow.round(start + step));
      std::memcpy(bytes.data() + static_cast<size_t>(i) * 2, &bits, 2);
    }
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
  const float start = value_of(t[0]), limit = value_of(t[1]), delta = value_of(t[2]);
  upload_range(call, start, limit, delta, t[0].type, [&] {
    // In the type's own arithmetic, as the CPU kernel counts.
    const auto in_type = [&](float v) {
      return t[0].type == DType::f16 ? kHalf.round(v) : t[0].type == DType::bf16 ? kBfloat.round(v) : v;
    };
    const float n = std::ceil(std::fabs(in_type(in_type(limit - start) / delta)));
    require(n < 9.2e18F, Code::invalid_argument, "Requires ((limit - start) / delta) <= 2^63 - 1");
    return static_cast<int64_t>(n);
  });
}

const Family range{
    {"Range",
     {DType::f32, DType::f16, DType::bf16, DType::i64},
     run,
     "",
     nullptr,
     nullptr,
     {"start", "limit", "delta"},
     "Tidx"},
};

}  // namespace
}  // namespace anvil::ops
