// Atomics, all of them strong enough for relaxed order.
#pragma once
#include "msl_types.h"

namespace metal {

enum memory_order { memory_order_relaxed = 0 };

template <class T>
struct atomic {
  T value;
};
typedef atomic<int> atomic_int;
typedef atomic<uint> atomic_uint;
typedef atomic<bool> atomic_bool;
typedef atomic<float> atomic_float;
typedef atomic<ulong> atomic_ulong;

}  // namespace metal

namespace metal::help {

template <class T>
struct same {
  typedef T type;
};
template <class T>
using as_given = typename same<T>::type;  // not deduced: `1` goes for a float

template <class T>
MSL_INLINE T* plain(const volatile atomic<T>* p) {
  return const_cast<T*>(&p->value);
}
template <class T, class F>
MSL_INLINE T update(volatile atomic<T>* p, F f) {
  T old, next;
  __atomic_load(plain(p), &old, __ATOMIC_RELAXED);
  do next = f(old);
  while (!__atomic_compare_exchange(plain(p), &old, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}

}  // namespace metal::help

namespace metal {

template <class T>
MSL_INLINE T atomic_load_explicit(const volatile atomic<T>* p, memory_order) {
  T v;
  __atomic_load(help::plain(p), &v, __ATOMIC_RELAXED);
  return v;
}
template <class T>
MSL_INLINE void atomic_store_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  __atomic_store(help::plain(p), &v, __ATOMIC_RELAXED);
}
MSL_OF_ANY atomic_exchange_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(v); });
}
MSL_OF_ANY atomic_fetch_add_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old + v); });
}
MSL_OF_ANY atomic_fetch_sub_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old - v); });
}
MSL_OF_ANY atomic_fetch_max_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old > v ? old : v); });
}
MSL_OF_ANY atomic_fetch_min_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old < v ? old : v); });
}
MSL_OF_ANY atomic_fetch_and_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old & v); });
}
MSL_OF_ANY atomic_fetch_or_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old | v); });
}
MSL_OF_ANY atomic_fetch_xor_explicit(volatile atomic<T>* p, help::as_given<T> v, memory_order) {
  return help::update(p, [=](T old) { return T(old ^ v); });
}

template <class T>
MSL_INLINE bool atomic_compare_exchange_weak_explicit(volatile atomic<T>* p, T* expected, help::as_given<T> v,
                                                      memory_order, memory_order) {
  return __atomic_compare_exchange(help::plain(p), expected, &v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

}  // namespace metal
