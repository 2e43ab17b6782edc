// The Metal driver against a Metal that fails, that is old, or that is not Apple Silicon's.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "apple/fake_metal.h"
#include "apple/objc.h"
#include "drv/metal/device.h"
#include "drv/pack.h"

namespace anvil::metal {
namespace {

using apple::Fault;

class Driver : public testing::Test {
 protected:
  void TearDown() override {
    stream.reset();
    device.reset();
    apple::no_faults();
    apple::old_system(false);
    apple::separate_memory(false);
    for (const char* name :
         {"FakeMTLBuffer", "FakeMTLCommandBuffer", "FakeMTLComputeCommandEncoder", "FakeMTLLibrary", "FakeMTLFunction",
          "FakeMTLComputePipelineState", "FakeMTLSharedEvent", "FakeMTLFence", "FakeMTLCommandQueue",
          "FakeMTLResidencySet", "NSString", "NSError", "NSAutoreleasePool"}) {
      // The last reference to a command buffer goes on Metal's own thread.
      for (int i = 0; i < 500 && apple::live(name) > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      EXPECT_EQ(apple::live(name), 0) << name << "s were not released";
    }
  }
  // What open_devices says if it offers nothing; opens a stream otherwise.
  std::string open(bool residency_sets = true) {
    static const Pack pack(ANVIL_CONFORMANCE_PACK);
    Config config;
    config.pack = &pack;
    config.residency_sets = residency_sets;
    std::string why;
    auto devices = open_devices(config, why);
    if (devices.empty()) return why;
    device = std::move(devices.front());
    stream = device->stream(StreamKind::compute);
    return "";
  }
  uint32_t* words(uint64_t n) { return static_cast<uint32_t*>(device->allocate(4 * n)); }
  void affine(const uint32_t* x, uint32_t* y, uint32_t count) {
    struct {
      uint32_t count, factor, term;
    } p{count, 3, 1};
    stream->launch(device->kernel("conformance/affine"), Grid::line(div_up(count, 64)),
                   {{x, 4ull * count, Access::read}, {y, 4ull * count, Access::write}}, p);
  }
  // The error that `f` throws, as code and message.
  template <class F>
  std::pair<int, std::string> error(const F& f) {
    try {
      f();
    } catch (const Error& e) {
      return {static_cast<int>(e.code), e.what()};
    }
    return {-1, "no error"};
  }
  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
};

#define EXPECT_WORDS(text, words) EXPECT_NE(std::string(text).find(words), std::string::npos) << text

TEST_F(Driver, TellsWhatTheDeviceCanDo) {
  ASSERT_EQ(open(), "");
  const Caps& c = device->caps();
  EXPECT_EQ(c.name, "Fake Apple GPU");
  EXPECT_EQ(c.kind, DeviceKind::integrated);
  EXPECT_EQ(c.subgroup, 32u);
  EXPECT_EQ(c.max_group, 1024u);
  EXPECT_TRUE(c.unified);
  EXPECT_TRUE(c.atomic_f32_add);
  EXPECT_FALSE(c.f64);
  EXPECT_EQ(c.memory, (8ull << 30) / 16 * 15) << "what the system recommends less a margin";
}

TEST_F(Driver, DeclinesWithASentence) {
  apple::inject(Fault::devices, 1);
  EXPECT_WORDS(open(), "no Metal device was found");
  apple::separate_memory(true);
  EXPECT_WORDS(open(), "only GPUs of Apple's own make");
  apple::separate_memory(false);
  for (const Fault f : {Fault::queue, Fault::allocation, Fault::residency, Fault::compile, Fault::pipeline}) {
    apple::inject(f, 1);
    EXPECT_NE(open(), "") << static_cast<int>(f);
    apple::no_faults();
  }
  apple::inject(Fault::execution, 1, 1, 8);
  EXPECT_WORDS(open(), "Insufficient Memory");
}

TEST_F(Driver, GoesWithoutFloatAtomicsIfTheyDoNotWork) {
  apple::inject(Fault::compile, 2);
  ASSERT_EQ(open(), "");
  EXPECT_FALSE(device->caps().atomic_f32_add);
}

TEST_F(Driver, RunsOnAnOldSystem) {
  apple::old_system(true);
  ASSERT_EQ(open(), "");
  uint32_t* x = words(100);
  stream->fill(x, 5, 4, 400);
  affine(x, x, 100);
  uint32_t got = 0;
  stream->download(&got, x + 99, 4);
  stream->sync(stream->flush().value, WaitFor::script_read);
  EXPECT_EQ(got, 16u);
}

TEST_F(Driver, TurnsCommandBufferErrorsIntoItsOwn) {
  const struct {
    long code;
    Code ours;
    const char* name;
    const char* apples;
  } rows[] = {
      {1, Code::internal, "MTLCommandBufferErrorInternal", "Internal Error"},
      {2, Code::unavailable, "MTLCommandBufferErrorTimeout", "Caused GPU Timeout Error"},
      {3, Code::internal, "MTLCommandBufferErrorPageFault", "Caused GPU Address Fault Error"},
      {4, Code::unavailable, "MTLCommandBufferErrorAccessRevoked", "excessive GPU errors"},
      {7, Code::unavailable, "MTLCommandBufferErrorNotPermitted", "Insufficient Permission"},
      {8, Code::resource_exhausted, "MTLCommandBufferErrorOutOfMemory", "Insufficient Memory"},
      {9, Code::internal, "MTLCommandBufferErrorInvalidResource", "Invalid Resource"},
      {11, Code::unavailable, "MTLCommandBufferErrorDeviceRemoved", "Device Removed"},
  };
  for (const auto& row : rows) {
    ASSERT_EQ(open(), "");
    uint32_t* x = words(64);
    uint32_t got = 0;
    apple::inject(Fault::execution, 1, 1, row.code);
    stream->fill(x, 1, 4, 256);
    stream->download(&got, x, 4);
    const Point p = stream->flush();
    const auto [code, what] = error([&] { stream->sync(p.value, WaitFor::host); });
    EXPECT_EQ(code, static_cast<int>(row.ours)) << what;
    EXPECT_WORDS(what, row.name);
    EXPECT_WORDS(what, row.apples);
    EXPECT_EQ(device->error(), what);
    EXPECT_EQ(got, UINT32_MAX) << "a result that never was";
    EXPECT_EQ(error([&] { affine(x, x, 64); }).second, what);
    stream.reset();
  }
}

TEST_F(Driver, LetsOtherStreamsGoWhenACommandBufferFails) {
  ASSERT_EQ(open(), "");
  const auto other = device->stream(StreamKind::compute);
  uint32_t* x = words(64);
  apple::inject(Fault::execution, 1, 1, 2);
  stream->fill(x, 1, 4, 256);
  const Point p = stream->flush();
  EXPECT_NE(error([&] {
              other->wait(p);
              other->fill(x, 2, 4, 256);
              other->sync(other->flush().value, WaitFor::host);
            }).first,
            -1);
}

TEST_F(Driver, ReportsWhatCannotBeMade) {
  ASSERT_EQ(open(), "");
  uint32_t* x = words(64);
  const auto fails = [&](Fault fault, const char* words, const std::function<void()>& f) {
    apple::inject(fault, 1);
    const auto [code, what] = error(f);
    EXPECT_EQ(code, static_cast<int>(Code::resource_exhausted)) << what;
    EXPECT_WORDS(what, words);
    apple::no_faults();
    EXPECT_EQ(device->error(), "");
  };
  fails(Fault::allocation, "out of device memory", [&] { words(64); });
  fails(Fault::queue, "command queue", [&] { device->stream(StreamKind::compute); });
  fails(Fault::event, "shared event", [&] { device->stream(StreamKind::compute); });
  fails(Fault::fence, "fence", [&] { device->stream(StreamKind::compute); });
  fails(Fault::command_buffer, "command buffer", [&] { stream->fill(x, 1, 4, 256); });
  fails(Fault::encoder, "encoder", [&] { stream->fill(x, 1, 4, 256); });
  stream->fill(x, 9, 4, 256);
  uint32_t got = 0;
  stream->download(&got, x, 4);
  stream->sync(stream->flush().value, WaitFor::script_read);
  EXPECT_EQ(got, 9u) << "the stream goes on";
  EXPECT_EQ(error([&] { device->allocate(5ull << 30); }).first, static_cast<int>(Code::resource_exhausted));
}

TEST_F(Driver, PassesOnWhatTheCompilerSays) {
  ASSERT_EQ(open(), "");
  apple::inject(Fault::compile, 1);
  const auto [code, what] = error([&] { device->kernel("conformance/affine"); });
  EXPECT_EQ(code, static_cast<int>(Code::internal));
  EXPECT_WORDS(what, "conformance/affine");
  EXPECT_WORDS(what, "program_source:1:1: error: injected");
  EXPECT_EQ(device->kernel("conformance/affine").name(), "conformance/affine") << "built when asked again";
}

TEST_F(Driver, ComputesTheSameInEveryOrderThatIsAllowed) {
  for (const uint32_t seed : {0u, 1u, 2u, 3u}) {
    apple::shuffle(seed);
    ASSERT_EQ(open(), "");
    constexpr uint32_t kN = 200, kSteps = 60;
    uint32_t* a = words(kN);
    uint32_t* b = words(kN);
    stream->fill(a, 1, 4, 4 * kN);
    uint32_t model = 1;
    for (uint32_t i = 0; i < kSteps; ++i, model = model * 3 + 1) affine(i % 2 ? b : a, i % 2 ? a : b, kN);
    std::vector<uint32_t> got(kN);
    stream->download(got.data(), a, 4 * kN);
    stream->sync(stream->flush().value, WaitFor::script_read);
    EXPECT_EQ(got, std::vector<uint32_t>(kN, model)) << seed;
    stream.reset();
  }
  apple::shuffle(1);
}

}  // namespace
}  // namespace anvil::metal
