#include "drv/sticky.h"

#include <pthread.h>

#include "base/counters.h"
#include "base/log.h"

namespace anvil {
namespace {

constexpr const char* kForked =
    "the GPU cannot be used in a process forked from one that has used it; start the process anew, e.g. with the start "
    "method \"spawn\" of multiprocessing, or fork before the first use of TensorFlow";

std::atomic<bool> is_fork{false};

}  // namespace

void watch_for_forks() {
  static const int once = pthread_atfork(nullptr, nullptr, [] { is_fork.store(true, std::memory_order_relaxed); });
  require(once == 0, Code::resource_exhausted, "forks cannot be watched for: the computer's own memory is used up");
}

bool forked() { return is_fork.load(std::memory_order_relaxed); }

void Sticky::raise(const Error& error) {
  {
    std::lock_guard hold(lock_);
    if (set()) return;
    error_ = error;
    set_.store(true, std::memory_order_release);
  }
  add(Counter::device_errors);
  log(LogKind::error, error.what());
}
void Sticky::throw_it() const {
  if (forked()) fail(Code::unavailable, kForked);
  std::lock_guard hold(lock_);
  throw error_;
}
std::string Sticky::message() const {
  if (forked()) return kForked;
  std::lock_guard hold(lock_);
  return set() ? error_.what() : "";
}

}  // namespace anvil
