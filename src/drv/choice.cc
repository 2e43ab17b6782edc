#include "drv/choice.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/log.h"
#include "base/options.h"

namespace anvil {
namespace {

std::string lower(std::string s) {
  std::transform(s.begin(), s.end(), s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return s;
}

// Does a word of ANVIL_DEVICE name device `index` of the usable ones?
bool fits(const std::string& word, size_t index, const std::string& name) {
  size_t number = 0;
  const auto end = word.data() + word.size();
  if (std::from_chars(word.data(), end, number) == std::from_chars_result{end, std::errc{}}) return number == index;
  return lower(name).find(lower(word)) != std::string::npos;
}

}  // namespace

std::vector<size_t> chosen(const std::string& wish, const std::vector<std::string>& names, const char* interface,
                           std::string& why) {
  const std::vector<std::string> words = words_of(wish);
  std::vector<size_t> order;
  if (words.empty())
    for (size_t i = 0; i < names.size(); ++i) order.push_back(i);
  std::string vain;
  for (const std::string& word : words) {
    bool found = false;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!fits(word, i, names[i])) continue;
      found = true;
      if (std::find(order.begin(), order.end(), i) == order.end()) order.push_back(i);
    }
    if (!found) vain += str(vain.empty() ? "\"" : ", \"", word, "\"");
  }
  if (!vain.empty() && !names.empty()) {
    std::string there;
    for (size_t i = 0; i < names.size(); ++i) there += str(i ? ", " : "", i, ": ", names[i]);
    why += str(why.empty() ? "" : "; ", "ANVIL_DEVICE: ", vain, " names none of the ", interface, " devices (", there,
               ")");
  }
  return order;
}

void plan_as(const std::string& kind, Caps& caps) {
  if (kind.empty()) return;
  if (kind == "discrete") caps.kind = DeviceKind::discrete;
  else if (kind == "integrated") caps.kind = DeviceKind::integrated;
  else if (kind == "cpu") caps.kind = DeviceKind::cpu;
  else log_once(LogKind::warn, str("ANVIL_PLAN_AS=", kind, " is ignored: expected discrete, integrated or cpu"));
}

}  // namespace anvil
