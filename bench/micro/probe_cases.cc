// The device's own limits: a loop of multiply-adds and plain copies.
#include <cmath>

#include "case.h"
#include "data.h"

namespace anvil::bench {
namespace {

constexpr uint32_t kGroup = 256, kChains = 8;  // as in probe.slang
constexpr uint32_t kMatrixEdge = 16, kMatrices = 4;

class Arithmetic final : public StreamJob {
 public:
  Arithmetic(Device& device, Stream& stream, const char* kernel, uint32_t groups, uint64_t bytes, uint32_t steps)
      : StreamJob(stream),
        kernel_(device.kernel(kernel)),
        groups_(groups),
        bytes_(bytes),
        steps_(steps),
        memory_(device),
        y_(memory_.allocate(bytes)) {}

 private:
  void run() override {
    struct {
      uint32_t steps;
      float factor;
    } params{steps_, 0.5f};
    stream_.launch(kernel_, Grid::line(groups_), {{y_, bytes_, Access::write}}, params);
  }
  const Kernel& kernel_;
  uint32_t groups_;
  uint64_t bytes_;
  uint32_t steps_;
  Buffers memory_;
  void* y_;
};

class Traffic final : public StreamJob {
 public:
  static constexpr uint32_t kCount = 1u << 24;  // floats an array

  Traffic(Device& device, Stream& stream, bool triad)
      : StreamJob(stream),
        triad_(triad),
        kernel_(device.kernel(triad ? "probe/triad" : "probe/copy")),
        memory_(device),
        a_(noisy(stream, memory_, 1, DType::f32, {kCount})),
        b_(noisy(stream, memory_, 2, DType::f32, {triad ? kCount : 1})),
        y_{{kCount}, DType::f32, memory_.allocate(kCount * 4ull)} {}

  double error() override {
    const std::vector<float> y = fetch(stream_, y_);
    double worst = 0;
    for (uint64_t i = 0; i < 4096; ++i) {
      const uint64_t at = i * 2654435761ull % kCount;
      const double want = noise(1, at) + (triad_ ? 0.5 * noise(2, at) : 0);
      worst = larger(worst, std::abs(y[at] - want) / 1e-6);
    }
    return worst;
  }

 private:
  void run() override {
    struct {
      uint32_t count;
      float factor;  // copy takes none: its parameters end in padding
    } params{kCount / 4, triad_ ? 0.5f : 0.0f};
    const Grid grid = Grid::line(div_up(kCount / 4, kGroup));
    if (triad_) stream_.launch(kernel_, grid, {ops::read(a_), ops::read(b_), ops::write(y_)}, params);
    else stream_.launch(kernel_, grid, {ops::read(a_), ops::write(y_)}, params);
  }
  bool triad_;
  const Kernel& kernel_;
  Buffers memory_;
  ops::Tensor a_, b_, y_;
};

Case arithmetic(const char* name, const char* kernel, Limit limit, uint32_t groups, uint64_t bytes, uint32_t steps,
                double flops) {
  return {
      .name = name,
      .group = "probe",
      .unit = Unit::flop,
      .work = flops,
      .limit = limit,
      .make = [=](Device& d, Stream& s) { return std::make_unique<Arithmetic>(d, s, kernel, groups, bytes, steps); },
      .probe = true};
}

Case traffic(const char* name, bool triad) {
  return {.name = name,
          .group = "probe",
          .unit = Unit::byte,
          .work = (triad ? 3.0 : 2.0) * Traffic::kCount * 4,
          .limit = Limit::bandwidth,
          .make = [=](Device& d, Stream& s) { return std::make_unique<Traffic>(d, s, triad); },
          .probe = true};
}

}  // namespace

std::vector<Case> probe_cases(const Caps& caps) {
  const uint32_t groups = caps.cpu_type() ? 256 : 4096, steps = caps.cpu_type() ? 512 : 4096;
  const double adds = 1.0 * groups * kGroup * kChains * steps;
  const uint64_t bytes = uint64_t{groups} * kGroup * 4;
  std::vector<Case> cases{arithmetic("probe/fma-f32", "probe/fma_f32", Limit::f32, groups, bytes, steps, 2 * adds),
                          traffic("probe/copy", false), traffic("probe/triad", true)};
  if (caps.f16)
    cases.push_back(arithmetic("probe/fma-f16", "probe/fma_f16", Limit::f16, groups, bytes, steps, 4 * adds));
  if (caps.matrix_f16) {
    const double flops = 2.0 * groups * 4 * kMatrices * steps * kMatrixEdge * kMatrixEdge * kMatrixEdge;
    cases.push_back(arithmetic("probe/matrix-f16", "probe/matrix_f16", Limit::f16, groups * 4,
                               uint64_t{groups} * 4 * kMatrices * kMatrixEdge * kMatrixEdge * 4, steps, flops));
  }
  return cases;
}

}  // namespace anvil::bench
