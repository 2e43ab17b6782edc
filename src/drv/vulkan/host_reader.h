// The thread that copies to host memory once the GPU has produced the bytes.  One a stream, started by its first
// download: streams can then wait for each other's reads without any order between the threads.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "drv/vulkan/timeline.h"

namespace anvil::vulkan {

struct HostRead {
  void* to = nullptr;
  const std::byte* from = nullptr;  // mapped device memory or staging
  uint64_t bytes = 0;
};

class HostReader {
 public:
  HostReader(Context& context, Timeline& timeline) : context_(context), timeline_(timeline) {}
  ~HostReader();  // finishes what it was given

  // Once `needs` are met, does the reads and signals the timeline's host semaphore with `value`.  On a failed device it
  // skips the reads and signals all the same.
  void after(std::vector<Need> needs, std::vector<HostRead> reads, uint64_t value);
  // On a failed device: returns once no read is being made, and none will be.
  void settle() { std::lock_guard hold(reading_); }

 private:
  struct Job {
    std::vector<Need> needs;
    std::vector<HostRead> reads;
    uint64_t value;
  };
  void run();
  void finish(const Job& job) noexcept;

  Context& context_;
  Timeline& timeline_;
  std::mutex reading_;  // held while host memory is written
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace anvil::vulkan
