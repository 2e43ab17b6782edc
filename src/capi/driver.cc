// Which driver the plug-in opens: Metal for Apple's GPUs, Vulkan for all others.
#include "tf/driver.h"

#include "drv/metal/device.h"
#include "drv/vulkan/device.h"
#include "tf/isolate.h"

namespace anvil {

std::vector<std::unique_ptr<Device>> open_devices(std::string& why) {
#ifdef ANVIL_METAL
  return metal::open_devices(why);
#else
  tf::isolate_vulkan_drivers();
  return vulkan::open_devices(why);
#endif
}

}  // namespace anvil
