#include "drv/vulkan/pipeline.h"

#include <cstring>

namespace anvil::vulkan {
namespace {

// The name of the module's one entry point: the first OpEntryPoint's literal.
std::string entry_point(const KernelCode& code, const std::string& kernel) {
  const auto* words = reinterpret_cast<const uint32_t*>(code.code.data());
  const size_t n = code.code.size() / 4;
  constexpr uint32_t kHeaderWords = 5, kOpEntryPoint = 15;
  for (size_t i = kHeaderWords; i < n && words[i] >> 16; i += words[i] >> 16)
    if ((words[i] & 0xffff) == kOpEntryPoint && i + (words[i] >> 16) <= n) {
      const auto* text = reinterpret_cast<const char*>(&words[i + 3]);
      const size_t most = ((words[i] >> 16) - 3) * 4;
      const void* end = std::memchr(text, 0, most);
      return {text, end ? static_cast<size_t>(static_cast<const char*>(end) - text) : most};
    }
  fail(Code::internal, "kernel ", kernel, " has no entry point");
}

void check_fits(const Caps& caps, const KernelCode& code, const std::string& name) {
  const uint64_t threads = uint64_t{code.group[0]} * code.group[1] * code.group[2];
  require(threads <= caps.max_group, Code::unimplemented, "kernel ", name, " needs ", threads,
          " threads in a group; the device has ", caps.max_group);
  require(code.by_pointer || code.param_bytes <= kPushBytes, Code::internal, "kernel ", name, " has ", code.param_bytes,
          " bytes of parameters by value; at most ", kPushBytes, " are possible");
}

}  // namespace

Pipeline::Pipeline(Context& context, std::string name, const KernelCode& code, VkPipelineCache cache)
    : Kernel(std::move(name)), context_(context), param_bytes_(code.param_bytes), by_pointer_(code.by_pointer) {
  check_fits(context.adapter.caps, code, name_);
  if (context.faults.hit(FaultKind::pipeline)) throw to_error(VK_ERROR_OUT_OF_HOST_MEMORY, "building kernel " + name_);
  VkShaderModuleCreateInfo module_info{VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO};
  module_info.codeSize = code.code.size();
  module_info.pCode = reinterpret_cast<const uint32_t*>(code.code.data());
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult r = context.vk.vkCreateShaderModule(context.device, &module_info, nullptr, &module);
  if (r != VK_SUCCESS) throw to_error(r, "reading kernel " + name_);
  const std::string entry = entry_point(code, name_);
  VkComputePipelineCreateInfo info{VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO};
  info.stage = {VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO};
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = entry.c_str();
  info.layout = context.layout;
  r = context.vk.vkCreateComputePipelines(context.device, cache, 1, &info, nullptr, &handle_);
  context.vk.vkDestroyShaderModule(context.device, module, nullptr);
  if (r != VK_SUCCESS) throw to_error(r, "building kernel " + name_);
}

Pipeline::~Pipeline() { context_.vk.vkDestroyPipeline(context_.device, handle_, nullptr); }

const Pipeline& Pipelines::get(std::string_view name) {
  return table_.get(name, [&](std::string_view wanted) {
    const KernelCode code = context_.pack_for(wanted).load(wanted, PackTarget::spirv);
    auto made = std::make_unique<Pipeline>(context_, std::string(wanted), code, cache_.handle());
    cache_.touched();
    return made;
  });
}

}  // namespace anvil::vulkan
