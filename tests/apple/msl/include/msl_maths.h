// Mathematics: element by element on vectors, in float for half, as safe mathematics has it.
#pragma once
#include "msl_types.h"

namespace metal::help {

template <class T, class F>
MSL_INLINE T each(T x, F f) {
  if constexpr (shape<T>::count == 1) return static_cast<T>(f(x));
  else {
    T r;
    for (int i = 0; i < shape<T>::count; ++i) r[i] = static_cast<typename shape<T>::element>(f(x[i]));
    return r;
  }
}
template <class T, class F>
MSL_INLINE T each(T x, T y, F f) {
  if constexpr (shape<T>::count == 1) return static_cast<T>(f(x, y));
  else {
    T r;
    for (int i = 0; i < shape<T>::count; ++i) r[i] = static_cast<typename shape<T>::element>(f(x[i], y[i]));
    return r;
  }
}

}  // namespace metal::help

namespace metal {

MSL_OF_ANY exp(T v) {
  return help::each(v, [](float x) { return __builtin_expf(x); });
}
MSL_OF_ANY exp2(T v) {
  return help::each(v, [](float x) { return __builtin_exp2f(x); });
}
MSL_OF_ANY exp10(T v) {
  return help::each(v, [](float x) { return __builtin_exp10f(x); });
}
MSL_OF_ANY log(T v) {
  return help::each(v, [](float x) { return __builtin_logf(x); });
}
MSL_OF_ANY log2(T v) {
  return help::each(v, [](float x) { return __builtin_log2f(x); });
}
MSL_OF_ANY log10(T v) {
  return help::each(v, [](float x) { return __builtin_log10f(x); });
}
MSL_OF_ANY sin(T v) {
  return help::each(v, [](float x) { return __builtin_sinf(x); });
}
MSL_OF_ANY cos(T v) {
  return help::each(v, [](float x) { return __builtin_cosf(x); });
}
MSL_OF_ANY tan(T v) {
  return help::each(v, [](float x) { return __builtin_tanf(x); });
}
MSL_OF_ANY asin(T v) {
  return help::each(v, [](float x) { return __builtin_asinf(x); });
}
MSL_OF_ANY acos(T v) {
  return help::each(v, [](float x) { return __builtin_acosf(x); });
}
MSL_OF_ANY atan(T v) {
  return help::each(v, [](float x) { return __builtin_atanf(x); });
}
MSL_OF_ANY sinh(T v) {
  return help::each(v, [](float x) { return __builtin_sinhf(x); });
}
MSL_OF_ANY cosh(T v) {
  return help::each(v, [](float x) { return __builtin_coshf(x); });
}
MSL_OF_ANY tanh(T v) {
  return help::each(v, [](float x) { return __builtin_tanhf(x); });
}
MSL_OF_ANY asinh(T v) {
  return help::each(v, [](float x) { return __builtin_asinhf(x); });
}
MSL_OF_ANY acosh(T v) {
  return help::each(v, [](float x) { return __builtin_acoshf(x); });
}
MSL_OF_ANY atanh(T v) {
  return help::each(v, [](float x) { return __builtin_atanhf(x); });
}
MSL_OF_ANY sqrt(T v) {
  return help::each(v, [](float x) { return __builtin_sqrtf(x); });
}
MSL_OF_ANY rsqrt(T v) {
  return help::each(v, [](float x) { return 1.0f / __builtin_sqrtf(x); });
}
MSL_OF_ANY floor(T v) {
  return help::each(v, [](float x) { return __builtin_floorf(x); });
}
MSL_OF_ANY ceil(T v) {
  return help::each(v, [](float x) { return __builtin_ceilf(x); });
}
MSL_OF_ANY trunc(T v) {
  return help::each(v, [](float x) { return __builtin_truncf(x); });
}
MSL_OF_ANY rint(T v) {
  return help::each(v, [](float x) { return __builtin_rintf(x); });
}
MSL_OF_ANY round(T v) {
  return help::each(v, [](float x) { return __builtin_roundf(x); });
}
MSL_OF_ANY fabs(T v) {
  return help::each(v, [](float x) { return __builtin_fabsf(x); });
}
MSL_OF_ANY fract(T v) {
  return help::each(v, [](float x) { return x - __builtin_floorf(x); });
}
MSL_OF_ANY pow(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_powf(x, y); });
}
MSL_OF_ANY powr(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_powf(x, y); });
}
MSL_OF_ANY fmod(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_fmodf(x, y); });
}
MSL_OF_ANY atan2(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_atan2f(x, y); });
}
MSL_OF_ANY copysign(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_copysignf(x, y); });
}
MSL_OF_ANY fmin(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_fminf(x, y); });
}
MSL_OF_ANY fmax(T v, T w) {
  return help::each(v, w, [](float x, float y) { return __builtin_fmaxf(x, y); });
}

