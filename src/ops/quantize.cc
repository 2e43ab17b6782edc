// QuantizeAndDequantizeV2, V3, V4 and V4Grad.  The bodies are in kernels/quantize.slang.
#include <algorithm>
#include <cmath>

#include "ops/host.h"
#include "ops/reduce.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kRanges = "quantize/ranges", *kRound = "quantize/round_trip", *kPass = "quantize/pass";
constexpr int64_t kMostBits = 62;

struct QuantizeState final : State {
  bool is_signed = true, given = false, narrow = false, upwards = false;
  int64_t bits = 0, axis = -1;
};
void check_bits(int64_t bits, bool is_signed) {
  require(bits > 0 && bits < (is_signed ? kMostBits : kMostBits + 1), Code::invalid_argument,
          "num_bits is out of range: ", bits, " with signed_input_ ", is_signed);
}
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<QuantizeState>();
  s->axis = attrs.integer("axis");
  require(s->axis >= -1, Code::invalid_argument, "Axis must be at least -1. Found ", s->axis);
  if (!attrs.has("signed_input")) return s;  // the gradient
  s->is_signed = attrs.flag("signed_input");
  s->given = attrs.flag("range_given");
  s->narrow = attrs.flag("narrow_range");
  if (attrs.has("num_bits")) {
    s->bits = attrs.integer("num_bits");
    check_bits(s->bits, s->is_signed);
  }
  if (attrs.has("round_mode")) {
    const std::string mode = attrs.string("round_mode");
    require(mode == "HALF_UP" || mode == "HALF_TO_EVEN", Code::invalid_argument,
            "Round mode string must be 'HALF_TO_EVEN' or 'HALF_UP', is '", mode, "'");
    s->upwards = mode == "HALF_UP";
  }
  return s;
}

// Element i belongs to channel i / inner % count.
struct Channels {
  int64_t count = 1, inner = 1;
};
Channels channels(const Tensor& x, int64_t axis) {
  require(axis < x.rank(), Code::invalid_argument, "Shape must be at least rank ", axis + 1, " but is rank ", x.rank());
  if (axis == -1) return {1, std::max<int64_t>(1, x.size())};
  const auto at = static_cast<size_t>(axis);
  return {x.shape[at], count(Shape(x.shape.begin() + axis + 1, x.shape.end()))};
}
// A host argument with a limit for each channel, on the device.
Tensor upload_limit(Call& call, const Tensor& t, const Channels& c, int64_t axis, const char* name) {
  require(axis != -1 || t.size() == 1, Code::invalid_argument, name, " must be a scalar if axis is unspecified");
  require(axis == -1 || (t.rank() == 1 && t.size() == c.count), Code::invalid_argument, name,
          " has incorrect size, was ", t.size(), " expected ", c.count);
  const Tensor y = call.scratch(DType::f32, {c.count});
  call.stream().upload(y.data, t.data, y.bytes());
  return y;
}
Tensor found_limit(Call& call, const Tensor& x, const Channels& c, int64_t axis, Reduction how) {
  std::vector<int64_t> axes;
  for (int64_t d = 0; d < x.rank(); ++d)
    if (d != axis) axes.push_back(d);
  const Tensor y = call.scratch(DType::f32, {c.count});
  reduce(call, how, x, y, collapse_axes(x.shape, axes, false));
  return y;
}

uint32_t narrow(int64_t n) { return static_cast<uint32_t>(n); }

// (input, input_min, input_max[, num_bits])
void run(Call& call, const OpSpec&, const State* state) {
  const auto& s = *static_cast<const QuantizeState*>(state);
  const Tensor x = call.input(0);
  int64_t bits = s.bits;
  if (call.inputs() > 3) {
    bits = host_scalar(call.input(3), "num_bits");
    check_bits(bits, s.is_signed);
  }
  const Channels c = channels(x, s.axis);
  const Tensor low = call.input(1), high = call.input(2);
  Tensor lowest{{0}}, largest{{0}};
  if (s.given) {
    lowest = upload_limit(call, low, c, s.axis, "input_min");
    largest = upload_limit(call, high, c, s.axis, "input_max");
    for (int64_t i = 0; i < low.size(); ++i)
      require(low.host<float>()[i] <= high.host<float>()[i], Code::invalid_argument, "Invalid range: min_range ",
              low.host<float>()[i], " > max_range ", high.host<float>()[i]);
  }
  const Tensor y = call.output(0, x.type, x.shape);
  if (x.size() == 0) return;
  if (!s.given) {
    lowest = found_limit(call, x, c, s.axis, Reduction::min);
    largest = found_limit(call, x, c, s.axis, Reduction::max);
  }
  const Tensor ranges = call.scratch(DType::f32, {c.count, 4});
  const int ends = static_cast<int>(bits) - (s.is_signed ? 1 : 0);
  const struct {
    uint32_t channels;
    float first, last;
  } steps{narrow(c.count), s.is_signed ? static_cast<float>((s.narrow ? 1.0 : 0.0) - std::ldexp(1.0, ends)) : 0.0f,
          static_cast<float>(std::ldexp(1.0, ends) - 1)};
  launch_threads(call, kRanges, c.count, {read(lowest), read(largest), write(ranges)}, steps);
  const struct {
    uint32_t count, channels, inner, clamped, upwards;
  } params{narrow(x.size()), narrow(c.count), narrow(c.inner), s.given, s.upwards};
  launch_threads(call, kRound, x.size(), {read(x), read(ranges), write(y)}, params);
}

// (gradients, input, input_min, input_max)
void run_gradient(Call& call, const OpSpec&, const State* state) {
  const int64_t axis = static_cast<const QuantizeState*>(state)->axis;
  const Tensor dy = call.input(0), x = call.input(1), low = call.input(2), high = call.input(3);
  require(dy.shape == x.shape, Code::invalid_argument, "gradient and input must be the same size");
  const Channels c = channels(x, axis);
  const Tensor lowest = upload_limit(call, low, c, axis, "input_min");
  const Tensor largest = upload_limit(call, high, c, axis, "input_max");
  const Tensor dx = call.output(0, x.type, x.shape);
  for (const int i : {1, 2}) {
    const Tensor none = call.output(i, x.type, low.shape);
    call.stream().fill(none.data, 0, 4, none.bytes());
  }
  const struct {
    uint32_t count, channels, inner;
  } params{narrow(x.size()), narrow(c.count), narrow(c.inner)};
  launch_threads(call, kPass, x.size(), {read(dy), read(x), read(lowest), read(largest), write(dx)}, params);
}
void variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kRanges, kRound, kPass});
  for (const Reduction r : {Reduction::min, Reduction::max}) reduce_variants(r, DType::f32, names);
}

OpSpec row(const char* name, Run run_row, std::vector<const char*> host = {}) {
  host.insert(host.end(), {"input_min", "input_max"});
  return {name, {DType::f32}, run_row, "", variants, prepare, host};
}
const Family quantize{
    row("QuantizeAndDequantizeV2", run),
    row("QuantizeAndDequantizeV3", run, {"num_bits"}),
    row("QuantizeAndDequantizeV4", run),
    row("QuantizeAndDequantizeV4Grad", run_gradient),
};

}  // namespace
}  // namespace anvil::ops
