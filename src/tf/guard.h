// The border between exceptions and statuses.  Every function that TensorFlow calls runs inside guard(), so nothing is
// ever thrown into TensorFlow; every status that TensorFlow returns goes through Status::check().
#pragma once
#include <exception>
#include <utility>

#include "base/error.h"
#include "tf/owners.h"

namespace anvil::tf {

TF_Code to_tf(Code code);
Code from_tf(TF_Code code);

// Puts the error into `status`: anvil::Error with its class, bad_alloc as resource_exhausted, the rest as internal.
void set(TF_Status* status, const std::exception& error);

// A status to pass to a C call, kept for the thread, since making one costs an allocation and an op needs several.
class Status {
 public:
  Status() { TF_SetStatus(out(), TF_OK, ""); }
  TF_Status* out() const;
  bool ok() const { return TF_GetCode(out()) == TF_OK; }
  // Carries a failed call's class and words upward.
  void check() const {
    if (!ok()) [[unlikely]]
      raise();
  }

 private:
  [[noreturn]] void raise() const;
};

// Runs `body` and reports what it throws in `status`; OK otherwise.
template <class Body>
void guard(TF_Status* status, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    TF_SetStatus(status, TF_OK, "");
  } catch (const std::exception& error) {
    set(status, error);
  }
}

}  // namespace anvil::tf
