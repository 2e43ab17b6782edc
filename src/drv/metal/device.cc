#include "drv/metal/device.h"

#include <algorithm>

#include "base/counters.h"
#include "base/log.h"
#include "drv/choice.h"
#include "drv/metal/context.h"
#include "drv/metal/features.h"
#include "drv/metal/memory.h"
#include "drv/metal/pipeline.h"
#include "drv/metal/registry.h"
#include "drv/metal/stream.h"

namespace anvil::metal {
namespace {

class MetalDevice final : public Device {
 public:
  MetalDevice(Ref<MTL::Device> device, const Config& config)
      : context_(std::move(device), config), memory_(context_), pipelines_(context_) {
    const std::string declined = probe(context_);
    require(declined.empty(), Code::unavailable, declined);
    context_.caps.memory = memory_.info().total;
    plan_as(config.options.plan_as, context_.caps);
  }

  const Caps& caps() const override { return context_.caps; }
  MemoryInfo memory() override {
    memory_.reap();
    return memory_.info();
  }
  void* allocate(uint64_t bytes) override;
  void free(void* address) override;
  std::unique_ptr<Stream> stream(StreamKind) override {  // Metal has no queues that only copy
    const Pool pool;
    context_.sticky.check();
    return std::make_unique<MetalStream>(context_, memory_, registry_, pipelines_);
  }
  const Kernel& kernel(std::string_view name) override { return pipelines_.get(name); }
  std::string error() override { return context_.sticky.message(); }

 private:
  bool wait_for_frees();
  Context context_;
  Registry registry_;
  Memory memory_;
  Pipelines pipelines_;
};

void* MetalDevice::allocate(uint64_t bytes) {
  context_.sticky.check();
  memory_.reap();
  try {
    return memory_.allocate(bytes);
  } catch (const Error& e) {
    if (e.code != Code::resource_exhausted || !wait_for_frees()) throw;
  }
  return memory_.allocate(bytes);
}

// Freed memory may still be in use by work on the way.  Rather than fail, wait for it.
bool MetalDevice::wait_for_frees() {
  if (memory_.pending().empty()) return false;
  registry_.flush_all();
  add(Counter::waits);
  constexpr double kSeconds = 60;
  for (const Need& n : memory_.pending()) n.on->wait(n.value, kSeconds);
  memory_.reap();
  return true;
}

void MetalDevice::free(void* address) {
  if (!address) return;
  const auto region = memory_.forget(address);
  require(region.has_value(), Code::internal, "free of ", address, ", which is not an allocation of this device");
  memory_.release(*region, registry_.users({region->device, region->device + region->bytes, true}));
  memory_.reap();
}

// Every GPU of the machine; there is one in a Mac of Apple's own make.
std::vector<Ref<MTL::Device>> all_devices() {
  std::vector<Ref<MTL::Device>> out;
  const auto list = NS::TransferPtr(MTL::CopyAllDevices());
  for (NS::UInteger i = 0; list && i < list->count(); ++i) out.push_back(NS::RetainPtr(list->object<MTL::Device>(i)));
  return out;
}

}  // namespace

std::vector<std::unique_ptr<Device>> open_devices(const Config& config, std::string& why) {
  std::vector<std::unique_ptr<Device>> devices;
  why.clear();
  if (config.options.device == "none") {
    why = "ANVIL_DEVICE=none";
    return devices;
  }
  const Pool pool;
  const std::vector<Ref<MTL::Device>> gpus = all_devices();
  std::vector<std::string> names;
  for (const auto& gpu : gpus) names.push_back(to_text(gpu->name()));
  const auto copies = config.options.virtual_devices;
  Config each = config;
  if (each.options.memory_limit) each.options.memory_limit = std::max<uint64_t>(each.options.memory_limit / copies, 1);
  std::string vain;
  for (const size_t i : chosen(config.options.device, names, "Metal", vain)) {
    try {
      for (uint64_t k = 0; k < copies; ++k) devices.push_back(std::make_unique<MetalDevice>(gpus[i], each));
    } catch (const std::exception& e) {
      why += str(why.empty() ? "" : "; ", names[i], ": ", e.what());
    }
  }
  if (!vain.empty()) {
    if (devices.empty()) why += str(why.empty() ? "" : "; ", vain);
    else log_once(LogKind::warn, vain);
  }
  if (devices.empty() && why.empty()) why = "no Metal device was found; this Mac's GPU is not available to programs";
  return devices;
}

std::vector<std::unique_ptr<Device>> open_devices(std::string& why) {
  Config config;
  config.options = options();
  return open_devices(config, why);
}

}  // namespace anvil::metal
