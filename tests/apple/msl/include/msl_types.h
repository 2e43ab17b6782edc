// Scalars, vectors, arrays.
#pragma once

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef signed char int8_t;
typedef uchar uint8_t;
typedef short int16_t;
typedef ushort uint16_t;
typedef int int32_t;
typedef uint uint32_t;
typedef long int64_t;
typedef ulong uint64_t;
typedef _Float16 half;
typedef __bf16 bfloat;

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define FLT_MAX __FLT_MAX__
#define FLT_MIN __FLT_MIN__
#define FLT_EPSILON __FLT_EPSILON__
#define M_PI_F 3.14159265358979323846f
#define MSL_INLINE inline __attribute__((always_inline))
#define MSL_OF_ANY   \
  template <class T> \
  MSL_INLINE T  // a function from T to T

namespace metal {

template <class T, int N>
using vec = T __attribute__((ext_vector_type(N)));

#define MSL_VECTOR(T, N) typedef vec<T, N> T##N;
#define MSL_VECTORS(T) MSL_VECTOR(T, 2) MSL_VECTOR(T, 3) MSL_VECTOR(T, 4)
MSL_VECTORS(char)
MSL_VECTORS(uchar)
MSL_VECTORS(short)
MSL_VECTORS(ushort)
MSL_VECTORS(int)
MSL_VECTORS(uint)
MSL_VECTORS(long)
MSL_VECTORS(ulong)
MSL_VECTORS(half)
MSL_VECTORS(float)
MSL_VECTORS(bool)

template <class T, size_t N>
struct array {
  T items[N];
  constexpr T& operator[](size_t i) { return items[i]; }
  constexpr const T& operator[](size_t i) const { return items[i]; }
  static constexpr size_t size() { return N; }
};

template <class T, int N>
struct packed_vec {
  T items[N];
  packed_vec() = default;
  MSL_INLINE packed_vec(vec<T, N> v) {
    for (int i = 0; i < N; ++i) items[i] = v[i];
  }
  MSL_INLINE operator vec<T, N>() const {
    vec<T, N> v;
    for (int i = 0; i < N; ++i) v[i] = items[i];
    return v;
  }
  MSL_INLINE T& operator[](int i) { return items[i]; }
  MSL_INLINE const T& operator[](int i) const { return items[i]; }
};
#define MSL_PACK(T, N) typedef packed_vec<T, N> packed_##T##N;
#define MSL_PACKED(T) MSL_PACK(T, 2) MSL_PACK(T, 3) MSL_PACK(T, 4)
MSL_PACKED(uchar)
MSL_PACKED(ushort)
MSL_PACKED(int)
MSL_PACKED(uint)
MSL_PACKED(half)
MSL_PACKED(float)

}  // namespace metal

// What the library stands on.  Kernels are free to use these names themselves.
namespace metal::help {

// Element type and number of elements; a scalar has one.
template <class T>
struct shape {
  typedef T element;
  static constexpr int count = 1;
};
template <class T, int N>
struct shape<T __attribute__((ext_vector_type(N)))> {
  typedef T element;
  static constexpr int count = N;
};

template <class T, int N>
struct shape<packed_vec<T, N>> {
  typedef T element;
  static constexpr int count = N;
};

template <class V, class A>
MSL_INLINE void append(V& v, int& at, const A& a) {
  typedef typename shape<V>::element E;
  if constexpr (shape<A>::count == 1) v[at++] = static_cast<E>(a);
  else
    for (int k = 0; k < shape<A>::count; ++k) v[at++] = static_cast<E>(a[k]);
}
// V(a, b, ...): from scalars and vectors in order, or one scalar for all.
template <class V, class... A>
MSL_INLINE V make(A... a) {
  typedef typename shape<V>::element E;
  V v = {};
  if constexpr ((shape<A>::count + ... + 0) == 1) {
    for (int k = 0; k < shape<V>::count; ++k) v[k] = (static_cast<E>(a), ...);
  } else {
    static_assert((shape<A>::count + ... + 0) >= shape<V>::count, "too few components");
    int at = 0;
    (append(v, at, a), ...);
  }
  return v;
}

template <class To, class From>
MSL_INLINE To bit_cast(From v) {
  static_assert(sizeof(To) == sizeof(From), "as_type between types of different sizes");
  return __builtin_bit_cast(To, v);
}

}  // namespace metal::help

#define as_type ::metal::help::bit_cast

MSL_INLINE half operator""h(long double x) { return static_cast<half>(x); }
