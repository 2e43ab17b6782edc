// Metal for Linux: what tests may ask of it.  The driver sees only Metal's own interface.
//
// Kernels are compiled by clang from the MSL that the driver hands over, and run on the CPU.  GPU addresses are not CPU
// addresses: memory is mapped twice, and the GPU's view is accessible only to kernels of command buffers that have the
// buffer resident.  Kernels between two barriers run in any order, the one that `shuffle` picks.  Misuse of the
// interface ends the process with a sentence on stderr.
#pragma once
#include <cstdint>

namespace apple {

enum class Fault : uint8_t {
  devices,         // none are listed
  allocation,      // newBuffer returns nil
  queue,           // newCommandQueue returns nil
  command_buffer,  // commandBuffer returns nil
  encoder,         // computeCommandEncoder returns nil
  event,           // newSharedEvent returns nil
  fence,           // newFence returns nil
  residency,       // newResidencySet returns nil and an error
  compile,         // newLibrary returns nil and an error
  pipeline,        // newComputePipelineState returns nil and an error
  execution,       // a command buffer ends with the error `code` of MTLCommandBufferErrorDomain
  count_
};

// The `after`-th next call of that kind and the `count` - 1 that follow it fail; after = 1 is the next one.
void inject(Fault fault, int after, int count = 1, long code = 0);
void no_faults();

// As macOS 13: without residency sets and modes of mathematics.
void old_system(bool old);
// A GPU with memory of its own, as in Intel Macs.
void separate_memory(bool separate);
// The order in which unordered work and the threads of a group run; 0 is the order of recording.
void shuffle(uint32_t seed);
// Bytes in buffers that exist.
uint64_t allocated();

}  // namespace apple
