#include "conformance.h"

#include "drv/pack.h"
#include "drv/record/record.h"
#include "drv/vulkan/device.h"

namespace anvil::conformance {
namespace {

const Pack& pack() {
  static const Pack p(ANVIL_CONFORMANCE_PACK);
  return p;
}

std::unique_ptr<Device> open_vulkan(const Opening& setup, const std::function<void(vulkan::Config&)>& adjust) {
  vulkan::Config config;
  config.options = options();  // ANVIL_VALIDATE and ANVIL_DEVICE hold for the suite as well
  config.options.software_device = true;
  config.options.fault = setup.fault;
  config.options.memory_limit = setup.memory_limit;
  config.options.cache_dir = setup.cache_dir;
  config.pack = &pack();
  adjust(config);
  std::string why;
  auto devices = vulkan::open_devices(config, why);
  if (devices.empty()) {
    std::fprintf(stderr, "no Vulkan device: %s\n", why.c_str());
    return nullptr;
  }
  return std::move(devices.front());
}

std::unique_ptr<Device> open_record(const Opening& setup) {
  record::Config config;
  config.pack = &pack();
  config.fault = setup.fault;
  if (setup.memory_limit) config.memory_limit = setup.memory_limit;
  return record::open(std::move(config));
}

Driver vulkan_driver(const std::string& name, bool guarded, std::function<void(vulkan::Config&)> adjust) {
  return {name, true, guarded, [adjust](const Opening& s) { return open_vulkan(s, adjust); }};
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Driver& d) { return out << d.name; }

const std::vector<Driver>& drivers() {
  static const std::vector<Driver> all = [] {
    std::vector<Driver> list = {{"record", false, true, open_record}};
    const auto probe = open_vulkan({}, [](vulkan::Config&) {});
    if (!probe) return list;
    list.push_back(vulkan_driver("vulkan", !probe->caps().unified, [](vulkan::Config&) {}));
    list.push_back(vulkan_driver("vulkan_guard", true, [](vulkan::Config& c) { c.options.guard = true; }));
    // As on a GPU whose memory the host cannot see, with staging so small that every pool runs full.
    list.push_back(vulkan_driver("vulkan_copies", true, [](vulkan::Config& c) {
      c.copies_only = true;
      c.staging_block = 128u << 10;
    }));
    list.push_back(
        vulkan_driver("vulkan_safe", !probe->caps().unified, [](vulkan::Config& c) { c.options.safe = true; }));
    return list;
  }();
  return all;
}

Words random_words(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Words w(n);
  for (auto& v : w) v = random();
  return w;
}

Bytes random_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes b(n);
  for (auto& v : b) v = static_cast<uint8_t>(random());
  return b;
}

uint32_t spun(uint32_t v, uint32_t turns) {
  for (uint32_t k = 0; k < 16 * turns; ++k) v = v * 1664525u + 1013904223u;
  return v;
}

void expect_error(Code code, const std::string& words, const std::function<void()>& f) {
  try {
    f();
    ADD_FAILURE() << "no error; expected one about '" << words << "'";
  } catch (const Error& e) {
    EXPECT_EQ(static_cast<int>(e.code), static_cast<int>(code)) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

}  // namespace anvil::conformance
