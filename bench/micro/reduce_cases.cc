// Reductions and softmax over 4096 x 4096.
#include <cmath>

#include "case.h"
#include "data.h"

namespace anvil::bench {
namespace {

constexpr int64_t kSide = 4096;

class Sum final : public StreamJob {
 public:
  Sum(Device& device, Stream& stream, std::vector<int32_t> axes, DType type)
      : StreamJob(stream),
        axes_(std::move(axes)),
        memory_(device),
        op_(device, stream, "Sum", type, Attributes{{"T", type}, {"Tidx", DType::i32}, {"keep_dims", false}},
            {noisy(stream, memory_, 1, type, {kSide, kSide}),
             {{static_cast<int64_t>(axes_.size())}, DType::i32, axes_.data()}}) {}

  double error() override {
    const std::vector<float> y = fetch(stream_, op_.result());
    const double allowed = op_.result().type == DType::f32 ? 2e-6 : 1e-3;  // of the sum of the sizes
    double worst = 0;
    for (int64_t at = 0; at < static_cast<int64_t>(y.size()); at += 97) {
      double want = 0, size = 0;
      const int64_t terms = axes_.size() == 2 ? kSide * kSide : kSide;
      for (int64_t i = 0; i < terms; ++i) {
        const double v = noise(1, axes_.size() == 2 ? i : axes_[0] == 1 ? at * kSide + i : i * kSide + at);
        want += v;
        size += std::abs(v);
      }
      worst = larger(worst, std::abs(y[at] - want) / (size * allowed));
    }
    return worst;
  }

 private:
  void run() override { op_.run(); }
  std::vector<int32_t> axes_;
  Buffers memory_;
  OpRunner op_;
};

class Softmax final : public StreamJob {
 public:
  Softmax(Device& device, Stream& stream, DType type)
      : StreamJob(stream),
        memory_(device),
        op_(device, stream, "Softmax", type, Attributes{{"T", type}},
            {noisy(stream, memory_, 1, type, {kSide, kSide})}) {}

  double error() override {
    const std::vector<float> y = fetch(stream_, op_.result());
    const double allowed = op_.result().type == DType::f32 ? 1e-5 : 2e-3;  // of the value
    double worst = 0;
    for (int64_t row = 0; row < kSide; row += 129) {
      double total = 0;
      for (int64_t i = 0; i < kSide; ++i) total += std::exp(double{noise(1, row * kSide + i)});
      for (int64_t i = 0; i < kSide; i += 31) {
        const double want = std::exp(double{noise(1, row * kSide + i)}) / total;
        worst = larger(worst, std::abs(y[row * kSide + i] - want) / (want * allowed));
      }
    }
    return worst;
  }

 private:
  void run() override { op_.run(); }
  Buffers memory_;
  OpRunner op_;
};

}  // namespace

std::vector<Case> reduce_cases() {
  struct Row {
    const char* name;
    std::vector<int32_t> axes;
  };
  std::vector<Case> cases;
  const double elements = double{kSide} * kSide;
  for (const DType type : {DType::f32, DType::f16}) {
    const char* suffix = type == DType::f32 ? "/f32" : "/f16";
    for (const Row& r : {Row{"sum-rows", {1}}, Row{"sum-columns", {0}}, Row{"sum-all", {0, 1}}}) {
      if (type == DType::f16 && r.axes.size() != 1) continue;
      cases.push_back({.name = str("reduce/", r.name, suffix),
                       .group = "reduce",
                       .unit = Unit::byte,
                       .work = elements * size_of(type),
                       .limit = Limit::bandwidth,
                       .make = [=](Device& d, Stream& s) { return std::make_unique<Sum>(d, s, r.axes, type); }});
    }
    cases.push_back({.name = str("reduce/softmax", suffix),
                     .group = "reduce",
                     .unit = Unit::byte,
                     .work = 2 * elements * size_of(type),
                     .limit = Limit::bandwidth,
                     .make = [=](Device& d, Stream& s) { return std::make_unique<Softmax>(d, s, type); }});
  }
  return cases;
}

}  // namespace anvil::bench
