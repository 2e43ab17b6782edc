// The Vulkan loader and one VkInstance, shared by the devices opened from it.
#pragma once
#include <memory>
#include <vector>

#include "drv/vulkan/vk.h"

namespace anvil::vulkan {

class Instance {
 public:
  // Throws unavailable with what to do if there is no loader or no driver.  `validate`: load the validation layer and
  // count and log its messages; a missing layer is a warning.
  explicit Instance(bool validate);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  VkInstance handle() const { return instance_; }
  std::vector<VkPhysicalDevice> gpus() const;  // as the driver lists them

 private:
  void listen();
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
};

}  // namespace anvil::vulkan
