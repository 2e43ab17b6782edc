// The one error type of the library.  Below the TensorFlow border everything throws anvil::Error; src/tf turns it
// into a TF_Status in one place (tf/guard.h), the C interface into a return code.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace anvil {

// The classes TensorFlow's own kernels use; tf/guard.h maps them one to one.
enum class Code {
  invalid_argument,     // the caller's shapes, types or values are wrong
  failed_precondition,  // right arguments at the wrong time, e.g. an uninitialised variable
  out_of_range,         // a data-dependent index outside its tensor
  unimplemented,        // right, but not offered on this device; the message says what to do instead
  resource_exhausted,   // device memory, staging memory or a limit of the device
  unavailable,          // the device is lost or was never usable
  internal,             // a fault of this library or of the GPU driver
};

struct Error : std::runtime_error {
  Code code;
  Error(Code c, const std::string& what) : std::runtime_error(what), code(c) {}
};

// Joins anything printable: str("got ", 3, " of ", shape).
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return std::move(out).str();
}

template <class... Parts>
[[noreturn]] void fail(Code code, const Parts&... parts) {
  throw Error(code, str(parts...));
}

// The message is built only when the check fails, so a check on a hot path costs a branch.
template <class... Parts>
void require(bool ok, Code code, const Parts&... parts) {
  if (!ok) [[unlikely]]
    fail(code, parts...);
}

}  // namespace anvil
