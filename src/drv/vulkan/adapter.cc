#include "drv/vulkan/adapter.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>

namespace anvil::vulkan {
namespace {

std::set<std::string> extensions_of(VkPhysicalDevice gpu) {
  uint32_t n = 0;
  vkEnumerateDeviceExtensionProperties(gpu, nullptr, &n, nullptr);
  std::vector<VkExtensionProperties> all(n);
  vkEnumerateDeviceExtensionProperties(gpu, nullptr, &n, all.data());
  std::set<std::string> names;
  for (const auto& e : all) names.insert(e.extensionName);
  return names;
}

DeviceKind kind_of(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return DeviceKind::integrated;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return DeviceKind::virtual_gpu;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return DeviceKind::cpu;
    default: return DeviceKind::discrete;
  }
}

std::string hex(const uint8_t* bytes, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i) {
    out += "0123456789abcdef"[bytes[i] >> 4];
    out += "0123456789abcdef"[bytes[i] & 15];
  }
  return out;
}

// What every kernel may rely on; the names are Vulkan's, so that a user can look them up in vulkaninfo.
std::string missing_features(const Features& f) {
  const std::pair<VkBool32, const char*> needed[] = {
      {f.v12.bufferDeviceAddress, "bufferDeviceAddress"},
      {f.v12.timelineSemaphore, "timelineSemaphore"},
      {f.base.features.shaderInt64, "shaderInt64"},
      {f.base.features.shaderInt16, "shaderInt16"},
      {f.v12.shaderInt8, "shaderInt8"},
      {f.v12.shaderFloat16, "shaderFloat16"},
      {f.v11.storageBuffer16BitAccess, "storageBuffer16BitAccess"},
      {f.v12.storageBuffer8BitAccess, "storageBuffer8BitAccess"},
  };
  std::string list;
  for (const auto& [present, name] : needed)
    if (!present) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

void choose_queues(Adapter& a) {
  uint32_t n = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(a.gpu, &n, nullptr);
  std::vector<VkQueueFamilyProperties> families(n);
  vkGetPhysicalDeviceQueueFamilyProperties(a.gpu, &n, families.data());
  a.compute_family = UINT32_MAX;
  for (uint32_t i = 0; i < n; ++i) {
    const VkQueueFlags flags = families[i].queueFlags;
    const bool compute = flags & VK_QUEUE_COMPUTE_BIT, graphics = flags & VK_QUEUE_GRAPHICS_BIT;
    // A queue without graphics does not share its time with the desktop.
    if (compute && (a.compute_family == UINT32_MAX || !graphics)) {
      const bool better =
          a.compute_family == UINT32_MAX || (families[a.compute_family].queueFlags & VK_QUEUE_GRAPHICS_BIT);
      if (better) a.compute_family = i;
    }
    const bool only_copies = !compute && !graphics && (flags & VK_QUEUE_TRANSFER_BIT) &&
                             !(flags & (VK_QUEUE_VIDEO_DECODE_BIT_KHR | 0x40u /* video encode */));
    if (only_copies && a.transfer_family == UINT32_MAX) a.transfer_family = i;
  }
  if (a.compute_family == UINT32_MAX) a.declined = "it has no compute queue";
  else a.timestamp_bits = families[a.compute_family].timestampValidBits;
}

constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
constexpr VkMemoryPropertyFlags kHost = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
// AMD's debugging types: uncached on the device as well.
constexpr VkMemoryPropertyFlags kSlow =
    VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

// The first memory type with all of `want` and as few of `rather_not` as possible; UINT32_MAX if none.
uint32_t memory_type(const VkPhysicalDeviceMemoryProperties& m, VkMemoryPropertyFlags want,
                     VkMemoryPropertyFlags rather_not, uint64_t least_heap = 0) {
  uint32_t found = UINT32_MAX;
  for (const VkMemoryPropertyFlags avoid : {rather_not, VkMemoryPropertyFlags{0}})
    for (uint32_t i = 0; i < m.memoryTypeCount && found == UINT32_MAX; ++i) {
      const VkMemoryPropertyFlags flags = m.memoryTypes[i].propertyFlags;
      if ((flags & want) == want && !(flags & (avoid | kSlow)) &&
          m.memoryHeaps[m.memoryTypes[i].heapIndex].size >= least_heap)
        found = i;
    }
  return found;
}

void choose_memory(Adapter& a) {
  VkPhysicalDeviceMemoryProperties m;
  vkGetPhysicalDeviceMemoryProperties(a.gpu, &m);
  uint64_t largest = 0;
  for (uint32_t i = 0; i < m.memoryHeapCount; ++i)
    if (m.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      largest = std::max<uint64_t>(largest, m.memoryHeaps[i].size);
  // "All of device memory": nine tenths, since drivers keep a little for themselves.  A 256 MiB window is not enough.
  const uint64_t all = largest / 10 * 9;
  uint32_t type = memory_type(m, kLocal | kHost | kCached, 0, all);
  a.direct_read = a.direct_write = type != UINT32_MAX;
  if (type == UINT32_MAX) {
    type = memory_type(m, kLocal | kHost, 0, all);
    a.direct_write = type != UINT32_MAX;
    // On an integrated GPU uncached memory is still the computer's own; reading it is slow but needs no copy engine.
  }
  if (type == UINT32_MAX) type = memory_type(m, kLocal, kHost, all);
  a.device_type = type;
  a.upload_type = memory_type(m, kHost, kLocal | kCached);
  a.download_type = memory_type(m, kHost | kCached, kLocal);
  if (a.download_type == UINT32_MAX) a.download_type = a.upload_type;
  if (a.device_type == UINT32_MAX || a.upload_type == UINT32_MAX) {
    a.declined = "it has no device memory of a usable type";
    return;
  }
  a.device_heap = m.memoryTypes[a.device_type].heapIndex;
  a.heap_bytes = m.memoryHeaps[a.device_heap].size;
  a.caps.unified = a.direct_read;
}

bool has_f16_matrix(VkPhysicalDevice gpu, VkInstance instance) {
  const auto list = reinterpret_cast<PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR>(
      vkGetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  uint32_t n = 0;
  if (!list || list(gpu, &n, nullptr) != VK_SUCCESS) return false;
  std::vector<VkCooperativeMatrixPropertiesKHR> all(n, {VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR});
  if (list(gpu, &n, all.data()) < VK_SUCCESS) return false;
  return std::any_of(all.begin(), all.end(), [](const auto& p) {
    return p.MSize == 16 && p.NSize == 16 && p.KSize == 16 && p.scope == VK_SCOPE_SUBGROUP_KHR &&
           p.AType == VK_COMPONENT_TYPE_FLOAT16_KHR && p.BType == VK_COMPONENT_TYPE_FLOAT16_KHR &&
           p.CType == VK_COMPONENT_TYPE_FLOAT32_KHR && p.ResultType == VK_COMPONENT_TYPE_FLOAT32_KHR;
  });
}

// Properties, read in one chain.
struct Properties {
  VkPhysicalDeviceProperties2 base{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  VkPhysicalDeviceVulkan11Properties v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES};
  VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
  VkPhysicalDeviceShaderCorePropertiesAMD amd{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};

  Properties(VkPhysicalDevice gpu, const std::set<std::string>& extensions) {
    base.pNext = &v11;
    v11.pNext = &v12;
    void** tail = &v12.pNext;
    if (extensions.count(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) *tail = &sm, tail = &sm.pNext;
    if (extensions.count(VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME)) *tail = &amd;
    vkGetPhysicalDeviceProperties2(gpu, &base);
  }
  uint32_t cores(DeviceKind kind) const {
    if (sm.shaderSMCount) return sm.shaderSMCount;
    if (amd.shaderEngineCount)
      return amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
    if (kind == DeviceKind::cpu) return std::max(1u, std::thread::hardware_concurrency());
    return kind == DeviceKind::discrete ? 32 : 8;  // Vulkan does not say; middling GPUs of each kind
  }
};

void fill_caps(Adapter& a, const Properties& p, const Features& f) {
  const VkPhysicalDeviceProperties& base = p.base.properties;
  Caps& c = a.caps;
  c.name = base.deviceName;
  c.driver = str("vulkan: ", p.v12.driverName, " ", p.v12.driverInfo);
  c.uuid = hex(p.v11.deviceUUID, VK_UUID_SIZE) + hex(p.v11.driverUUID, VK_UUID_SIZE);
  c.kind = kind_of(base.deviceType);
  c.subgroup = p.v11.subgroupSize;
  c.max_group = std::min(base.limits.maxComputeWorkGroupInvocations, base.limits.maxComputeWorkGroupSize[0]);
  c.group_memory = base.limits.maxComputeSharedMemorySize;
  c.cores = p.cores(c.kind);
  c.f16 = f.v12.shaderFloat16;
  c.f64 = f.base.features.shaderFloat64;
  c.atomic_f32_add = f.atomic_float.shaderBufferFloat32AtomicAdd;
  c.max_allocation = p.v11.maxMemoryAllocationSize;
  std::copy_n(base.limits.maxComputeWorkGroupCount, 3, a.max_groups);
  a.timestamp_ns = base.limits.timestampPeriod;
}

}  // namespace

Features::Features() = default;

void Features::link(bool has_13, bool has_atomic_float, bool has_matrix) {
  base.pNext = &v11;
  v11.pNext = &v12;
  void** tail = &v12.pNext;
  if (has_13) *tail = &v13, tail = &v13.pNext;
  if (has_atomic_float) *tail = &atomic_float, tail = &atomic_float.pNext;
  if (has_matrix) *tail = &matrix, tail = &matrix.pNext;
  *tail = nullptr;
}

std::vector<const char*> Adapter::extensions() const {
  std::vector<const char*> names;
  if (memory_budget) names.push_back(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  if (atomic_float) names.push_back(VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME);
  if (matrix) names.push_back(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  if (portability) names.push_back("VK_KHR_portability_subset");
  return names;
}

MemoryInfo heap_budget(const Adapter& a) {
  if (!a.memory_budget) return {a.heap_bytes, a.heap_bytes};
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
  VkPhysicalDeviceMemoryProperties2 m{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, &budget};
  vkGetPhysicalDeviceMemoryProperties2(a.gpu, &m);
  const uint64_t total = budget.heapBudget[a.device_heap], used = budget.heapUsage[a.device_heap];
  return {total, total > used ? total - used : 0};
}

Adapter inspect(VkPhysicalDevice gpu, VkInstance instance) {
  Adapter a;
  a.gpu = gpu;
  VkPhysicalDeviceProperties brief;
  vkGetPhysicalDeviceProperties(gpu, &brief);
  a.caps.name = brief.deviceName;
  a.caps.kind = kind_of(brief.deviceType);
  a.api = brief.apiVersion;
  if (a.api < VK_API_VERSION_1_2) {
    a.declined = str("it offers Vulkan ", VK_API_VERSION_MAJOR(a.api), ".", VK_API_VERSION_MINOR(a.api),
                     ", and 1.2 is needed; update its driver");
    return a;
  }
  const auto extensions = extensions_of(gpu);
  a.memory_budget = extensions.count(VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
  a.atomic_float = extensions.count(VK_EXT_SHADER_ATOMIC_FLOAT_EXTENSION_NAME);
  a.matrix = extensions.count(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME);
  a.portability = extensions.count("VK_KHR_portability_subset");
  Features f;
  f.link(a.api >= VK_API_VERSION_1_3, a.atomic_float, a.matrix);
  vkGetPhysicalDeviceFeatures2(gpu, &f.base);
  fill_caps(a, Properties(gpu, extensions), f);
  if (const std::string missing = missing_features(f); !missing.empty())
    a.declined = "it lacks " + missing + "; a newer driver may have it";
  if (a.declined.empty()) choose_queues(a);
  if (a.declined.empty()) choose_memory(a);
  a.matrix = a.matrix && f.matrix.cooperativeMatrix && f.v12.vulkanMemoryModel;
  a.caps.matrix_f16 = a.matrix && has_f16_matrix(gpu, instance);
  return a;
}

}  // namespace anvil::vulkan
