// Reads of device memory by the host, made once the GPU has produced the bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace anvil {

struct HostRead {
  void* to = nullptr;
  const std::byte* from = nullptr;  // device memory as the host sees it, or staging
  uint64_t bytes = 0;
};

// Fills what will not be read with bytes of 0xFF, NaN in every float type and -1 in the integers, so that nobody takes
// for a result what happened to be there; and forgets it.
void give_up(std::vector<HostRead>& reads);
// Does the reads, and forgets them.
void read_now(std::vector<HostRead>& reads);

}  // namespace anvil
