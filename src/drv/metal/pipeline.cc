#include "drv/metal/pipeline.h"

#include <cstring>

#include "drv/metal/transfer_kernels.h"

namespace anvil::metal {
namespace {

Ref<MTL::CompileOptions> compile_options() {
  auto options = NS::TransferPtr(MTL::CompileOptions::alloc()->init());
  options->setLanguageVersion(MTL::LanguageVersion3_0);  // of macOS 13
  // float32 means float32: no reassociation, NaN and infinities as they are.
  if (answers(options.get(), "setMathMode:")) options->setMathMode(MTL::MathModeSafe);
  else options->setFastMathEnabled(false);
  return options;
}

void check_fits(const Caps& caps, const KernelCode& code, const std::string& name) {
  const uint64_t threads = uint64_t{code.group[0]} * code.group[1] * code.group[2];
  require(threads <= caps.max_group, Code::unimplemented, "kernel ", name, " needs ", threads,
          " threads in a group; the device has ", caps.max_group);
  require(code.by_pointer || code.param_bytes <= kPushBytes, Code::internal, "kernel ", name, " has ", code.param_bytes,
          " bytes of parameters by value; at most ", kPushBytes, " are possible");
}

}  // namespace

Ref<MTL::ComputePipelineState> build_pipeline(MTL::Device* device, const std::string& name, const std::string& msl,
                                              uint64_t threads) {
  const std::string doing = "building kernel " + name;
  NS::Error* error = nullptr;
  const auto library = NS::TransferPtr(device->newLibrary(to_ns(msl), compile_options().get(), &error));
  if (!library) throw to_error(error, doing);
  NS::Array* names = library->functionNames();
  require(names->count() == 1, Code::internal, "kernel ", name, " has ", names->count(), " entry points");
  const auto function = NS::TransferPtr(library->newFunction(names->object<NS::String>(0)));
  const auto description = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
  description->setLabel(to_ns(name));
  description->setComputeFunction(function.get());
  description->setMaxTotalThreadsPerThreadgroup(threads);  // the compiler then keeps to the registers there are
  auto state =
      NS::TransferPtr(device->newComputePipelineState(description.get(), MTL::PipelineOptionNone, nullptr, &error));
  if (!state) throw to_error(error, doing);
  require(state->maxTotalThreadsPerThreadgroup() >= threads, Code::unimplemented, "kernel ", name, " needs ", threads,
          " threads in a group; this device runs ", state->maxTotalThreadsPerThreadgroup(), " of it");
  return state;
}

Pipeline::Pipeline(Context& context, std::string name, const KernelCode& code)
    : Kernel(std::move(name)),
      context_(context),
      group_(code.group[0], code.group[1], code.group[2]),
      param_bytes_(code.param_bytes),
      by_pointer_(code.by_pointer) {
  check_fits(context.caps, code, name_);
  const Pool pool;
  const std::string msl(reinterpret_cast<const char*>(code.code.data()), code.code.size());
  state_ = build_pipeline(context.device.get(), name_, msl, group_.width * group_.height * group_.depth);
}

const Pipeline& Pipelines::get(std::string_view name) {
  return table_.get(name, [&](std::string_view wanted) {
    if (context_.faults.hit(FaultKind::pipeline))
      throw to_error(MTL::CommandBufferErrorOutOfMemory, "injected", str("building kernel ", wanted));
    const KernelCode code = context_.pack_for(wanted).load(wanted, PackTarget::msl);
    return std::make_unique<Pipeline>(context_, std::string(wanted), code);
  });
}

const Pipeline& Pipelines::own(std::string_view name, const char* msl) {
  return own_.get(name, [&](std::string_view wanted) {
    const auto* text = reinterpret_cast<const std::byte*>(msl);
    const KernelCode code{{text, text + std::strlen(msl)}, {kTransferThreads, 1, 1}, sizeof(Transfer), false};
    return std::make_unique<Pipeline>(context_, std::string(wanted), code);
  });
}

const Pipeline& Pipelines::copier() { return own("metal/copy", kCopyKernel); }
const Pipeline& Pipelines::filler() { return own("metal/fill", kFillKernel); }

}  // namespace anvil::metal
