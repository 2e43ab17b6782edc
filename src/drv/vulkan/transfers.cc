// The copies of a stream: device to device, to and from the host, and fills.
#include <algorithm>
#include <cstring>

#include "base/counters.h"
#include "drv/vulkan/stream.h"

namespace anvil::vulkan {
namespace {

constexpr uint64_t kBounceBytes = 1u << 20;
constexpr size_t kMostUnread = 64;

Range reads(const Span& s) { return {s.device, s.device + s.bytes, false}; }
Range writes(const Span& s) { return {s.device, s.device + s.bytes, true}; }

Span part(const Span& s, uint64_t from, uint64_t bytes) {
  return {s.buffer, s.offset + from, s.device + from, s.host ? s.host + from : nullptr, bytes};
}

}  // namespace

Slice VulkanStream::take(StagingPool& pool, uint64_t bytes, uint64_t least) {
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

void VulkanStream::copy_span(const Span& to, const Span& from) {
  const Range touched[2] = {reads(from), writes(to)};
  const VkCommandBuffer commands = begin(touched);
  const VkBufferCopy region{from.offset, to.offset, to.bytes};
  context_.vk.vkCmdCopyBuffer(commands, to_buffer(from.buffer), to_buffer(to.buffer), 1, &region);
  end(2 * to.bytes);
}

void VulkanStream::copy_overlapping(const Span& to, const Span& from) {
  const bool forward = to.device < from.device;
  const uint64_t distance = forward ? from.device - to.device : to.device - from.device;
  // Pieces no longer than the distance do not overlap themselves; short ones would be too many, so they bounce.
  const bool bounce = distance < kBounceBytes;
  const uint64_t piece = bounce ? kBounceBytes : distance;
  if (bounce && !bounce_.buffer) bounce_ = context_.make_memory(kBounceBytes, context_.adapter.device_type, false);
  for (uint64_t done = 0; done < to.bytes;) {
    const uint64_t n = std::min(piece, to.bytes - done);
    const uint64_t at = forward ? done : to.bytes - done - n;
    if (bounce) {
      const Span middle{to_number(bounce_.buffer), 0, bounce_.device, nullptr, n};
      copy_span(middle, part(from, at, n));
      copy_span(part(to, at, n), middle);
    } else {
      copy_span(part(to, at, n), part(from, at, n));
    }
    done += n;
  }
}

void VulkanStream::copy(void* to, const void* from, uint64_t bytes) {
  if (bytes == 0 || to == from) return;
  const Span target = memory_.table().find(to, bytes), source = memory_.table().find(from, bytes);
  std::lock_guard hold(lock_);
  add(Counter::bytes_on_device, bytes);
  if (reads(source).overlaps(writes(target))) copy_overlapping(target, source);
  else copy_span(target, source);
}

void VulkanStream::upload(void* to, const void* from, uint64_t bytes) {
  if (bytes == 0) return;
  context_.sticky.check();
  const Span target = memory_.table().find(to, bytes);
  add(Counter::bytes_to_device, bytes);
  if (registry_.busy(writes(target))) {
    wait_for_users(writes(target));
  } else if (context_.direct_write) {
    // Nobody is using the range, so writing it now is as good as writing it in the stream's order.
    std::memcpy(target.host, from, bytes);
    add(Counter::direct_uploads);
    return;
  }
  std::lock_guard hold(lock_);
  add(Counter::staged_uploads);
  staged_upload(target, static_cast<const std::byte*>(from));
}

void VulkanStream::staged_upload(const Span& to, const std::byte* from) {
  for (uint64_t done = 0; done < to.bytes;) {
    const uint64_t left = to.bytes - done;
    const Slice s = take(uploads_, left, std::min<uint64_t>(left, 64u << 10));
    std::memcpy(s.host, from + done, s.bytes);
    copy_span(part(to, done, s.bytes), {to_number(s.buffer), s.offset, s.device, s.host, s.bytes});
    uploads_.used(newest_work());
    done += s.bytes;
    if (s.bytes < left) close();  // the GPU copies while the host fills the next block
  }
}

void VulkanStream::download(void* to, const void* from, uint64_t bytes) {
  if (bytes == 0) return;
  context_.sticky.check();
  const Span source = memory_.table().find(from, bytes);
  add(Counter::bytes_to_host, bytes);
  if (context_.direct_read) {
    if (!registry_.busy(reads(source))) {
      std::memcpy(to, source.host, bytes);
      return;
    }
    std::lock_guard hold(lock_);
    const Range range = reads(source);
    // A stream that only reads never begins work, which is what forgets reads that are done.
    if (unread_.size() >= kMostUnread) forget_done_reads();
    timeline_->touch({&range, 1});
    reads_.push_back({to, source.host, bytes});
    unread_.push_back({range, 0});
    return;
  }
  std::lock_guard hold(lock_);
  staged_download(static_cast<std::byte*>(to), source);
}

void VulkanStream::staged_download(std::byte* to, const Span& from) {
  for (uint64_t done = 0; done < from.bytes;) {
    const uint64_t left = from.bytes - done;
    const Slice s = take(downloads_, left, std::min<uint64_t>(left, 64u << 10));
    // Noted before the copy, which may submit the batch: the read belongs to the same point.
    reads_.push_back({to + done, s.host, s.bytes});
    try {
      copy_span({to_number(s.buffer), s.offset, s.device, s.host, s.bytes}, part(from, done, s.bytes));
    } catch (...) {
      if (!reads_.empty()) reads_.pop_back();
      throw;
    }
    downloads_.used(newest_work());
    done += s.bytes;
    if (s.bytes < left) close();
  }
}

void VulkanStream::fill_ends(const Span& to, uint32_t word, uint64_t head, uint64_t tail) {
  const Slice s = take(uploads_, 4, 4);
  std::memcpy(s.host, &word, 4);
  const Span source{to_number(s.buffer), s.offset, s.device, s.host, 4};
  if (head) copy_span(part(to, 0, head), part(source, 0, head));
  if (tail) copy_span(part(to, to.bytes - tail, tail), part(source, 0, tail));
  uploads_.used(newest_work());
}

void VulkanStream::fill(void* to, uint32_t pattern, uint32_t pattern_bytes, uint64_t bytes) {
  require(pattern_bytes == 1 || pattern_bytes == 4, Code::internal, "a fill pattern of ", pattern_bytes, " bytes");
  require(pattern_bytes == 1 || (reinterpret_cast<uintptr_t>(to) % 4 == 0 && bytes % 4 == 0), Code::internal,
          "a fill with 4-byte patterns must be 4-byte aligned");
  if (bytes == 0) return;
  const Span target = memory_.table().find(to, bytes);
  const uint32_t word = pattern_bytes == 4 ? pattern : (pattern & 0xff) * 0x01010101u;
  // vkCmdFillBuffer takes whole words; at most 3 bytes at either end are copied from a word.
  const uint64_t head = std::min<uint64_t>((4 - target.offset % 4) % 4, bytes);
  const uint64_t tail = (bytes - head) % 4, middle = bytes - head - tail;
  std::lock_guard hold(lock_);
  add(Counter::fills);
  if (head || tail) fill_ends(target, word, head, tail);
  if (!middle) return;
  const Span whole = part(target, head, middle);
  const Range touched = writes(whole);
  const VkCommandBuffer commands = begin({&touched, 1});
  context_.vk.vkCmdFillBuffer(commands, to_buffer(whole.buffer), whole.offset, middle, word);
  end(middle);
}

}  // namespace anvil::vulkan
