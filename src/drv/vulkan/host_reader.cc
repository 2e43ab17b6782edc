#include "drv/vulkan/host_reader.h"

#include <limits>

namespace anvil::vulkan {

HostReader::~HostReader() {
  if (!thread_.joinable()) return;
  if (forked()) {
    thread_.detach();
    return;
  }
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

void HostReader::settle() {
  if (forked()) return;  // the thread is the parent's, and the lock may be held for ever
  std::lock_guard hold(reading_);
  std::lock_guard hold_jobs(lock_);
  for (Job& job : jobs_) give_up(job.reads);
}

void HostReader::run() {
  std::unique_lock hold(lock_);
  while (true) {
    wake_.wait(hold, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job& job = jobs_.front();  // stays there for settle(); what is added behind it does not move it
    hold.unlock();
    finish(job);
    hold.lock();
    jobs_.pop_front();
  }
}

void HostReader::finish(Job& job) noexcept {
  wait_for(context_, job.needs, std::numeric_limits<double>::infinity());
  {
    std::lock_guard hold(reading_);
    if (context_.sticky.set()) give_up(job.reads);
    read_now(job.reads);
  }
  if (const VkResult r = timeline_.signal_host(job.value); r != VK_SUCCESS)
    context_.sticky.raise(to_error(r, "signalling a finished read"));
}

}  // namespace anvil::vulkan
