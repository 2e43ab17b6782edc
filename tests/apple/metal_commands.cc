// Recording: queues, command buffers, encoders.  What Metal's own validation would refuse ends the process.
#include <cstring>

#include "apple/metal_objects.h"

namespace apple {
namespace {

constexpr UInt kMostBytes = 4096, kMostArguments = 31;

Class commands_class, encoder_class;

void keep(CommandBuffer& c, id object) { c.kept.push_back(retain(object)); }

void must_record(const CommandBuffer& c, const char* what) {
  if (c.status != kNotEnqueued) misuse(std::string(what) + " of a committed command buffer");
  if (c.encoding) misuse(std::string(what) + " while an encoder is open");
}

id make_encoder(CommandBuffer& c, bool concurrent) {
  must_record(c, "computeCommandEncoder");
  if (hit(Fault::encoder)) return nullptr;
  c.encoding = true;
  auto* e = make<Encoder>(encoder_class);
  e->commands = as<CommandBuffer>(retain(&c));
  e->pass = std::make_unique<Pass>();
  e->concurrent = concurrent;
  return autorelease(e);
}

void encode_event(CommandBuffer& c, id event, uint64_t value, bool signal) {
  must_record(c, signal ? "encodeSignalEvent" : "encodeWaitForEvent");
  if (!event) misuse("an event that is nil");
  keep(c, event);
  c.commands.push_back({nullptr, as<Event>(event), value, signal});
}

void commit(CommandBuffer& c) {
  must_record(c, "commit");
  {
    std::lock_guard hold(c.lock);
    c.status = kCommitted;
  }
  retain(&c);
  Runner& r = *c.queue->runner;
  std::lock_guard hold(r.lock);
  c.after_idle = r.running++ == 0;
  r.committed.push_back(&c);
  r.changed.notify_all();
}

Encoder& recording(id self, const char* what) {
  auto* e = as<Encoder>(self);
  if (e->ended) misuse(std::string(what) + " after endEncoding");
  return *e;
}

void set_bytes(Encoder& e, const void* from, UInt length, UInt index) {
  if (index >= kMostArguments) misuse("an argument of index " + std::to_string(index));
  if (length == 0 || length > kMostBytes) misuse("setBytes of " + std::to_string(length) + " bytes");
  for (UInt at = 0; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(from) + at, sizeof word);
    if (is_cpu_address(word)) misuse("a kernel is given an address of the CPU");
  }
  e.bytes[index].assign(static_cast<const char*>(from), length);
  e.bound.erase(index);
}

void set_buffer(Encoder& e, id buffer, UInt offset, UInt index) {
  if (index >= kMostArguments) misuse("an argument of index " + std::to_string(index));
  auto* b = as<Buffer>(buffer);
  if (b && offset >= b->memory.bytes) misuse("an offset past the end of the buffer");
  keep(*e.commands, buffer);
  e.pass->used.insert(b);
  e.bound[index] = {b, offset};
  e.bytes.erase(index);
}

void dispatch(Encoder& e, Size groups, Size threads) {
  if (!e.pipeline) misuse("a dispatch without a pipeline");
  if (threads.product() == 0 || threads.product() > e.pipeline->most_threads)
    misuse("a dispatch of " + std::to_string(threads.product()) + " threads a group; the pipeline has " +
           std::to_string(e.pipeline->most_threads));
  if (groups.product() == 0) misuse("a dispatch of no groups");
  const auto& kernel = e.pipeline->kernel;
  for (const unsigned i : kernel->arguments)
    if (!e.bytes.count(i) && !e.bound.count(i))
      misuse("kernel " + kernel->name + " has no argument " + std::to_string(i));
  auto& intervals = e.pass->intervals;
  if (!e.concurrent && !intervals.back().empty()) intervals.emplace_back();
  intervals.back().push_back({kernel, e.bytes, e.bound, groups, threads});
}

void end_encoding(Encoder& e) {
  e.ended = true;
  e.commands->encoding = false;
  e.commands->commands.push_back({std::move(e.pass)});
}

void register_encoder() {
  encoder_class = define<Encoder>("FakeMTLComputeCommandEncoder", object_class());
  method(
      encoder_class, "setComputePipelineState:", +[](id self, SEL, id pipeline) -> void {
        Encoder& e = recording(self, "setComputePipelineState");
        keep(*e.commands, pipeline);
        e.pipeline = as<Pipeline>(pipeline);
      });
  method(
      encoder_class, "setBytes:length:atIndex:", +[](id self, SEL, const void* from, UInt n, UInt i) -> void {
        set_bytes(recording(self, "setBytes"), from, n, i);
      });
  method(
      encoder_class, "setBuffer:offset:atIndex:", +[](id self, SEL, id buffer, UInt offset, UInt i) -> void {
        set_buffer(recording(self, "setBuffer"), buffer, offset, i);
      });
  method(
      encoder_class, "useResource:usage:", +[](id self, SEL, id buffer, UInt) -> void {
        Encoder& e = recording(self, "useResource");
        keep(*e.commands, buffer);
        e.pass->used.insert(as<Buffer>(buffer));
      });
  method(
      encoder_class, "waitForFence:", +[](id self, SEL, id fence) -> void {
        Encoder& e = recording(self, "waitForFence");
        if (!e.pass->intervals.front().empty()) misuse("waitForFence after a dispatch");
        keep(*e.commands, fence);
        e.pass->waits.insert(as<Fence>(fence));
      });
  method(
      encoder_class, "updateFence:", +[](id self, SEL, id fence) -> void {
        Encoder& e = recording(self, "updateFence");
        keep(*e.commands, fence);
        e.pass->updates.insert(as<Fence>(fence));
      });
  method(
      encoder_class, "memoryBarrierWithScope:", +[](id self, SEL, UInt scope) -> void {
        Encoder& e = recording(self, "memoryBarrier");
        if (!(scope & 1)) misuse("a barrier that is not for buffers");
        e.pass->intervals.emplace_back();
      });
  method(
      encoder_class, "dispatchThreadgroups:threadsPerThreadgroup:",
      +[](id self, SEL, Size groups, Size threads) -> void { dispatch(recording(self, "dispatch"), groups, threads); });
  method(encoder_class, "endEncoding", +[](id self, SEL) -> void { end_encoding(recording(self, "endEncoding")); });
}

}  // namespace

