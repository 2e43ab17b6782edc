// How a kernel gets its arguments: the generated code passes from(thread, attribute) for each parameter, and what that
// returns converts to the parameter's type.
#pragma once
#include "../thread.h"

namespace msl = apple::msl;

namespace apple::msl {

template <class T>
struct IsPointer {
  static constexpr bool value = false;
};
template <class T>
struct IsPointer<T*> {
  static constexpr bool value = true;
};
template <bool Yes>
struct EnableIf {};
template <>
struct EnableIf<true> {
  using type = int;
};

// A buffer: a pointer into it or a reference to its beginning.
struct Pointer {
  void* at;
  template <class T>
  operator T*() const {
    return static_cast<T*>(at);
  }
  template <class T, typename EnableIf<!IsPointer<T>::value>::type = 0>
  operator T&() const {
    return *static_cast<T*>(at);
  }
};

// A position or extent: as many of its components as the parameter has.
struct Place {
  Extent at;
  template <class T>
  operator T() const {
    if constexpr (sizeof(T) <= 4 && !__is_class(T) && requires_scalar<T>()) return static_cast<T>(at.x);
    else return widen<T>();
  }

 private:
  template <class T>
  static constexpr bool requires_scalar() {
    return __is_integral(T);
  }
  template <class T>
  T widen() const {
    T out;
    const unsigned all[3] = {at.x, at.y, at.z};
    for (unsigned i = 0; i < (sizeof(T) / sizeof(out[0]) < 3 ? sizeof(T) / sizeof(out[0]) : 3); ++i) out[i] = all[i];
    return out;
  }
};

constexpr Extent times(Extent a, Extent b) { return {a.x * b.x, a.y * b.y, a.z * b.z}; }
constexpr Extent plus(Extent a, Extent b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
constexpr unsigned product(Extent e) { return e.x * e.y * e.z; }

template <class Attribute>
auto from(const Thread& t, Attribute attribute) {
  return attribute(t);
}

inline auto buffer(unsigned index) {
  return [index](const Thread& t) { return Pointer{t.arguments[index]}; };
}
inline auto thread_position_in_grid() {
  return [](const Thread& t) { return Place{plus(times(t.group, t.threads), t.thread)}; };
}
inline auto thread_position_in_threadgroup() {
  return [](const Thread& t) { return Place{t.thread}; };
}
inline auto threadgroup_position_in_grid() {
  return [](const Thread& t) { return Place{t.group}; };
}
inline auto threads_per_threadgroup() {
  return [](const Thread& t) { return Place{t.threads}; };
}
inline auto threadgroups_per_grid() {
  return [](const Thread& t) { return Place{t.groups}; };
}
inline auto threads_per_grid() {
  return [](const Thread& t) { return Place{times(t.groups, t.threads)}; };
}
inline auto thread_index_in_threadgroup() {
  return [](const Thread& t) { return t.index; };
}
inline auto thread_index_in_simdgroup() {
  return [](const Thread& t) { return t.lane; };
}
inline auto simdgroup_index_in_threadgroup() {
  return [](const Thread& t) { return t.simd; };
}
inline auto simdgroups_per_threadgroup() {
  return [](const Thread& t) { return (product(t.threads) + 31) / 32; };
}
inline auto threads_per_simdgroup() {
  return [](const Thread& t) { return 32u; };
}
inline auto thread_execution_width() {
  return [](const Thread& t) { return 32u; };
}

}  // namespace apple::msl
