// The ops' tests on a Metal device.
#include <cstdlib>
#include <fstream>
#include <set>

#include "base/error.h"
#include "base/options.h"
#include "drv/metal/device.h"
#include "drv/pack.h"
#include "ops/kernel_check.h"
#include "ops/worst_error.h"

namespace anvil::ops::test {
namespace {

// Notes which kernels are asked for.
class Noting final : public Device {
 public:
  explicit Noting(std::unique_ptr<Device> device) : device_(std::move(device)) {}
  const Caps& caps() const override { return device_->caps(); }
  MemoryInfo memory() override { return device_->memory(); }
  void* allocate(uint64_t bytes) override { return device_->allocate(bytes); }
  void free(void* address) override { device_->free(address); }
  std::unique_ptr<Stream> stream(StreamKind kind) override { return device_->stream(kind); }
  const Kernel& kernel(std::string_view name) override {
    kernels.emplace(name);
    return device_->kernel(name);
  }
  std::string error() override { return device_->error(); }
  std::set<std::string> kernels;

 private:
  std::unique_ptr<Device> device_;
};

Noting* noting() {
  static const std::unique_ptr<Noting> device = [] {
    static const Pack pack(ANVIL_TEST_PACK);
    metal::Config config;
    config.options = options();
    config.pack = &pack;
    std::string why;
    auto devices = metal::open_devices(config, why);
    require(!devices.empty(), Code::internal, "the fake Metal offers no device: ", why);  // skips would go unseen
    return std::make_unique<Noting>(std::move(devices.front()));
  }();
  return device.get();
}

// After the tests, for tools/test_metal.py: what ran, into the file that the environment names.
class Report : public testing::Environment {
 public:
  void TearDown() override {
    const char* file = std::getenv("ANVIL_METAL_REPORT");
    if (!file) return;
    std::ofstream out(file);
    for (const std::string& kernel : noting()->kernels) out << "kernel " << kernel << "\n";
    out << "error " << worst_error().ulp << " " << worst_error().test << "\n";
  }
};
[[maybe_unused]] const auto* const kReport = testing::AddGlobalTestEnvironment(new Report);

}  // namespace

Device* gpu() { return noting(); }

}  // namespace anvil::ops::test
