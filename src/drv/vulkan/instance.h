// The Vulkan loader and the process's VkInstance.
#pragma once
#include <vector>

#include "drv/vulkan/vk.h"

namespace anvil::vulkan {

class Instance {
 public:
  // The process's instance, made at the first call and kept to its end: unloading and loading a GPU driver again is
  // what drivers are bad at (NVIDIA's cannot be loaded some 25 times).  Throws unavailable with what to do if there is
  // no loader or no driver.  `validate`: one with the validation layer, whose messages are counted and logged; a
  // missing layer is a warning.  Thread-safe.
  static Instance& get(bool validate);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  VkInstance handle() const { return instance_; }
  std::vector<VkPhysicalDevice> gpus() const;  // as the driver lists them

 private:
  explicit Instance(bool validate);
  void listen();
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
};

}  // namespace anvil::vulkan
