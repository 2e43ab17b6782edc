// Which kernels TensorFlow gets.
#pragma once
#include <vector>

#include "drv/driver.h"

namespace anvil::tf {

// Registers every row of the catalogue, and the variable ops, for the types that all of `caps` can do.  Called once.
void register_kernels(const std::vector<const Caps*>& caps);

}  // namespace anvil::tf
