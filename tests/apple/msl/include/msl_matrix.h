// Matrices: small ones of a thread, and those that a SIMD-group holds together.  Of the latter every lane has all
// elements here; loads and stores are places where the lanes meet.
#pragma once
#include "msl_threads.h"

namespace metal {

template <class T, int Columns, int Rows>
struct matrix {
  vec<T, Rows> columns[Columns];
  MSL_INLINE vec<T, Rows>& operator[](int i) { return columns[i]; }
  MSL_INLINE const vec<T, Rows>& operator[](int i) const { return columns[i]; }
};

template <class T, int Columns, int Rows>
struct simdgroup_matrix {
  T at[Rows][Columns];
  simdgroup_matrix() = default;
  explicit simdgroup_matrix(T diagonal) {
    for (int i = 0; i < Rows; ++i)
      for (int j = 0; j < Columns; ++j) at[i][j] = i == j ? diagonal : T(0);
  }
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;

template <class T, int C, int R>
MSL_INLINE simdgroup_matrix<T, C, R> make_filled_simdgroup_matrix(T v) {
  simdgroup_matrix<T, C, R> m;
  for (auto& row : m.at)
    for (T& e : row) e = v;
  return m;
}
template <class T, int C, int R>
MSL_INLINE void simdgroup_load(simdgroup_matrix<T, C, R>& m, const T* from, ulong stride = C, ulong2 = 0,
                               bool transposed = false, MSL_SITE) {
  help::gather(char(0), site);
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < C; ++j) m.at[i][j] = transposed ? from[j * stride + i] : from[i * stride + j];
  help::gather(char(0), site + 1);
}
template <class T, int C, int R>
MSL_INLINE void simdgroup_store(const simdgroup_matrix<T, C, R>& m, T* to, ulong stride = C, ulong2 = 0,
                                bool transposed = false, MSL_SITE) {
  help::gather(char(0), site);
  if (msl_lane() == 0)
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < C; ++j) (transposed ? to[j * stride + i] : to[i * stride + j]) = m.at[i][j];
  help::gather(char(0), site + 1);
}
// d = a * b + c, summed in float.
template <class D, class A, class B, class S, int N, int M, int K>
MSL_INLINE void simdgroup_multiply_accumulate(simdgroup_matrix<D, N, M>& d, const simdgroup_matrix<A, K, M>& a,
                                              const simdgroup_matrix<B, N, K>& b, const simdgroup_matrix<S, N, M>& c) {
  simdgroup_matrix<D, N, M> r;
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      float s = float(c.at[i][j]);
      for (int k = 0; k < K; ++k) s += float(a.at[i][k]) * float(b.at[k][j]);
      r.at[i][j] = D(s);
    }
  d = r;
}
template <class T>
MSL_INLINE void simdgroup_multiply(simdgroup_matrix<T, 8, 8>& d, const simdgroup_matrix<T, 8, 8>& a,
                                   const simdgroup_matrix<T, 8, 8>& b) {
  simdgroup_multiply_accumulate(d, a, b, simdgroup_matrix<T, 8, 8>(T(0)));
}

}  // namespace metal
