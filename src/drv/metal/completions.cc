#include "drv/metal/completions.h"

#include <algorithm>

namespace anvil::metal {

void Completions::expect(uint64_t value, std::vector<HostRead> reads) {
  std::lock_guard hold(lock_);
  const bool by_host = !reads.empty();
  jobs_.push_back({value, by_host, std::move(reads)});
}

void Completions::finish(MTL::CommandBuffer* commands, uint64_t value) {
  const bool failed = commands->status() == MTL::CommandBufferStatusError;
  if (failed) {
    const Pool pool;
    context_.sticky.raise(to_error(commands->error(), "running kernels"));
  }
  const auto job = std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.value == value; });
  if (context_.sticky.set()) give_up(job->reads);
  read_now(job->reads);
  times_[value % kTimes] = {value, commands->GPUEndTime()};
  // A command buffer that failed signals nothing, and other queues may be waiting for it.
  if (job->by_host || failed) timeline_->signal(value);
  jobs_.erase(job);
}

void Completions::completed(MTL::CommandBuffer* commands, uint64_t value) noexcept {
  std::lock_guard hold(lock_);
  finish(commands, value);
  done_.notify_all();
}

void Completions::settle() {
  if (forked()) return;  // the lock may be held for ever by a thread of the parent
  std::lock_guard hold(lock_);
  for (Job& job : jobs_) give_up(job.reads);
}

size_t Completions::running() const {
  std::lock_guard hold(lock_);
  return jobs_.size();
}

uint64_t Completions::oldest() const {
  std::lock_guard hold(lock_);
  return jobs_.empty() ? 0 : jobs_.front().value;
}

void Completions::wait_for_all() {
  if (forked()) return;
  std::unique_lock hold(lock_);
  done_.wait(hold, [&] { return jobs_.empty(); });
}

double Completions::end_of(uint64_t value) {
  if (forked()) return 0;
  std::unique_lock hold(lock_);
  done_.wait(hold, [&] { return jobs_.empty() || jobs_.front().value > value; });
  const Time& t = times_[value % kTimes];
  return value != 0 && t.value == value ? t.end : 0;
}

}  // namespace anvil::metal
