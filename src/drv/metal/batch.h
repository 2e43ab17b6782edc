// The command buffers of one stream: one is open at a time, a bounded number is on its way.
#pragma once
#include <memory>
#include <vector>

#include "drv/metal/completions.h"
#include "drv/metal/context.h"
#include "drv/metal/timeline.h"

namespace anvil::metal {

// Not thread-safe: under the stream's lock.  The caller has a Pool open.
class Batch {
 public:
  // Room for `most_running` command buffers on their way: Metal blocks whoever asks for more.
  Batch(Context& context, std::shared_ptr<Timeline> timeline, std::shared_ptr<Completions> completions,
        uint64_t most_running);
  ~Batch();  // drops what is open
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Is work being recorded?
  bool open() const { return encoder_.get() != nullptr; }
  // Begins one that starts after `waits`; none may be open.
  void begin(const std::vector<Need>& waits);
  // The open encoder.  Kernels recorded in it may run at the same time, until a barrier.
  MTL::ComputeCommandEncoder* encoder() const { return encoder_.get(); }
  // Makes everything recorded before visible to everything after.
  void barrier() { encoder_->memoryBarrier(MTL::BarrierScopeBuffers); }
  // The kernels recorded next reach into `buffer` by address.
  void use(MTL::Buffer* buffer);
  // Sends the open batch off as point `value`, which the GPU signals, or the host once it has made `reads`.
  void submit(uint64_t value, std::vector<HostRead> reads);
  // Drops the open batch.
  void abandon();
  // As submit() of a batch without work that starts after `waits` and after all that was submitted before.
  void submit_empty(uint64_t value, const std::vector<Need>& waits, std::vector<HostRead> reads);

 private:
  void make_commands(const std::vector<Need>& waits);
  void commit(uint64_t value, std::vector<HostRead> reads);
  void end_encoder();

  Context& context_;
  const std::shared_ptr<Timeline> timeline_;
  const std::shared_ptr<Completions> completions_;
  Ref<MTL::CommandQueue> queue_;
  // Untracked resources are ours to order, also from one encoder to the next.
  Ref<MTL::Fence> fence_;
  Ref<MTL::CommandBuffer> commands_;
  Ref<MTL::ComputeCommandEncoder> encoder_;
  std::vector<MTL::Buffer*> used_;  // of the open encoder; where resources must be named
  std::vector<Need> waits_;         // of the open command buffer: their events must outlive it
  uint64_t last_read_ = 0;          // the newest point that the host signals
};

}  // namespace anvil::metal
