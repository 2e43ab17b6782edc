// The fake notices what Metal forbids: each of these programs ends with a sentence.
#include <gtest/gtest.h>

#include "apple/fake_metal.h"
#include "apple/objc.h"
#include "drv/metal/metal.h"

namespace anvil::metal {
namespace {

constexpr const char* kWrites = R"(
#include <metal_stdlib>
using namespace metal;
struct P { device uint* y; };
kernel void writes(constant P& p [[buffer(0)]]) { p.y[0] = 7; }
)";

class Misuse : public testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // the fake has threads
    device = NS::RetainPtr(NS::TransferPtr(MTL::CopyAllDevices())->object<MTL::Device>(0));
    queue = NS::TransferPtr(device->newCommandQueue(4));
  }
  Ref<MTL::Buffer> buffer(uint64_t bytes) {
    return NS::TransferPtr(device->newBuffer(bytes, MTL::ResourceStorageModeShared));
  }
  Ref<MTL::ComputePipelineState> pipeline() {
    NS::Error* error = nullptr;
    const auto library = NS::TransferPtr(device->newLibrary(to_ns(kWrites), nullptr, &error));
    const auto function = NS::TransferPtr(library->newFunction(to_ns("writes")));
    const auto description = NS::TransferPtr(MTL::ComputePipelineDescriptor::alloc()->init());
    description->setComputeFunction(function.get());
    description->setMaxTotalThreadsPerThreadgroup(64);
    return NS::TransferPtr(
        device->newComputePipelineState(description.get(), MTL::PipelineOptionNone, nullptr, &error));
  }
  static void encode(MTL::ComputeCommandEncoder* encoder, MTL::ComputePipelineState* kernel, uint64_t address,
                     MTL::Buffer* used) {
    encoder->setComputePipelineState(kernel);
    encoder->setBytes(&address, sizeof address, 0);
    if (used) encoder->useResource(used, MTL::ResourceUsageWrite);
    encoder->dispatchThreadgroups(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1));
  }
  // Runs `writes` on an address; what the command buffer says.
  std::string run(uint64_t address, MTL::Buffer* used) {
    MTL::CommandBuffer* commands = queue->commandBuffer();
    MTL::ComputeCommandEncoder* encoder = commands->computeCommandEncoder();
    const auto kernel = pipeline();
    encode(encoder, kernel.get(), address, used);
    encoder->endEncoding();
    commands->commit();
    commands->waitUntilCompleted();
    return commands->error() ? to_error(commands->error(), "running").what() : "";
  }
  Pool pool;
  Ref<MTL::Device> device;
  Ref<MTL::CommandQueue> queue;
};
using MisuseDeathTest = Misuse;

TEST_F(MisuseDeathTest, OfObjects) {
  EXPECT_DEATH(reinterpret_cast<MTL::Buffer*>(queue.get())->gpuAddress(), "gpuAddress.*unrecognized selector");
  EXPECT_DEATH(
      {
        MTL::Fence* gone = device->newFence();
        gone->release();
        gone->retain();
      },
      "sent to a dead object");
  EXPECT_DEATH(std::thread([&] { queue->commandBuffer(); }).join(), "no pool in place");
}

TEST_F(MisuseDeathTest, OfCommandBuffers) {
  MTL::CommandBuffer* commands = queue->commandBuffer();
  EXPECT_DEATH(
      {
        commands->commit();
        commands->commit();
      },
      "commit of a committed command buffer");
  EXPECT_DEATH(
      {
        commands->computeCommandEncoder();
        commands->commit();
      },
      "while an encoder is open");
  EXPECT_DEATH(
      {
        commands->commit();
        commands->addCompletedHandler([](MTL::CommandBuffer*) {});
      },
      "addCompletedHandler after commit");
  EXPECT_DEATH(for (int i = 0; i < 8; ++i) queue->commandBuffer(), "more command buffers than");
}

TEST_F(MisuseDeathTest, OfEncoders) {
  MTL::ComputeCommandEncoder* encoder = queue->commandBuffer()->computeCommandEncoder();
  const auto kernel = pipeline();
  const std::string large(5000, 'x');
  EXPECT_DEATH(encoder->setBytes(large.data(), large.size(), 0), "setBytes of 5000 bytes");
  EXPECT_DEATH(encoder->dispatchThreadgroups(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1)), "without a pipeline");
  encoder->setComputePipelineState(kernel.get());
  EXPECT_DEATH(encoder->dispatchThreadgroups(MTL::Size(1, 1, 1), MTL::Size(1, 1, 1)), "has no argument 0");
  EXPECT_DEATH(encoder->dispatchThreadgroups(MTL::Size(1, 1, 1), MTL::Size(65, 1, 1)), "65 threads a group");
  encoder->endEncoding();
  EXPECT_DEATH(encoder->endEncoding(), "after endEncoding");
}

TEST_F(MisuseDeathTest, OfOrderBetweenEncoders) {
  const auto b = buffer(64);
  const auto kernel = pipeline();
  const auto twice = [&](bool ordered) {
    const auto fence = NS::TransferPtr(device->newFence());
    MTL::CommandBuffer* commands = queue->commandBuffer();
    for (int i = 0; i < 2; ++i) {
      MTL::ComputeCommandEncoder* encoder = commands->computeCommandEncoder();
      if (ordered) encoder->waitForFence(fence.get());
      encode(encoder, kernel.get(), b->gpuAddress(), b.get());
      if (ordered) encoder->updateFence(fence.get());
      encoder->endEncoding();
    }
    commands->commit();
    commands->waitUntilCompleted();
  };
  twice(true);
  EXPECT_DEATH(twice(false), "waits for no fence");
}

TEST_F(MisuseDeathTest, OfAddresses) {
  const auto b = buffer(64);
  EXPECT_DEATH(run(reinterpret_cast<uint64_t>(b->contents()), b.get()), "an address of the CPU");
}

TEST_F(Misuse, OfMemoryIsAPageFault) {
  const auto b = buffer(64);
  EXPECT_EQ(run(b->gpuAddress(), b.get()), "");
  EXPECT_EQ(*static_cast<uint32_t*>(b->contents()), 7u);
  const auto faults = [&](uint64_t address, MTL::Buffer* used, const char* words) {
    const std::string what = run(address, used);
    EXPECT_NE(what.find("MTLCommandBufferErrorPageFault"), std::string::npos) << what;
    EXPECT_NE(what.find(words), std::string::npos) << what;
  };
  faults(b->gpuAddress(), nullptr, "not resident");
  faults(b->gpuAddress() + 8192, b.get(), "past the end");
  faults(0, b.get(), "where no buffer is");
}

}  // namespace
}  // namespace anvil::metal
