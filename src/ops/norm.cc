// FusedBatchNorm and its gradient, all three versions.  The bodies are in kernels/batch_norm.slang.
#include <algorithm>

#include "ops/packet.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in batch_norm.slang

struct NormAttrs : State {
  float epsilon = 0, factor = 1;
  bool channels_first = false, training = true;
};
std::unique_ptr<State> prepare(const Attrs& a) {
  auto s = std::make_unique<NormAttrs>();
  s->epsilon = a.real("epsilon");
  if (a.has("exponential_avg_factor")) s->factor = a.real("exponential_avg_factor");
  s->channels_first = a.string("data_format").starts_with("NC");
  s->training = a.flag("is_training");
  return s;
}
const NormAttrs& attrs_of(const State* s) { return *static_cast<const NormAttrs*>(s); }

// x seen as [outer, channels, inner].
struct View {
  int64_t outer = 1, channels = 1, inner = 1;
  int64_t elements() const { return outer * inner; }  // of one channel
};
View view_of(const Tensor& x, const NormAttrs& attrs) {
  require(x.rank() == 4 || x.rank() == 5, Code::invalid_argument, "input must be 4 or 5-dimensional", text(x.shape));
  require(x.size() < (int64_t{1} << 31), Code::unimplemented, "a batch of 2^31 elements or more is not supported");
  const size_t axis = attrs.channels_first ? 1 : x.shape.size() - 1;
  View v;
  for (size_t i = 0; i < x.shape.size(); ++i) (i < axis ? v.outer : i == axis ? v.channels : v.inner) *= x.shape[i];
  return v;
}
void check_vector(const Tensor& t, const char* name) {
  require(t.rank() == 1, Code::invalid_argument, name, " must be 1-dimensional", text(t.shape));
}
void check_channels(const Tensor& t, const char* name, int64_t channels, const char* when = "") {
  require(t.size() == channels, Code::invalid_argument, when, name,
          " must have the same number of elements as the channels of x, got ", t.size(), " and ", channels);
}

constexpr Arg kNone{nullptr, 0, Access::read};
void zero(Call& call, const Tensor& t) {
  if (t.size() > 0) call.stream().fill(t.data, 0, 4, t.bytes());
}
void fill_nan(Call& call, const Tensor& t) {
  if (t.size() > 0) call.stream().fill(t.data, 0x7fc00000u, 4, t.bytes());
}
Grid per_channel(int64_t channels) { return Grid::line(div_up(channels, kGroup)); }

// ---- sums over channels ----
std::string sums_variant(const char* terms, DType t, bool wide) {
  return str("batch_norm/channel_sums<", terms, ",", packed(t), wide ? ",true>" : ",false>");
}
// Adds up one or two terms per channel into `first` and `second`.
void channel_sums(Call& call, const View& v, const Tensor& x, const Tensor* dy, const Tensor& mean, const Tensor& first,
                  const Tensor* second) {
  // llvmpipe cuts a thread's loops off at 65535 turns in all.
  constexpr int64_t kLeastShare = 64, kLargestShare = 32768;
  const uint32_t width = packet_width(x.type);
  const auto aligned = [](const Tensor& t) { return reinterpret_cast<uintptr_t>(t.data) % 8 == 0; };
  const bool wide = v.inner == 1 && v.channels % width == 0 && aligned(x) && (!dy || aligned(*dy));
  const int64_t columns = v.channels / (wide ? width : 1);
  const int64_t wanted = call.caps().cores * (call.caps().cpu_type() ? 128 : 1024);
  const int64_t most = std::max<int64_t>(1, v.elements() / kLeastShare);
  const int64_t share =
      std::min<int64_t>(div_up(v.elements(), std::clamp<int64_t>(wanted / columns, 1, most)), kLargestShare);
  const int64_t parts = div_up(v.elements(), share);
  const Tensor a = parts == 1 ? first : call.scratch(DType::f32, {parts, v.channels});
  const Tensor b = !second ? Tensor{} : parts == 1 ? *second : call.scratch(DType::f32, {parts, v.channels});
  struct {
    uint32_t channels, inner, elements, parts, share;
  } params{uint32_t(v.channels), uint32_t(v.inner), uint32_t(v.elements()), uint32_t(parts), uint32_t(share)};
  call.stream().launch(call.kernel(sums_variant(dy ? "Gradient" : "Deviation", x.type, wide)),
                       Grid::line(div_up(parts * columns, kGroup)),
                       {read(x), dy ? read(*dy) : kNone, read(mean), write(a), second ? write(b) : kNone}, params);
  if (parts == 1) return;
  const ReduceAxes over_parts = collapse_axes({parts, v.channels}, std::initializer_list<int64_t>{0}, false);
  reduce(call, Reduction::sum, a, first, over_parts);
  if (second) reduce(call, Reduction::sum, b, *second, over_parts);
}

