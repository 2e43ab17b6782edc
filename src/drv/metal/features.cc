#include "drv/metal/features.h"

#include <cstring>

#include "drv/metal/pipeline.h"

namespace anvil::metal {
namespace {

// Kernels take addresses in their parameters: does that work?
constexpr const char* kAddresses = R"(
#include <metal_stdlib>
using namespace metal;
struct Probe { device uint* x; device uint* y; };
kernel void addresses(constant Probe& p [[buffer(0)]]) { p.y[0] = p.x[0] + 1; }
)";
constexpr const char* kFloatAtomics = R"(
#include <metal_stdlib>
using namespace metal;
struct Probe { device float* x; device atomic_float* y; };
kernel void float_atomics(constant Probe& p [[buffer(0)]]) {
  atomic_fetch_add_explicit(p.y, p.x[0], memory_order_relaxed);
}
)";

// Metal does not say how many cores there are.  The smallest GPUs of Apple have 7 or 8; where there are more, a planner
// that believes in 8 divides work less finely than it could.
constexpr uint32_t kCores = 8;

class Prober {
 public:
  explicit Prober(Context& context)
      : context_(context), queue_(context.make_queue(1)), x_(context.make_buffer(256)), y_(context.make_buffer(256)) {}
  ~Prober() {
    context_.drop_buffer(x_.get());
    context_.drop_buffer(y_.get());
  }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // Runs a kernel with 41 in x[0] and 0 in y[0]; what it left in y[0].  Throws what Metal reports.
  template <class T>
  T run(const char* name, const char* msl) {
    const T in = 41, zero = 0;
    std::memcpy(x_->contents(), &in, sizeof in);
    std::memcpy(y_->contents(), &zero, sizeof zero);
    pipeline_ = build_pipeline(context_.device.get(), name, msl, 1);
    MTL::CommandBuffer* commands = queue_->commandBuffer();
    MTL::ComputeCommandEncoder* encoder = commands->computeCommandEncoder();
    const uint64_t addresses[2] = {x_->gpuAddress(), y_->gpuAddress()};
    encoder->setComputePipelineState(pipeline_.get());
    encoder->setBytes(addresses, sizeof addresses, 0);
    if (context_.must_name_resources())
      for (MTL::Buffer* b : {x_.get(), y_.get()})
        encoder->useResource(b, MTL::ResourceUsageRead | MTL::ResourceUsageWrite);
    encoder->dispatchThreadgroups(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
    encoder->endEncoding();
    commands->commit();
    commands->waitUntilCompleted();
    if (commands->status() == MTL::CommandBufferStatusError) throw to_error(commands->error(), str("probing ", name));
    T out;
    std::memcpy(&out, y_->contents(), sizeof out);
    return out;
  }
  // Of the kernel that ran last.
  MTL::ComputePipelineState* pipeline() const { return pipeline_.get(); }

 private:
  Context& context_;
  Ref<MTL::CommandQueue> queue_;
  Ref<MTL::Buffer> x_, y_;
  Ref<MTL::ComputePipelineState> pipeline_;
};

bool has_float_atomics(Prober& prober) {
  try {
    return prober.run<float>("float_atomics", kFloatAtomics) == 41;
  } catch (const Error&) {
    return false;  // the compiler refuses it
  }
}

// Two devices that run the same code the same way have the same: it keys what is measured and kept on disk.
std::string identity(const std::string& name, const std::string& system) {
  uint64_t h = 14695981039346656037ull;  // FNV-1a
  for (const char c : name + "|" + system) h = (h ^ static_cast<uint8_t>(c)) * 1099511628211ull;
  std::ostringstream out;
  out << std::hex << h;
  return "metal" + std::move(out).str();
}

}  // namespace

std::string probe(Context& context) {
  const Pool pool;
  MTL::Device* device = context.device.get();
  Caps& c = context.caps;
  const std::string system = to_text(NS::ProcessInfo::processInfo()->operatingSystemVersionString());
  c.name = to_text(device->name());
  c.driver = "metal: macOS " + system;
  c.uuid = identity(c.name, system);
  c.kind = DeviceKind::integrated;
  c.unified = device->hasUnifiedMemory();
  if (!c.unified) return "its memory is not the CPU's; only GPUs of Apple's own make are supported";
  if (const auto buffer = NS::TransferPtr(device->newBuffer(256, MTL::ResourceStorageModeShared));
      !buffer || !answers(buffer.get(), "gpuAddress"))
    return "its buffers have no addresses; macOS 13 or later is needed";
  c.max_group = static_cast<uint32_t>(device->maxThreadsPerThreadgroup().width);
  c.group_memory = static_cast<uint32_t>(device->maxThreadgroupMemoryLength());
  c.cores = kCores;
  c.max_allocation = device->maxBufferLength();
  Prober prober(context);
  const uint32_t got = prober.run<uint32_t>("addresses", kAddresses);
  if (got != 42) return str("a kernel that is given addresses computes ", got, " instead of 42");
  c.subgroup = static_cast<uint32_t>(prober.pipeline()->threadExecutionWidth());
  c.atomic_f32_add = has_float_atomics(prober);
  return "";
}

}  // namespace anvil::metal
