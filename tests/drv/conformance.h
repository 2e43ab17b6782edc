// The conformance suite: what driver.h promises, asked of every driver that can be opened here.  To hold a new driver
// to it, add a row to drivers() in conformance.cc.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/counters.h"
#include "drv/driver.h"
#include "drv/pack.h"

namespace anvil::conformance {

struct Opening {
  std::string fault;          // as ANVIL_FAULT
  uint64_t memory_limit = 0;  // bytes; 0 = the device's own
  std::string cache_dir;
};

struct Driver {
  std::string name;
  bool runs_kernels;  // the recording driver only writes launches down
  bool guarded;       // its addresses are inaccessible to the host
  bool waits;         // each piece of work is done before the call returns (ANVIL_SAFE)
  std::function<std::unique_ptr<Device>(const Opening&)> open;
};
std::ostream& operator<<(std::ostream& out, const Driver& d);

// Every driver that offers a device on this machine: the recording one, and those of the build (vulkan_drivers.cc or
// metal_drivers.cc).
const std::vector<Driver>& drivers();
std::vector<Driver> gpu_drivers();
const Pack& conformance_pack();

using Words = std::vector<uint32_t>;
using Bytes = std::vector<uint8_t>;

// Parameters of the map kernels (kernels/conformance.slang).
struct Map {
  uint32_t count, factor, term;
};

class Conformance : public testing::TestWithParam<Driver> {
 protected:
  void SetUp() override { open({}); }
  void TearDown() override {
    stream.reset();
    device.reset();
    zero_counters();
    EXPECT_EQ(value(Counter::device_bytes), 0u) << "device memory was not given back";
    EXPECT_EQ(value(Counter::staging_bytes), 0u) << "staging memory was not given back";
  }
  void check_validation() {
    EXPECT_EQ(value(Counter::validation_messages), 0u) << "the validation layer complained; see the log";
  }
  void zero_counters() {
    check_validation();
    reset_counters();
  }
  // Opens the device anew.
  void open(const Opening& setup) {
    stream.reset();
    device.reset();
    device = GetParam().open(setup);
    ASSERT_TRUE(device);
    stream = device->stream(StreamKind::compute);
  }
  // Ends the test unless the driver runs kernels.
  bool kernels() const { return GetParam().runs_kernels; }

  void* allocate(uint64_t bytes) { return device->allocate(bytes); }
  uint32_t* words(uint64_t n) { return static_cast<uint32_t*>(device->allocate(4 * n)); }
  template <class T>
  T* put(const std::vector<T>& host) {
    T* at = static_cast<T*>(device->allocate(host.size() * sizeof(T)));
    stream->upload(at, host.data(), host.size() * sizeof(T));
    return at;
  }
  // Reads back through `on` and waits.
  template <class T>
  std::vector<T> get(const T* from, size_t n, Stream& on) {
    std::vector<T> host(n);
    on.download(host.data(), from, n * sizeof(T));
    on.sync(on.flush().value, WaitFor::script_read);
    return host;
  }
  template <class T>
  std::vector<T> get(const T* from, size_t n) {
    return get(from, n, *stream);
  }
  void finish() { stream->sync(stream->flush().value, WaitFor::host); }

  void launch(Stream& on, const char* kernel, const uint32_t* x, uint32_t* y, Map p) {
    on.launch(device->kernel(kernel), Grid::line(div_up(p.count, 64)),
              {{x, 4ull * p.count, Access::read}, {y, 4ull * p.count, Access::write}}, p);
  }
  void affine(Stream& on, const uint32_t* x, uint32_t* y, Map p) { launch(on, "conformance/affine", x, y, p); }
  void affine(const uint32_t* x, uint32_t* y, Map p) { affine(*stream, x, y, p); }
  // Keeps the GPU busy for a while: tens of milliseconds on a software device.
  void busy(Stream& on, const uint32_t* x, uint32_t* y, uint32_t count, uint32_t turns) {
    launch(on, "conformance/spin", x, y, {count, turns, 0});
  }

  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
};

Words random_words(size_t n, uint32_t seed);
Bytes random_bytes(size_t n, uint32_t seed);
// What spin() computes for one element.
uint32_t spun(uint32_t v, uint32_t turns);

// EXPECT that `f()` throws anvil::Error of `code` whose message contains `words`.
void expect_error(Code code, const std::string& words, const std::function<void()>& f);

}  // namespace anvil::conformance

// One line at the end of each conformance_*.cc: runs its tests on every driver.
#define ANVIL_ON_EVERY_DRIVER(suite)                                     \
  INSTANTIATE_TEST_SUITE_P(Drivers, suite, testing::ValuesIn(drivers()), \
                           [](const auto& info) { return info.param.name; })
