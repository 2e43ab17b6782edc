// Keeping GPU drivers and TensorFlow out of each other's symbols.
#pragma once

namespace anvil::tf {

// TensorFlow exports its copy of LLVM to the whole process, and some Vulkan drivers (lavapipe, RADV) bring another one:
// the driver would call into TensorFlow's and crash.  This loads the drivers that the Vulkan loader is going to load
// beforehand, each bound to its own libraries first; the loader then finds them loaded.  To be called before Vulkan is
// opened.  Never fails: a driver that cannot be loaded is left to the loader.
void isolate_vulkan_drivers();

}  // namespace anvil::tf
