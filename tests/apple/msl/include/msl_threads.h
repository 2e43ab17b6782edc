// Barriers and what the lanes of a SIMD-group do together.  All of it is one exchange: every lane gives a value and
// gets everyone's.  A site is a place in the kernel's text: lanes meet only at the same one.
#pragma once
#include "msl_maths.h"

extern "C" {
void msl_barrier(int site);
unsigned msl_exchange(int site, const void* given, unsigned bytes, void* taken);
unsigned msl_lane();
}

#define MSL_SITE int site = __builtin_LINE() * 512 + __builtin_COLUMN()

namespace metal::help {

template <class T>
struct lanes {
  T of[32];
  uint mask;
  bool has(uint i) const { return mask >> i & 1; }
};
template <class T>
MSL_INLINE lanes<T> gather(T v, int site) {
  lanes<T> l;
  l.mask = msl_exchange(site, &v, sizeof(T), l.of);
  return l;
}
template <class T, class F>
MSL_INLINE T reduce(T v, int site, F f) {
  const lanes<T> l = gather(v, site);
  uint i = __builtin_ctz(l.mask);
  T r = l.of[i];
  for (++i; i < 32; ++i)
    if (l.has(i)) r = f(r, l.of[i]);
  return r;
}
// Of the lanes before this one.
template <class T, class F>
MSL_INLINE T scan(T v, T none, int site, F f) {
  const lanes<T> l = gather(v, site);
  T r = none;
  for (uint i = 0; i < msl_lane(); ++i)
    if (l.has(i)) r = f(r, l.of[i]);
  return r;
}

}  // namespace metal::help

namespace metal {

enum class mem_flags {
  mem_none = 0,
  mem_device = 1,
  mem_threadgroup = 2,
  mem_texture = 4,
  mem_threadgroup_imageblock = 8
};
MSL_INLINE mem_flags operator|(mem_flags a, mem_flags b) { return mem_flags(int(a) | int(b)); }

MSL_INLINE void threadgroup_barrier(mem_flags, MSL_SITE) { msl_barrier(site); }

MSL_INLINE void simdgroup_barrier(mem_flags, MSL_SITE) { help::gather(char(0), site); }

MSL_OF_ANY simd_sum(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(a + b); });
}
MSL_OF_ANY simd_product(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(a * b); });
}
MSL_OF_ANY simd_max(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(metal::max(a, b)); });
}
MSL_OF_ANY simd_min(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(metal::min(a, b)); });
}
MSL_OF_ANY simd_and(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(a & b); });
}
MSL_OF_ANY simd_or(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(a | b); });
}
MSL_OF_ANY simd_xor(T v, MSL_SITE) {
  return help::reduce(v, site, [](T a, T b) { return T(a ^ b); });
}

template <class T>
MSL_INLINE T simd_shuffle(T v, ushort lane, MSL_SITE) {
  return help::gather(v, site).of[lane & 31];
}
template <class T>
MSL_INLINE T simd_broadcast(T v, ushort lane, MSL_SITE) {
  return help::gather(v, site).of[lane & 31];
}
template <class T>
MSL_INLINE T simd_broadcast_first(T v, MSL_SITE) {
  const help::lanes<T> l = help::gather(v, site);
  return l.of[__builtin_ctz(l.mask)];
}
template <class T>
MSL_INLINE T simd_shuffle_xor(T v, ushort mask, MSL_SITE) {
  return help::gather(v, site).of[(msl_lane() ^ mask) & 31];
}
template <class T>
MSL_INLINE T simd_shuffle_down(T v, ushort by, MSL_SITE) {
  const help::lanes<T> l = help::gather(v, site);
  return msl_lane() + by < 32 ? l.of[msl_lane() + by] : v;
}
template <class T>
MSL_INLINE T simd_shuffle_up(T v, ushort by, MSL_SITE) {
  const help::lanes<T> l = help::gather(v, site);
  return msl_lane() >= by ? l.of[msl_lane() - by] : v;
}
template <class T>
MSL_INLINE T simd_prefix_exclusive_sum(T v, MSL_SITE) {
  return help::scan(v, T(0), site, [](T a, T b) { return T(a + b); });
}
template <class T>
MSL_INLINE T simd_prefix_inclusive_sum(T v, MSL_SITE) {
  return help::scan(v, T(0), site, [](T a, T b) { return T(a + b); }) + v;
}
template <class T>
MSL_INLINE T simd_prefix_exclusive_product(T v, MSL_SITE) {
  return help::scan(v, T(1), site, [](T a, T b) { return T(a * b); });
}
MSL_INLINE bool simd_any(bool v, MSL_SITE) {
  return help::reduce(v, site, [](bool a, bool b) { return a || b; });
}
MSL_INLINE bool simd_all(bool v, MSL_SITE) {
  return help::reduce(v, site, [](bool a, bool b) { return a && b; });
}
MSL_INLINE bool simd_is_first(MSL_SITE) { return msl_lane() == uint(__builtin_ctz(help::gather(char(0), site).mask)); }

struct simd_vote {
  typedef ulong vote_t;
  vote_t votes;
  explicit operator vote_t() const { return votes; }
  bool all() const { return votes == 0xffffffffu; }
  bool any() const { return votes != 0; }
};
MSL_INLINE simd_vote simd_ballot(bool v, MSL_SITE) {
  const help::lanes<bool> l = help::gather(v, site);
  ulong votes = 0;
  for (uint i = 0; i < 32; ++i)
    if (l.has(i) && l.of[i]) votes |= 1ul << i;
  return {votes};
}
MSL_INLINE simd_vote simd_active_threads_mask(MSL_SITE) { return {help::gather(char(0), site).mask}; }

}  // namespace metal
