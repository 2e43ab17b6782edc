// Pooling: the geometry by table, the kernels against a plain loop.
#include "ops/pool.h"

#include <cmath>
#include <limits>
#include <random>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

using Ints = std::vector<int64_t>;

PoolAttrs attributes(Padding padding, bool channels_first = false, Ints pads = {}) {
  PoolAttrs a;
  a.padding = padding;
  a.channels_first = channels_first;
  a.pads = std::move(pads);
  return a;
}

struct GeometryRow {
  Shape in;
  Ints window, stride;
  PoolAttrs attrs;
  Shape out;
  int64_t pad_height, pad_width, images, channels;
};
TEST(PoolGeometry, Table) {
  const GeometryRow rows[] = {
      {{2, 8, 8, 4}, {1, 2, 2, 1}, {1, 2, 2, 1}, attributes(Padding::valid), {2, 4, 4, 4}, 0, 0, 2, 4},
      {{2, 9, 7, 3}, {1, 2, 2, 1}, {1, 2, 2, 1}, attributes(Padding::same), {2, 5, 4, 3}, 0, 0, 2, 3},
      {{1, 9, 7, 8}, {1, 3, 3, 1}, {1, 2, 2, 1}, attributes(Padding::same), {1, 5, 4, 8}, 1, 1, 1, 8},
      {{1, 8, 9, 7}, {1, 1, 3, 3}, {1, 1, 2, 2}, attributes(Padding::valid, true), {1, 8, 4, 3}, 0, 0, 8, 1},
      {{1, 4, 4, 2}, {1, 5, 5, 1}, {1, 2, 2, 1}, attributes(Padding::valid), {1, 0, 0, 2}, 0, 0, 1, 2},
      {{2, 7, 8, 4},
       {1, 2, 2, 1},
       {1, 2, 1, 1},
       attributes(Padding::explicit_, false, {0, 0, 1, 0, 0, 1, 0, 0}),
       {2, 4, 8, 4},
       1,
       0,
       2,
       4},
  };
  for (const GeometryRow& row : rows) {
    SCOPED_TRACE(text(row.in));
    const PoolGeometry g = plan_pool(row.in, row.attrs, row.window, row.stride, nullptr);
    EXPECT_EQ(g.output, row.out);
    EXPECT_EQ(g.height.pad, row.pad_height);
    EXPECT_EQ(g.width.pad, row.pad_width);
    EXPECT_EQ(g.images, row.images);
    EXPECT_EQ(g.channels, row.channels);
  }
}

TEST(PoolGeometry, RefusesWhatTensorFlowRefuses) {
  const auto message = [](const Shape& in, Ints window, Ints stride, PoolAttrs attrs, Code code) -> std::string {
    try {
      check_window(window, stride, in.size());
      plan_pool(in, attrs, window, stride, nullptr);
    } catch (const Error& e) {
      EXPECT_EQ(e.code, code);
      return e.what();
    }
    return "";
  };
  const Shape in = {1, 4, 4, 2};
  const PoolAttrs valid = attributes(Padding::valid);
  EXPECT_EQ(message(in, {1, 2, 2}, {1, 2, 2, 1}, valid, Code::invalid_argument),
            "Sliding window ksize field must specify 4 dimensions");
  EXPECT_EQ(message(in, {1, 0, 2, 1}, {1, 2, 2, 1}, valid, Code::invalid_argument),
            "Sliding window ksize must be positive. The specified or inferred ksize is: 1,0,2,1");
  EXPECT_EQ(message(in, {1, 2, 2, 1}, {1, 0, 2, 1}, valid, Code::invalid_argument), "Stride must be > 0, but got 0");
  EXPECT_EQ(message(in, {2, 2, 2, 1}, {1, 2, 2, 1}, valid, Code::unimplemented),
            "Pooling is not yet supported on the batch dimension.");
  EXPECT_EQ(message(in, {1, 2, 2, 2}, {1, 1, 1, 2}, valid, Code::unimplemented),
            "MaxPooling supports exactly one of pooling across depth or pooling across width/height.");
  EXPECT_EQ(message(in, {1, 2, 2, 1}, {1, 2, 2, 1}, attributes(Padding::explicit_, false, {0, 0, 3, 1, 1, 1, 0, 0}),
                    Code::invalid_argument),
            "Top padding 3 needs to be smaller than the window size 2");
}

// ---- on a device ----
struct Case {
  Shape in;
  Ints window, stride;  // height and width
  const char* padding;
};
const Case kCases[] = {{{2, 8, 8, 4}, {2, 2}, {2, 2}, "VALID"}, {{2, 9, 7, 3}, {2, 2}, {2, 2}, "SAME"},
                       {{1, 9, 7, 8}, {3, 3}, {2, 2}, "SAME"},  {{2, 10, 10, 4}, {3, 2}, {1, 1}, "VALID"},
                       {{1, 7, 7, 2}, {2, 3}, {3, 4}, "SAME"},  {{1, 7, 7, 2}, {2, 3}, {3, 4}, "VALID"},
                       {{1, 5, 5, 1}, {5, 5}, {1, 1}, "SAME"},  {{2, 12, 12, 16}, {3, 3}, {3, 3}, "SAME"}};

