#include "drv/faults.h"

#include <charconv>
#include <sstream>
#include <string_view>

#include "base/error.h"

namespace anvil {

Faults::Faults(const std::string& spec) {
  constexpr std::array<std::string_view, kKinds> kNames = {"alloc", "submit", "lost", "pipeline"};
  std::istringstream parts(spec);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t colon = part.find(':');
    size_t kind = 0;
    while (kind < kKinds && kNames[kind] != std::string_view(part).substr(0, colon)) ++kind;
    uint64_t n = 0;
    const char* end = part.data() + part.size();
    const bool number = colon != std::string::npos &&
                        std::from_chars(part.data() + colon + 1, end, n) == std::from_chars_result{end, std::errc{}};
    require(kind < kKinds && number && n > 0, Code::invalid_argument, "ANVIL_FAULT: '", part,
            "' is not alloc, submit, lost or pipeline with a count, e.g. alloc:3");
    at_[kind] = n;
  }
}

}  // namespace anvil
