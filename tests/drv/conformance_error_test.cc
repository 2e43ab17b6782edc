// Faults: what fails says so, what is lost stays lost, nobody waits for ever, and nothing aborts.
#include <algorithm>
#include <thread>

#include "conformance.h"

namespace anvil::conformance {
namespace {

class Errors : public Conformance {
 protected:
  // Records and flushes until a call throws; the message.
  std::string run_into_it(uint32_t* x) {
    for (uint32_t i = 0; i < 200; ++i) {
      try {
        stream->fill(x, i, 4, 256);
        stream->flush();
      } catch (const Error& e) {
        EXPECT_EQ(e.what(), device->error());
        return e.what();
      }
    }
    ADD_FAILURE() << "the fault did not come";
    return "";
  }
};

TEST_P(Errors, AFailedAllocationIsOneError) {
  open({.fault = "alloc:2"});
  void* a = allocate(4096);
  expect_error(Code::resource_exhausted, "out of device memory", [&] { allocate(4096); });
  EXPECT_EQ(device->error(), "");
  void* b = allocate(4096);
  device->free(a);
  device->free(b);
}

TEST_P(Errors, AFailedKernelIsBuiltAgain) {
  open({.fault = "pipeline:1"});
  expect_error(Code::resource_exhausted, "conformance/affine", [&] { device->kernel("conformance/affine"); });
  uint32_t* x = put(Words(64, 1));
  affine(x, x, {64, 1, 1});
  EXPECT_EQ(get(x, 1)[0], kernels() ? 2u : 1u);
  device->free(x);
}

TEST_P(Errors, ALostDeviceStaysLostAndLetsEveryoneGo) {
  for (const char* fault : {"lost:3", "submit:3"}) {
    open({.fault = fault});
    const auto other = device->stream(StreamKind::transfer);
    uint32_t* x = words(64);
    const std::string message = run_into_it(x);
    EXPECT_NE(message, "");
    const auto refused = [&](const std::function<void()>& f) {
      try {
        f();
        ADD_FAILURE() << "the sticky error was not reported";
      } catch (const Error& e) {
        EXPECT_EQ(e.what(), message);
      }
    };
    uint32_t host[64] = {};
    refused([&] { stream->fill(x, 1, 4, 4); });
    refused([&] { stream->copy(x, x + 8, 4); });
    refused([&] { stream->upload(x, host, 4); });
    refused([&] { stream->download(host, x, 4); });
    refused([&] { other->fill(x, 1, 4, 4); });
    refused([&] { affine(x, x, {64, 1, 1}); });
    refused([&] { device->allocate(64); });
    refused([&] { device->stream(StreamKind::compute); });
    EXPECT_NO_THROW(stream->flush());
    EXPECT_TRUE(stream->reached(1));
    EXPECT_TRUE(stream->reached(1'000'000));
    refused([&] { stream->sync(1'000'000, WaitFor::host); });
    EXPECT_EQ(device->error(), message);
    EXPECT_NO_THROW(device->free(x));
    EXPECT_NO_THROW(device->memory());
  }
}

TEST_P(Errors, WaitersWakeWhenTheDeviceIsLost) {
  if (!kernels() || GetParam().waits) GTEST_SKIP() << "work is done before the call returns";
  // Submissions: an upload may or may not need one, the long kernel is the next, and a later one is lost.
  open({.fault = "lost:6"});
  uint32_t* x = words(1024);
  uint32_t* y = words(1024);
  busy(*stream, x, y, 1024, 60'000);
  const Point p = stream->flush();
  std::thread waiter([&] {
    try {
      stream->sync(p.value, WaitFor::host);  // may have finished, or throws
    } catch (const Error& e) {
      EXPECT_EQ(e.what(), device->error());
    }
  });
  const auto other = device->stream(StreamKind::compute);
  constexpr uint32_t kUntouched = 0xdeadbeef;
  Words got(1024, kUntouched);
  stream->download(got.data(), y, 4096);
  EXPECT_THROW(
      {
        for (int i = 0; i < 20; ++i) {
          other->fill(x, 1, 4, 4);
          other->wait(stream->flush());
          other->flush();
        }
      },
      Error);
  waiter.join();
  EXPECT_NE(device->error(), "");
  EXPECT_TRUE(stream->reached(stream->flush().value));
  EXPECT_EQ(std::count(got.begin(), got.end(), kUntouched), 0) << "neither read nor given up";
}

TEST_P(Errors, AReadThatIsLostWithTheDeviceIsNoResult) {
  if (!kernels() || GetParam().waits) GTEST_SKIP() << "work is done before the call returns";
  open({.fault = "lost:1"});
  uint32_t* x = words(64);
  Words got(64, 3);
  stream->fill(x, 7, 4, 256);
  stream->download(got.data(), x, 256);
  EXPECT_THROW(stream->flush(), Error);
  EXPECT_TRUE(stream->reached(stream->flush().value));
  EXPECT_EQ(got, Words(64, UINT32_MAX));
}

TEST_P(Errors, OneDeviceDoesNotTakeAnotherDown) {
  const auto other = GetParam().open({.fault = "lost:1"});
  const auto bad = other->stream(StreamKind::compute);
  void* there = other->allocate(256);
  EXPECT_THROW(
      {
        bad->fill(there, 1, 4, 256);
        bad->flush();
      },
      Error);
  uint32_t* x = words(64);
  stream->fill(x, 5, 4, 256);
  EXPECT_EQ(get(x, 1)[0], 5u);
  device->free(x);
  other->free(there);
}

TEST_P(Errors, FaultsThatMeanNothingAreRefused) {
  if (!kernels()) {
    EXPECT_THROW(GetParam().open({.fault = "alloc"}), Error);
    return;
  }
  // A driver's open() never throws: it offers no device and says why.
  EXPECT_EQ(GetParam().open({.fault = "alloc:x"}), nullptr);
}

ANVIL_ON_EVERY_DRIVER(Errors);

}  // namespace
}  // namespace anvil::conformance
