#include "drv/metal/batch.h"

#include <algorithm>

#include "base/counters.h"

namespace anvil::metal {
namespace {

// Command buffers that are done but whose handlers have not run, and the open one.
constexpr uint64_t kLate = 64;

// NS::RetainPtr() takes no nil.
template <class T>
Ref<T> retained(T* object) {
  return object ? NS::RetainPtr(object) : Ref<T>();
}

}  // namespace

Batch::Batch(Context& context, std::shared_ptr<Timeline> timeline, std::shared_ptr<Completions> completions,
             uint64_t most_running)
    : context_(context),
      timeline_(std::move(timeline)),
      completions_(std::move(completions)),
      queue_(context.make_queue(most_running + kLate)),
      fence_(NS::TransferPtr(context.device->newFence())) {
  require(fence_.get(), Code::resource_exhausted, "Metal: no fence could be made");
}

Batch::~Batch() { abandon(); }

void Batch::make_commands(const std::vector<Need>& waits) {
  commands_ = retained(queue_->commandBuffer());
  require(commands_.get(), Code::resource_exhausted, "Metal: no command buffer could be made");
  waits_ = waits;
  for (const Need& n : waits_) commands_->encodeWait(n.on->event(), n.value);
}

void Batch::begin(const std::vector<Need>& waits) {
  make_commands(waits);
  // What is recorded from here on may overwrite what the host is about to read.
  if (last_read_ && !timeline_->reached(last_read_)) commands_->encodeWait(timeline_->event(), last_read_);
  encoder_ = retained(commands_->computeCommandEncoder(MTL::DispatchTypeConcurrent));
  if (!encoder_) {
    abandon();
    fail(Code::resource_exhausted, "Metal: no command encoder could be made");
  }
  encoder_->waitForFence(fence_.get());
}

void Batch::use(MTL::Buffer* buffer) {
  if (!context_.must_name_resources() || std::find(used_.begin(), used_.end(), buffer) != used_.end()) return;
  used_.push_back(buffer);
  encoder_->useResource(buffer, MTL::ResourceUsageRead | MTL::ResourceUsageWrite);
}

void Batch::end_encoder() {
  if (!encoder_) return;
  encoder_->updateFence(fence_.get());
  encoder_->endEncoding();
  encoder_.reset();
  used_.clear();
}

void Batch::commit(uint64_t value, std::vector<HostRead> reads) {
  if (reads.empty()) commands_->encodeSignalEvent(timeline_->event(), value);
  else last_read_ = value;
  completions_->expect(value, std::move(reads));
  commands_->addCompletedHandler([completions = completions_, waits = std::move(waits_),
                                  value](MTL::CommandBuffer* done) { completions->completed(done, value); });
  commands_->commit();
  commands_.reset();
  add(Counter::submissions);
}

void Batch::submit(uint64_t value, std::vector<HostRead> reads) {
  end_encoder();
  commit(value, std::move(reads));
}

void Batch::submit_empty(uint64_t value, const std::vector<Need>& waits, std::vector<HostRead> reads) {
  make_commands(waits);
  commands_->encodeWait(timeline_->event(), timeline_->last());
  commit(value, std::move(reads));
}

void Batch::abandon() {
  end_encoder();
  commands_.reset();
}

}  // namespace anvil::metal
