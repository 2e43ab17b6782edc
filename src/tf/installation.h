// The TensorFlow this plug-in was loaded into: its version, what it exports, and the compat shim that fits it.
#pragma once
#include <string>

#include "tf/shim/shim.h"

namespace anvil::tf {

// "2.21.0", or "" if it cannot be told.
const std::string& tensorflow_version();

// Was it built with GPU support of its own (CUDA, ROCm)?  Then "GPU" belongs to it, and we must stay out of the way.
bool has_own_gpu();

// How many copies of this library are in the process, e.g. the installed one and one from a build tree.
int copies_in_process();

// The device type to register: "GPU", or "ANVIL" beside a TensorFlow that has GPUs of its own.
const char* device_type();

// The shim for this TensorFlow, or nullptr.  Loaded at the first call; thread-safe.
const anvil_shim_api* shim();
// Why there is no shim, and what to do; empty if there is one.
const std::string& shim_problem();

// A function of TensorFlow's libraries that not every version exports; nullptr if this one does not.
void* find_in_tensorflow(const char* name);

// Why no device can be offered inside this TensorFlow, in one sentence with what to do; empty if nothing is in the way.
std::string obstacle();

}  // namespace anvil::tf
