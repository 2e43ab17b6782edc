// The copies of a stream: device to device, to and from the host, and fills.
#include <algorithm>
#include <cstring>

#include "base/counters.h"
#include "drv/metal/stream.h"
#include "drv/metal/transfer_kernels.h"

namespace anvil::metal {
namespace {

constexpr uint64_t kBounceBytes = 1u << 20;

Range reads(const Span& s) { return {s.device, s.device + s.bytes, false}; }
Range writes(const Span& s) { return {s.device, s.device + s.bytes, true}; }

Span part(const Span& s, uint64_t from, uint64_t bytes) {
  return {s.buffer, s.offset + from, s.device + from, s.host ? s.host + from : nullptr, bytes};
}

Span span_of(MTL::Buffer* buffer, uint64_t device, uint64_t bytes) {
  return {reinterpret_cast<uintptr_t>(buffer), 0, device, nullptr, bytes};
}

// The largest unit that both addresses are multiples of, as the kernels want it.
uint32_t unit(uint64_t a, uint64_t b) { return (a | b) % 16 == 0 ? 16 : (a | b) % 4 == 0 ? 4 : 1; }

}  // namespace

Slice MetalStream::take(StagingPool& pool, uint64_t bytes, uint64_t least) {
  require(least <= pool.block_bytes(), Code::unimplemented, "a parameter block of ", least, " bytes is too large");
  context_.sticky.check();
  const auto reached = [&](uint64_t v) { return v < timeline_->next() && timeline_->reached(v); };
  // The slice belongs to the point that the open batch becomes; used() corrects that if the batch closes first.
  Slice s = pool.take(bytes, least, timeline_->next(), reached);
  while (!s.bytes) {
    close();
    add(Counter::staging_waits);
    block_on(std::min(pool.oldest(), timeline_->last()));
    s = pool.take(bytes, least, timeline_->next(), reached);
  }
  return s;
}

void MetalStream::transfer(const Pipeline& kernel, const Transfer& t) {
  bind(kernel);
  const Grid grid = Grid::line(div_up(t.bytes, kTransferThreads * kBytesPerThread));
  batch_.encoder()->setBytes(&t, sizeof t, 0);
  batch_.encoder()->dispatchThreadgroups(MTL::Size(grid.x, grid.y, grid.z), kernel.group());
}

void MetalStream::copy_span(const Span& to, const Span& from) {
  const Pipeline& kernel = pipelines_.copier();
  const Range touched[2] = {reads(from), writes(to)};
  begin(touched);
  batch_.use(to_buffer(from.buffer));
  batch_.use(to_buffer(to.buffer));
  transfer(kernel, {to.device, from.device, to.bytes, 0, unit(to.device, from.device)});
  end(2 * to.bytes);
}

void MetalStream::copy_overlapping(const Span& to, const Span& from) {
  const bool forward = to.device < from.device;
  const uint64_t distance = forward ? from.device - to.device : to.device - from.device;
  // Pieces no longer than the distance do not overlap themselves; short ones would be too many, so they bounce.
  const bool bounce = distance < kBounceBytes;
  const uint64_t piece = bounce ? kBounceBytes : distance;
  if (bounce && !bounce_) bounce_ = context_.make_buffer(kBounceBytes);
  for (uint64_t done = 0; done < to.bytes;) {
    const uint64_t n = std::min(piece, to.bytes - done);
    const uint64_t at = forward ? done : to.bytes - done - n;
    if (bounce) {
      const Span middle = span_of(bounce_.get(), bounce_->gpuAddress(), n);
      copy_span(middle, part(from, at, n));
      copy_span(part(to, at, n), middle);
    } else {
      copy_span(part(to, at, n), part(from, at, n));
    }
    done += n;
  }
}

void MetalStream::copy(void* to, const void* from, uint64_t bytes) {
  if (bytes == 0 || to == from) return;
  const Span target = memory_.table().find(to, bytes), source = memory_.table().find(from, bytes);
  const Pool pool;
  std::lock_guard hold(lock_);
  context_.sticky.check();
  add(Counter::bytes_on_device, bytes);
  if (reads(source).overlaps(writes(target))) copy_overlapping(target, source);
  else copy_span(target, source);
}

void MetalStream::upload(void* to, const void* from, uint64_t bytes) {
  if (bytes == 0) return;
  context_.sticky.check();
  const Span target = memory_.table().find(to, bytes);
  add(Counter::bytes_to_device, bytes);
  if (!registry_.busy(writes(target))) {
    // Nobody is using the range, so writing it now is as good as writing it in the stream's order.
    std::memcpy(target.host, from, bytes);
    add(Counter::direct_uploads);
    return;
  }
  wait_for_users(writes(target));
  const Pool pool;
  std::lock_guard hold(lock_);
  add(Counter::staged_uploads);
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t left = bytes - done;
    const Slice s = take(uploads_, left, std::min<uint64_t>(left, 64u << 10));
    std::memcpy(s.host, static_cast<const std::byte*>(from) + done, s.bytes);
    copy_span(part(target, done, s.bytes), span_of(s.buffer, s.device, s.bytes));
    uploads_.used(newest_work());
    done += s.bytes;
    if (s.bytes < left) close();  // the GPU copies while the host fills the next block
  }
}

void MetalStream::download(void* to, const void* from, uint64_t bytes) {
  if (bytes == 0) return;
  context_.sticky.check();
  const Span source = memory_.table().find(from, bytes);
  add(Counter::bytes_to_host, bytes);
  const Range range = reads(source);
  if (!registry_.busy(range)) {
    std::memcpy(to, source.host, bytes);
    return;
  }
  std::lock_guard hold(lock_);
  timeline_->touch({&range, 1});
  reads_.push_back({to, source.host, bytes});
  read_ranges_.push_back(range);
}

void MetalStream::fill(void* to, uint32_t pattern, uint32_t pattern_bytes, uint64_t bytes) {
  require(pattern_bytes == 1 || pattern_bytes == 4, Code::internal, "a fill pattern of ", pattern_bytes, " bytes");
  require(pattern_bytes == 1 || (reinterpret_cast<uintptr_t>(to) % 4 == 0 && bytes % 4 == 0), Code::internal,
          "a fill with 4-byte patterns must be 4-byte aligned");
  if (bytes == 0) return;
  const Span target = memory_.table().find(to, bytes);
  const uint32_t word = pattern_bytes == 4 ? pattern : (pattern & 0xff) * 0x01010101u;
  const Pipeline& kernel = pipelines_.filler();
  const Pool pool;
  std::lock_guard hold(lock_);
  const Range touched = writes(target);
  begin({&touched, 1});
  add(Counter::fills);
  batch_.use(to_buffer(target.buffer));
  transfer(kernel, {target.device, 0, bytes, word, unit(target.device, 0)});
  end(bytes);
}

}  // namespace anvil::metal
