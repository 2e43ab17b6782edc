// Fill, ZerosLike, OnesLike, BroadcastTo, Tile: tensors made of few values.
#include <bit>

#include "base/checked_shape.h"
#include "ops/host.h"

namespace anvil::ops {
namespace {

void run_fill(Call& call, const OpSpec&, const State*) {
  const Tensor dims = call.input(0), value = call.input(1);
  require(dims.rank() == 1, Code::invalid_argument, "dims must represent a vector, got shape ", text(dims.shape));
  require(value.size() == 1 && value.rank() <= 1, Code::invalid_argument, "value must represent a scalar, got shape ",
          text(value.shape));
  launch_fill(call, value, call.output(0, value.type, host_shape(dims)));
}

void run_zeros_like(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  set_elements(call, op, 0, call.output_reusing(0, {0}, x.type, x.shape));
}

uint64_t one(DType t) {
  switch (t) {
    case DType::f32: return std::bit_cast<uint32_t>(1.0f);
    case DType::f16: return 0x3c00;
    case DType::bf16: return 0x3f80;
    case DType::c64: return std::bit_cast<uint32_t>(1.0f);
    case DType::f64:
    case DType::c128: return std::bit_cast<uint64_t>(1.0);
    default: return 1;
  }
}
void run_ones_like(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  set_elements(call, op, one(x.type), call.output_reusing(0, {0}, x.type, x.shape));
}

void run_broadcast_to(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  const Shape shape = host_shape(call.input(1));
  require(x.shape.size() <= shape.size(), Code::invalid_argument, "Rank of input (", x.rank(),
          ") must be no greater than rank of output shape (", shape.size(), ").");
  bool fits = broadcastable(x.shape, shape);
  for (size_t d = 0; d < x.shape.size(); ++d) {
    const int64_t to = shape[shape.size() - 1 - d], from = x.shape[x.shape.size() - 1 - d];
    fits &= from == to || from == 1;
  }
  require(fits, Code::invalid_argument, "Incompatible shapes: ", text(x.shape), " vs. ", text(shape));
  if (x.shape == shape) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, x.type, shape);
  const Shape operands[] = {x.shape, shape};
  if (x.size() == 1 && !on_host(op)) return launch_fill(call, x, y);
  move_elements(call, op, {broadcast_axes(shape, operands)}, x, y);
}

void run_tile(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  const Tensor multiples = call.input(1);
  require(multiples.rank() == 1, Code::invalid_argument, "Expected multiples to be 1-D, but got shape ",
          text(multiples.shape));
  require(multiples.size() == x.rank(), Code::invalid_argument, "Expected multiples argument to be a vector of length ",
          x.rank(), " but got length ", multiples.size());
  const auto times = host_values(multiples);
  Shape shape = x.shape;
  for (size_t d = 0; d < times.size(); ++d) {
    require(times[d] >= 0, Code::invalid_argument, "Expected multiples[", d, "] >= 0, but got ", times[d]);
    shape[d] = checked_product(shape[d], times[d]);
  }
  if (shape == x.shape) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, x.type, shape);
  const auto from = contiguous_strides(x.shape), to = contiguous_strides(shape);
  Axes axes;
  for (size_t d = times.size(); d-- > 0;) {
    axes.push_back({x.shape[d], {from[d], to[d]}});
    axes.push_back({times[d], {0, to[d] * x.shape[d]}});
  }
  move_elements(call, op, {axes}, x, y);
}

void both_variants(const OpSpec& op, std::vector<std::string>& names) {
  copy_variants(op, names);
  fill_variants(op, names);
}

const std::vector<DType> kAll = join({kFloats, kDeviceInts, kWide, {DType::boolean}});
const std::vector<DType> kFilled =
    join({kFloats, kWide, {DType::boolean, DType::i8, DType::i16, DType::i64, DType::u8, DType::u16}});
const std::vector<DType> kSmall = join({kFloats, kWide, {DType::boolean, DType::i64}});
const std::vector<DType> kTiled = join({kSmall, {DType::i16, DType::i32}});

const Family fill{
    {"Fill", kFilled, run_fill, "", fill_variants, nullptr, {"dims"}},
    {"ZerosLike", kAll, run_zeros_like, "", fill_variants},
    {"ZerosLike", {DType::i32}, run_zeros_like, kHost, nullptr, nullptr, {"x", "y"}},
    {"OnesLike", kAll, run_ones_like, "", fill_variants},
    {"OnesLike", {DType::i32}, run_ones_like, kHost, nullptr, nullptr, {"x", "y"}},
    {"BroadcastTo", kSmall, run_broadcast_to, "", both_variants, nullptr, {"shape"}},
    {"BroadcastTo", {DType::i32}, run_broadcast_to, kHost, nullptr, nullptr, {"input", "shape", "output"}},
    {"Tile", kTiled, run_tile, "", copy_variants, nullptr, {"multiples"}},
};

}  // namespace
}  // namespace anvil::ops
