// The thread that copies to host memory once the GPU has produced the bytes.  One a stream, started by its first
// download: streams can then wait for each other's reads without any order between the threads.
#pragma once
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "drv/host_read.h"
#include "drv/vulkan/timeline.h"

namespace anvil::vulkan {

class HostReader {
 public:
  HostReader(Context& context, Timeline& timeline) : context_(context), timeline_(timeline) {}
  ~HostReader();  // finishes what it was given

  // Once `needs` are met, does the reads and signals the timeline's host semaphore with `value`.  On a failed device it
  // gives the reads up and signals all the same.
  void after(std::vector<Need> needs, std::vector<HostRead> reads, uint64_t value);
  // On a failed device: gives up what is not read yet.  After that no host memory is written.
  void settle();

 private:
  struct Job {
    std::vector<Need> needs;
    std::vector<HostRead> reads;
    uint64_t value;
  };
  void run();
  void finish(Job& job) noexcept;

  Context& context_;
  Timeline& timeline_;
  std::mutex reading_;  // held while host memory is written, and guards the jobs' `reads`; taken before lock_
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;  // oldest first; the front one is being worked on
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace anvil::vulkan
