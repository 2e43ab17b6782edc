// Which devices to offer, and as what: ANVIL_DEVICE and ANVIL_PLAN_AS, for every driver alike.
#pragma once
#include <string>
#include <vector>

#include "drv/driver.h"

namespace anvil {

// Of the usable devices called `names`, the indices of those that `wish` (ANVIL_DEVICE) names by number or part of
// their name, in its order and each once; all of them if it is empty.  What it names in vain is added to `why` in one
// sentence, which says what there is; `interface` is "Vulkan", "Metal", ...
std::vector<size_t> chosen(const std::string& wish, const std::vector<std::string>& names, const char* interface,
                           std::string& why);
// Makes planners take the device for another kind (ANVIL_PLAN_AS); a kind that does not exist is logged and ignored.
void plan_as(const std::string& kind, Caps& caps);

}  // namespace anvil
