#include "data.h"

#include <bit>
#include <cstring>

namespace anvil::bench {

float noise(uint32_t seed, uint64_t i) {
  uint64_t z = i + (uint64_t{seed} << 40) + 0x9e3779b97f4a7c15ull;  // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return (static_cast<int>((z >> 20) & 2047) - 1024) / 1024.0f;
}

float half_to_float(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, rest = h & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  // Shifting places the half's exponent 112 too low; the product puts it right and makes subnormals normal.
  return std::bit_cast<float>(sign | rest << 13) * 0x1p112f;
}

uint16_t float_to_half(float f) {
  const uint32_t bits = std::bit_cast<uint32_t>(f), sign = (bits >> 16) & 0x8000u;
  const float size = std::bit_cast<float>(bits & 0x7fffffffu);
  if (!(size < 65520.0f)) return static_cast<uint16_t>(sign | (size != size ? 0x7e00u : 0x7c00u));
  const uint32_t scaled = std::bit_cast<uint32_t>(size * 0x1p-112f);
  return static_cast<uint16_t>(sign | ((scaled + 0xfffu + ((scaled >> 13) & 1)) >> 13));
}

ops::Tensor noisy(Stream& stream, Buffers& memory, uint32_t seed, DType type, const Shape& shape) {
  ops::Tensor t{shape, type, nullptr};
  t.data = memory.allocate(t.bytes());
  const bool half = type == DType::f16;
  require(half || type == DType::f32, Code::invalid_argument, "noise is f32 or f16");
  std::vector<std::byte> host(t.bytes());
  for (int64_t i = 0; i < t.size(); ++i) {
    const float v = noise(seed, i);
    const uint16_t h = half ? float_to_half(v) : 0;
    std::memcpy(&host[i * size_of(type)], half ? static_cast<const void*>(&h) : &v, size_of(type));
  }
  stream.upload(t.data, host.data(), host.size());
  return t;
}

void finish(Stream& stream) { stream.sync(stream.flush().value, WaitFor::host); }

std::vector<float> fetch(Stream& stream, const ops::Tensor& t) {
  std::vector<std::byte> host(t.bytes());
  stream.download(host.data(), t.data, host.size());
  stream.sync(stream.flush().value, WaitFor::script_read);
  std::vector<float> values(t.size());
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t h = 0;
    if (t.type == DType::f32) std::memcpy(&values[i], &host[i * 4], 4);
    else std::memcpy(&h, &host[i * 2], 2), values[i] = half_to_float(h);
  }
  return values;
}

}  // namespace anvil::bench
