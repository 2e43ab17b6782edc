// What only the recording driver does: writing launches down.
#include "drv/record/record.h"

#include <gtest/gtest.h>

namespace anvil {
namespace {

struct Params {
  uint32_t count;
  float scale;
};

TEST(Record, WritesLaunchesDown) {
  record::Config config;
  config.caps.cores = 7;
  config.has_kernel = [](std::string_view name) { return name.starts_with("unary/"); };
  const auto device = record::open(std::move(config));
  EXPECT_EQ(device->caps().cores, 7u);
  const auto stream = device->stream(StreamKind::compute);
  void* x = device->allocate(64);
  stream->launch(device->kernel("unary/unary<Relu,F32>"), Grid{2, 3, 1}, {{x, 64, Access::write}}, Params{16, 0.5f});
  EXPECT_THROW(device->kernel("binary/add"), Error);
  const auto all = device->launches();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].kernel, "unary/unary<Relu,F32>");
  EXPECT_EQ(all[0].grid.y, 3u);
  EXPECT_EQ(all[0].args[0].address, x);
  EXPECT_EQ(all[0].as<Params>().scale, 0.5f);
  EXPECT_THROW(all[0].as<uint32_t>(), Error);
  EXPECT_EQ(device->kernels(), std::vector<std::string>{"unary/unary<Relu,F32>"});
  device->clear();
  EXPECT_TRUE(device->launches().empty());
  device->free(x);
}

TEST(Record, PeeksAtItsMemory) {
  const auto device = record::open();
  const auto stream = device->stream(StreamKind::compute);
  char* x = static_cast<char*>(device->allocate(64));
  stream->fill(x, 0x41, 1, 64);
  EXPECT_EQ(static_cast<char>(device->peek(x + 63, 1)[0]), 'A');
  EXPECT_THROW(device->peek(x + 255, 2), Error);
  device->free(x);
}

}  // namespace
}  // namespace anvil
