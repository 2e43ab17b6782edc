// The TensorFlow this plug-in was loaded into: its version, what it exports, and the compat shim that fits it.
#pragma once
#include <string>

#include "tf/shim/shim.h"

namespace anvil::tf {

// "2.21.0", or "" if it cannot be told.
const std::string& tensorflow_version();

// Was it built with GPU support of its own (CUDA, ROCm)?  Then "GPU" belongs to it, and we must stay out of the way.
bool has_own_gpu();

// How this library presents itself to TensorFlow.
struct Identity {
  std::string platform;     // "ANVIL"
  std::string device_type;  // "GPU", or "ANVIL" beside a TensorFlow that has GPUs of its own
  bool serves = true;       // offers devices, if there are any
};

// Called each time TensorFlow loads the plug-in.  From the second time in a process on, also if it is another copy of
// the library, the identity is one of its own and serves nothing: TensorFlow aborts the process when a platform is
// registered twice.
const Identity& new_identity();
// What new_identity() gave last.
const Identity& identity();

// The shim for this TensorFlow, or nullptr.  Loaded at the first call; thread-safe.
const anvil_shim_api* shim();
// Why there is no shim, and what to do; empty if there is one.
const std::string& shim_problem();

// A function of TensorFlow's libraries that not every version exports; nullptr if this one does not.
void* find_in_tensorflow(const char* name);

// Why no device can be offered inside this TensorFlow, in one sentence with what to do; empty if nothing is in the way.
std::string obstacle();

}  // namespace anvil::tf
