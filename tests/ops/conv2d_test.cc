// Conv2D and its gradients against loops in double, by both families of kernels.
#include <cmath>
#include <random>

#include "ops/conv2d.h"
#include "ops/kernel_check.h"
#include "ops/planned_as.h"

namespace anvil::ops::test {
namespace {

struct Problem {
  int64_t n, h, w, c, kh, kw, o, sh, sw, dh, dw;
  const char* padding;
  std::vector<int64_t> pads;  // rows before, after, columns before, after; EXPLICIT only
  int64_t groups;
};

const std::vector<Problem> kProblems = {
    {1, 5, 5, 1, 3, 3, 1, 1, 1, 1, 1, "SAME", {}, 1},
    {2, 8, 8, 3, 3, 3, 8, 1, 1, 1, 1, "VALID", {}, 1},
    {3, 7, 9, 4, 3, 5, 5, 2, 1, 1, 1, "SAME", {}, 1},
    {2, 9, 8, 5, 2, 3, 7, 2, 3, 1, 1, "VALID", {}, 1},
    {1, 10, 10, 2, 1, 1, 6, 3, 3, 1, 1, "SAME", {}, 1},
    {2, 6, 6, 4, 1, 1, 16, 1, 1, 1, 1, "VALID", {}, 1},
    {2, 12, 12, 3, 3, 3, 4, 1, 1, 2, 2, "SAME", {}, 1},
    {1, 11, 11, 3, 3, 3, 4, 1, 1, 2, 1, "EXPLICIT", {2, 1, 0, 3}, 1},
    {1, 9, 9, 3, 7, 7, 4, 4, 4, 1, 1, "SAME", {}, 1},
    {1, 3, 3, 2, 5, 5, 2, 1, 1, 1, 1, "SAME", {}, 1},
    {2, 6, 6, 4, 3, 3, 6, 1, 1, 1, 1, "SAME", {}, 2},
    {2, 6, 7, 6, 3, 3, 6, 2, 1, 1, 1, "VALID", {}, 6},
    {0, 5, 5, 2, 3, 3, 4, 1, 1, 1, 1, "SAME", {}, 1},
    {1, 2, 2, 3, 3, 3, 4, 1, 1, 1, 1, "VALID", {}, 1},
    {1, 9, 8, 16, 3, 3, 33, 1, 1, 1, 1, "SAME", {}, 1},
    {2, 9, 9, 8, 3, 3, 16, 1, 1, 1, 1, "SAME", {}, 2},
};

// The three tensors of a convolution and, for each, what the pass that makes it has to give.
struct Reference {
  AttrMap attrs;
  ConvShape shape;
  Shape shapes[3];               // input, filter, output
  std::vector<double> given[3];  // random values of each
  std::vector<double> exact[3], magnitude[3];
};

AttrMap attributes(const Problem& p, bool nchw) {
  const auto per_axis = [&](int64_t y, int64_t x) {
    return nchw ? std::vector<int64_t>{1, 1, y, x} : std::vector<int64_t>{1, y, x, 1};
  };
  std::vector<int64_t> pads;
  if (!p.pads.empty()) {
    pads.assign(8, 0);
    std::copy(p.pads.begin(), p.pads.end(), pads.begin() + (nchw ? 4 : 2));
  }
  return {{"data_format", std::string(nchw ? "NCHW" : "NHWC")},
          {"padding", std::string(p.padding)},
          {"strides", per_axis(p.sh, p.sw)},
          {"dilations", per_axis(p.dh, p.dw)},
          {"explicit_paddings", pads}};
}

std::vector<double> numbers(int64_t count, DType type, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> between(-1, 1);
  std::vector<double> v(static_cast<size_t>(count));
  for (double& x : v) x = between(random);
  return tensor(type, {count}, v).values();
}

// Output size and padding before, by the definition in TensorFlow's documentation.
std::pair<int64_t, int64_t> window_of(const Problem& p, int axis) {
  const int64_t in = axis ? p.w : p.h, k = axis ? p.kw : p.kh, d = axis ? p.dw : p.dh, s = axis ? p.sw : p.sh;
  const int64_t reach = (k - 1) * d + 1;
  const std::string padding = p.padding;
  if (padding == "SAME") {
    const int64_t out = (in + s - 1) / s;
    return {out, std::max<int64_t>((out - 1) * s + reach - in, 0) / 2};
  }
  const int64_t before = p.pads.empty() ? 0 : p.pads[axis * 2], after = p.pads.empty() ? 0 : p.pads[axis * 2 + 1];
  const int64_t room = in + before + after - reach;
  return {room < 0 ? 0 : room / s + 1, before};
}

Reference reference(const Problem& p, DType t, bool nchw) {
  Reference r;
  r.attrs = attributes(p, nchw);
  const auto [oh, pad_h] = window_of(p, 0);
  const auto [ow, pad_w] = window_of(p, 1);
  const auto image = [&](int64_t h, int64_t w, int64_t c) { return nchw ? Shape{p.n, c, h, w} : Shape{p.n, h, w, c}; };
  r.shapes[0] = image(p.h, p.w, p.c);
  r.shapes[1] = {p.kh, p.kw, p.c / p.groups, p.o};
  r.shapes[2] = image(oh, ow, p.o);
  for (int i = 0; i < 3; ++i) {
    r.given[i] = numbers(count(r.shapes[i]), t, 10 + i);
    r.exact[i].assign(r.given[i].size(), 0);
    r.magnitude[i].assign(r.given[i].size(), 0);
  }
  const auto at = [&](const Shape& s, int64_t n, int64_t y, int64_t x, int64_t c) {
    return static_cast<size_t>(nchw ? ((n * s[1] + c) * s[2] + y) * s[3] + x : ((n * s[1] + y) * s[2] + x) * s[3] + c);
  };
  const int64_t cg = p.c / p.groups, og = p.o / p.groups;
  const auto add = [&](int pass, size_t to, int a, size_t i, int b, size_t j) {
    r.exact[pass][to] += r.given[a][i] * r.given[b][j];
    r.magnitude[pass][to] += std::fabs(r.given[a][i] * r.given[b][j]);
  };
  for (int64_t n = 0; n < p.n; ++n)
    for (int64_t y = 0; y < oh; ++y)
      for (int64_t x = 0; x < ow; ++x)
        for (int64_t ky = 0; ky < p.kh; ++ky)
          for (int64_t kx = 0; kx < p.kw; ++kx) {
            const int64_t iy = y * p.sh + ky * p.dh - pad_h, ix = x * p.sw + kx * p.dw - pad_w;
            if (iy < 0 || ix < 0 || iy >= p.h || ix >= p.w) continue;
            for (int64_t o = 0; o < p.o; ++o)
              for (int64_t c = 0; c < cg; ++c) {
                const size_t in = at(r.shapes[0], n, iy, ix, o / og * cg + c), out = at(r.shapes[2], n, y, x, o);
                const size_t w = static_cast<size_t>(((ky * p.kw + kx) * cg + c) * p.o + o);
                add(2, out, 0, in, 1, w);
                add(0, in, 1, w, 2, out);
                add(1, w, 0, in, 2, out);
              }
          }
  return r;
}

Value sizes(const Shape& s) { return host_ints({s.begin(), s.end()}); }

void check(Device& device, const Problem& p, DType t, bool nchw) {
  const Reference r = reference(p, t, nchw);
  const auto given = [&](int i) { return floats(t, r.shapes[i], r.given[i]); };
  const RunOptions options{.attrs = r.attrs};
  const std::vector<Value> results[3] = {
      run_op(device, "Conv2DBackpropInput", {sizes(r.shapes[0]), given(1), given(2)}, options, 1),
      run_op(device, "Conv2DBackpropFilter", {given(0), sizes(r.shapes[1]), given(2)}, options),
      run_op(device, "Conv2D", {given(0), given(1)}, options)};
  const double unit = t == DType::f32 ? 0x1p-24 : t == DType::f16 ? 0x1p-11 : 0x1p-8;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(results[i][0].shape, r.shapes[i]);
    const std::vector<double> y = results[i][0].values();
    for (size_t j = 0; j < y.size(); ++j)
      ASSERT_LE(std::fabs(y[j] - r.exact[i][j]),
                1.01 * unit * std::fabs(r.exact[i][j]) + 0x1p-20 * r.magnitude[i][j] + 0x1p-24)
          << "result " << i << " element " << j << " of " << p.n << "x" << p.h << "x" << p.w << "x" << p.c << " by "
          << p.kh << "x" << p.kw << "x" << p.o << " " << p.padding << (nchw ? " NCHW " : " NHWC ")
          << facts(t).tensorflow;
  }
}

TEST(Conv2D, AllPassesOverTheTable) {
  ANVIL_GPU_OR_SKIP(device);
  for (const DType t : kFloats)
    for (const Problem& p : kProblems)
      for (const bool nchw : {false, true}) check(device, p, t, nchw);
}

TEST(Conv2D, AllPassesByTheKernelsForGpus) {
  ANVIL_GPU_OR_SKIP(device);
  PlannedAs discrete(device, DeviceKind::discrete, 4);
  for (const DType t : kFloats)
    for (const Problem& p : kProblems)
      for (const bool nchw : {false, true}) check(discrete, p, t, nchw);
}

// A depth of 4,096 pixels is cut into slices; twice the same sums must come out.
TEST(Conv2D, SlicedFilterGradientRepeatsBitForBit) {
  ANVIL_GPU_OR_SKIP(device);
  PlannedAs discrete(device, DeviceKind::discrete, 64);
  const Problem p{16, 16, 16, 3, 3, 3, 8, 1, 1, 1, 1, "SAME", {}, 1};
  for (Device* d : {&device, static_cast<Device*>(&discrete)}) {
    check(*d, p, DType::f32, false);
    const Reference r = reference(p, DType::f32, false);
    const auto once = [&] {
      return run_op(*d, "Conv2DBackpropFilter",
                    {floats(DType::f32, r.shapes[0], r.given[0]), sizes(r.shapes[1]),
                     floats(DType::f32, r.shapes[2], r.given[2])},
                    {.attrs = r.attrs})[0]
          .bytes;
    };
    EXPECT_EQ(once(), once());
  }
}

std::string refused(Device& device, const char* op, const std::vector<Value>& in, AttrMap attrs, Code code) {
  try {
    run_op(device, op, in, {.attrs = std::move(attrs)}, in[0].host ? 1 : 0);
  } catch (const Error& e) {
    EXPECT_EQ(e.code, code) << e.what();
    return e.what();
  }
  return "no error";
}

TEST(Conv2D, BadArgumentsAreRefusedInTensorFlowsWords) {
  ANVIL_GPU_OR_SKIP(device);
  const auto zeros = [](Shape s) { return floats(DType::f32, s, std::vector<double>(static_cast<size_t>(count(s)))); };
  const AttrMap same = attributes({1, 5, 5, 3, 3, 3, 4, 1, 1, 1, 1, "SAME", {}, 1}, false);
  const auto conv = [&](Shape x, Shape w, AttrMap a, Code c = Code::invalid_argument) {
    return refused(device, "Conv2D", {zeros(x), zeros(w)}, std::move(a), c);
  };
  const auto with = [&](const char* name, Attr value) {
    AttrMap a = same;
    a[name] = std::move(value);
    return a;
  };
  const Shape x{1, 5, 5, 3}, w{3, 3, 3, 4};
  EXPECT_EQ(conv({5, 5, 3}, w, same), "convolution input must be 4-dimensional: [5,5,3]");
  EXPECT_EQ(conv(x, {3, 3, 3}, same), "convolution filter must be 4-dimensional: [3,3,3]");
  EXPECT_EQ(conv(x, {3, 3, 2, 4}, same), "input depth must be evenly divisible by filter depth: 3 vs 2");
  EXPECT_EQ(conv({1, 5, 5, 4}, {3, 3, 2, 3}, same),
            "output depth must be evenly divisible by number of groups: 3 vs 2");
  EXPECT_EQ(conv(x, w, with("strides", std::vector<int64_t>{1, 0, 1, 1})),
            "Row and column strides should be larger than 0.");
  EXPECT_EQ(conv(x, w, with("strides", std::vector<int64_t>{2, 1, 1, 1}), Code::unimplemented),
            "Current implementation does not yet support strides in the batch and depth dimensions.");
  EXPECT_EQ(conv(x, w, with("dilations", std::vector<int64_t>{1, 0, 1, 1})), "Dilated rates should be larger than 0.");
  AttrMap few = with("padding", std::string("EXPLICIT"));
  few["explicit_paddings"] = std::vector<int64_t>{0, 0, 1, 0};
  EXPECT_EQ(conv(x, w, few), "explicit_paddings attribute must contain 8 values, but got: 4");
  const auto back = [&](std::vector<int32_t> n, Shape filter, Shape dy) {
    return refused(device, "Conv2DBackpropInput", {host_ints(n), zeros(filter), zeros(dy)}, same,
                   Code::invalid_argument);
  };
  EXPECT_EQ(back({5, 5, 3}, w, {1, 5, 5, 4}),
            "Conv2DBackpropInput requires input_sizes to contain 4 values or 2 values, but got: 3");
  EXPECT_EQ(back({-1, 5, 5, 3}, w, {1, 5, 5, 4}), "Dimension -1 must be >= 0");
  EXPECT_EQ(back({1, 5, 5, 3}, w, {1, 4, 5, 4}),
            "Conv2DCustomBackpropInput: Size of out_backprop doesn't match computed: actual = 4, computed = 5 "
            "spatial_dim: 1 input: 5 filter: 3 output: 4 stride: 1 dilation: 1");
  EXPECT_EQ(refused(device, "Conv2DBackpropFilter", {zeros(x), host_ints({3, 3, 3, 4}), zeros({1, 5, 5, 5})}, same,
                    Code::invalid_argument),
            "Conv2DCustomBackpropFilter: filter and out_backprop must have the same out_depth");
}

}  // namespace
}  // namespace anvil::ops::test
