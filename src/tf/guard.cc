#include "tf/guard.h"

#include <new>

namespace anvil::tf {

TF_Code to_tf(Code code) {
  switch (code) {
    case Code::invalid_argument: return TF_INVALID_ARGUMENT;
    case Code::failed_precondition: return TF_FAILED_PRECONDITION;
    case Code::out_of_range: return TF_OUT_OF_RANGE;
    case Code::unimplemented: return TF_UNIMPLEMENTED;
    case Code::resource_exhausted: return TF_RESOURCE_EXHAUSTED;
    case Code::unavailable: return TF_UNAVAILABLE;
    case Code::internal: return TF_INTERNAL;
  }
  return TF_INTERNAL;
}

Code from_tf(TF_Code code) {
  switch (code) {
    case TF_INVALID_ARGUMENT: return Code::invalid_argument;
    case TF_FAILED_PRECONDITION: return Code::failed_precondition;
    case TF_OUT_OF_RANGE: return Code::out_of_range;
    case TF_UNIMPLEMENTED: return Code::unimplemented;
    case TF_RESOURCE_EXHAUSTED: return Code::resource_exhausted;
    case TF_UNAVAILABLE: return Code::unavailable;
    default: return Code::internal;
  }
}

void set(TF_Status* status, const std::exception& error) {
  if (const auto* ours = dynamic_cast<const Error*>(&error)) TF_SetStatus(status, to_tf(ours->code), ours->what());
  else if (dynamic_cast<const std::bad_alloc*>(&error))
    TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "out of host memory");
  else TF_SetStatus(status, TF_INTERNAL, error.what());
}

TF_Status* Status::out() const {
  thread_local StatusPtr kept{TF_NewStatus()};
  return kept.get();
}

void Status::raise() const { throw Error(from_tf(TF_GetCode(out())), TF_Message(out())); }

}  // namespace anvil::tf