template <class T>
MSL_INLINE T abs(T v) {
  return help::each(v, [](auto x) { return x < 0 || (x == 0 && 1.0f / float(x) < 0) ? -x : x; });
}
// Of floats, the one that is a number.
template <class T>
MSL_INLINE T max(T v, T w) {
  return help::each(v, w, [](auto x, auto y) { return x != x || x < y ? y : x; });
}
template <class T>
MSL_INLINE T min(T v, T w) {
  return help::each(v, w, [](auto x, auto y) { return x != x || y < x ? y : x; });
}
template <class T>
MSL_INLINE T clamp(T x, T least, T most) {
  return min(max(x, least), most);
}
template <class T>
MSL_INLINE T saturate(T x) {
  return clamp(x, T(0), T(1));
}
template <class T>
MSL_INLINE T sign(T v) {
  return help::each(v, [](auto x) { return x > 0 ? 1 : x < 0 ? -1 : 0; });
}
template <class T>
MSL_INLINE T fma(T a, T b, T c) {
  return __builtin_elementwise_fma(a, b, c);
}
template <class T>
MSL_INLINE T mix(T a, T b, T t) {
  return a + (b - a) * t;
}
template <class T>
MSL_INLINE typename help::shape<T>::element dot(T a, T b) {
  typename help::shape<T>::element s = 0;
  for (int i = 0; i < help::shape<T>::count; ++i) s += a[i] * b[i];
  return s;
}

MSL_INLINE bool isnan(float x) { return x != x; }
MSL_INLINE bool isinf(float x) { return __builtin_isinf(x); }
MSL_INLINE bool isfinite(float x) { return __builtin_isfinite(x); }
MSL_INLINE bool signbit(float x) { return __builtin_signbit(x); }

template <class T>
MSL_INLINE T select(T no, T yes, bool which) {
  return which ? yes : no;
}
template <class T, int N>
MSL_INLINE vec<T, N> select(vec<T, N> no, vec<T, N> yes, vec<bool, N> which) {
  vec<T, N> r;
  for (int i = 0; i < N; ++i) r[i] = which[i] ? yes[i] : no[i];
  return r;
}
// Of scalars Metal has one function for each type, so that a literal of another type is converted.
#define MSL_SCALAR_OVERLOAD(T, name, call, ...) \
  MSL_INLINE T name(__VA_ARGS__) { return name<T> call; }
#define MSL_SCALAR_MAX(T) MSL_SCALAR_OVERLOAD(T, max, (x, y), T x, T y)
#define MSL_SCALAR_MIN(T) MSL_SCALAR_OVERLOAD(T, min, (x, y), T x, T y)
#define MSL_SCALAR_CLAMP(T) MSL_SCALAR_OVERLOAD(T, clamp, (x, a, b), T x, T a, T b)
#define MSL_SCALAR_SELECT(T) MSL_SCALAR_OVERLOAD(T, select, (x, y, c), T x, T y, bool c)
#define MSL_SCALAR(T) MSL_SCALAR_MAX(T) MSL_SCALAR_MIN(T) MSL_SCALAR_CLAMP(T) MSL_SCALAR_SELECT(T)
MSL_SCALAR(char)
MSL_SCALAR(uchar)
MSL_SCALAR(short)
MSL_SCALAR(ushort)
MSL_SCALAR(int)
MSL_SCALAR(uint)
MSL_SCALAR(long)
MSL_SCALAR(ulong)
MSL_SCALAR(half)
MSL_SCALAR(float)

template <class T>
MSL_INLINE bool any(T v) {
  if constexpr (help::shape<T>::count == 1) return v;
  else {
    bool r = false;
    for (int i = 0; i < help::shape<T>::count; ++i) r |= bool(v[i]);
    return r;
  }
}
template <class T>
MSL_INLINE bool all(T v) {
  if constexpr (help::shape<T>::count == 1) return v;
  else {
    bool r = true;
    for (int i = 0; i < help::shape<T>::count; ++i) r &= bool(v[i]);
    return r;
  }
}

template <class T>
MSL_INLINE T popcount(T v) {
  return help::each(v,
                    [](auto x) { return __builtin_popcountg(static_cast<ulong>(x) & (~0ul >> (64 - 8 * sizeof x))); });
}
template <class T>
MSL_INLINE T clz(T v) {
  constexpr int bits = 8 * sizeof(typename help::shape<T>::element);
  return help::each(v, [](auto x) {
    const ulong u = static_cast<ulong>(x) & (~0ul >> (64 - bits));
    return u ? __builtin_clzl(u) - (64 - bits) : bits;
  });
}
template <class T>
MSL_INLINE T ctz(T v) {
  constexpr int bits = 8 * sizeof(typename help::shape<T>::element);
  return help::each(v, [](auto x) {
    const ulong u = static_cast<ulong>(x) & (~0ul >> (64 - bits));
    return u ? __builtin_ctzl(u) : bits;
  });
}
template <class T>
MSL_INLINE T reverse_bits(T v) {
  return help::each(v, [](auto x) { return __builtin_bitreverse32(static_cast<uint>(x)); });
}
// The upper half of the product.
MSL_INLINE uint mulhi(uint a, uint b) { return static_cast<uint>((static_cast<ulong>(a) * b) >> 32); }
MSL_INLINE int mulhi(int a, int b) { return static_cast<int>((static_cast<long>(a) * b) >> 32); }
MSL_INLINE ulong mulhi(ulong a, ulong b) { return static_cast<ulong>((static_cast<unsigned __int128>(a) * b) >> 64); }

namespace precise {
using namespace metal;
}
namespace fast {
using namespace metal;
}

}  // namespace metal
