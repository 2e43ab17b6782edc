// A device whose planners are told other caps: how kernels for GPUs are run on a software device.
#pragma once
#include "drv/driver.h"

namespace anvil::ops::test {

class PlannedAs final : public Device {
 public:
  PlannedAs(Device& device, DeviceKind kind, uint32_t cores) : device_(device), caps_(device.caps()) {
    caps_.kind = kind;
    caps_.cores = cores;
  }
  const Caps& caps() const override { return caps_; }
  MemoryInfo memory() override { return device_.memory(); }
  void* allocate(uint64_t bytes) override { return device_.allocate(bytes); }
  void free(void* address) override { device_.free(address); }
  std::unique_ptr<Stream> stream(StreamKind kind) override { return device_.stream(kind); }
  const Kernel& kernel(std::string_view name) override { return device_.kernel(name); }
  std::string error() override { return device_.error(); }

 private:
  Device& device_;
  Caps caps_;
};

}  // namespace anvil::ops::test
