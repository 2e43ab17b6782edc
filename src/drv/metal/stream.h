// One stream: what is recorded, when it is submitted, and who waits for whom.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "drv/driver.h"
#include "drv/hazards.h"
#include "drv/metal/batch.h"
#include "drv/metal/completions.h"
#include "drv/metal/memory.h"
#include "drv/metal/pipeline.h"
#include "drv/metal/registry.h"
#include "drv/metal/staging.h"

namespace anvil::metal {

struct Transfer;

class MetalStream final : public Stream {
 public:
  MetalStream(Context& context, Memory& memory, Registry& registry, Pipelines& pipelines);
  ~MetalStream() override;

  using Stream::launch;
  void launch(const Kernel& kernel, Grid grid, std::span<const Arg> args, std::span<const std::byte> params) override;
  void copy(void* to, const void* from, uint64_t bytes) override;
  void upload(void* to, const void* from, uint64_t bytes) override;
  void download(void* to, const void* from, uint64_t bytes) override;
  void fill(void* to, uint32_t pattern, uint32_t pattern_bytes, uint64_t bytes) override;
  Point flush() override;
  void wait(Point point) override;
  bool reached(uint64_t value) override;
  void sync(uint64_t value, WaitFor why) override;
  uint64_t mark() override;
  uint64_t elapsed(uint64_t from_mark, uint64_t to_mark) override;

 private:
  // These take the lock: later work on this stream starts after them, or after what other streams do to the range.
  void wait_for_needs(const std::vector<Need>& needs);
  void wait_for_users(const Range& range);

  // All below: with the lock held and a Pool open.

  // Makes room for one piece of work that touches `ranges`: an open batch, and a barrier if they conflict with earlier
  // work in it.
  void begin(std::span<const Range> ranges);
  // Notes the piece of work just recorded and submits if the batch is due.
  void end(uint64_t cost);
  // Closes what is recorded as a point.
  uint64_t close();
  // The point that the piece of work recorded last belongs to.
  uint64_t newest_work() const { return batch_.open() ? timeline_->next() : timeline_->last(); }
  void submit(bool work);
  // Waits if too many command buffers are on their way.
  void make_room();
  // Blocks until `value` is reached; throws the sticky error.
  void block_on(uint64_t value);
  Slice take(StagingPool& pool, uint64_t bytes, uint64_t least);
  void bind(const Pipeline& pipeline);
  // One of the driver's own kernels, between begin() and end().
  void transfer(const Pipeline& kernel, const Transfer& t);
  void copy_span(const Span& to, const Span& from);
  void copy_overlapping(const Span& to, const Span& from);

  Context& context_;
  Memory& memory_;
  Registry& registry_;
  Pipelines& pipelines_;
  const std::shared_ptr<Timeline> timeline_;
  const std::shared_ptr<Completions> completions_;

  std::mutex lock_;
  Batch batch_;
  Hazards hazards_;
  std::vector<Need> waits_;     // the next batch starts after these
  bool waits_changed_ = false;  // since the last point
  const Pipeline* bound_ = nullptr;
  std::vector<uint64_t> addresses_;  // scratch of launch()
  std::vector<Range> ranges_;        // scratch
  uint32_t recorded_ = 0;            // pieces of work in the open batch
  uint64_t cost_ = 0;                // bytes they touch
  uint32_t limit_;                   // pieces of work after which the batch is due
  // Host reads of the open batch, made once it is done, and their ranges.
  std::vector<HostRead> reads_;
  std::vector<Range> read_ranges_;

  StagingPool uploads_, parameters_;
  Ref<MTL::Buffer> bounce_;      // for overlapping copies; made when first needed
  std::vector<uint64_t> marks_;  // ring: the point that each of the last kMarks marks stands behind
  uint64_t last_mark_ = 0;
};

}  // namespace anvil::metal
