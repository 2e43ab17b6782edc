#include "tf/isolate.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

namespace anvil::tf {
namespace {

namespace fs = std::filesystem;

// The sanitizers' own symbols must come first everywhere, so under them drivers are loaded the plain way.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::string env(const char* name) {
  const char* v = std::getenv(name);
  return v ? v : "";
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= list.size();) {
    const size_t to = std::min(list.find(':', from), list.size());
    if (to > from) parts.push_back(list.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

void add_manifests(const fs::path& place, std::vector<fs::path>& out) {
  std::error_code failed;
  if (fs::is_regular_file(place, failed)) out.push_back(place);
  fs::directory_iterator entries(place, failed);
  if (failed) return;
  for (const auto& entry : entries)
    if (entry.path().extension() == ".json") out.push_back(entry.path());
}

// Where the Vulkan loader looks for its drivers (LoaderDriverInterface.md, "Driver discovery").
std::vector<fs::path> manifests() {
  std::vector<fs::path> found;
  for (const char* name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"})
    if (const auto places = split(env(name)); !places.empty()) {
      for (const auto& place : places) add_manifests(place, found);
      return found;  // these replace the usual places
    }
  const auto or_else = [](const std::string& v, const char* usual) { return v.empty() ? std::string(usual) : v; };
  std::vector<std::string> bases = split(env("VK_ADD_DRIVER_FILES"));
  for (const auto& place : bases) add_manifests(place, found);
  bases = split(or_else(env("XDG_CONFIG_HOME"), (env("HOME") + "/.config").c_str()));
  for (const auto& b : split(or_else(env("XDG_CONFIG_DIRS"), "/etc/xdg"))) bases.push_back(b);
  for (const auto& b : {std::string("/usr/local/etc"), std::string("/etc")}) bases.push_back(b);
  bases.push_back(or_else(env("XDG_DATA_HOME"), (env("HOME") + "/.local/share").c_str()));
  for (const auto& b : split(or_else(env("XDG_DATA_DIRS"), "/usr/local/share:/usr/share"))) bases.push_back(b);
  for (const auto& base : bases) add_manifests(fs::path(base) / "vulkan" / "icd.d", found);
  return found;
}

// The "library_path" of a driver's manifest; empty if it has none.
std::string library_of(const fs::path& manifest) {
  std::ifstream file(manifest);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  static const std::regex entry("\"library_path\"\\s*:\\s*\"([^\"]+)\"");
  std::smatch match;
  if (!std::regex_search(text, match, entry)) return "";
  const fs::path library = match[1].str();
  // A bare name is searched for as usual, a relative path starts at the manifest.
  const bool bare = library.native().find('/') == std::string::npos;
  return bare || library.is_absolute() ? library.string() : (manifest.parent_path() / library).string();
}

}  // namespace

void isolate_vulkan_drivers() {
  if (kSanitized) return;
  for (const fs::path& manifest : manifests())
    if (const std::string library = library_of(manifest); !library.empty())
      dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND);
}

}  // namespace anvil::tf
