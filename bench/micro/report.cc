#include "report.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <thread>

namespace anvil::bench {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

const char* rate_name(Unit u) { return u == Unit::flop ? "GFLOP/s" : u == Unit::byte ? "GB/s" : ""; }

const char* limit_name(Limit l) {
  switch (l) {
    case Limit::f32: return "f32";
    case Limit::f16: return "f16";
    case Limit::bandwidth: return "bandwidth";
    case Limit::none: break;
  }
  return "none";
}

const char* kind_name(DeviceKind k) {
  switch (k) {
    case DeviceKind::discrete: return "discrete";
    case DeviceKind::integrated: return "integrated";
    case DeviceKind::virtual_gpu: return "virtual";
    case DeviceKind::cpu: break;
  }
  return "cpu";
}

std::string now() {
  const std::time_t t = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&t));
  return text;
}

double share(const Result& r, const std::map<Limit, double>& best) {
  const auto limit = best.find(r.limit);
  return limit == best.end() || limit->second <= 0 ? 0 : r.rate() / limit->second;
}

std::string time_text(double ms) { return ms < 0.1 ? format("%.2f us", ms * 1e3) : format("%.3f ms", ms); }

}  // namespace

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string facts_json(const Caps& c) {
  return str("{\"device\": ", quoted(c.name), ", \"driver\": ", quoted(c.driver), ", \"kind\": \"", kind_name(c.kind),
             "\", \"subgroup\": ", c.subgroup, ", \"group_memory\": ", c.group_memory, ", \"cores\": ", c.cores,
             ", \"matrix_f16\": ", c.matrix_f16 ? "true" : "false", ", \"unified\": ", c.unified ? "true" : "false",
             ", \"memory\": ", c.memory, ", \"host_threads\": ", std::thread::hardware_concurrency(),
             ", \"compiler\": ", quoted("g++ " __VERSION__), ", \"anvil\": \"" ANVIL_VERSION "\", \"time\": \"", now(),
             "\"}");
}

std::string results_json(const Caps& caps, const Plan& plan, const std::vector<Result>& results) {
  const std::map<Limit, double> best = limits(results);
  std::string out = str("{\n  \"facts\": ", facts_json(caps), ",\n  \"rounds\": ", plan.rounds, ",\n  \"limits\": {");
  for (const auto& [limit, rate] : best)
    out += str(out.back() == '{' ? "" : ", ", "\"", limit_name(limit), "\": ", format("%.3f", rate));
  out += "},\n  \"cases\": [";
  for (const Result& r : results) {
    out += str(out.back() == '[' ? "\n" : ",\n", "    {\"name\": ", quoted(r.name), ", \"group\": ", quoted(r.group));
    if (!r.problem.empty()) {
      out += str(", \"problem\": ", quoted(r.problem), "}");
      continue;
    }
    out += format(", \"ms\": %.6g, \"iqr_ms\": %.6g, \"device_ms\": %.6g, \"calls\": %d, \"error\": %.3g", r.median(),
                  r.quartile_range(), r.device_ms, r.calls, std::min(r.error, 1e30));  // JSON has no infinity
    if (r.unit != Unit::none)
      out += format(", \"rate\": %.6g, \"unit\": \"%s\", \"share\": %.4f, \"limit\": \"%s\"", r.rate(),
                    rate_name(r.unit), share(r, best), limit_name(r.limit));
    out += ", \"samples\": [";
    for (const double ms : r.ms) out += format(out.back() == '[' ? "%.6g" : ", %.6g", ms);
    out += "]}";
  }
  return out + "\n  ]\n}\n";
}

std::string table(const Caps& caps, const Plan& plan, const std::vector<Result>& results) {
  const std::map<Limit, double> best = limits(results);
  std::string out = str("device  ", caps.name, "\ndriver  ", caps.driver, "\nlimits  ");
  for (const auto& [limit, rate] : best)
    out += format("%s %.1f %s   ", limit_name(limit), rate, limit == Limit::bandwidth ? "GB/s" : "GFLOP/s");
  out += str("\nrounds  ", plan.rounds, ", median and interquartile range\n\n");
  out += format("%-42s %12s %7s %12s %-8s %6s %9s %6s\n", "case", "time", "IQR", "rate", "", "share", "on device",
                "error");
  for (const Result& r : results) {
    if (!r.problem.empty()) {
      out += format("%-42s %.300s\n", r.name.c_str(), r.problem.c_str());
      continue;
    }
    if (r.ms.empty()) continue;
    out += format("%-42s %12s %6.1f%%", r.name.c_str(), time_text(r.median()).c_str(),
                  100 * r.quartile_range() / r.median());
    out += r.unit == Unit::none ? format(" %12s %-8s %6s", "", "", "")
                                : format(" %12.1f %-8s %5.1f%%", r.rate(), rate_name(r.unit), 100 * share(r, best));
    out += format(" %9s %6s\n", r.device_ms > 0 ? time_text(r.device_ms).c_str() : "-",
                  r.error < 0    ? "-"
                  : r.error <= 1 ? "ok"
                                 : "WRONG");
  }
  return out;
}

}  // namespace anvil::bench
