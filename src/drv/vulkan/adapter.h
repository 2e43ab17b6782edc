// What a physical device offers: whether we can use it, its caps, and what to switch on when it is opened.
#pragma once
#include <string>
#include <vector>

#include "drv/driver.h"
#include "drv/vulkan/vk.h"

namespace anvil::vulkan {

// The features asked of a device, linked together for VkDeviceCreateInfo::pNext.  Not copyable: it points into itself.
struct Features {
  Features();
  Features(const Features&) = delete;
  Features& operator=(const Features&) = delete;
  VkPhysicalDeviceFeatures2 base{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDeviceVulkan11Features v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES};
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceVulkan13Features v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceShaderAtomicFloatFeaturesEXT atomic_float{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_ATOMIC_FLOAT_FEATURES_EXT};
  VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrix{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR};
  // Leaves out the structures that this device does not know.
  void link(bool has_13, bool has_atomic_float, bool has_matrix);
};

struct Adapter {
  VkPhysicalDevice gpu = VK_NULL_HANDLE;
  Caps caps;
  std::string declined;  // why it cannot be used; empty if it can
  uint32_t api = 0;
  uint32_t compute_family = 0;
  uint32_t transfer_family = UINT32_MAX;  // a family that only copies; UINT32_MAX if there is none
  uint32_t timestamp_bits = 0;            // of the compute family
  float timestamp_ns = 1;                 // nanoseconds per tick
  uint32_t max_groups[3] = {65535, 65535, 65535};
  bool memory_budget = false, atomic_float = false, matrix = false, portability = false;
  uint32_t device_type = 0;    // memory type of device memory
  bool direct_write = false;   // the host can write all device memory through a mapping
  bool direct_read = false;    // ... and read it at full speed
  uint32_t upload_type = 0;    // memory type of staging for host to device
  uint32_t download_type = 0;  // memory type of staging for device to host, cached where possible
  uint32_t device_heap = 0;
  uint64_t heap_bytes = 0;

  std::vector<const char*> extensions() const;
};

// Looks at a device without opening it.
Adapter inspect(VkPhysicalDevice gpu, VkInstance instance);
// Free and total bytes of the device's heap for this process.
MemoryInfo heap_budget(const Adapter& adapter);

}  // namespace anvil::vulkan
