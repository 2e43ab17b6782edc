// The Metal driver for the conformance suite, in all its modes.
#include "conformance.h"
#include "drv/metal/device.h"

namespace anvil::conformance {
namespace {

std::unique_ptr<Device> open_metal(const Opening& setup, const std::function<void(metal::Config&)>& adjust) {
  metal::Config config;
  config.options.fault = setup.fault;
  config.options.memory_limit = setup.memory_limit;
  config.options.cache_dir = setup.cache_dir;
  config.pack = &conformance_pack();
  adjust(config);
  std::string why;
  auto devices = metal::open_devices(config, why);
  if (devices.empty()) {
    std::fprintf(stderr, "no Metal device: %s\n", why.c_str());
    return nullptr;
  }
  return std::move(devices.front());
}

}  // namespace

std::vector<Driver> gpu_drivers() {
  using Adjust = std::function<void(metal::Config&)>;
  const auto driver = [](const char* name, bool guarded, bool waits, Adjust adjust) {
    return Driver{name, true, guarded, waits, [adjust](const Opening& s) { return open_metal(s, adjust); }};
  };
  return {driver("metal", false, false, [](metal::Config&) {}),
          driver("metal_guard", true, false, [](metal::Config& c) { c.options.guard = true; }),
          driver("metal_safe", false, true, [](metal::Config& c) { c.options.safe = true; }),
          // As before macOS 15, with staging so small that every pool runs full.
          driver("metal_old", false, false, [](metal::Config& c) {
            c.residency_sets = false;
            c.staging_block = 128u << 10;
          })};
}

}  // namespace anvil::conformance
