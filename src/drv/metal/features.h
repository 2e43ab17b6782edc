// What a device can do, found out one by one by asking it and by running small kernels: names of chips and families say
// too little (a virtual machine's GPU reports an older family than it is).
#pragma once
#include <string>

#include "drv/metal/context.h"

namespace anvil::metal {

// Fills the device's caps.  Returns why the device cannot be used, or nothing.
std::string probe(Context& context);

}  // namespace anvil::metal
