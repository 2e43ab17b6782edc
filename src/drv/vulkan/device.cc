#include "drv/vulkan/device.h"

#include <algorithm>

#include "base/counters.h"
#include "base/log.h"
#include "drv/choice.h"
#include "drv/vulkan/context.h"
#include "drv/vulkan/instance.h"
#include "drv/vulkan/memory.h"
#include "drv/vulkan/pipeline.h"
#include "drv/vulkan/registry.h"
#include "drv/vulkan/stream.h"

namespace anvil::vulkan {
namespace {

class VulkanDevice final : public Device {
 public:
  VulkanDevice(Adapter adapter, const Config& config)
      : context_(std::move(adapter), config), memory_(context_), pipelines_(context_) {
    context_.adapter.caps.memory = memory_.info().total;
  }
  ~VulkanDevice() override { context_.vk.vkDeviceWaitIdle(context_.device); }

  const Caps& caps() const override { return context_.adapter.caps; }
  MemoryInfo memory() override {
    memory_.reap();
    return memory_.info();
  }
  void* allocate(uint64_t bytes) override;
  void free(void* address) override;
  std::unique_ptr<Stream> stream(StreamKind kind) override {
    context_.sticky.check();
    return std::make_unique<VulkanStream>(context_, memory_, registry_, kind);
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

void* VulkanDevice::allocate(uint64_t bytes) {
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
bool VulkanDevice::wait_for_frees() {
  if (memory_.pending().empty()) return false;
  registry_.flush_all();
  add(Counter::waits);
  constexpr double kSeconds = 60;
  for (const Hold& h : memory_.pending()) h.timeline->wait(h.value, kSeconds);
  memory_.reap();
  return true;
}

void VulkanDevice::free(void* address) {
  if (!address) return;
  const auto region = memory_.forget(address);
  require(region.has_value(), Code::internal, "free of ", address, ", which is not an allocation of this device");
  std::vector<Hold> holds;
  for (auto& [timeline, value] : registry_.users({region->device, region->device + region->bytes, true}))
    holds.push_back({std::move(timeline), value});
  memory_.release(*region, std::move(holds));
  memory_.reap();
}

// The devices that ANVIL_DEVICE names; what it names in vain is added to `why`.
std::vector<Adapter> chosen(const std::string& wish, const std::vector<Adapter>& usable, std::string& why) {
  std::vector<std::string> names;
  for (const Adapter& a : usable) names.push_back(a.caps.name);
  std::vector<Adapter> out;
  for (const size_t i : anvil::chosen(wish, names, "Vulkan", why)) out.push_back(usable[i]);
  return out;
}

// Usable devices, best first; what was passed over is explained in `notes`.
std::vector<Adapter> usable(const Instance& instance, const Config& config, std::string& notes) {
  std::vector<Adapter> out;
  for (const VkPhysicalDevice gpu : instance.gpus()) {
    Adapter a = inspect(gpu, instance.handle());
    const auto note = [&](const std::string& why) { notes += str(notes.empty() ? "" : "; ", a.caps.name, ": ", why); };
    if (!a.declined.empty()) note(a.declined);
    else if (a.caps.cpu_type() && !config.options.software_device)
      note("software devices are slower than the CPU itself and offered only with ANVIL_SOFTWARE_DEVICE=1");
    else out.push_back(std::move(a));
  }
  std::stable_sort(out.begin(), out.end(), [](const Adapter& a, const Adapter& b) {
    return a.caps.kind != b.caps.kind ? a.caps.kind < b.caps.kind : a.heap_bytes > b.heap_bytes;
  });
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
  try {
    const Instance& instance = Instance::get(config.options.validate);
    std::string vain;
    const auto copies = config.options.virtual_devices;
    Config each = config;
    if (each.options.memory_limit)
      each.options.memory_limit = std::max<uint64_t>(each.options.memory_limit / copies, 1);
    for (Adapter& adapter : chosen(config.options.device, usable(instance, config, why), vain)) {
      plan_as(config.options.plan_as, adapter.caps);
      try {
        for (uint64_t i = 0; i < copies; ++i) devices.push_back(std::make_unique<VulkanDevice>(adapter, each));
      } catch (const std::exception& e) {
        why += str(why.empty() ? "" : "; ", adapter.caps.name, ": ", e.what());
      }
    }
    if (!vain.empty()) {
      if (devices.empty()) why += str(why.empty() ? "" : "; ", vain);
      else log_once(LogKind::warn, vain);
    }
    if (devices.empty() && why.empty()) why = "no Vulkan device was found; install your GPU's Vulkan driver";
  } catch (const std::exception& e) {
    why = e.what();
  }
  return devices;
}

std::vector<std::unique_ptr<Device>> open_devices(std::string& why) {
  Config config;
  config.options = options();
  return open_devices(config, why);
}

}  // namespace anvil::vulkan
