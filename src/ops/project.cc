// ImageProjectiveTransformV2 and V3.  The bodies are in kernels/warp.slang.
#include <cstring>

#include "ops/host.h"
#include "ops/map.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

struct ProjectAttrs : State {
  bool bilinear = false;
  uint32_t fill_mode = 0;  // as in warp.slang
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<ProjectAttrs>();
  const std::string how = attrs.string("interpolation"), fill = attrs.string("fill_mode");
  require(how == "NEAREST" || how == "BILINEAR", Code::invalid_argument, "Invalid interpolation ", how,
          ". Supported types: NEAREST, BILINEAR");
  s->bilinear = how == "BILINEAR";
  const char* const modes[] = {"CONSTANT", "REFLECT", "WRAP", "NEAREST"};
  for (const char* mode : modes) {
    if (fill == mode) return s;
    ++s->fill_mode;
  }
  fail(Code::invalid_argument, "Invalid mode ", fill, ". Supported types: REFLECT, WRAP, CONSTANT, NEAREST");
}

struct ProjectParams {
  uint64_t fill = 0;
  uint32_t count, in_h, in_w, out_h, out_w, channels, fill_mode, per_image;
};

std::string nearest(DType t) { return str("warp/project_nearest<", size_of(t), ">"); }
constexpr const char* kBilinear = "warp/project_bilinear";

Functor to_float(DType t) {
  return {"cast", str(is_float(t) ? "FloatToFloat<" : "IntToFloat<", slang_name(t), ",F32>")};
}
Functor from_float(DType t) {
  if (is_float(t)) return {"cast", str("FloatToFloat<F32,", slang_name(t), ">")};
  const DType bits = t == DType::i32 ? DType::i32 : t;
  return {"cast", str("FloatToInt<F32,", slang_name(bits), ">")};
}

// The bits of `v` converted to the type.
template <class T>
uint64_t bits_of(T v) {
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}
uint64_t half_bits(float v);
uint64_t fill_bits(float v, DType t) {
  switch (t) {
    case DType::f32: return bits_of(v);
    case DType::f16: return half_bits(v);
    case DType::u8: return bits_of(static_cast<uint8_t>(v));
    case DType::i32: return bits_of(static_cast<int32_t>(v));
    default: return bits_of(static_cast<int64_t>(v));
  }
}
// To nearest, ties to even.
uint64_t half_bits(float v) {
  const auto half = static_cast<_Float16>(v);
  return bits_of(half);
}

// (images, transforms, output_shape[, fill_value])
void run(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const ProjectAttrs&>(*state);
  const Tensor x = call.input(0), transforms = call.input(1), size = call.input(2);
  require(x.rank() == 4, Code::invalid_argument, "images must have rank 4");
  require(transforms.rank() == 2 && (transforms.shape[0] == x.shape[0] || transforms.shape[0] == 1) &&
              transforms.shape[1] == 8,
          Code::invalid_argument, "Input transform should be num_images x 8 or 1 x 8");
  require(size.rank() == 1, Code::invalid_argument, "output shape must be 1-dimensional", text(size.shape));
  require(size.size() == 2, Code::invalid_argument, "output shape must have two elements", text(size.shape));
  const std::vector<int64_t> to = host_values(size);
  require(to[0] > 0 && to[1] > 0, Code::invalid_argument, "output dimensions must be positive");
  float fill = 0;
  if (call.inputs() > 3) {
    const Tensor value = call.input(3);
    require(value.rank() == 0, Code::invalid_argument, "fill_value must be a scalar", text(value.shape));
    fill = *value.host<float>();
  }
  const Tensor y = call.output(0, x.type, {x.shape[0], to[0], to[1], x.shape[3]});
  if (y.size() == 0) return;
  ProjectParams params{fill_bits(fill, x.type), uint32_t(y.size()), uint32_t(x.shape[1]),
                       uint32_t(x.shape[2]),    uint32_t(to[0]),    uint32_t(to[1]),
                       uint32_t(x.shape[3]),    attrs.fill_mode,    transforms.shape[0] == 1 ? 0u : 8u};
  if (!attrs.bilinear)
    return launch_threads(call, nearest(x.type), y.size(), {read(x), read(transforms), write(y)}, params);
  if (x.type == DType::f32)
    return launch_threads(call, kBilinear, y.size(), {read(x), read(transforms), write(y)}, params);
  // The fill value is read as the type has it.
  params.fill = x.type == DType::f16 ? bits_of(static_cast<float>(static_cast<_Float16>(fill)))
                                     : bits_of(static_cast<float>(static_cast<int64_t>(fill)));
  const Tensor wide = call.scratch(DType::f32, x.shape), mixed = call.scratch(DType::f32, y.shape);
  launch_map(call, to_float(x.type), x, wide);
  launch_threads(call, kBilinear, y.size(), {read(wide), read(transforms), write(mixed)}, params);
  launch_map(call, from_float(x.type), mixed, y);
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  names.push_back(kBilinear);
  for (DType t : op.types) {
    names.push_back(nearest(t));
    if (t == DType::f32) continue;
    map_variants(to_float(t), names);
    map_variants(from_float(t), names);
  }
}

const std::vector<DType> kTypes = {DType::f32, DType::f16, DType::u8, DType::i32, DType::i64};

const Family projections{
    {"ImageProjectiveTransformV2", kTypes, run, "", variants, prepare, {"output_shape"}, "dtype"},
    {"ImageProjectiveTransformV3", kTypes, run, "", variants, prepare, {"output_shape", "fill_value"}, "dtype"},
};

}  // namespace
}  // namespace anvil::ops
