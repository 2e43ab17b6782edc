// Compiled kernels of one device.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "drv/driver.h"
#include "drv/kernel_table.h"
#include "drv/metal/context.h"

namespace anvil::metal {

// A compute pipeline of the one entry point that `msl` has, for groups of `threads` threads.  Throws internal with the
// compiler's words, and unimplemented if the device cannot run that many threads of it.
Ref<MTL::ComputePipelineState> build_pipeline(MTL::Device* device, const std::string& name, const std::string& msl,
                                              uint64_t threads);

class Pipeline final : public Kernel {
 public:
  Pipeline(Context& context, std::string name, const KernelCode& code);

  const Context& context() const { return context_; }
  MTL::ComputePipelineState* state() const { return state_.get(); }
  MTL::Size group() const { return group_; }
  uint32_t param_bytes() const { return param_bytes_; }  // addresses and parameters
  bool by_pointer() const { return by_pointer_; }

 private:
  Context& context_;
  Ref<MTL::ComputePipelineState> state_;
  MTL::Size group_;
  uint32_t param_bytes_;
  bool by_pointer_;
};

// Thread-safe.
class Pipelines {
 public:
  explicit Pipelines(Context& context) : context_(context) {}
  const Pipeline& get(std::string_view name);
  // The driver's own kernels (transfer_kernels.h).
  const Pipeline& copier();
  const Pipeline& filler();

 private:
  const Pipeline& own(std::string_view name, const char* msl);
  Context& context_;
  KernelTable<Pipeline> table_, own_;
};

}  // namespace anvil::metal
