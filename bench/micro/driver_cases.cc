// What the driver itself costs: recording a launch, submitting, waiting, and moving bytes.
#include <algorithm>
#include <chrono>

#include "case.h"
#include "data.h"

namespace anvil::bench {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point from) {
  return std::chrono::duration<double, std::milli>(Clock::now() - from).count();
}

constexpr int kCalls = 1000;

// One launch that does nothing, as a driver sees it: an address and a scalar.
class Nothing {
 public:
  explicit Nothing(Device& device) : kernel_(device.kernel("probe/nothing")), memory_(device) {
    x_ = memory_.allocate(kBytes);
  }
  // Neighbouring calls write different ranges, so that no barrier is recorded.
  void launch(Stream& stream, int call) {
    const uint64_t params = 0;  // count, padding
    stream.launch(kernel_, {}, {{static_cast<char*>(x_) + call % kSlots * 256, 256, Access::write}}, params);
  }

 private:
  static constexpr int kSlots = 1024;
  static constexpr uint64_t kBytes = kSlots * 256;
  const Kernel& kernel_;
  Buffers memory_;
  void* x_;
};

// The median over many calls of `step`: a call that also hands a batch to the GPU is the exception.
template <class Step>
double median_call(Stream& stream, Step step) {
  std::vector<double> ms(kCalls);
  for (int i = 0; i < kCalls; ++i) {
    const auto from = Clock::now();
    step(i);
    ms[i] = ms_since(from);
  }
  finish(stream);
  std::ranges::nth_element(ms, ms.begin() + kCalls / 2);
  return ms[kCalls / 2];
}

class LaunchCost final : public Job {
 public:
  LaunchCost(Device& device, Stream& stream) : stream_(stream), nothing_(device) {}
  Sample time(int) override {
    return {.ms = median_call(stream_, [&](int i) { nothing_.launch(stream_, i); })};
  }

 private:
  Stream& stream_;
  Nothing nothing_;
};

// The mean over many launches, their submissions included, the GPU's work not waited for.
class LaunchMean final : public Job {
 public:
  LaunchMean(Device& device, Stream& stream) : stream_(stream), nothing_(device) {}
  Sample time(int) override {
    const auto from = Clock::now();
    for (int i = 0; i < kCalls; ++i) nothing_.launch(stream_, i);
    stream_.flush();
    const double ms = ms_since(from) / kCalls;
    finish(stream_);
    return {.ms = ms};
  }

 private:
  Stream& stream_;
  Nothing nothing_;
};

// A small op through its planner: what src/ops adds to a launch.
class OpCost final : public Job {
 public:
  OpCost(Device& device, Stream& stream)
      : stream_(stream),
        memory_(device),
        op_(device, stream, "Relu", DType::f32, Attributes{{"T", DType::f32}},
            {noisy(stream, memory_, 1, DType::f32, {64})}) {}
  Sample time(int) override {
    return {.ms = median_call(stream_, [&](int) { op_.run(); })};
  }

 private:
  Stream& stream_;
  Buffers memory_;
  OpRunner op_;
};

// One launch and its submission; the host does not wait in the timed part.
class SubmitCost final : public Job {
 public:
  SubmitCost(Device& device, Stream& stream) : stream_(stream), nothing_(device) {}
  Sample time(int) override {
    constexpr int kSubmissions = 50;
    double total = 0;
    for (int i = 0; i < kSubmissions; ++i) {
      const auto from = Clock::now();
      nothing_.launch(stream_, i);
      const Point done = stream_.flush();
      total += ms_since(from);
      stream_.sync(done.value, WaitFor::host);
    }
    return {.ms = total / kSubmissions};
  }

 private:
  Stream& stream_;
  Nothing nothing_;
};

// Launch, submission and wait: the time to a result.
class RoundTrip final : public StreamJob {
 public:
  RoundTrip(Device& device, Stream& stream) : StreamJob(stream), nothing_(device) {}

 private:
  void run() override {
    nothing_.launch(stream_, 0);
    finish(stream_);
  }
  Nothing nothing_;
};

enum class Way : uint8_t { upload, download, copy, fill };

class Transfer final : public StreamJob {
 public:
  static constexpr uint64_t kBytes = 64 << 20;
  Transfer(Device& device, Stream& stream, Way way)
      : StreamJob(stream),
        way_(way),
        memory_(device),
        from_(memory_.allocate(kBytes)),
        to_(memory_.allocate(kBytes)),
        host_(kBytes, std::byte{1}) {}

 private:
  void run() override {
    if (way_ == Way::upload) stream_.upload(to_, host_.data(), kBytes);
    else if (way_ == Way::download) stream_.download(host_.data(), from_, kBytes);
    else if (way_ == Way::copy) stream_.copy(to_, from_, kBytes);
    else stream_.fill(to_, 0, 4, kBytes);
  }
  Way way_;
  Buffers memory_;
  void *from_, *to_;
  std::vector<std::byte> host_;
};

template <class T>
Case cost(const char* name) {
  return {.name = name, .group = "driver", .make = [](Device& d, Stream& s) { return std::make_unique<T>(d, s); }};
}
Case transfer(const char* name, Way way, Limit limit) {
  return {.name = name,
          .group = "driver",
          .unit = Unit::byte,
          .work = Transfer::kBytes * (way == Way::copy ? 2.0 : 1.0),
          .limit = limit,
          .make = [=](Device& d, Stream& s) { return std::make_unique<Transfer>(d, s, way); }};
}

}  // namespace

std::vector<Case> driver_cases() {
  return {cost<LaunchCost>("driver/launch-median"),
          cost<LaunchMean>("driver/launch-mean"),
          cost<OpCost>("driver/op-median"),
          cost<SubmitCost>("driver/submit"),
          cost<RoundTrip>("driver/round-trip"),
          transfer("driver/upload-64MiB", Way::upload, Limit::none),
          transfer("driver/download-64MiB", Way::download, Limit::none),
          transfer("driver/copy-64MiB", Way::copy, Limit::bandwidth),
          transfer("driver/fill-64MiB", Way::fill, Limit::bandwidth)};
}

}  // namespace anvil::bench
