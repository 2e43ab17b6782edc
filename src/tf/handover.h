// What TensorFlow hands from one thread to another between its calls of us.  It keeps the order with locks of its own,
// which ThreadSanitizer does not see, so the order is told here (base/tsan.h); in other builds this is nothing.
//
// Each order is told as narrowly as TensorFlow keeps it, so that races of ours stay visible:
//   made, Use, gone   An object of ours that TensorFlow holds (event, stream, kernel): made, then used, then gone. Uses
//                     are not ordered among themselves: two of them in one object without a lock are always a race.
//   Turn              The bytes of a tensor: a call that touches them comes after those that did before and returned.
//                     Two calls at the same time are not ordered, so they are found; that TensorFlow orders the calls
//                     is taken on trust.
//   told_done         Work that TensorFlow was just told is done: what it calls next may touch what that work wrote.
//                     So a download that is called done too early is found.  What the telling thread knows by our
//                     locks counts as known to every later Turn: this much is hidden.
// What TensorFlow itself touches is not judged at all (tools/sanitizers.py).
#pragma once
#include <cstdint>

#include "base/tsan.h"

namespace anvil::tf {

// The second name of an object: its uses, which come before its end.
inline const void* uses_of(const void* object) { return static_cast<const char*>(object) + 1; }

inline void made(const void* object) { tsan::release(object); }
inline void gone(const void* object) { tsan::acquire(uses_of(object)); }

class Use {
 public:
  explicit Use(const void* object) : object_(object) { tsan::acquire(object_); }
  ~Use() { tsan::release(uses_of(object_)); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  const void* object_;
};

inline constexpr char kTold = 0;
inline void told_done() { tsan::release(&kTold); }

class Turn {
 public:
  Turn(const void* memory, uint64_t bytes)
      : begin_(reinterpret_cast<uintptr_t>(memory)), end_(begin_ + (memory ? bytes : 0)) {
    tsan::acquire(&kTold);
    each(tsan::acquire);
  }
  ~Turn() { each(tsan::release); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  // By the pieces that TensorFlow's allocators hand out: memory comes back cut in other places.
  static constexpr uintptr_t kPiece = 256;
  void each(void (*tell)(const void*)) const {
    if constexpr (tsan::kOn)
      for (uintptr_t at = begin_; at < end_; at = (at / kPiece + 1) * kPiece) tell(reinterpret_cast<const void*>(at));
  }
  uintptr_t begin_, end_;
};

}  // namespace anvil::tf
