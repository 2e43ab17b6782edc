// A device's first fault, which stays.
#pragma once
#include <atomic>
#include <mutex>
#include <string>

#include "base/error.h"

namespace anvil {

// Is this a process forked from the one that opened the device?  GPU drivers do not work there: the threads and the
// queues are the parent's, and whoever waits for them waits for ever.
bool forked();
// From now on forked() knows.  Every driver calls it before it opens a device.
void watch_for_forks();

// The first fault found after the fact.  It stays: every later call reports it.  In a forked process it is set, too.
class Sticky {
 public:
  bool set() const { return set_.load(std::memory_order_acquire) || forked(); }
  void check() const {
    if (set()) [[unlikely]]
      throw_it();
  }
  void raise(const Error& error);  // the first one counts; logged
  std::string message() const;

 private:
  [[noreturn]] void throw_it() const;
  std::atomic<bool> set_{false};
  mutable std::mutex lock_;
  Error error_{Code::internal, ""};
};

}  // namespace anvil
