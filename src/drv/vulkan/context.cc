#include "drv/vulkan/context.h"

namespace anvil::vulkan {
namespace {

// Switches on what kernels may use, as far as the device has it.
void choose(Features& f, const Adapter& a) {
  f.link(a.api >= VK_API_VERSION_1_3, a.atomic_float, a.matrix);
  vkGetPhysicalDeviceFeatures2(a.gpu, &f.base);
  const VkPhysicalDeviceFeatures has = f.base.features;
  f.base.features = {};
  f.base.features.shaderInt64 = has.shaderInt64;
  f.base.features.shaderInt16 = has.shaderInt16;
  f.base.features.shaderFloat64 = has.shaderFloat64;
  f.v11.multiview = f.v11.multiviewGeometryShader = f.v11.multiviewTessellationShader = VK_FALSE;
  f.v11.protectedMemory = f.v11.samplerYcbcrConversion = VK_FALSE;
  // Capture and replay makes drivers reserve address space; descriptors are not used at all.
  f.v12.bufferDeviceAddressCaptureReplay = f.v12.bufferDeviceAddressMultiDevice = VK_FALSE;
  f.v13.robustImageAccess = f.v13.inlineUniformBlock = f.v13.dynamicRendering = VK_FALSE;
  f.atomic_float.sparseImageFloat32Atomics = f.atomic_float.sparseImageFloat32AtomicAdd = VK_FALSE;
  f.matrix.cooperativeMatrixRobustBufferAccess = VK_FALSE;
}

}  // namespace

Context::Context(Adapter a, Config c) : adapter(std::move(a)), config(std::move(c)), faults(config.options.fault) {
  watch_for_forks();
  const float priority = 1;
  VkDeviceQueueCreateInfo queues[2] = {{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO},
                                       {VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO}};
  const bool two = adapter.transfer_family != UINT32_MAX;
  queues[0].queueFamilyIndex = compute.family = adapter.compute_family;
  queues[1].queueFamilyIndex = transfer.family = adapter.transfer_family;
  for (auto& q : queues) q.queueCount = 1, q.pQueuePriorities = &priority;
  Features features;
  choose(features, adapter);
  const auto extensions = adapter.extensions();
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &features.base};
  info.queueCreateInfoCount = two ? 2 : 1;
  info.pQueueCreateInfos = queues;
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  check(vkCreateDevice(adapter.gpu, &info, nullptr, &device), "opening the device");
  volkLoadDeviceTable(&vk, device);
  vk.vkGetDeviceQueue(device, compute.family, 0, &compute.handle);
  if (two) vk.vkGetDeviceQueue(device, transfer.family, 0, &transfer.handle);
  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, kPushBytes};
  VkPipelineLayoutCreateInfo layout_info{VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO};
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &range;
  const VkResult made = vk.vkCreatePipelineLayout(device, &layout_info, nullptr, &layout);
  if (made != VK_SUCCESS) {
    vk.vkDestroyDevice(device, nullptr);
    throw to_error(made, "making a pipeline layout");
  }
  direct_write = adapter.direct_write && !config.copies_only;
  direct_read = adapter.direct_read && !config.copies_only;
  adapter.caps.unified = direct_write && direct_read;
}

Context::~Context() {
  vk.vkDestroyPipelineLayout(device, layout, nullptr);
  vk.vkDestroyDevice(device, nullptr);
}

Context::Memory Context::make_memory(uint64_t bytes, uint32_t type, bool map) {
  Memory m;
  m.bytes = bytes;
  VkBufferCreateInfo info{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT |
               VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  const uint32_t families[2] = {compute.family, transfer.family};
  if (transfer.handle) {  // shared, so that no ownership has to move between the queues
    info.sharingMode = VK_SHARING_MODE_CONCURRENT;
    info.queueFamilyIndexCount = 2;
    info.pQueueFamilyIndices = families;
  }
  try {
    check(vk.vkCreateBuffer(device, &info, nullptr, &m.buffer), "making a buffer");
    VkMemoryRequirements needs;
    vk.vkGetBufferMemoryRequirements(device, m.buffer, &needs);
    require(needs.memoryTypeBits >> type & 1, Code::internal, "Vulkan: buffers cannot use memory type ", type);
    const VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, nullptr,
                                          VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT};
    const VkMemoryAllocateInfo alloc{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags, needs.size, type};
    check(vk.vkAllocateMemory(device, &alloc, nullptr, &m.memory), "allocating memory");
    check(vk.vkBindBufferMemory(device, m.buffer, m.memory, 0), "binding memory");
    void* host = nullptr;
    if (map) check(vk.vkMapMemory(device, m.memory, 0, VK_WHOLE_SIZE, 0, &host), "mapping memory");
    m.host = static_cast<std::byte*>(host);
  } catch (...) {
    destroy_memory(m);
    throw;
  }
  const VkBufferDeviceAddressInfo of{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, nullptr, m.buffer};
  m.device = vk.vkGetBufferDeviceAddress(device, &of);
  return m;
}

void Context::destroy_memory(const Memory& m) {
  vk.vkDestroyBuffer(device, m.buffer, nullptr);
  vk.vkFreeMemory(device, m.memory, nullptr);  // unmaps as well
}

}  // namespace anvil::vulkan
