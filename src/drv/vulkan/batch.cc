#include "drv/vulkan/batch.h"

#include "base/counters.h"

namespace anvil::vulkan {

Batch::~Batch() {
  const auto destroy = [&](const Commands& c) { context_.vk.vkDestroyCommandPool(context_.device, c.pool, nullptr); };
  for (const Commands& c : busy_) destroy(c);
  for (const Commands& c : free_) destroy(c);
  if (now_.pool) destroy(now_);
}

Batch::Commands Batch::make() {
  Commands c;
  const VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr,
                                     VK_COMMAND_POOL_CREATE_TRANSIENT_BIT, queue_.family};
  check(context_.vk.vkCreateCommandPool(context_.device, &pool, nullptr, &c.pool), "making a command pool");
  const VkCommandBufferAllocateInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr, c.pool,
                                         VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
  const VkResult r = context_.vk.vkAllocateCommandBuffers(context_.device, &info, &c.buffer);
  if (r != VK_SUCCESS) {
    context_.vk.vkDestroyCommandPool(context_.device, c.pool, nullptr);
    throw to_error(r, "making a command buffer");
  }
  return c;
}

size_t Batch::running(uint64_t gpu_done) {
  while (!busy_.empty() && busy_.front().value <= gpu_done) {
    free_.push_back(busy_.front());
    busy_.pop_front();
  }
  return busy_.size();
}

VkCommandBuffer Batch::commands() {
  if (recording_) [[likely]]
    return now_.buffer;
  if (!now_.pool) {
    if (free_.empty()) {
      now_ = make();
    } else {
      now_ = free_.back();
      free_.pop_back();
      check(context_.vk.vkResetCommandPool(context_.device, now_.pool, 0), "resetting a command pool");
    }
  }
  const VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                      VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  check(context_.vk.vkBeginCommandBuffer(now_.buffer, &info), "beginning a command buffer");
  recording_ = true;
  return now_.buffer;
}

void Batch::barrier() {
  const bool compute = &queue_ == &context_.compute;
  VkPipelineStageFlags stages = VK_PIPELINE_STAGE_TRANSFER_BIT;
  if (compute) stages |= VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
  const VkMemoryBarrier all{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_MEMORY_WRITE_BIT,
                            VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT};
  context_.vk.vkCmdPipelineBarrier(now_.buffer, stages, stages, 0, 1, &all, 0, nullptr, 0, nullptr);
}

VkResult Batch::submit(const std::vector<Need>& waits, VkSemaphore signal, uint64_t value, bool for_host) {
  if (for_host) {
    const VkMemoryBarrier to_host{VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr, VK_ACCESS_MEMORY_WRITE_BIT,
                                  VK_ACCESS_HOST_READ_BIT | VK_ACCESS_HOST_WRITE_BIT};
    context_.vk.vkCmdPipelineBarrier(now_.buffer, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1,
                                     &to_host, 0, nullptr, 0, nullptr);
  }
  recording_ = false;
  VkResult r = context_.vk.vkEndCommandBuffer(now_.buffer);
  if (r != VK_SUCCESS) return r;
  std::vector<VkSemaphore> semaphores;
  std::vector<uint64_t> values;
  for (const Need& n : waits) {
    if (n.gpu) semaphores.push_back(n.on->gpu()), values.push_back(n.gpu);
    if (n.host) semaphores.push_back(n.on->host()), values.push_back(n.host);
  }
  const std::vector<VkPipelineStageFlags> stages(semaphores.size(), VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  const auto n_waits = static_cast<uint32_t>(semaphores.size());
  const VkTimelineSemaphoreSubmitInfo timeline{
      VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO, nullptr, n_waits, values.data(), 1, &value};
  const VkSubmitInfo info{
      VK_STRUCTURE_TYPE_SUBMIT_INFO, &timeline, n_waits, semaphores.data(), stages.data(), 1, &now_.buffer, 1, &signal};
  if (context_.faults.hit(FaultKind::submit)) return VK_ERROR_OUT_OF_HOST_MEMORY;
  if (context_.faults.hit(FaultKind::lost)) return VK_ERROR_DEVICE_LOST;
  {
    std::lock_guard hold(queue_.lock);
    r = context_.vk.vkQueueSubmit(queue_.handle, 1, &info, VK_NULL_HANDLE);
  }
  if (r != VK_SUCCESS) return r;
  add(Counter::submissions);
  now_.value = value;
  busy_.push_back(now_);
  now_ = {};
  return r;
}

void Batch::abandon() { recording_ = false; }

}  // namespace anvil::vulkan
