#include "tf/device.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"
#include "tf/driver.h"
#include "tf/fallbacks.h"
#include "tf/installation.h"
#include "tf/registry.h"

namespace anvil::tf {
namespace {

struct Opened {
  std::vector<std::unique_ptr<Gpu>> gpus;
  std::string why;  // there are none
};

std::atomic<bool> done{false};
pid_t opened_by = 0;

// Kernels may still run when the process ends, in threads that the driver's libraries own.  Registered after those
// libraries were loaded, this runs before they are torn down.
void settle_at_exit() {
  if (getpid() != opened_by) return;  // a fork: the work, and the threads that do it, are the parent's
  for (const auto& gpu : gpus()) {
    try {
      gpu->sync_all(WaitFor::script_read);
    } catch (const std::exception&) {
      // A lost device has nothing left to wait for, and its error was reported when it happened.
    }
  }
}

void decline(Opened& all, LogKind kind, const std::string& why) {
  all.gpus.clear();
  all.why = why;
  log(kind, "no GPU is offered: " + why);
}

void open_all(Opened& all) {
  if (options().device == "none") return decline(all, LogKind::info, "ANVIL_DEVICE=none");
  if (const std::string reason = obstacle(); !reason.empty()) return decline(all, LogKind::warn, reason);
  std::string why;
  std::vector<const Caps*> caps;
  for (auto& device : open_devices(why)) {
    all.gpus.push_back(std::make_unique<Gpu>(std::move(device)));
    caps.push_back(&all.gpus.back()->device->caps());
    log(LogKind::info, str("offering ", caps.back()->name, " to TensorFlow"));
  }
  // A machine without a GPU is no fault of the user's: silence unless asked, or unless the user named one.
  if (all.gpus.empty()) return decline(all, options().device.empty() ? LogKind::info : LogKind::warn, why);
  prepare_placement();
  register_kernels(caps);
  prepare_proxies();
  opened_by = getpid();
  std::atexit(settle_at_exit);
}

const Opened& opened() {
  static const Opened& once = *[] {
    auto* all = new Opened;
    try {
      open_all(*all);
    } catch (const std::exception& error) {
      decline(*all, LogKind::error, error.what());
    }
    done.store(true, std::memory_order_release);
    return all;
  }();
  return once;
}

}  // namespace

const std::vector<std::unique_ptr<Gpu>>& gpus() { return opened().gpus; }
bool gpus_were_opened() { return done.load(std::memory_order_acquire); }
const std::string& no_gpu_reason() { return opened().why; }

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

void* Gpu::allocate(uint64_t bytes) {
  {
    std::lock_guard hold(lock);
    largest_asked = std::max(largest_asked, bytes);
  }
  void* address = device->allocate(bytes);
  std::lock_guard hold(lock);
  regions.emplace(reinterpret_cast<uintptr_t>(address), bytes);
  return address;
}

void Gpu::free(void* address) {
  {
    std::lock_guard hold(lock);
    regions.erase(reinterpret_cast<uintptr_t>(address));
  }
  device->free(address);
}

bool Gpu::owns(const void* address) {
  const auto number = reinterpret_cast<uintptr_t>(address);
  std::lock_guard hold(lock);
  const auto behind = regions.upper_bound(number);
  return behind != regions.begin() && number - std::prev(behind)->first < std::prev(behind)->second;
}

std::shared_ptr<Stream> Gpu::for_visitors() {
  std::lock_guard hold(lock);
  if (!visitor) visitor = device->stream(StreamKind::transfer);
  return visitor;
}

std::string Gpu::out_of_memory() {
  const auto mib = [](uint64_t bytes) { return str(bytes >> 20, " MiB"); };
  const MemoryInfo memory = device->memory();
  uint64_t allocated = 0;
  std::lock_guard hold(lock);
  for (const auto& [begin, bytes] : regions) allocated += bytes;
  const bool limited = options().memory_limit != 0;
  return str("; the GPU's memory: ", mib(memory.total), limited ? " by ANVIL_MEMORY_LIMIT" : "",
             ", of which TensorFlow holds ", mib(allocated), " and ", mib(memory.free),
             " are free, of which it leaves a part to others; the largest region it asked for had ", mib(largest_asked),
             ". Use a smaller batch or model, or halve the activations with "
             "keras.mixed_precision.set_global_policy(\"mixed_float16\"); ",
             limited ? "or raise ANVIL_MEMORY_LIMIT" : "close other programs that use the GPU");
}

}  // namespace anvil::tf

void SP_Event_st::record(Moment moment) {
  std::lock_guard hold(lock_);
  moment_ = std::move(moment);
}

SP_Event_st::Moment SP_Event_st::moment() {
  std::lock_guard hold(lock_);
  return moment_;
}
