// The Vulkan driver for the conformance suite, in all its modes.
#include "conformance.h"
#include "drv/vulkan/device.h"

namespace anvil::conformance {
namespace {

std::unique_ptr<Device> open_vulkan(const Opening& setup, const std::function<void(vulkan::Config&)>& adjust) {
  vulkan::Config config;
  config.options = options();  // ANVIL_VALIDATE and ANVIL_DEVICE hold for the suite as well
  config.options.software_device = true;
  config.options.fault = setup.fault;
  config.options.memory_limit = setup.memory_limit;
  config.options.cache_dir = setup.cache_dir;
  config.pack = &conformance_pack();
  adjust(config);
  std::string why;
  auto devices = vulkan::open_devices(config, why);
  if (devices.empty()) {
    std::fprintf(stderr, "no Vulkan device: %s\n", why.c_str());
    return nullptr;
  }
  return std::move(devices.front());
}

Driver vulkan_driver(const std::string& name, bool guarded, bool waits, std::function<void(vulkan::Config&)> adjust) {
  return {name, true, guarded, waits, [adjust](const Opening& s) { return open_vulkan(s, adjust); }};
}

}  // namespace

std::vector<Driver> gpu_drivers() {
  std::vector<Driver> list;
  const auto probe = open_vulkan({}, [](vulkan::Config&) {});
  if (!probe) return list;
  list.push_back(vulkan_driver("vulkan", !probe->caps().unified, false, [](vulkan::Config&) {}));
  list.push_back(vulkan_driver("vulkan_guard", true, false, [](vulkan::Config& c) { c.options.guard = true; }));
  // As on a GPU whose memory the host cannot see, with staging so small that every pool runs full.
  list.push_back(vulkan_driver("vulkan_copies", true, false, [](vulkan::Config& c) {
    c.copies_only = true;
    c.staging_block = 128u << 10;
  }));
  list.push_back(
      vulkan_driver("vulkan_safe", !probe->caps().unified, true, [](vulkan::Config& c) { c.options.safe = true; }));
  return list;
}

}  // namespace anvil::conformance
