#include "tf/device.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/options.h"
#include "tf/fallbacks.h"
#include "tf/installation.h"
#include "tf/isolate.h"
#include "tf/registry.h"

namespace anvil::vulkan {
// The Vulkan driver's front door, as driver.h's OpenDevices has it; named here because rooms see each other through
// driver.h only.
std::vector<std::unique_ptr<Device>> open_devices(std::string& why);
}  // namespace anvil::vulkan

namespace anvil::tf {
namespace {

using Gpus = std::vector<std::unique_ptr<Gpu>>;

std::atomic<const Gpus*> opened{nullptr};

// Kernels may still run when the process ends, in threads that the driver's libraries own.  Registered after those
// libraries were loaded, this runs before they are torn down.
void settle_at_exit() {
  for (const auto& gpu : gpus_if_open()) {
    try {
      gpu->sync_all(WaitFor::script_read);
    } catch (const std::exception&) {
      // A lost device has nothing left to wait for, and its error was reported when it happened.
    }
  }
}

Gpus open_all() {
  if (options().device == "none") return {};
  if (const std::string reason = obstacle(); !reason.empty()) {
    log(LogKind::warn, "no GPU is offered: " + reason);
    return {};
  }
  isolate_vulkan_drivers();
  std::string why;
  Gpus found;
  for (auto& device : vulkan::open_devices(why)) found.push_back(std::make_unique<Gpu>(std::move(device)));
  if (found.empty()) {
    // A machine without a GPU is no fault of the user's: silence unless asked.
    log(LogKind::info, "no GPU is offered: " + why);
    return {};
  }
  for (const auto& gpu : found) log(LogKind::info, str("offering ", gpu->device->caps().name, " to TensorFlow"));
  return found;
}

}  // namespace

const std::vector<std::unique_ptr<Gpu>>& gpus() {
  static const Gpus& once = *[] {
    auto* all = new Gpus;
    try {
      *all = open_all();
      std::vector<const Caps*> caps;
      for (const auto& gpu : *all) caps.push_back(&gpu->device->caps());
      if (!all->empty()) {
        prepare_placement();
        register_kernels(caps);
        std::atexit(settle_at_exit);
      }
    } catch (const std::exception& error) {
      log(LogKind::error, str("no GPU is offered: ", error.what()));
      all->clear();
    }
    opened.store(all, std::memory_order_release);
    return all;
  }();
  return once;
}

const std::vector<std::unique_ptr<Gpu>>& gpus_if_open() {
  static const Gpus none;
  const Gpus* all = opened.load(std::memory_order_acquire);
  return all ? *all : none;
}

std::shared_ptr<Stream> Gpu::make_stream() {
  std::lock_guard hold(lock);
  // TensorFlow makes one group of streams per device, in this order: compute, host to device, device to host, device
  // to device.  Streams beyond the first group may get kernels, so they are compute streams.
  const bool copies = streams_made >= 1 && streams_made <= 3;
  std::shared_ptr<Stream> made = device->stream(copies ? StreamKind::transfer : StreamKind::compute);
  ++streams_made;
  std::erase_if(streams, [](const auto& s) { return s.expired(); });
  streams.push_back(made);
  return made;
}

std::vector<std::shared_ptr<Stream>> Gpu::live_streams() {
  std::lock_guard hold(lock);
  std::vector<std::shared_ptr<Stream>> live;
  for (const auto& weak : streams)
    if (auto s = weak.lock()) live.push_back(std::move(s));
  return live;
}

void Gpu::sync_all(WaitFor why) {
  for (const auto& stream : live_streams()) {
    const Point point = stream->flush();
    if (!stream->reached(point.value)) stream->sync(point.value, why);
  }
  if (const std::string error = device->error(); !error.empty()) fail(Code::unavailable, error);
}

}  // namespace anvil::tf

void SP_Event_st::record(const std::shared_ptr<anvil::Stream>& on, uint64_t value) {
  std::lock_guard hold(lock_);
  stream_ = on;
  value_ = value;
}

std::pair<std::shared_ptr<anvil::Stream>, uint64_t> SP_Event_st::moment() {
  std::lock_guard hold(lock_);
  return {stream_, value_};
}
