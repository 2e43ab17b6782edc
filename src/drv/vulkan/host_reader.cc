#include "drv/vulkan/host_reader.h"

#include <cstring>
#include <limits>

namespace anvil::vulkan {

HostReader::~HostReader() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard hold(lock_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void HostReader::after(std::vector<Need> needs, std::vector<HostRead> reads, uint64_t value) {
  std::lock_guard hold(lock_);
  jobs_.push_back({std::move(needs), std::move(reads), value});
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  wake_.notify_one();
}

void HostReader::run() {
  std::unique_lock hold(lock_);
  while (true) {
    wake_.wait(hold, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    hold.unlock();
    finish(job);
    hold.lock();
  }
}

void HostReader::finish(const Job& job) noexcept {
  wait_for(context_, job.needs, std::numeric_limits<double>::infinity());
  {
    std::lock_guard hold(reading_);
    if (!context_.sticky.set())
      for (const HostRead& r : job.reads) std::memcpy(r.to, r.from, r.bytes);
  }
  const VkSemaphoreSignalInfo info{VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, nullptr, timeline_.host(), job.value};
  const VkResult r = context_.vk.vkSignalSemaphore(context_.device, &info);
  if (r != VK_SUCCESS) context_.sticky.raise(to_error(r, "signalling a finished read"));
}

}  // namespace anvil::vulkan
