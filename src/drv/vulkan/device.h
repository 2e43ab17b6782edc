// Opens Vulkan devices.  This header needs no Vulkan.
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

namespace anvil::vulkan {

// How devices are opened: the process's options, and what only tests set.
struct Config {
  Options options;
  const Pack* pack = nullptr;          // nullptr: the pack beside the library
  const Pack* more_kernels = nullptr;  // searched first; for kernels that the library does not ship
  bool copies_only = false;            // treat device memory as invisible to the host, as on many discrete GPUs
  uint64_t staging_block = 4u << 20;   // bytes of a staging block; a stream has a few of them for each direction
};

// As OpenDevices says (drv/driver.h), with the process's options.
std::vector<std::unique_ptr<Device>> open_devices(std::string& why);
std::vector<std::unique_ptr<Device>> open_devices(const Config& config, std::string& why);

}  // namespace anvil::vulkan
