// TensorFlow's random number streams: the Philox generator, where its counters start, and how a stateful op reserves
// them.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>

namespace anvil::ops {

// Philox 4x32-10 as TensorFlow seeds it.
struct Philox {
  std::array<uint32_t, 2> key{};
  std::array<uint32_t, 4> counter{};
};
// The four numbers at this counter.
std::array<uint32_t, 4> philox(const Philox& at);
// Moves `count` counters on.
void skip(Philox& at, uint64_t count);

// The generator of a stateful op: (seed, seed2), or numbers from the system if both are 0.
Philox seeded(uint64_t seed, uint64_t seed2);
// The generator of a stateless op: the seeds are scrambled so that neighbouring ones give unrelated streams.
Philox scrambled(uint64_t seed0, uint64_t seed1);

// What a stateful op keeps from call to call.  Thread-safe.
class ReservedPhilox {
 public:
  explicit ReservedPhilox(const Philox& start) : next_(start) {}
  // The generator for an output of `count` elements; 256 counters an element are set aside, as TensorFlow does.
  Philox reserve(uint64_t count);

 private:
  std::mutex lock_;
  Philox next_;
};

}  // namespace anvil::ops
