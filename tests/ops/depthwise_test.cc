// Depthwise convolution and its gradients against loops in double.
#include <cmath>
#include <random>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

struct Problem {
  int64_t n, h, w, c, kh, kw, multiplier, stride, dilation;
  bool same;
};

std::vector<double> numbers(int64_t count, DType type, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> between(-1, 1);
  std::vector<double> v(static_cast<size_t>(count));
  for (double& x : v) x = between(random);
  return tensor(type, {count}, v).values();
}

void check(Device& device, const Problem& p, DType t, bool nchw) {
  const auto window = [&](int64_t in, int64_t k) {
    const int64_t reach = (k - 1) * p.dilation + 1;
    if (!p.same) return std::pair<int64_t, int64_t>{in < reach ? 0 : (in - reach) / p.stride + 1, 0};
    const int64_t out = (in + p.stride - 1) / p.stride;
    return std::pair<int64_t, int64_t>{out, std::max<int64_t>((out - 1) * p.stride + reach - in, 0) / 2};
  };
  const auto [oh, pad_h] = window(p.h, p.kh);
  const auto [ow, pad_w] = window(p.w, p.kw);
  const int64_t outputs = p.c * p.multiplier;
  const auto image = [&](int64_t h, int64_t w, int64_t c) { return nchw ? Shape{p.n, c, h, w} : Shape{p.n, h, w, c}; };
  const Shape shapes[3] = {image(p.h, p.w, p.c), {p.kh, p.kw, p.c, p.multiplier}, image(oh, ow, outputs)};
  std::vector<double> given[3], exact[3], magnitude[3];
  for (int i = 0; i < 3; ++i) {
    given[i] = numbers(count(shapes[i]), t, 20 + i);
    exact[i].assign(given[i].size(), 0);
    magnitude[i] = exact[i];
  }
  const auto at = [&](const Shape& s, int64_t n, int64_t y, int64_t x, int64_t c) {
    return static_cast<size_t>(nchw ? ((n * s[1] + c) * s[2] + y) * s[3] + x : ((n * s[1] + y) * s[2] + x) * s[3] + c);
  };
  for (int64_t n = 0; n < p.n; ++n)
    for (int64_t y = 0; y < oh; ++y)
      for (int64_t x = 0; x < ow; ++x)
        for (int64_t ky = 0; ky < p.kh; ++ky)
          for (int64_t kx = 0; kx < p.kw; ++kx)
            for (int64_t o = 0; o < outputs; ++o) {
              const int64_t iy = y * p.stride + ky * p.dilation - pad_h, ix = x * p.stride + kx * p.dilation - pad_w;
              if (iy < 0 || ix < 0 || iy >= p.h || ix >= p.w) continue;
              const size_t place[3] = {at(shapes[0], n, iy, ix, o / p.multiplier),
                                       static_cast<size_t>((ky * p.kw + kx) * outputs + o), at(shapes[2], n, y, x, o)};
              for (int i = 0; i < 3; ++i) {
                const int a = (i + 1) % 3, b = (i + 2) % 3;
                exact[i][place[i]] += given[a][place[a]] * given[b][place[b]];
                magnitude[i][place[i]] += std::fabs(given[a][place[a]] * given[b][place[b]]);
              }
            }
  const auto per_axis = [&](int64_t v) {
    return nchw ? std::vector<int64_t>{1, 1, v, v} : std::vector<int64_t>{1, v, v, 1};
  };
  const RunOptions options{.attrs = {{"data_format", std::string(nchw ? "NCHW" : "NHWC")},
                                     {"padding", std::string(p.same ? "SAME" : "VALID")},
                                     {"strides", per_axis(p.stride)},
                                     {"dilations", per_axis(p.dilation)},
                                     {"explicit_paddings", std::vector<int64_t>{}}}};
  const auto value = [&](int i) { return floats(t, shapes[i], given[i]); };
  const auto sizes = [&](int i) { return host_ints({shapes[i].begin(), shapes[i].end()}); };
  const std::vector<Value> results[3] = {
      run_op(device, "DepthwiseConv2dNativeBackpropInput", {sizes(0), value(1), value(2)}, options, 1),
      run_op(device, "DepthwiseConv2dNativeBackpropFilter", {value(0), sizes(1), value(2)}, options),
      run_op(device, "DepthwiseConv2dNative", {value(0), value(1)}, options)};
  const double unit = t == DType::f32 ? 0x1p-24 : t == DType::f16 ? 0x1p-11 : 0x1p-8;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(results[i][0].shape, shapes[i]);
    const std::vector<double> y = results[i][0].values();
    for (size_t j = 0; j < y.size(); ++j)
      ASSERT_LE(std::fabs(y[j] - exact[i][j]),
                1.01 * unit * std::fabs(exact[i][j]) + 0x1p-20 * magnitude[i][j] + 0x1p-24)
          << "result " << i << " element " << j << (nchw ? " NCHW " : " NHWC ") << facts(t).tensorflow;
  }
}

TEST(Depthwise, AllPassesOverTheTable) {
  ANVIL_GPU_OR_SKIP(device);
  const Problem problems[] = {{1, 5, 5, 3, 3, 3, 1, 1, 1, true},  {2, 8, 7, 4, 3, 3, 2, 2, 1, true},
                              {2, 9, 9, 5, 2, 3, 3, 1, 1, false}, {1, 9, 8, 2, 3, 3, 1, 1, 2, true},
                              {0, 5, 5, 3, 3, 3, 1, 1, 1, true},  {1, 2, 2, 3, 3, 3, 2, 1, 1, false},
                              {3, 20, 20, 3, 5, 5, 1, 1, 1, true}};
  for (const DType t : kFloats)
    for (const Problem& p : problems)
      for (const bool nchw : {false, true}) check(device, p, t, nchw);
}

}  // namespace
}  // namespace anvil::ops::test