// ---- the last step ----
std::string apply_variant(const char* functor, DType t) {
  return str("batch_norm/apply<", functor, ",", packed(t), ">");
}
void apply(Call& call, const char* functor, const View& v, const Tensor& x, const Tensor* dy, const Tensor& y,
           const Tensor& mean, const Tensor& coefficients, const Tensor* offset) {
  struct {
    uint32_t count, channels, inner;
  } params{uint32_t(x.size()), uint32_t(v.channels), uint32_t(v.inner)};
  call.stream().launch(
      call.kernel(apply_variant(functor, x.type)), Grid::line(div_up(div_up(x.size(), packet_width(x.type)), kGroup)),
      {read(x), dy ? read(*dy) : kNone, write(y), read(mean), read(coefficients), offset ? read(*offset) : kNone},
      params);
}

// ---- forward: (x, scale, offset, mean, variance) ----
struct ForwardOutputs {
  Tensor y, running_mean, running_variance, saved_mean, saved_variance;
};

void train(Call& call, const NormAttrs& attrs, const View& v, const Tensor& x, const ForwardOutputs& out) {
  const Tensor scale = call.input(1), offset = call.input(2), old_mean = call.input(3), old_variance = call.input(4);
  const ReduceAxes axes = collapse_axes({v.outer, v.channels, v.inner}, std::initializer_list<int64_t>{0, 2}, false);
  reduce(call, Reduction::mean, x, out.saved_mean, axes);
  channel_sums(call, v, x, nullptr, out.saved_mean, out.saved_variance, nullptr);
  const Tensor coefficient = call.scratch(DType::f32, {v.channels});
  struct {
    uint32_t channels;
    float elements, epsilon, factor;
  } params{uint32_t(v.channels), float(v.elements()), attrs.epsilon, attrs.factor};
  call.stream().launch(
      call.kernel("batch_norm/finish_training"), per_channel(v.channels),
      {read(scale), read(old_mean), read(old_variance), read(out.saved_mean), write(out.saved_variance),
       write(out.running_mean), write(out.running_variance), write(coefficient)},
      params);
  apply(call, "Forward", v, x, nullptr, out.y, out.saved_mean, coefficient, &offset);
}

void infer(Call& call, const NormAttrs& attrs, const View& v, const Tensor& x, const ForwardOutputs& out) {
  const Tensor scale = call.input(1), offset = call.input(2), mean = call.input(3), variance = call.input(4);
  const Tensor coefficient = call.scratch(DType::f32, {v.channels});
  struct {
    uint32_t channels;
    float epsilon;
  } params{uint32_t(v.channels), attrs.epsilon};
  call.stream().launch(call.kernel("batch_norm/finish_inference"), per_channel(v.channels),
                       {read(scale), read(mean), read(variance), write(out.running_mean), write(out.running_variance),
                        write(coefficient)},
                       params);
  zero(call, out.saved_mean);
  zero(call, out.saved_variance);
  apply(call, "Forward", v, x, nullptr, out.y, mean, coefficient, &offset);
}

void check_forward(Call& call, const NormAttrs& attrs, const View& v) {
  const Tensor scale = call.input(1), offset = call.input(2), mean = call.input(3), variance = call.input(4);
  check_vector(scale, "scale");
  check_vector(offset, "offset");
  check_vector(mean, "estimated_mean");
  check_vector(variance, "estimated_variance");
  check_channels(scale, "scale", v.channels);
  check_channels(offset, "offset", v.channels);
  if (attrs.training && attrs.factor == 1.0f) return;
  const char* when = attrs.training ? "When exponential_avg_factor != 1, " : "When is_training=false, ";
  check_channels(mean, "mean", v.channels, when);
  check_channels(variance, "variance", v.channels, when);
}

