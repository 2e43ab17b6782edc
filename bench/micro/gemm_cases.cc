// MatMul of square matrices.
#include <cmath>

#include "case.h"
#include "data.h"

namespace anvil::bench {
namespace {

class Gemm final : public StreamJob {
 public:
  Gemm(Device& device, Stream& stream, int64_t n, DType type)
      : StreamJob(stream),
        n_(n),
        memory_(device),
        op_(device, stream, "MatMul", type,
            Attributes{
                {"T", type}, {"transpose_a", false}, {"transpose_b", false}, {"grad_a", false}, {"grad_b", false}},
            {noisy(stream, memory_, 1, type, {n, n}), noisy(stream, memory_, 2, type, {n, n})}) {}

  double error() override {
    const std::vector<float> y = fetch(stream_, op_.result());
    const double allowed = op_.result().type == DType::f32 ? 2e-6 : 1e-3;  // of the sum of the products' sizes
    double worst = 0;
    for (int s = 0; s < 64; ++s) {
      const int64_t row = (s * 7919 + 13) % n_, column = (s * 104729 + 7) % n_;
      double sum = 0, size = 0;
      for (int64_t k = 0; k < n_; ++k) {
        const double product = double{noise(1, row * n_ + k)} * noise(2, k * n_ + column);
        sum += product;
        size += std::abs(product);
      }
      worst = larger(worst, std::abs(y[row * n_ + column] - sum) / (size * allowed));
    }
    return worst;
  }

 private:
  void run() override { op_.run(); }
  int64_t n_;
  Buffers memory_;
  OpRunner op_;
};

}  // namespace

std::vector<Case> gemm_cases() {
  std::vector<Case> cases;
  for (const DType type : {DType::f32, DType::f16})
    for (const int64_t n : {256, 512, 1024, 2048, 4096, 8192})
      cases.push_back({.name = str("gemm/", n, "/", type == DType::f32 ? "f32" : "f16"),
                       .group = "gemm",
                       .unit = Unit::flop,
                       .work = 2.0 * n * n * n,
                       .limit = type == DType::f32 ? Limit::f32 : Limit::f16,
                       .make = [=](Device& d, Stream& s) { return std::make_unique<Gemm>(d, s, n, type); },
                       .large = n > 2048});
  return cases;
}

}  // namespace anvil::bench
