#include "drv/vulkan/instance.h"

#include <cstring>
#include <mutex>

#include "base/counters.h"
#include "base/log.h"

namespace anvil::vulkan {
namespace {

constexpr const char* kLayer = "VK_LAYER_KHRONOS_validation";

bool layer_present() {
  uint32_t n = 0;
  vkEnumerateInstanceLayerProperties(&n, nullptr);
  std::vector<VkLayerProperties> all(n);
  vkEnumerateInstanceLayerProperties(&n, all.data());
  for (const auto& l : all)
    if (std::strcmp(l.layerName, kLayer) == 0) return true;
  return false;
}

// General messages come from loaders and drivers, which also warn about what is none of our business.
VKAPI_ATTR VkBool32 VKAPI_CALL hear(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT type,
                                    const VkDebugUtilsMessengerCallbackDataEXT* data, void*) {
  const bool ours = type & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  if (ours) add(Counter::validation_messages);
  log(ours ? LogKind::error : LogKind::info, str("Vulkan ", ours ? "validation: " : "driver: ", data->pMessage));
  return VK_FALSE;
}

VkDebugUtilsMessengerCreateInfoEXT messenger_info() {
  VkDebugUtilsMessengerCreateInfoEXT info{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  info.messageSeverity =
      VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT;
  info.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT;
  info.pfnUserCallback = hear;
  return info;
}

// volk keeps instance functions in globals.  The loader's entry points serve every instance, so they are read once.
void load_functions(VkInstance first) {
  static std::once_flag once;
  std::call_once(once, [&] { volkLoadInstanceOnly(first); });
}

void load_loader() {
  static const VkResult found = volkInitialize();
  require(
      found == VK_SUCCESS, Code::unavailable,
      "there is no Vulkan loader (libvulkan.so.1); install it (Debian, Ubuntu: apt install libvulkan1) and your GPU's "
      "driver");
}

}  // namespace

Instance::Instance(bool validate) {
  load_loader();
  if (validate && !layer_present()) {
    log(LogKind::warn, "ANVIL_VALIDATE=1, but the Vulkan validation layer is not installed (vulkan-validationlayers)");
    validate = false;
  }
  VkApplicationInfo app{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  app.pApplicationName = "tensorflow-anvil";
  app.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &app;
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  VkDebugUtilsMessengerCreateInfoEXT heard = messenger_info();
  if (validate) {
    info.pNext = &heard;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &kLayer;
    info.enabledExtensionCount = 1;
    info.ppEnabledExtensionNames = &extension;
  }
  const VkResult made = vkCreateInstance(&info, nullptr, &instance_);
  require(made == VK_SUCCESS, Code::unavailable, "Vulkan found no usable driver (", name_of(made),
          "); install your GPU's Vulkan driver, e.g. mesa-vulkan-drivers, and try vulkaninfo");
  load_functions(instance_);
  if (validate) listen();
}

void Instance::listen() {
  const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
      vkGetInstanceProcAddr(instance_, "vkCreateDebugUtilsMessengerEXT"));
  const VkDebugUtilsMessengerCreateInfoEXT info = messenger_info();
  if (create) create(instance_, &info, nullptr, &messenger_);
}

Instance& Instance::get(bool validate) {
  static std::mutex lock;
  static Instance* made[2] = {};
  std::lock_guard hold(lock);
  Instance*& one = made[validate];
  if (!one) one = new Instance(validate);  // never deleted: see above
  return *one;
}

std::vector<VkPhysicalDevice> Instance::gpus() const {
  uint32_t n = 0;
  std::vector<VkPhysicalDevice> all;
  if (vkEnumeratePhysicalDevices(instance_, &n, nullptr) != VK_SUCCESS) return all;
  all.resize(n);
  if (vkEnumeratePhysicalDevices(instance_, &n, all.data()) < VK_SUCCESS) n = 0;
  all.resize(n);
  return all;
}

}  // namespace anvil::vulkan