template <bool ThirdReserve>
void run_forward(Call& call, const OpSpec&, const State* state) {
  const NormAttrs& attrs = attrs_of(state);
  const Tensor x = call.input(0);
  const View v = view_of(x, attrs);
  check_forward(call, attrs, v);
  const Shape channels = {v.channels};
  const ForwardOutputs out{call.output(0, x.type, x.shape), call.output(1, DType::f32, channels),
                           call.output(2, DType::f32, channels), call.output(3, DType::f32, channels),
                           call.output(4, DType::f32, channels)};
  if (ThirdReserve) zero(call, call.output(5, DType::f32, {}));
  if (x.size() == 0) {
    fill_nan(call, out.running_mean);
    fill_nan(call, out.running_variance);
    zero(call, out.saved_mean);
    zero(call, out.saved_variance);
    return;
  }
  attrs.training ? train(call, attrs, v, x, out) : infer(call, attrs, v, x, out);
}
void forward_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    reduce_variants(Reduction::mean, t, names, DType::f32);
    for (bool wide : {false, true}) names.push_back(sums_variant("Deviation", t, wide));
    names.push_back(apply_variant("Forward", t));
  }
  reduce_variants(Reduction::sum, DType::f32, names);
  names.insert(names.end(), {"batch_norm/finish_training", "batch_norm/finish_inference"});
}

// ---- backward: (y_backprop, x, scale, mean, variance[, reserve_space_3]) ----
void run_backward(Call& call, const OpSpec&, const State* state) {
  const NormAttrs& attrs = attrs_of(state);
  const Tensor dy = call.input(0), x = call.input(1), scale = call.input(2), mean = call.input(3),
               variance = call.input(4);
  view_of(dy, attrs);
  const View v = view_of(x, attrs);
  require(x.shape == dy.shape, Code::invalid_argument, "x and y_backprop must have same shape, but x has shape ",
          text(x.shape), " and y_backprop has shape ", text(dy.shape));
  check_vector(scale, "scale");
  check_vector(mean, "saved mean");
  check_vector(variance, "saved variance");
  check_channels(scale, "scale", v.channels);
  check_channels(mean, "reserve_space_1", v.channels);
  check_channels(variance, "reserve_space_2", v.channels);
  const Tensor dx = call.output(0, x.type, x.shape), d_scale = call.output(1, DType::f32, {v.channels}),
               d_offset = call.output(2, DType::f32, {v.channels});
  call.output(3, DType::f32, {0});
  call.output(4, DType::f32, {0});
  if (x.size() == 0) {
    zero(call, d_scale);
    zero(call, d_offset);
    return;
  }
  channel_sums(call, v, x, &dy, mean, d_offset, &d_scale);
  const Tensor coefficients = call.scratch(DType::f32, {3, v.channels});
  struct {
    uint32_t channels;
    float elements, epsilon;
    uint32_t training;
  } params{uint32_t(v.channels), float(v.elements()), attrs.epsilon, attrs.training};
  call.stream().launch(call.kernel("batch_norm/finish_gradient"), per_channel(v.channels),
                       {read(scale), read(variance), read(d_offset), write(d_scale), write(coefficients)}, params);
  apply(call, "Backward", v, x, &dy, dx, mean, coefficients, nullptr);
}
void backward_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    for (bool wide : {false, true}) names.push_back(sums_variant("Gradient", t, wide));
    names.push_back(apply_variant("Backward", t));
  }
  reduce_variants(Reduction::sum, DType::f32, names);
  names.push_back("batch_norm/finish_gradient");
}

const std::vector<TypeAxis> kStatistics = {{"U", {DType::f32}}};
const Family batch_norm{
    {"FusedBatchNorm", {DType::f32}, run_forward<false>, "", forward_variants, prepare},
    {"FusedBatchNormV2", kFloats, run_forward<false>, "", forward_variants, prepare, {}, "T", kStatistics},
    {"FusedBatchNormV3", kFloats, run_forward<true>, "", forward_variants, prepare, {}, "T", kStatistics},
    {"FusedBatchNormGrad", {DType::f32}, run_backward, "", backward_variants, prepare},
    {"FusedBatchNormGradV2", kFloats, run_backward, "", backward_variants, prepare, {}, "T", kStatistics},
    {"FusedBatchNormGradV3", kFloats, run_backward, "", backward_variants, prepare, {}, "T", kStatistics},
};

}  // namespace
}  // namespace anvil::ops
