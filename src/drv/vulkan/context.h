// What all parts of one open device share.
#pragma once
#include <mutex>
#include <string>

#include "drv/faults.h"
#include "drv/pack.h"
#include "drv/sticky.h"
#include "drv/vulkan/adapter.h"
#include "drv/vulkan/device.h"
#include "drv/vulkan/vk.h"

namespace anvil::vulkan {

// A queue is used by several streams; Vulkan wants calls on it one at a time.
struct Queue {
  VkQueue handle = VK_NULL_HANDLE;
  uint32_t family = 0;
  std::mutex lock;
};

struct Context {
  Context(Adapter adapter, Config config);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Host-visible or device memory bound to a new buffer; the pair is the caller's to destroy.
  struct Memory {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    std::byte* host = nullptr;  // if the type is host visible and `map` was asked for
    uint64_t device = 0;        // device address
    uint64_t bytes = 0;
  };
  Memory make_memory(uint64_t bytes, uint32_t type, bool map);
  void destroy_memory(const Memory& memory);
  const Pack& pack() const { return config.pack ? *config.pack : default_pack(); }
  // The pack to take that kernel from.
  const Pack& pack_for(std::string_view kernel) const {
    const Pack* more = config.more_kernels;
    return more && more->has(kernel, PackTarget::spirv) ? *more : pack();
  }

  Adapter adapter;
  Config config;
  Faults faults;
  Sticky sticky;
  VkDevice device = VK_NULL_HANDLE;
  VolkDeviceTable vk{};
  Queue compute, transfer;                   // transfer.handle is null where there is no copy queue
  VkPipelineLayout layout = VK_NULL_HANDLE;  // of every kernel: 128 bytes of push constants
  bool direct_write = false, direct_read = false;
};

inline constexpr uint32_t kPushBytes = 128;  // what every Vulkan device offers

}  // namespace anvil::vulkan
