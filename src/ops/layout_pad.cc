// Pad, PadV2 and MirrorPad.
#include "base/checked_shape.h"
#include "ops/host.h"
#include "ops/mirror.h"

namespace anvil::ops {
namespace {

struct Padding {
  int64_t before = 0, after = 0;
};

std::vector<Padding> read_paddings(const Tensor& x, const Tensor& paddings) {
  require(paddings.shape == Shape({x.rank(), 2}), Code::invalid_argument,
          "The first dimension of paddings must be the rank of inputs and the second 2, got ", text(paddings.shape),
          " for inputs of shape ", text(x.shape));
  const auto v = host_values(paddings);
  std::vector<Padding> p(x.shape.size());
  for (size_t d = 0; d < p.size(); ++d) {
    p[d] = {v[2 * d], v[2 * d + 1]};
    require(p[d].before >= 0 && p[d].after >= 0, Code::invalid_argument, "Paddings must be non-negative: ", p[d].before,
            " ", p[d].after);
  }
  return p;
}

Shape padded(const Shape& shape, const std::vector<Padding>& paddings) {
  Shape out = shape;
  for (size_t d = 0; d < out.size(); ++d)
    out[d] = checked_sum(out[d], checked_sum(paddings[d].before, paddings[d].after));
  return out;
}

void pad(Call& call, const OpSpec& op, const Bits& bits) {
  const Tensor x = call.input(0);
  const auto paddings = read_paddings(x, call.input(1));
  const Shape shape = padded(x.shape, paddings);
  if (shape == x.shape) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, x.type, shape);
  set_elements(call, op, bits, y);
  const auto from = contiguous_strides(x.shape), to = contiguous_strides(shape);
  Walk walk;
  for (size_t d = shape.size(); d-- > 0;) {
    walk.axes.push_back({x.shape[d], {from[d], to[d]}});
    walk.to += paddings[d].before * to[d];
  }
  move_elements(call, op, walk, x, y);
}

void run_pad(Call& call, const OpSpec& op, const State*) { pad(call, op, 0); }
void run_pad_v2(Call& call, const OpSpec& op, const State*) {
  const Tensor value = call.input(2);
  require(value.rank() == 0, Code::invalid_argument, "constant_values must be a scalar. Found: ", text(value.shape));
  pad(call, op, host_bits(value));
}

// Along each axis the output is at most three stretches of the input: mirrored, as it is, mirrored.  All combinations
// over the axes are copied, a walk each.
void run_mirror_pad(Call& call, const OpSpec& op, const State* state) {
  const int64_t skip = static_cast<const MirrorState*>(state)->skip;
  const Tensor x = call.input(0);
  const auto paddings = read_paddings(x, call.input(1));
  for (size_t d = 0; d < paddings.size(); ++d)
    require(paddings[d].before <= x.shape[d] - skip && paddings[d].after <= x.shape[d] - skip, Code::invalid_argument,
            "paddings must be no greater than the dimension size: ", paddings[d].before, ", ", paddings[d].after,
            " greater than ", x.shape[d] - skip);
  const Shape shape = padded(x.shape, paddings);
  if (shape == x.shape) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, x.type, shape);
  const auto from = contiguous_strides(x.shape), to = contiguous_strides(shape);
  std::vector<Walk> walks = {Walk{}};
  for (size_t d = shape.size(); d-- > 0;) {
    const int64_t n = x.shape[d], before = paddings[d].before, after = paddings[d].after;
    struct Stretch {
      int64_t size, from, step, to;
    };
    const Stretch stretches[] = {
        {before, before - 1 + skip, -1, 0}, {n, 0, 1, before}, {after, n - 1 - skip, -1, before + n}};
    std::vector<Walk> more;
    for (const Walk& w : walks)
      for (const Stretch& s : stretches) {
        if (s.size == 0) continue;
        Walk next = w;
        next.axes.push_back({s.size, {s.step * from[d], to[d]}});
        next.from += s.from * from[d];
        next.to += s.to * to[d];
        more.push_back(std::move(next));
      }
    walks = std::move(more);
  }
  for (const Walk& w : walks) move_elements(call, op, w, x, y);
}

void both_variants(const OpSpec& op, std::vector<std::string>& names) {
  copy_variants(op, names);
  fill_variants(op, names);
}

const std::vector<DType> kPadded = join({kFloats, kWide, {DType::boolean, DType::i8, DType::i64, DType::u8}});
const std::vector<DType> kInt32 = {DType::i32};

const Family pads{
    {"Pad", kPadded, run_pad, "", both_variants, nullptr, {"paddings"}},
    {"Pad", kInt32, run_pad, kHost, nullptr, nullptr, {"input", "paddings", "output"}},
    {"PadV2", kPadded, run_pad_v2, "", both_variants, nullptr, {"paddings", "constant_values"}},
    {"PadV2", kInt32, run_pad_v2, kHost, nullptr, nullptr, {"input", "paddings", "constant_values", "output"}},
    {"MirrorPad", join({kFloats, {DType::f64}}), run_mirror_pad, "", copy_variants, prepare_mirror, {"paddings"}},
};

}  // namespace
}  // namespace anvil::ops
