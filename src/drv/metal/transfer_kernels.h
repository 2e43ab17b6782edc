// Copies and fills as kernels.  Metal's blit encoder repeats bytes only, and going from one kind of encoder to the
// other makes the GPU finish what it does; these run beside other kernels.
#pragma once
#include <cstdint>

namespace anvil::metal {

inline constexpr uint32_t kTransferThreads = 256;
inline constexpr uint64_t kBytesPerThread = 16;

// The kernels' parameters.
struct Transfer {
  uint64_t to, from;  // addresses; a fill has no `from`
  uint64_t bytes;
  uint32_t pattern;  // of a fill; repeats from `to` on, so that `to` is a multiple of 4 or all its bytes are the same
  uint32_t words;    // 16: all is 16-byte aligned; 4: 4-byte aligned; 1: not
};

inline constexpr const char* kCopyKernel = R"(
#include <metal_stdlib>
using namespace metal;

struct Transfer {
  device uchar* to;
  const device uchar* from;
  ulong bytes;
  uint pattern;
  uint words;
};

kernel void copy(constant Transfer& t [[buffer(0)]], uint3 group [[threadgroup_position_in_grid]],
                 uint lane [[thread_index_in_threadgroup]]) {
  const ulong at = ((ulong(group.y) * 32768 + group.x) * 256 + lane) * 16;
  if (at >= t.bytes) return;
  const ulong left = t.bytes - at;
  if (t.words == 16 && left >= 16) {
    *(device uint4*)(t.to + at) = *(const device uint4*)(t.from + at);
  } else if (t.words >= 4 && left >= 16) {
    for (uint i = 0; i < 16; i += 4) *(device uint*)(t.to + at + i) = *(const device uint*)(t.from + at + i);
  } else {
    for (uint i = 0; i < 16 && i < left; ++i) t.to[at + i] = t.from[at + i];
  }
}
)";

inline constexpr const char* kFillKernel = R"(
#include <metal_stdlib>
using namespace metal;

struct Transfer {
  device uchar* to;
  const device uchar* from;
  ulong bytes;
  uint pattern;
  uint words;
};

kernel void fill(constant Transfer& t [[buffer(0)]], uint3 group [[threadgroup_position_in_grid]],
                 uint lane [[thread_index_in_threadgroup]]) {
  const ulong at = ((ulong(group.y) * 32768 + group.x) * 256 + lane) * 16;
  if (at >= t.bytes) return;
  const ulong left = t.bytes - at;
  if (t.words == 16 && left >= 16) {
    *(device uint4*)(t.to + at) = uint4(t.pattern);
  } else if (t.words >= 4 && left >= 16) {
    for (uint i = 0; i < 16; i += 4) *(device uint*)(t.to + at + i) = t.pattern;
  } else {
    for (uint i = 0; i < 16 && i < left; ++i) t.to[at + i] = uchar(t.pattern >> (i % 4 * 8));
  }
}
)";

}  // namespace anvil::metal
