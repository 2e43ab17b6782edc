#define VOLK_IMPLEMENTATION
#include "drv/vulkan/vk.h"

namespace anvil::vulkan {

const char* name_of(VkResult result) {
  switch (result) {
    case VK_SUCCESS: return "VK_SUCCESS";
    case VK_NOT_READY: return "VK_NOT_READY";
    case VK_TIMEOUT: return "VK_TIMEOUT";
    case VK_INCOMPLETE: return "VK_INCOMPLETE";
    case VK_ERROR_OUT_OF_HOST_MEMORY: return "VK_ERROR_OUT_OF_HOST_MEMORY";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY: return "VK_ERROR_OUT_OF_DEVICE_MEMORY";
    case VK_ERROR_INITIALIZATION_FAILED: return "VK_ERROR_INITIALIZATION_FAILED";
    case VK_ERROR_DEVICE_LOST: return "VK_ERROR_DEVICE_LOST";
    case VK_ERROR_MEMORY_MAP_FAILED: return "VK_ERROR_MEMORY_MAP_FAILED";
    case VK_ERROR_LAYER_NOT_PRESENT: return "VK_ERROR_LAYER_NOT_PRESENT";
    case VK_ERROR_EXTENSION_NOT_PRESENT: return "VK_ERROR_EXTENSION_NOT_PRESENT";
    case VK_ERROR_FEATURE_NOT_PRESENT: return "VK_ERROR_FEATURE_NOT_PRESENT";
    case VK_ERROR_INCOMPATIBLE_DRIVER: return "VK_ERROR_INCOMPATIBLE_DRIVER";
    case VK_ERROR_TOO_MANY_OBJECTS: return "VK_ERROR_TOO_MANY_OBJECTS";
    case VK_ERROR_INVALID_SHADER_NV: return "VK_ERROR_INVALID_SHADER";
    case VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS: return "VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS";
    case VK_ERROR_UNKNOWN: return "VK_ERROR_UNKNOWN";
    default: return "an unlisted VkResult";
  }
}

Error to_error(VkResult result, const std::string& doing) {
  const std::string what =
      str("Vulkan: ", doing, " failed with ", name_of(result), " (", static_cast<int>(result), ")");
  switch (result) {
    case VK_ERROR_DEVICE_LOST:
      return {Code::unavailable,
              what +
                  "; the GPU was reset or removed, or one piece of work ran too long. Restart the program; if it "
                  "comes again, run with ANVIL_SAFE=1 to find the kernel and update the GPU driver"};
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      return {Code::resource_exhausted,
              what + "; use a smaller batch or model, or close other programs that use the GPU"};
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
      return {Code::resource_exhausted, what + "; the computer's own memory or the driver's objects are used up"};
    default: return {Code::internal, what + "; update the GPU driver, and report it if it comes again"};
  }
}

}  // namespace anvil::vulkan
