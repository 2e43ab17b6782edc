// Dilation2D and its gradients (kernels/dilation.slang).
#include <cmath>
#include <limits>

#include "ops/map.h"
#include "ops/patches.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kDilate = "dilation/dilate", *kInput = "dilation/input", *kFilter = "dilation/filter",
                     *kJoin = "dilation/join";
constexpr int64_t kShare = 1024;  // windows whose gradients one thread adds up

struct DilationAttrs final : State {
  int64_t stride[2] = {1, 1}, rate[2] = {1, 1};
  bool same = false;
};
void read_pair(const Attrs& attrs, const char* name, const char* what, int64_t (&to)[2]) {
  const std::vector<int64_t> v = attrs.integers(name);
  require(v.size() == 4, Code::invalid_argument, what, " field must specify 4 dimensions");
  require(v[0] == 1 && v[3] == 1, Code::unimplemented, what, " is only supported across spatial dimensions.");
  require(v[1] >= 1 && v[2] >= 1, Code::invalid_argument, what, " must be positive");
  to[0] = v[1];
  to[1] = v[2];
}
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<DilationAttrs>();
  read_pair(attrs, "strides", "Sliding window stride", s->stride);
  read_pair(attrs, "rates", "Input stride (atrous rate)", s->rate);
  s->same = attrs.string("padding") == "SAME";
  return s;
}

// As in the kernels.
struct DilationShape {
  uint32_t count, channels, kind;
  PatchAxis height, width;
};
uint32_t kind_of(DType t) { return t == DType::f32 ? 0 : t == DType::f16 ? 1 : 2; }
float lowest(DType t) {
  if (t == DType::f16) return -65504;
  return t == DType::bf16 ? -std::ldexp(255.0f, 120) : std::numeric_limits<float>::lowest();
}

struct Problem {
  Tensor x, filter;
  Shape result;
  DilationShape shape{};
  DilationShape over(const Tensor& t) const {
    DilationShape s = shape;
    s.count = static_cast<uint32_t>(t.size());
    return s;
  }
};
Problem problem(Call& call, const OpSpec& op, const State* state) {
  const auto& attrs = static_cast<const DilationAttrs&>(*state);
  Problem p{call.input(0), call.input(1), {}, {}};
  require(p.x.rank() == 4, Code::invalid_argument, "input must be 4-dimensional", text(p.x.shape));
  require(p.filter.rank() == 3, Code::invalid_argument, "filter must be 3-dimensional: ", text(p.filter.shape));
  require(p.x.shape[3] == p.filter.shape[2], Code::invalid_argument,
          "input and filter must have the same depth: ", p.x.shape[3], " vs ", p.filter.shape[2]);
  require_indexable(op.name, p.x);
  PatchAxis axes[2];
  for (size_t d : {0, 1})
    axes[d] = patch_axis(p.x.shape[d + 1], p.filter.shape[d], attrs.stride[d], attrs.rate[d], attrs.same);
  p.result = {p.x.shape[0], axes[0].out, axes[1].out, p.x.shape[3]};
  p.shape = {0, static_cast<uint32_t>(p.x.shape[3]), kind_of(p.x.type), axes[0], axes[1]};
  return p;
}

void dilate(Call& call, const Problem& p, const Tensor& y, const Tensor& won, bool of_filter) {
  const Tensor& out = y.data ? y : won;
  struct {
    DilationShape shape;
    uint32_t of_filter;
    float lowest;
  } const params{p.over(out), of_filter, lowest(p.x.type)};
  launch_threads(call, kDilate, out.size(), {read(p.x), read(p.filter), write(y), write(won)}, params);
}
void run(Call& call, const OpSpec& op, const State* state) {
  const Problem p = problem(call, op, state);
  dilate(call, p, call.output(0, p.x.type, p.result), {{0}}, false);
}

// The gradient that came in, and who won each of its elements.
Tensor gradient(Call& call, const Problem& p, bool of_filter, Tensor& won) {
  const Tensor dy = call.input(2);
  require(dy.shape == p.result, Code::invalid_argument, "out_backprop has incompatible size.");
  won = call.scratch(DType::u32, dy.shape);
  dilate(call, p, {{0}}, won, of_filter);
  return dy;
}
void run_input(Call& call, const OpSpec& op, const State* state) {
  const Problem p = problem(call, op, state);
  Tensor won;
  const Tensor dy = gradient(call, p, false, won), dx = call.output(0, p.x.type, p.x.shape);
  launch_threads(call, kInput, dx.size(), {read(won), read(dy), write(dx)}, p.over(dx));
}
void run_filter(Call& call, const OpSpec& op, const State* state) {
  const Problem p = problem(call, op, state);
  Tensor won;
  const Tensor dy = gradient(call, p, true, won), df = call.output(0, p.x.type, p.filter.shape);
  if (df.size() == 0) return;
  const int64_t windows = dy.size() / p.shape.channels;
  const int64_t parts = static_cast<int64_t>(div_up(windows, kShare));
  const Tensor sums = call.scratch(DType::f32, {parts, df.size()});
  struct {
    uint32_t count, channels, kind, volume, windows, share;
  } const filter{static_cast<uint32_t>(sums.size()),
                 p.shape.channels,
                 p.shape.kind,
                 static_cast<uint32_t>(df.size()) / p.shape.channels,
                 static_cast<uint32_t>(windows),
                 kShare};
  launch_threads(call, kFilter, sums.size(), {read(won), read(dy), write(sums)}, filter);
  struct {
    uint32_t count, parts, kind;
  } const join{static_cast<uint32_t>(df.size()), static_cast<uint32_t>(parts), p.shape.kind};
  launch_threads(call, kJoin, df.size(), {read(sums), write(df)}, join);
}

void forward_variants(const OpSpec&, std::vector<std::string>& names) { names.emplace_back(kDilate); }
void input_variants(const OpSpec&, std::vector<std::string>& names) { names.insert(names.end(), {kDilate, kInput}); }
void filter_variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kDilate, kFilter, kJoin});
}

const Family dilation{
    {"Dilation2D", kFloats, run, "", forward_variants, prepare},
    {"Dilation2DBackpropInput", kFloats, run_input, "", input_variants, prepare},
    {"Dilation2DBackpropFilter", kFloats, run_filter, "", filter_variants, prepare},
};

}  // namespace
}  // namespace anvil::ops
