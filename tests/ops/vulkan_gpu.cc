// The ops' tests on a Vulkan device.
#include "base/options.h"
#include "drv/pack.h"
#include "drv/vulkan/device.h"
#include "kernel_check.h"

namespace anvil::ops::test {

Device* gpu() {
  static const std::unique_ptr<Device> device = []() -> std::unique_ptr<Device> {
    static const Pack pack(ANVIL_TEST_PACK);
    vulkan::Config config;
    config.options = options();
    config.options.software_device = true;
    config.pack = &pack;
    std::string why;
    auto devices = vulkan::open_devices(config, why);
    return devices.empty() ? nullptr : std::move(devices.front());
  }();
  return device.get();
}

}  // namespace anvil::ops::test