CommandBuffer::~CommandBuffer() {
  for (void* h : handlers) release_block(h);
  for (const id o : kept) release(o);
  release(error);
  if (status == kNotEnqueued) --queue->runner->out;
  release(queue);
}
Encoder::~Encoder() {
  if (!ended) misuse("an encoder released without endEncoding");
  release(commands);
}

void register_commands() {
  commands_class = define<CommandBuffer>("FakeMTLCommandBuffer", object_class());
  method(
      queue_class(), "commandBuffer", +[](id self, SEL) -> id {
        auto* q = as<Queue>(self);
        if (hit(Fault::command_buffer)) return nullptr;
        if (q->runner->out++ >= q->runner->most)
          misuse("more command buffers than the queue has room for: Metal would block");
        auto* c = make<CommandBuffer>(commands_class);
        c->queue = as<Queue>(retain(q));
        return autorelease(c);
      });
  method(
      commands_class, "computeCommandEncoder",
      +[](id self, SEL) -> id { return make_encoder(*as<CommandBuffer>(self), false); });
  method(
      commands_class, "computeCommandEncoderWithDispatchType:", +[](id self, SEL, UInt type) -> id {
        return make_encoder(*as<CommandBuffer>(self), type == 1);
      });
  method(
      commands_class, "encodeSignalEvent:value:", +[](id self, SEL, id event, uint64_t value) -> void {
        encode_event(*as<CommandBuffer>(self), event, value, true);
      });
  method(
      commands_class, "encodeWaitForEvent:value:", +[](id self, SEL, id event, uint64_t value) -> void {
        encode_event(*as<CommandBuffer>(self), event, value, false);
      });
  method(
      commands_class, "addCompletedHandler:", +[](id self, SEL, const void* block) -> void {
        auto* c = as<CommandBuffer>(self);
        if (c->status != kNotEnqueued) misuse("addCompletedHandler after commit");
        c->handlers.push_back(copy_block(block));
      });
  method(commands_class, "commit", +[](id self, SEL) -> void { commit(*as<CommandBuffer>(self)); });
  method(
      commands_class, "waitUntilCompleted", +[](id self, SEL) -> void {
        auto* c = as<CommandBuffer>(self);
        std::unique_lock hold(c->lock);
        if (c->status == kNotEnqueued) misuse("waitUntilCompleted before commit");
        c->changed.wait(hold, [&] { return c->handled; });
      });
  method(
      commands_class, "status", +[](id self, SEL) -> UInt {
        std::lock_guard hold(as<CommandBuffer>(self)->lock);
        return as<CommandBuffer>(self)->status;
      });
  method(commands_class, "error", +[](id self, SEL) -> id { return as<CommandBuffer>(self)->error; });
  method(commands_class, "GPUStartTime", +[](id self, SEL) -> double { return as<CommandBuffer>(self)->start; });
  method(commands_class, "GPUEndTime", +[](id self, SEL) -> double { return as<CommandBuffer>(self)->end; });
  register_encoder();
}

}  // namespace apple
