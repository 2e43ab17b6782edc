#include "ops/random_state.h"

#include <fstream>

#include "base/error.h"

namespace anvil::ops {
namespace {

uint32_t low(uint64_t v) { return static_cast<uint32_t>(v); }
uint32_t high(uint64_t v) { return static_cast<uint32_t>(v >> 32); }

// Not std::random_device: linked statically, libstdc++'s asks for a C library newer than many systems have.
uint64_t entropy() {
  uint64_t v = 0;
  std::ifstream source("/dev/urandom", std::ios::binary);
  require(source.read(reinterpret_cast<char*>(&v), sizeof v).good(), Code::internal, "cannot read /dev/urandom");
  return v;
}

}  // namespace

std::array<uint32_t, 4> philox(const Philox& at) {
  std::array<uint32_t, 4> c = at.counter;
  std::array<uint32_t, 2> k = at.key;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    c = {high(b) ^ c[1] ^ k[0], low(b), high(a) ^ c[3] ^ k[1], low(a)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

void skip(Philox& at, uint64_t count) {
  const uint64_t first = at.counter[0] | uint64_t{at.counter[1]} << 32;
  const uint64_t sum = first + count;
  at.counter[0] = low(sum);
  at.counter[1] = high(sum);
  if (sum < first && ++at.counter[2] == 0) ++at.counter[3];
}

Philox seeded(uint64_t seed, uint64_t seed2) {
  if (seed == 0 && seed2 == 0) {
    seed = entropy();
    seed2 = entropy();
  }
  return {{low(seed), high(seed)}, {0, 0, low(seed2), high(seed2)}};
}

Philox scrambled(uint64_t seed0, uint64_t seed1) {
  const auto mixed = philox({{0x3ec8f720u, 0x02461e29u}, {low(seed0), high(seed0), low(seed1), high(seed1)}});
  return {{mixed[0], mixed[1]}, {0, 0, mixed[2], mixed[3]}};
}

Philox ReservedPhilox::reserve(uint64_t count) {
  constexpr uint64_t kCountersPerElement = 256;
  std::lock_guard hold(lock_);
  const Philox mine = next_;
  skip(next_, count * kCountersPerElement);
  return mine;
}

}  // namespace anvil::ops
