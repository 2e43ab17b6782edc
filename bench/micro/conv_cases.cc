// Conv2D and both its gradients at the shapes of ResNet-50, 'SAME' padding, NHWC.
#include <algorithm>
#include <cmath>

#include "case.h"
#include "data.h"

namespace anvil::bench {
namespace {

struct ConvShape {
  int64_t n, h, w, c, k, window, stride;
  int64_t oh() const { return static_cast<int64_t>(div_up(h, stride)); }
  int64_t ow() const { return static_cast<int64_t>(div_up(w, stride)); }
  static int64_t before(int64_t in, int64_t out, int64_t window, int64_t stride) {
    return std::max<int64_t>(0, (out - 1) * stride + window - in) / 2;
  }
  int64_t top() const { return before(h, oh(), window, stride); }
  int64_t left() const { return before(w, ow(), window, stride); }
  double flops() const { return 2.0 * n * oh() * ow() * k * window * window * c; }
};

enum class Pass : uint8_t { forward, input, filter };
constexpr uint32_t kX = 1, kFilter = 2, kGradient = 3;  // seeds

struct Sum {
  double value = 0, size = 0;
  void add(double a, double b) {
    value += a * b;
    size += std::abs(a * b);
  }
};

class Conv final : public StreamJob {
 public:
  Conv(Device& device, Stream& stream, ConvShape s, Pass pass, DType type)
      : StreamJob(stream),
        s_(s),
        pass_(pass),
        memory_(device),
        x_size_{static_cast<int32_t>(s.n), static_cast<int32_t>(s.h), static_cast<int32_t>(s.w),
                static_cast<int32_t>(s.c)},
        filter_size_{static_cast<int32_t>(s.window), static_cast<int32_t>(s.window), static_cast<int32_t>(s.c),
                     static_cast<int32_t>(s.k)},
        op_(device, stream, kOps[static_cast<int>(pass)], type,
            Attributes{{"T", type},
                       {"strides", std::vector<int64_t>{1, s.stride, s.stride, 1}},
                       {"dilations", std::vector<int64_t>{1, 1, 1, 1}},
                       {"padding", std::string("SAME")},
                       {"explicit_paddings", std::vector<int64_t>{}},
                       {"data_format", std::string("NHWC")},
                       {"use_cudnn_on_gpu", true}},
            inputs(type)) {}

  double error() override {
    const std::vector<float> y = fetch(stream_, op_.result());
    const double allowed = op_.result().type == DType::f32 ? 2e-6 : 1e-3;  // of the sum of the products' sizes
    double worst = 0;
    for (int i = 0; i < 64; ++i) {
      const uint64_t at = (i * 2654435761ull + i / 2) % y.size();
      const Sum want = pass_ == Pass::forward ? forward(at) : pass_ == Pass::input ? input_gradient(at) : filter(at);
      worst = larger(worst, std::abs(y[at] - want.value) / (std::fmax(want.size, 1e-3) * allowed));
    }
    return worst;
  }

 private:
  static constexpr const char* kOps[] = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"};

  std::vector<ops::Tensor> inputs(DType type) {
    const Shape x{s_.n, s_.h, s_.w, s_.c}, filter{s_.window, s_.window, s_.c, s_.k}, y{s_.n, s_.oh(), s_.ow(), s_.k};
    const auto tensor = [&](uint32_t seed, const Shape& shape) { return noisy(stream_, memory_, seed, type, shape); };
    if (pass_ == Pass::forward) return {tensor(kX, x), tensor(kFilter, filter)};
    if (pass_ == Pass::input) return {{{4}, DType::i32, x_size_}, tensor(kFilter, filter), tensor(kGradient, y)};
    return {tensor(kX, x), {{4}, DType::i32, filter_size_}, tensor(kGradient, y)};
  }

  int64_t x_at(int64_t n, int64_t h, int64_t w, int64_t c) const { return ((n * s_.h + h) * s_.w + w) * s_.c + c; }
  int64_t filter_at(int64_t r, int64_t q, int64_t c, int64_t k) const {
    return ((r * s_.window + q) * s_.c + c) * s_.k + k;
  }
  int64_t y_at(int64_t n, int64_t h, int64_t w, int64_t k) const {
    return ((n * s_.oh() + h) * s_.ow() + w) * s_.k + k;
  }

