#include "drv/vulkan/stream.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/counters.h"
#include "base/log.h"
#include "drv/vulkan/pipeline.h"

namespace anvil::vulkan {
namespace {

// Batch sizes in pieces of work.  An idle GPU gets a small batch at once; a busy one gets large ones, which cost the
// host less.
constexpr uint32_t kFirst = 4, kFull = 40;
constexpr uint32_t kLookEvery = 8;            // how often a growing batch asks whether the GPU has run dry
constexpr uint64_t kCostBudget = 256u << 20;  // bytes touched by one batch: keeps it well below a driver's time limit
// Submissions on the way.  A host that is so far ahead waits, or command buffers would pile up.
constexpr size_t kMostRunning = 256;
constexpr uint32_t kStagingBlocks = 4;
constexpr uint64_t kParameterBlock = 64u << 10;
constexpr uint32_t kParameterBlocks = 64;
constexpr double kSlowSeconds = 60;  // a wait this long is worth a line in the log

uint64_t align8(uint64_t n) { return (n + 7) & ~uint64_t{7}; }

}  // namespace

VulkanStream::VulkanStream(Context& context, Memory& memory, Registry& registry, StreamKind kind)
    : context_(context),
      memory_(memory),
      registry_(registry),
      queue_(kind == StreamKind::transfer && context.transfer.handle ? context.transfer : context.compute),
      can_compute_(&queue_ == &context.compute),
      timeline_(registry.new_timeline(context)),
      batch_(context, queue_),
      limit_(kFirst),
      uploads_(context, context.adapter.upload_type, context.config.staging_block, kStagingBlocks),
      downloads_(context, context.adapter.download_type, context.config.staging_block, kStagingBlocks),
      parameters_(context, context.adapter.upload_type, kParameterBlock, kParameterBlocks),
      timestamps_(context, can_compute_),
      reader_(context, *timeline_) {
  registry_.enter(this, timeline_);
}

VulkanStream::~VulkanStream() {
  try {
    const Point end = flush();
    timeline_->wait(end.value, std::numeric_limits<double>::infinity());
  } catch (const std::exception& e) {
    log(LogKind::error, str("while closing a stream: ", e.what()));
  }
  // After a failure points count as reached, but what was submitted before may still run.
  if (context_.sticky.set() && !forked()) {
    std::lock_guard hold(queue_.lock);
    context_.vk.vkQueueWaitIdle(queue_.handle);
  }
  registry_.leave(this);
  if (bounce_.buffer) context_.destroy_memory(bounce_);
}

// ---- recording ----

VkCommandBuffer VulkanStream::begin(std::span<const Range> ranges) {
  context_.sticky.check();
  if (!unread_.empty()) protect_reads(ranges);
  if (!batch_.open()) {
    choose_limit();
    bound_ = nullptr;
  }
  const VkCommandBuffer commands = batch_.commands();
  if (hazards_.admit(ranges) || context_.config.options.safe) {
    batch_.barrier();
    add(Counter::barriers);
  }
  timeline_->touch(ranges);
  return commands;
}

void VulkanStream::choose_limit() {
  const size_t running = batch_.running(timeline_->gpu_done());
  if (running >= kMostRunning) {
    add(Counter::waits);
    block_on(batch_.oldest());
  }
  limit_ = running == 0 ? kFirst : std::min(limit_ * 2, kFull);
}

void VulkanStream::end(uint64_t cost) {
  ++recorded_;
  cost_ += cost;
  if (context_.config.options.safe) {
    block_on(close());
    return;
  }
  bool due = recorded_ >= limit_ || cost_ >= kCostBudget;
  if (!due && recorded_ % kLookEvery == 0) due = batch_.running(timeline_->gpu_done()) == 0;
  if (due) close();
}

void VulkanStream::forget_done_reads() {
  const uint64_t done = timeline_->host_done();
  std::erase_if(unread_, [&](const Unread& u) { return u.value != 0 && u.value <= done; });
}

void VulkanStream::protect_reads(std::span<const Range> ranges) {
  forget_done_reads();
  const auto conflicts = [&](const Unread& u) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return r.conflicts(u.range); });
  };
  const bool with_open =
      std::any_of(unread_.begin(), unread_.end(), [&](const Unread& u) { return u.value == 0 && conflicts(u); });
  if (with_open) close();
  for (const Unread& u : unread_)
    if (conflicts(u)) merge(waits_, {timeline_, 0, u.value}), waits_changed_ = true;
}

