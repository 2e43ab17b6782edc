// Results as a table for people and as JSON for programs.
#pragma once
#include <string>
#include <vector>

#include "case.h"
#include "rounds.h"

namespace anvil::bench {

// Device, driver and what this program was built with, as one JSON object.
std::string facts_json(const Caps& caps);
std::string results_json(const Caps& caps, const Plan& plan, const std::vector<Result>& results);
std::string table(const Caps& caps, const Plan& plan, const std::vector<Result>& results);

std::string quoted(const std::string& s);  // a JSON string

}  // namespace anvil::bench
