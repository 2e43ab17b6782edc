// The driver that the plug-in is built with.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "drv/driver.h"

namespace anvil {

// Its devices, as OpenDevices says (drv/driver.h).  Defined in capi/driver.cc: this room knows no driver.
std::vector<std::unique_ptr<Device>> open_devices(std::string& why);

}  // namespace anvil
