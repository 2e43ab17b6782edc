#include "base/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "base/log.h"

namespace anvil {
namespace {

struct Row {
  OptionRow doc;
  std::function<bool(Options&, const std::string&)> parse;  // false: malformed
};

constexpr const char* kQuiet = "error,warn";  // what is logged where nothing is said

bool to_flag(bool& out, const std::string& v) {
  if (v == "1" || v == "true" || v == "on" || v == "yes") return out = true, true;
  if (v.empty() || v == "0" || v == "false" || v == "off" || v == "no") return out = false, true;
  return false;
}

bool to_bytes(uint64_t& out, const std::string& v) {
  char* end = nullptr;
  const double n = std::strtod(v.c_str(), &end);
  if (end == v.c_str()) return false;
  double unit = 1;
  switch (*end) {
    case 'k':
    case 'K': unit = 1024.0; break;
    case 'm':
    case 'M': unit = 1024.0 * 1024; break;
    case 'g':
    case 'G': unit = 1024.0 * 1024 * 1024; break;
    case '\0': break;
    default: return false;
  }
  // What follows the unit is not read past: "4Gb" may mean bits.  !(...) also refuses what is not a number.
  constexpr double kTooMany = 18446744073709551616.0;  // 2^64
  if ((*end && end[1]) || !(n >= 0 && n * unit < kTooMany)) return false;
  out = static_cast<uint64_t>(n * unit);
  return true;
}

bool to_count(uint64_t& out, const std::string& v, uint64_t most) {
  uint64_t n = 0;
  const char* end = v.data() + v.size();
  const auto [read, error] = std::from_chars(v.data(), end, n);
  if (error != std::errc{} || read != end || n < 1 || n > most) return false;
  out = n;
  return true;
}

// The words of ANVIL_LOG that are no kinds of lines, as one problem.
std::string unknown_kinds(const std::string& list) {
  std::string unknown;
  for (const std::string& word : words_of(list))
    if (word != "all" && std::find(kLogKinds.begin(), kLogKinds.end(), word) == kLogKinds.end())
      unknown += str(unknown.empty() ? "\"" : ", \"", word, "\"");
  if (unknown.empty()) return "";
  std::string known;
  for (const char* kind : kLogKinds) known += str(kind, ", ");
  return str("ANVIL_LOG: ", unknown, " is ignored: known are ", known, "all");
}

auto flag(bool Options::* field) {
  return [field](Options& o, const std::string& v) { return to_flag(o.*field, v); };
}
auto word(std::string Options::* field) {
  return [field](Options& o, const std::string& v) { return o.*field = v, true; };
}

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {{"ANVIL_DEVICE", "comma list of indices or parts of names, or none",
        "Which GPUs to offer, in this order; all of them by default."},
       word(&Options::device)},
      {{"ANVIL_VIRTUAL_DEVICES", "1 to 16",
        "Offer each GPU this often, as devices with memory of their own: tries programs for several GPUs on one."},
       [](Options& o, const std::string& v) { return to_count(o.virtual_devices, v, 16); }},
      {{"ANVIL_SOFTWARE_DEVICE", "0 or 1", "Offer software GPUs such as lavapipe, which are slower than the CPU."},
       flag(&Options::software_device)},
      {{"ANVIL_SAFE", "0 or 1", "Run one kernel at a time, wait for it and check it: slow, for finding faults."},
       flag(&Options::safe)},
      {{"ANVIL_GUARD", "0 or 1", "Make device memory inaccessible to the host, so that a stray access faults."},
       flag(&Options::guard)},
      {{"ANVIL_VALIDATE", "0 or 1", "Load the Vulkan validation layer; its messages are logged and counted."},
       flag(&Options::validate)},
      {{"ANVIL_MEMORY_LIMIT", "bytes, or 512M, 4G", "Most memory this process may allocate on each GPU."},
       [](Options& o, const std::string& v) { return to_bytes(o.memory_limit, v); }},
      {{"ANVIL_CACHE_DIR", "folder", "Where compiled pipelines are kept between runs."}, word(&Options::cache_dir)},
      {{"ANVIL_KERNEL_PACK", "file", "The kernel pack to load instead of the one beside the library."},
       word(&Options::kernel_pack)},
      {{"ANVIL_SHIM", "file", "The compat shim to load instead of the one for this TensorFlow."}, word(&Options::shim)},
      {{"ANVIL_PLAN_AS", "discrete, integrated or cpu",
        "Plan for this kind of device instead of the one found; tests the GPU kernels on a software device."},
       word(&Options::plan_as)},
      {{"ANVIL_FAULT", "kind:count[,...]", "Inject faults: alloc, submit, lost, pipeline; the count-th call fails."},
       word(&Options::fault)},
      {{"ANVIL_LOG", "error, warn, info, plan, fallback, all", "What is written to stderr, as a comma list."},
       word(&Options::log)},
  };
  return table;
}

std::string default_cache_dir(const char* (*lookup)(const char*)) {
  if (const char* x = lookup("XDG_CACHE_HOME"); x && *x) return str(x, "/tensorflow-anvil");
  if (const char* h = lookup("HOME"); h && *h) return str(h, "/.cache/tensorflow-anvil");
  return "";
}

}  // namespace

Options parse_options(const char* (*lookup)(const char*), std::vector<std::string>& problems) {
  Options o;
  o.log = kQuiet;
  o.cache_dir = default_cache_dir(lookup);
  for (const Row& row : rows())
    if (const char* v = lookup(row.doc.name))
      if (!row.parse(o, v)) problems.push_back(str(row.doc.name, "=", v, " is ignored: expected ", row.doc.value));
  if (const std::string problem = unknown_kinds(o.log); !problem.empty()) {
    problems.push_back(problem);
    // Whoever meant to see more must not see less: errors stay visible.
    o.log += str(",", kQuiet);
  }
  return o;
}

std::vector<std::string> words_of(const std::string& list) {
  std::vector<std::string> words;
  for (size_t begin = 0, end = 0; begin <= list.size(); begin = end + 1) {
    end = std::min(list.find(',', begin), list.size());
    const size_t first = list.find_first_not_of(" \t", begin);
    if (first >= end) continue;  // npos, too
    words.push_back(list.substr(first, list.find_last_not_of(" \t", end - 1) + 1 - first));
  }
  return words;
}

const Options& options() {
  static const Options once = [] {
    std::vector<std::string> problems;
    Options o = parse_options([](const char* n) -> const char* { return std::getenv(n); }, problems);
    for (const auto& p : problems) log_to_stderr("warn", p);
    return o;
  }();
  return once;
}

const std::vector<OptionRow>& option_table() {
  static const std::vector<OptionRow> docs = [] {
    std::vector<OptionRow> d;
    for (const Row& row : rows()) d.push_back(row.doc);
    return d;
  }();
  return docs;
}

}  // namespace anvil
