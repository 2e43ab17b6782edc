// What a kernel's code is told about the thread it runs as.  Included by both sides: by the runner, and (through the
// generated code) by kernels, which have no C++ library.
#pragma once

namespace apple::msl {

struct Extent {
  unsigned x, y, z;
};

struct Thread {
  void* const* arguments;
  Extent group, groups;    // position in, and extent of, the grid of groups
  Extent thread, threads;  // position in, and extent of, the group
  unsigned index;          // of the thread in its group
  unsigned lane, simd;     // lane in its SIMD-group, and which of the group's that is
};

}  // namespace apple::msl
