// Orders between threads that ThreadSanitizer cannot see, because the code that keeps them is not instrumented: told to
// it in its own builds, nothing in all others.
//
// What a thread did before release(at) comes before what another does after the next acquire(at).  `at` is only a name,
// the address is not accessed.  An order that nobody keeps must not be told: it would hide a race.
#pragma once
#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void* at);  // the runtime's
extern "C" void __tsan_release(void* at);
#endif

namespace anvil::tsan {

#ifdef __SANITIZE_THREAD__
constexpr bool kOn = true;
inline void release(const void* at) { __tsan_release(const_cast<void*>(at)); }
inline void acquire(const void* at) { __tsan_acquire(const_cast<void*>(at)); }
#else
constexpr bool kOn = false;
inline void release(const void*) {}
inline void acquire(const void*) {}
#endif

}  // namespace anvil::tsan
