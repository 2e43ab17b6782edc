// Opens Metal devices.  This header needs no Metal.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/options.h"
#include "drv/driver.h"

namespace anvil {
class Pack;
}

namespace anvil::metal {

// How devices are opened: the process's options, and what only tests set.
struct Config {
  Options options;
  const Pack* pack = nullptr;          // nullptr: the pack beside the library
  const Pack* more_kernels = nullptr;  // searched first; for kernels that the library does not ship
  bool residency_sets = true;          // false: do without, as on systems before macOS 15
  uint64_t staging_block = 4u << 20;   // bytes of a staging block; a stream has a few of them
};

// As OpenDevices says (drv/driver.h), with the process's options.
std::vector<std::unique_ptr<Device>> open_devices(std::string& why);
std::vector<std::unique_ptr<Device>> open_devices(const Config& config, std::string& why);

}  // namespace anvil::metal