  Sum forward(int64_t at) const {
    const int64_t k = at % s_.k, w = at / s_.k % s_.ow(), h = at / s_.k / s_.ow() % s_.oh(),
                  n = at / s_.k / s_.ow() / s_.oh();
    Sum sum;
    for (int64_t r = 0; r < s_.window; ++r)
      for (int64_t q = 0; q < s_.window; ++q) {
        const int64_t ih = h * s_.stride + r - s_.top(), iw = w * s_.stride + q - s_.left();
        if (ih < 0 || ih >= s_.h || iw < 0 || iw >= s_.w) continue;
        for (int64_t c = 0; c < s_.c; ++c)
          sum.add(noise(kX, x_at(n, ih, iw, c)), noise(kFilter, filter_at(r, q, c, k)));
      }
    return sum;
  }

  Sum input_gradient(int64_t at) const {
    const int64_t c = at % s_.c, w = at / s_.c % s_.w, h = at / s_.c / s_.w % s_.h, n = at / s_.c / s_.w / s_.h;
    Sum sum;
    for (int64_t r = 0; r < s_.window; ++r)
      for (int64_t q = 0; q < s_.window; ++q) {
        const int64_t oh = h + s_.top() - r, ow = w + s_.left() - q;
        if (oh < 0 || ow < 0 || oh % s_.stride || ow % s_.stride) continue;
        if (oh / s_.stride >= s_.oh() || ow / s_.stride >= s_.ow()) continue;
        for (int64_t k = 0; k < s_.k; ++k)
          sum.add(noise(kGradient, y_at(n, oh / s_.stride, ow / s_.stride, k)), noise(kFilter, filter_at(r, q, c, k)));
      }
    return sum;
  }

  Sum filter(int64_t at) const {
    const int64_t k = at % s_.k, c = at / s_.k % s_.c, q = at / s_.k / s_.c % s_.window,
                  r = at / s_.k / s_.c / s_.window;
    Sum sum;
    for (int64_t n = 0; n < s_.n; ++n)
      for (int64_t h = 0; h < s_.oh(); ++h)
        for (int64_t w = 0; w < s_.ow(); ++w) {
          const int64_t ih = h * s_.stride + r - s_.top(), iw = w * s_.stride + q - s_.left();
          if (ih < 0 || ih >= s_.h || iw < 0 || iw >= s_.w) continue;
          sum.add(noise(kX, x_at(n, ih, iw, c)), noise(kGradient, y_at(n, h, w, k)));
        }
    return sum;
  }

  void run() override { op_.run(); }
  ConvShape s_;
  Pass pass_;
  Buffers memory_;
  int32_t x_size_[4], filter_size_[4];  // the ops' host arguments
  OpRunner op_;
};

Case conv_case(ConvShape s, Pass pass, DType type) {
  static constexpr const char* kPass[] = {"forward", "input", "filter"};
  return {.name = str("conv/", s.n, "x", s.h, "x", s.w, "x", s.c, "-", s.k, "k", s.window, "s", s.stride, "/",
                      kPass[static_cast<int>(pass)], type == DType::f16 ? "/f16" : "/f32"),
          .group = "conv",
          .unit = Unit::flop,
          .work = s.flops(),
          .limit = type == DType::f32 ? Limit::f32 : Limit::f16,
          .make = [=](Device& d, Stream& st) { return std::make_unique<Conv>(d, st, s, pass, type); },
          .large = s.n > 8};
}

}  // namespace

std::vector<Case> conv_cases() {
  std::vector<Case> cases;
  for (const int64_t batch : {8, 64}) {
    const ConvShape shapes[] = {
        {batch, 224, 224, 3, 64, 7, 2},  {batch, 56, 56, 64, 64, 3, 1},   {batch, 56, 56, 64, 256, 1, 1},
        {batch, 28, 28, 128, 128, 3, 1}, {batch, 14, 14, 256, 256, 3, 1}, {batch, 7, 7, 512, 512, 3, 1},
    };
    for (const ConvShape& s : shapes) {
      for (const Pass pass : {Pass::forward, Pass::input, Pass::filter})
        cases.push_back(conv_case(s, pass, DType::f32));
      cases.push_back(conv_case(s, Pass::forward, DType::f16));
    }
  }
  return cases;
}

}  // namespace anvil::bench
