// One stream: what is recorded, when it is submitted, and who waits for whom.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "drv/driver.h"
#include "drv/hazards.h"
#include "drv/vulkan/batch.h"
#include "drv/vulkan/host_reader.h"
#include "drv/vulkan/memory.h"
#include "drv/vulkan/registry.h"
#include "drv/vulkan/staging.h"
#include "drv/vulkan/timestamps.h"

namespace anvil::vulkan {

class Pipeline;

class VulkanStream final : public Stream {
 public:
  VulkanStream(Context& context, Memory& memory, Registry& registry, StreamKind kind);
  ~VulkanStream() override;

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

  // All below: with the lock held.

  // Makes room for one piece of work that touches `ranges`: an open command buffer, a barrier if they conflict with
  // earlier work, and order after host reads that it would overwrite.
  VkCommandBuffer begin(std::span<const Range> ranges);
  // Notes the piece of work just recorded and submits if the batch is due.
  void end(uint64_t cost);
  // Closes what is recorded as a point.
  uint64_t close();
  // The point that the piece of work recorded last belongs to.
  uint64_t newest_work() const;
  void submit(uint64_t value);
  void forget_done_reads();
  void protect_reads(std::span<const Range> ranges);
  void choose_limit();
  // Blocks until `value` is reached; throws the sticky error.
  void block_on(uint64_t value);
  Slice take(StagingPool& pool, uint64_t bytes, uint64_t least);
  void copy_span(const Span& to, const Span& from);
  void copy_overlapping(const Span& to, const Span& from);
  void fill_ends(const Span& to, uint32_t word, uint64_t head, uint64_t tail);
  void staged_upload(const Span& to, const std::byte* from);
  void staged_download(std::byte* to, const Span& from);

  Context& context_;
  Memory& memory_;
  Registry& registry_;
  Queue& queue_;
  const bool can_compute_;
  std::shared_ptr<Timeline> timeline_;

  std::mutex lock_;
  Batch batch_;
  Hazards hazards_;
  std::vector<Need> waits_;     // the next submission starts after these
  bool waits_changed_ = false;  // since the last point
  const Pipeline* bound_ = nullptr;
  std::vector<uint64_t> addresses_;  // scratch of launch()
  std::vector<Range> ranges_;        // scratch
  uint32_t recorded_ = 0;            // pieces of work in the open batch
  uint64_t cost_ = 0;                // bytes they touch
  uint32_t limit_;                   // pieces of work after which the batch is due

  // Host reads that later work must not overtake: those of the open batch have value 0.
  struct Unread {
    Range range;
    uint64_t value;
  };
  std::vector<Unread> unread_;
  std::vector<HostRead> reads_;  // of the open batch

  StagingPool uploads_, downloads_, parameters_;
  Context::Memory bounce_;  // for overlapping copies; made when first needed
  Timestamps timestamps_;
  HostReader reader_;
};

}  // namespace anvil::vulkan
