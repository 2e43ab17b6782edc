#include <algorithm>

#include "ops/op.h"

namespace anvil::ops {

std::vector<OpSpec>& catalogue() {
  static std::vector<OpSpec> rows;
  return rows;
}

std::vector<std::string> all_variants() {
  std::vector<std::string> names;
  for (const OpSpec& row : catalogue())
    if (row.variants) row.variants(row, names);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace anvil::ops
