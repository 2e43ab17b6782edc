#include "drv/metal/stream.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/counters.h"
#include "base/log.h"

namespace anvil::metal {
namespace {

// Batch sizes in pieces of work.  An idle GPU gets a small batch at once; a busy one gets large ones, which cost the
// host less.
constexpr uint32_t kFirst = 4, kFull = 40;
constexpr uint32_t kLookEvery = 8;  // how often a growing batch asks whether the GPU has run dry
// Bytes touched by one batch.  macOS ends command buffers that keep its own windows from being drawn.
constexpr uint64_t kCostBudget = 256u << 20;
// Command buffers on the way.  A host that is so far ahead waits.
constexpr size_t kMostRunning = 256;
constexpr uint32_t kStagingBlocks = 4;
constexpr uint64_t kParameterBlock = 64u << 10;
constexpr uint32_t kParameterBlocks = 64;
constexpr double kSlowSeconds = 60;  // a wait this long is worth a line in the log
constexpr uint64_t kMarks = 1024;

uint64_t align8(uint64_t n) { return (n + 7) & ~uint64_t{7}; }

// A thread's position in the whole grid is a 32-bit number.
bool fits(const Grid& grid, const MTL::Size& group) {
  const auto ok = [](uint32_t groups, uint64_t threads) { return groups * threads < UINT32_MAX; };
  return ok(grid.x, group.width) && ok(grid.y, group.height) && ok(grid.z, group.depth);
}

}  // namespace

MetalStream::MetalStream(Context& context, Memory& memory, Registry& registry, Pipelines& pipelines)
    : context_(context),
      memory_(memory),
      registry_(registry),
      pipelines_(pipelines),
      timeline_(std::make_shared<Timeline>(context)),
      completions_(std::make_shared<Completions>(context, timeline_)),
      batch_(context, timeline_, completions_, kMostRunning),
      limit_(kFirst),
      uploads_(context, context.config.staging_block, kStagingBlocks),
      parameters_(context, kParameterBlock, kParameterBlocks),
      marks_(kMarks) {
  registry_.enter(this, timeline_);
}

MetalStream::~MetalStream() {
  const Pool pool;
  try {
    const Point end = flush();
    timeline_->wait(end.value, std::numeric_limits<double>::infinity());
  } catch (const std::exception& e) {
    log(LogKind::error, str("while closing a stream: ", e.what()));
  }
  // Handlers run behind the timeline, and after a failure points count as reached that the GPU has yet to pass.
  completions_->wait_for_all();
  registry_.leave(this);
  if (bounce_) context_.drop_buffer(bounce_.get());
}

// ---- recording ----

void MetalStream::begin(std::span<const Range> ranges) {
  context_.sticky.check();
  if (any_conflict(ranges, read_ranges_)) close();  // the next batch starts after the host has read
  if (!batch_.open()) {
    make_room();
    limit_ = completions_->running() == 0 ? kFirst : std::min(limit_ * 2, kFull);
    std::erase_if(waits_, [](const Need& n) { return n.on->reached(n.value); });
    batch_.begin(waits_);
    waits_.clear();
    bound_ = nullptr;
    hazards_.clear();  // what came before is behind a fence
  }
  if (hazards_.admit(ranges) || context_.config.options.safe) {
    batch_.barrier();
    add(Counter::barriers);
  }
  timeline_->touch(ranges);
}

void MetalStream::make_room() {
  if (completions_->running() < kMostRunning) return;
  add(Counter::waits);
  block_on(completions_->oldest());
}

void MetalStream::end(uint64_t cost) {
  ++recorded_;
  cost_ += cost;
  if (context_.config.options.safe) {
    block_on(close());
    return;
  }
  bool due = recorded_ >= limit_ || cost_ >= kCostBudget;
  if (!due && recorded_ % kLookEvery == 0) due = timeline_->reached(timeline_->last());
  if (due) close();
}

void MetalStream::bind(const Pipeline& pipeline) {
  if (bound_ == &pipeline) return;
  batch_.encoder()->setComputePipelineState(pipeline.state());
  bound_ = &pipeline;
}

void MetalStream::launch(const Kernel& kernel, Grid grid, std::span<const Arg> args,
                         std::span<const std::byte> params) {
  const auto& pipeline = static_cast<const Pipeline&>(kernel);
  const uint64_t bytes = args.size() * 8 + params.size();
  require(&pipeline.context() == &context_, Code::internal, "kernel ", kernel.name(), " belongs to another device");
  require(align8(bytes) == align8(pipeline.param_bytes()), Code::internal, "kernel ", kernel.name(), " takes ",
          pipeline.param_bytes(), " bytes of parameters, the launch has ", bytes);
  require(fits(grid, pipeline.group()), Code::unimplemented, "a launch of ", grid.x, " x ", grid.y, " x ", grid.z,
          " groups of ", kernel.name(), " is too large for the device");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;

  const Pool pool;
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
  begin(ranges_);
  bind(pipeline);
  if (context_.must_name_resources()) {
    for (const Arg& a : args)
      if (a.bytes) batch_.use(to_buffer(memory_.table().find(a.address, a.bytes).buffer));
    if (block.buffer) batch_.use(block.buffer);
  }
  alignas(8) std::byte pushed[kPushBytes] = {};
  std::byte* to = pipeline.by_pointer() ? block.host : pushed;
  if (!args.empty()) std::memcpy(to, addresses_.data(), args.size() * 8);
  if (!params.empty()) std::memcpy(to + args.size() * 8, params.data(), params.size());
  uint64_t n = align8(bytes);
  if (pipeline.by_pointer()) {
    std::memcpy(pushed, &block.device, 8);
    n = 8;
  }
  if (n) batch_.encoder()->setBytes(pushed, n, 0);
  batch_.encoder()->dispatchThreadgroups(MTL::Size(grid.x, grid.y, grid.z), pipeline.group());
  add(Counter::launches);
  end(cost);
  if (pipeline.by_pointer()) parameters_.used(newest_work());
}

// ---- points ----

uint64_t MetalStream::close() {
  const Pool pool;
  std::erase_if(waits_, [](const Need& n) { return n.on->reached(n.value); });
  const bool work = batch_.open();
  if (!work) {
    if (reads_.empty() && (waits_.empty() || !waits_changed_)) return timeline_->last();
    make_room();
  }
  submit(work);
  waits_changed_ = false;
  return timeline_->last();
}

void MetalStream::submit(bool work) {
  recorded_ = 0;
  cost_ = 0;
  bound_ = nullptr;
  for (const FaultKind kind : {FaultKind::submit, FaultKind::lost}) {
    if (!context_.faults.hit(kind)) continue;
    batch_.abandon();
    give_up(reads_);
    const auto code =
        kind == FaultKind::lost ? MTL::CommandBufferErrorDeviceRemoved : MTL::CommandBufferErrorOutOfMemory;
    context_.sticky.raise(to_error(code, "injected", "submitting work"));
    context_.sticky.check();
  }
  // A point that is only waited for keeps its waits: nothing in it holds back the batch that comes after.
  if (work) batch_.submit(timeline_->next(), std::move(reads_));
  else batch_.submit_empty(timeline_->next(), waits_, std::move(reads_));
  reads_.clear();
  read_ranges_.clear();
  timeline_->close();
}

Point MetalStream::flush() {
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

void MetalStream::wait(Point point) {
  if (point.value == 0 || point.stream == this) return;
  const std::shared_ptr<Timeline> other = registry_.timeline(point.stream);
  if (!other || other == timeline_) return;
  // The stream may be a later one at the same address: then its points are fewer.
  wait_for_needs({{other, std::min(point.value, other->last())}});
}

void MetalStream::wait_for_needs(const std::vector<Need>& needs) {
  const Pool pool;
  std::lock_guard hold(lock_);
  context_.sticky.check();
  for (const Need& n : needs) {
    if (n.on->reached(n.value)) continue;
    if (batch_.open()) close();  // what is recorded already need not wait
    merge(waits_, n);
    waits_changed_ = true;
  }
}

void MetalStream::wait_for_users(const Range& range) {
  auto users = registry_.users(range);
  std::erase_if(users, [&](const Need& user) { return user.on == timeline_; });
  if (users.empty()) return;
  registry_.flush_all();  // or the work waited for might come after this
  wait_for_needs(users);
}

bool MetalStream::reached(uint64_t value) {
  const bool yes = timeline_->reached(value);
  if (yes && context_.sticky.set()) completions_->settle();
  return yes;
}

void MetalStream::block_on(uint64_t value) {
  while (!timeline_->wait(value, kSlowSeconds))
    log(LogKind::warn, str("still waiting for the GPU after ", kSlowSeconds, " seconds"));
  if (context_.sticky.set()) completions_->settle();
  context_.sticky.check();
}

void MetalStream::sync(uint64_t value, WaitFor why) {
  if (value > timeline_->last()) {
    std::lock_guard hold(lock_);
    if (!context_.sticky.set()) close();
  }
  if (!timeline_->reached(value)) add(why == WaitFor::script_read ? Counter::script_reads : Counter::waits);
  block_on(value);
}

// ---- time ----

// Metal times whole command buffers, so a mark ends one.
uint64_t MetalStream::mark() {
  std::lock_guard hold(lock_);
  context_.sticky.check();
  const uint64_t point = close();
  marks_[++last_mark_ % kMarks] = point;
  return last_mark_;
}

uint64_t MetalStream::elapsed(uint64_t from_mark, uint64_t to_mark) {
  std::lock_guard hold(lock_);
  const auto end_of = [&](uint64_t mark) {
    const bool kept = mark != 0 && mark <= last_mark_ && last_mark_ - mark < kMarks;
    const uint64_t point = kept ? marks_[mark % kMarks] : 0;
    return timeline_->reached(point) ? completions_->end_of(point) : 0.0;
  };
  const double from = end_of(from_mark), to = end_of(to_mark);
  return from > 0 && to > from ? static_cast<uint64_t>((to - from) * 1e9) : 0;
}

}  // namespace anvil::metal
