// Micro benchmarks of the ops and the driver, without TensorFlow.
//
//   anvil_bench [--device NAME] [--filter A,B] [--rounds N] [--sample-ms T] [--json FILE] [--list] [--serve]
//
// The kernels come from kernels.pack beside this program, or from ANVIL_KERNEL_PACK; those that measure the device's
// limits from probes.pack beside it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "case.h"
#include "drv/pack.h"
#include "drv/vulkan/device.h"
#include "report.h"
#include "rounds.h"
#include "serve.h"

namespace anvil::bench {
namespace {

struct Arguments {
  std::string device, json;
  std::vector<std::string> filter;
  Plan plan;
  bool list = false, serve = false;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--list" || flag == "--serve") {
      (flag == "--list" ? a.list : a.serve) = true;
      continue;
    }
    require(i + 1 < argc, Code::invalid_argument, flag, " needs a value");
    const std::string value = argv[++i];
    if (flag == "--device") a.device = value;
    else if (flag == "--json") a.json = value;
    else if (flag == "--rounds") a.plan.rounds = std::max(1, std::atoi(value.c_str()));
    else if (flag == "--sample-ms") a.plan.sample_ms = std::atof(value.c_str());
    else if (flag == "--filter") {
      std::istringstream parts(value);
      for (std::string part; std::getline(parts, part, ',');) a.filter.push_back(part);
    } else fail(Code::invalid_argument, "unknown option ", flag);
  }
  return a;
}

bool wanted(const std::vector<std::string>& filter, const std::string& name) {
  return filter.empty() || std::ranges::any_of(filter, [&](const auto& f) { return name.find(f) != name.npos; });
}

std::vector<Case> cases_for(const Caps& caps) {
  std::vector<Case> all;
  for (const auto& cases : {gemm_cases(), conv_cases(), element_cases(), reduce_cases(), driver_cases()})
    std::ranges::copy_if(cases, std::back_inserter(all), [&](const Case& c) { return !c.large || !caps.cpu_type(); });
  return all;
}

std::filesystem::path folder_of(const char* program) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? program : self).parent_path();
}

void default_environment(const Arguments& a, const std::filesystem::path& folder) {
  if (!a.device.empty()) setenv("ANVIL_DEVICE", a.device.c_str(), 1);
  setenv("ANVIL_SOFTWARE_DEVICE", "1", 0);  // whoever benchmarks has asked for the device
  setenv("ANVIL_KERNEL_PACK", (folder / "kernels.pack").c_str(), 0);
}

int run(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  const std::filesystem::path folder = folder_of(argv[0]);
  default_environment(a, folder);
  const Pack probe_pack(folder / "probes.pack");
  vulkan::Config config;
  config.options = options();
  config.more_kernels = &probe_pack;
  std::string why;
  const auto devices = vulkan::open_devices(config, why);
  require(!devices.empty(), Code::unavailable, "no device: ", why);
  Device& device = *devices.front();

  std::vector<Case> cases;
  std::ranges::copy_if(cases_for(device.caps()), std::back_inserter(cases),
                       [&](const Case& c) { return wanted(a.filter, c.name); });
  const std::vector<Case> probes = probe_cases(device.caps());
  if (a.serve) {
    cases.insert(cases.end(), probes.begin(), probes.end());
    serve(cases, device);
    return 0;
  }
  if (a.list) {
    for (const Case& c : cases) std::puts(c.name.c_str());
    return 0;
  }
  const std::vector<Result> results = measure(cases, probes, device, a.plan);
  std::fputs(table(device.caps(), a.plan, results).c_str(), stdout);
  if (!a.json.empty()) {
    std::ofstream out(a.json);
    out << results_json(device.caps(), a.plan, results);
    require(out.good(), Code::internal, "cannot write ", a.json);
  }
  const bool right = std::ranges::all_of(results, [](const Result& r) { return r.problem.empty() && r.error <= 1; });
  return right ? 0 : 2;  // 2: some case did not run or was wrong; the rest is reported all the same
}

}  // namespace
}  // namespace anvil::bench

int main(int argc, char** argv) try { return anvil::bench::run(argc, argv); } catch (const std::exception& e) {
  std::fprintf(stderr, "anvil_bench: %s\n", e.what());
  return 1;
}
