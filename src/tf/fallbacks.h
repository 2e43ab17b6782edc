// Ops that fell back: placed on the CPU because we have no kernel for them, where TensorFlow's CUDA build has one.  And
// apart from them the ops that no GPU has a kernel for, and that take tensors from the device all the same.
#pragma once

namespace anvil::tf {

// Starts watching, and keeps XLA off our devices.  Called once, before the first kernel runs.  Without a shim neither
// is possible; then it says so in the log.
void prepare_placement();

// Gives ops that must run on our devices, and that we have no kernel for, the CPU's.  Called once, after all kernels
// are registered.
void prepare_proxies();

}  // namespace anvil::tf
