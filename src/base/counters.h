// What the library did, as numbers.  Process-wide, thread-safe, relaxed: a reader sees each counter right, not all of
// them at one instant.  The C interface and tensorflow_anvil.stats() print the table.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>

namespace anvil {

enum class Counter : uint8_t {
  launches,      // kernels recorded
  submissions,   // command buffers handed to the GPU
  barriers,      // inserted because ranges conflicted
  waits,         // host blocked on the GPU
  script_reads,  // host blocked on the GPU for a value that the script reads back
  bytes_to_device,
  bytes_to_host,
  bytes_on_device,  // copies from device to device
  direct_uploads,   // written straight into device memory
  staged_uploads,   // went through a staging buffer
  staging_waits,    // uploads that had to wait for staging memory
  fills,
  allocations,  // device allocations made by this library (TensorFlow's allocator sits on top)
  frees,
  device_bytes,  // allocated now
  device_bytes_peak,
  staging_bytes,  // staging pool, now
  kernels_built,
  kernel_build_ns,
  pipeline_cache_bytes,
  pipeline_cache_discarded,  // cache files found corrupt and rebuilt
  validation_messages,
  device_errors,
  op_errors,       // ops that returned an error status
  fallback_nodes,  // ops computed on the CPU that the CUDA build would run on the GPU, or that ran by proxy
  cpu_nodes,       // ops computed on the CPU in the CUDA build, too, from tensors that had to be copied to the host
  proxy_runs,      // calls of the CPU's kernel for an op that must run on the device
  count_           // number of counters
};

struct CounterFacts {
  const char* name;
  bool gauge;  // a level, kept by reset_counters()
};
const CounterFacts& facts(Counter c);

void add(Counter c, uint64_t n = 1);
void subtract(Counter c, uint64_t n);      // gauges only
void raise(Counter peak, uint64_t level);  // peak = max(peak, level)
uint64_t value(Counter c);

// Zeroes everything but gauges; the peaks fall to the present level.
void reset_counters();

// Counts by name, for fallbacks by op ("fallback" family) and the like.  Thread-safe.
void add_named(const std::string& family, const std::string& name, uint64_t n = 1);
std::map<std::string, uint64_t> named(const std::string& family);

}  // namespace anvil
