// What all parts of one open device share.
#pragma once
#include <mutex>
#include <string_view>

#include "drv/driver.h"
#include "drv/faults.h"
#include "drv/metal/device.h"
#include "drv/metal/metal.h"
#include "drv/pack.h"
#include "drv/sticky.h"

namespace anvil::metal {

struct Context {
  Context(Ref<MTL::Device> device, Config config);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // Memory that the CPU and the GPU share, without Metal's own tracking of hazards: ours is by address range.  Kernels
  // reach it by address from the moment it is made (see also must_name_resources).  Throws resource_exhausted.
  Ref<MTL::Buffer> make_buffer(uint64_t bytes);
  // Ends that; no work may use it any more.
  void drop_buffer(MTL::Buffer* buffer);
  // Where the system has no residency sets, every encoder has to name the buffers that its kernels reach by address.
  bool must_name_resources() const { return !residents; }
  Ref<MTL::CommandQueue> make_queue(uint64_t most_command_buffers);

  const Pack& pack() const { return config.pack ? *config.pack : default_pack(); }
  // The pack to take that kernel from.
  const Pack& pack_for(std::string_view kernel) const {
    const Pack* more = config.more_kernels;
    return more && more->has(kernel, PackTarget::msl) ? *more : pack();
  }

  Ref<MTL::Device> device;
  Config config;
  Faults faults;
  Sticky sticky;
  Caps caps;
  Ref<MTL::ResidencySet> residents;  // every buffer of ours; null where the system has none
  std::mutex residents_lock;
};

inline constexpr uint32_t kPushBytes = 128;  // parameters that a kernel takes by value, as on every driver

}  // namespace anvil::metal
