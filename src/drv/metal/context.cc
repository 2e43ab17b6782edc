#include "drv/metal/context.h"

namespace anvil::metal {

Context::Context(Ref<MTL::Device> d, Config c)
    : device(std::move(d)), config(std::move(c)), faults(config.options.fault) {
  watch_for_forks();
  if (!config.residency_sets || !answers(device.get(), "newResidencySetWithDescriptor:error:")) return;
  const Pool pool;
  const auto description = NS::TransferPtr(MTL::ResidencySetDescriptor::alloc()->init());
  NS::Error* error = nullptr;
  residents = NS::TransferPtr(device->newResidencySet(description.get(), &error));
  if (!residents) throw to_error(error, "making a residency set");
}

Context::~Context() = default;

Ref<MTL::Buffer> Context::make_buffer(uint64_t bytes) {
  require(bytes <= device->maxBufferLength(), Code::resource_exhausted, "Metal: a buffer of ", bytes,
          " bytes is larger than the device allows, which is ", device->maxBufferLength());
  auto buffer = NS::TransferPtr(
      device->newBuffer(bytes, MTL::ResourceStorageModeShared | MTL::ResourceHazardTrackingModeUntracked));
  require(buffer.get(), Code::resource_exhausted, "Metal: a buffer of ", bytes,
          " bytes could not be made; use a smaller batch or model, or close other programs");
  if (residents) {
    std::lock_guard hold(residents_lock);
    residents->addAllocation(buffer.get());
    residents->commit();
  }
  return buffer;
}

void Context::drop_buffer(MTL::Buffer* buffer) {
  if (!residents) return;
  std::lock_guard hold(residents_lock);
  residents->removeAllocation(buffer);
  residents->commit();
}

Ref<MTL::CommandQueue> Context::make_queue(uint64_t most_command_buffers) {
  auto queue = NS::TransferPtr(device->newCommandQueue(most_command_buffers));
  require(queue.get(), Code::resource_exhausted,
          "Metal: no command queue could be made; the system's GPU resources are used up");
  if (residents) queue->addResidencySet(residents.get());
  return queue;
}

}  // namespace anvil::metal