AttrMap attr_map(const Case& c) {
  return {{"ksize", Ints{1, c.window[0], c.window[1], 1}},
          {"strides", Ints{1, c.stride[0], c.stride[1], 1}},
          {"padding", std::string(c.padding)},
          {"data_format", std::string("NHWC")}};
}

// Small whole numbers: maxima tie often, and sums are exact in every type.
std::vector<double> samples(int64_t n, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> whole(-4, 4);
  std::vector<double> v(static_cast<size_t>(n));
  for (double& x : v) x = whole(engine);
  return v;
}

struct Reference {
  PoolGeometry g;
  std::vector<double> max, average, max_gradient, average_gradient;
};
Reference reference(const Case& c, const std::vector<double>& x, const std::vector<double>& dy) {
  Reference r;
  r.g = plan_pool(c.in, attributes(std::string(c.padding) == "SAME" ? Padding::same : Padding::valid),
                  {1, c.window[0], c.window[1], 1}, {1, c.stride[0], c.stride[1], 1}, nullptr);
  r.max_gradient.assign(x.size(), 0);
  r.average_gradient.assign(x.size(), 0);
  const auto at = [&](int64_t n, int64_t h, int64_t w, int64_t ch) {
    return static_cast<size_t>(((n * c.in[1] + h) * c.in[2] + w) * c.in[3] + ch);
  };
  for (int64_t n = 0; n < c.in[0]; ++n)
    for (int64_t oh = 0; oh < r.g.height.out; ++oh)
      for (int64_t ow = 0; ow < r.g.width.out; ++ow)
        for (int64_t ch = 0; ch < c.in[3]; ++ch) {
          std::vector<size_t> inside;
          for (int64_t kh = 0; kh < c.window[0]; ++kh)
            for (int64_t kw = 0; kw < c.window[1]; ++kw) {
              const int64_t h = oh * c.stride[0] - r.g.height.pad + kh, w = ow * c.stride[1] - r.g.width.pad + kw;
              if (h >= 0 && w >= 0 && h < c.in[1] && w < c.in[2]) inside.push_back(at(n, h, w, ch));
            }
          size_t best = inside[0];
          double sum = 0;
          for (size_t i : inside) {
            if (x[i] > x[best]) best = i;
            sum += x[i];
          }
          const double d = r.max.size() < dy.size() ? dy[r.max.size()] : 0;
          r.max.push_back(x[best]);
          r.average.push_back(sum / static_cast<double>(inside.size()));
          r.max_gradient[best] += d;
          for (size_t i : inside) r.average_gradient[i] += d / static_cast<double>(inside.size());
        }
  return r;
}

class Pool : public testing::TestWithParam<DType> {};
TEST_P(Pool, AgreesWithAPlainLoop) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (const Case& c : kCases)
    for (uint64_t misalign : {0, 1}) {
      SCOPED_TRACE(text(c.in) + c.padding);
      const std::vector<double> values = samples(count(c.in), 1);
      const Shape out = reference(c, values, {}).g.output;
      const std::vector<double> gradient = samples(count(out), 2);
      const Reference want = reference(c, values, gradient);
      const Value x = floats(GetParam(), c.in, values), dy = floats(GetParam(), out, gradient);
      RunOptions options;
      options.attrs = attr_map(c);
      options.misalign_elements = misalign;
      const Value y = run_op(gpu, "MaxPool", {x}, options)[0];
      EXPECT_EQ(y.shape, out);
      EXPECT_EQ(y.values(), want.max);
      EXPECT_EQ(run_op(gpu, "MaxPoolGrad", {x, y, dy}, options)[0].values(), want.max_gradient);
      EXPECT_LE(worst_ulp(run_op(gpu, "AvgPool", {x}, options)[0], want.average),
                3);  // a GPU's division may be off by 2.5
      std::vector<int32_t> sizes(c.in.begin(), c.in.end());
      EXPECT_LE(worst_ulp(run_op(gpu, "AvgPoolGrad", {host_ints(sizes), dy}, options, 1)[0], want.average_gradient, 1),
                4);
    }
}
INSTANTIATE_TEST_SUITE_P(Types, Pool, testing::Values(DType::f32, DType::f16, DType::bf16));

TEST(Pool, NaNLosesButAWindowOfNothingElseHasALowestValue) {
  ANVIL_GPU_OR_SKIP(gpu);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RunOptions options;
  options.attrs = attr_map({{}, {1, 2}, {1, 2}, "VALID"});
  const Value x = floats(DType::f32, {1, 1, 4, 1}, {nan, 1, nan, nan});
  EXPECT_EQ(run_op(gpu, "MaxPool", {x}, options)[0].values(),
            (std::vector<double>{1, std::numeric_limits<float>::lowest()}));
}

}  // namespace
}  // namespace anvil::ops::test