void VulkanStream::launch(const Kernel& kernel, Grid grid, std::span<const Arg> args,
                          std::span<const std::byte> params) {
  const auto& pipeline = static_cast<const Pipeline&>(kernel);
  const uint64_t bytes = args.size() * 8 + params.size();
  require(&pipeline.context() == &context_, Code::internal, "kernel ", kernel.name(), " belongs to another device");
  require(can_compute_, Code::internal, "a transfer stream cannot launch ", kernel.name());
  require(align8(bytes) == align8(pipeline.param_bytes()), Code::internal, "kernel ", kernel.name(), " takes ",
          pipeline.param_bytes(), " bytes of parameters, the launch has ", bytes);
  const uint32_t* most = context_.adapter.max_groups;
  require(grid.x <= most[0] && grid.y <= most[1] && grid.z <= most[2], Code::unimplemented, "a launch of ", grid.x,
          " x ", grid.y, " x ", grid.z, " groups of ", kernel.name(), " is too large for the device");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;

  std::lock_guard hold(lock_);
  addresses_.resize(args.size());
  memory_.table().translate(args, addresses_.data());
  ranges_.clear();
  uint64_t cost = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i].bytes == 0) continue;
    ranges_.push_back({addresses_[i], addresses_[i] + args[i].bytes, args[i].access == Access::write});
    cost += args[i].bytes;
  }
  // May submit to get room, so it comes before begin().
  Slice block;
  if (pipeline.by_pointer()) block = take(parameters_, align8(bytes), align8(bytes));
  const VkCommandBuffer commands = begin(ranges_);
  if (bound_ != &pipeline) {
    context_.vk.vkCmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle());
    bound_ = &pipeline;
  }
  alignas(8) std::byte pushed[kPushBytes] = {};
  std::byte* to = pipeline.by_pointer() ? block.host : pushed;
  if (!args.empty()) std::memcpy(to, addresses_.data(), args.size() * 8);
  if (!params.empty()) std::memcpy(to + args.size() * 8, params.data(), params.size());
  uint32_t n = static_cast<uint32_t>(align8(bytes));
  if (pipeline.by_pointer()) {
    std::memcpy(pushed, &block.device, 8);
    n = 8;
  }
  if (n) context_.vk.vkCmdPushConstants(commands, context_.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, n, pushed);
  context_.vk.vkCmdDispatch(commands, grid.x, grid.y, grid.z);
  add(Counter::launches);
  end(cost);
  if (pipeline.by_pointer()) parameters_.used(newest_work());
}

// ---- points ----

uint64_t VulkanStream::newest_work() const { return batch_.open() ? timeline_->next() : timeline_->last(); }

uint64_t VulkanStream::close() {
  std::erase_if(waits_, [](const Need& n) { return n.met(); });
  if (!batch_.open() && reads_.empty()) {
    if (waits_.empty() || !waits_changed_) return timeline_->last();
    waits_changed_ = false;
    return timeline_->close(false, false, waits_);
  }
  const bool submitted = batch_.open(), reading = !reads_.empty();
  std::vector<Need> needs;
  if (submitted) {
    submit(timeline_->next());
  } else {
    needs = timeline_->needs(timeline_->last());
    for (const Need& n : waits_) merge(needs, n);
  }
  const uint64_t value = timeline_->close(submitted, reading, {});
  waits_changed_ = !submitted && !waits_.empty();
  if (reading) {
    if (submitted) needs.push_back({timeline_, value, 0});
    for (Unread& u : unread_)
      if (u.value == 0) u.value = value;
    reader_.after(std::move(needs), std::move(reads_), value);
    reads_.clear();
  }
  return value;
}

void VulkanStream::submit(uint64_t value) {
  const bool for_host = context_.direct_write || !reads_.empty();
  const VkResult r = batch_.submit(waits_, timeline_->gpu(), value, for_host);
  recorded_ = 0;
  cost_ = 0;
  bound_ = nullptr;
  if (r != VK_SUCCESS) {
    batch_.abandon();
    give_up(reads_);
    context_.sticky.raise(to_error(r, "submitting work"));
    context_.sticky.check();
  }
  waits_.clear();
}

Point VulkanStream::flush() {
  Point p{this, 0};
  {
    std::lock_guard hold(lock_);
    if (context_.sticky.set()) {
      give_up(reads_);
      p.value = timeline_->last();
    } else {
      p.value = close();
    }
  }
  memory_.reap();
  return p;
}

void VulkanStream::wait(Point point) {
  if (point.value == 0 || point.stream == this) return;
  const std::shared_ptr<Timeline> other = registry_.timeline(point.stream);
  if (!other || other == timeline_) return;
  wait_for_needs(other->needs(point.value));
}

void VulkanStream::wait_for_needs(const std::vector<Need>& needs) {
  if (needs.empty()) return;
  std::lock_guard hold(lock_);
  context_.sticky.check();
  if (batch_.open()) close();  // what is recorded already need not wait
  for (const Need& n : needs) merge(waits_, n);
  waits_changed_ = true;
}

void VulkanStream::wait_for_users(const Range& range) {
  auto users = registry_.users(range);
  std::erase_if(users, [&](const auto& user) { return user.first == timeline_; });
  if (users.empty()) return;
  registry_.flush_all();  // a queue may not wait for work that is behind it
  std::vector<Need> needs;
  for (const auto& [timeline, value] : users)
    for (const Need& n : timeline->needs(value)) merge(needs, n);
  wait_for_needs(needs);
}

bool VulkanStream::reached(uint64_t value) {
  const bool yes = timeline_->reached(value);
  if (yes && context_.sticky.set()) reader_.settle();
  return yes;
}

void VulkanStream::block_on(uint64_t value) {
  while (!timeline_->wait(value, kSlowSeconds))
    log(LogKind::warn, str("still waiting for the GPU after ", kSlowSeconds, " seconds"));
  if (context_.sticky.set()) reader_.settle();
  context_.sticky.check();
}

void VulkanStream::sync(uint64_t value, WaitFor why) {
  if (value > timeline_->last()) {
    std::lock_guard hold(lock_);
    close();
  }
  if (!timeline_->reached(value)) add(why == WaitFor::script_read ? Counter::script_reads : Counter::waits);
  block_on(value);
}

// ---- time ----

uint64_t VulkanStream::mark() {
  if (!timestamps_.usable()) return 0;
  std::lock_guard hold(lock_);
  const VkCommandBuffer commands = begin({});
  const uint64_t mark = timestamps_.record(commands);
  end(0);
  return mark;
}

uint64_t VulkanStream::elapsed(uint64_t from_mark, uint64_t to_mark) {
  std::lock_guard hold(lock_);
  return timestamps_.elapsed(from_mark, to_mark);
}

}  // namespace anvil::vulkan
