// ExtractImagePatches and ExtractVolumePatches, and the walks over windows that Conv3D shares.
#include "ops/patches.h"

#include "ops/copy.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

struct PatchParams {
  uint32_t count, channels, first;
  PatchAxis axes[3];
};
PatchParams patch_params(const PatchGeometry& g, int64_t count, int64_t first) {
  return {uint32_t(count), uint32_t(g.channels), uint32_t(first), {g.axes[0], g.axes[1], g.axes[2]}};
}
std::string patches(size_t bytes) { return str("patches/patches<", bytes, ">"); }
std::string fold(DType t) { return str("patches/fold<", slang_name(t), ">"); }

}  // namespace

PatchAxis patch_axis(int64_t in, int64_t window, int64_t stride, int64_t rate, bool same) {
  const int64_t reach = (window - 1) * rate + 1;
  PatchAxis a{uint32_t(in), 0, uint32_t(window), uint32_t(stride), uint32_t(rate), 0};
  if (same) {
    const int64_t out = (in + stride - 1) / stride;
    a.out = static_cast<uint32_t>(out);
    a.pad = static_cast<uint32_t>(std::max<int64_t>(0, (out - 1) * stride + reach - in) / 2);
    return a;
  }
  const int64_t out = (in - reach + stride) / stride;
  require(out >= 0, Code::invalid_argument, "Computed output size would be negative: ", out, " [input_size: ", in,
          ", effective_filter_size: ", reach, ", stride: ", stride, "]");
  a.out = static_cast<uint32_t>(out);
  return a;
}

void launch_patches(Call& call, const PatchGeometry& g, const Tensor& x, const Tensor& y, int64_t first, int64_t rows) {
  require(x.size() < (int64_t{1} << 32), Code::unimplemented, "patches of 2^32 elements are not supported");
  const int64_t count = rows * g.width();
  launch_threads(call, patches(size_of(x.type)), count, {read(x), write(y)}, patch_params(g, count, first));
}
void patch_variants(DType t, std::vector<std::string>& names) {
  names.push_back(patches(std::min<size_t>(size_of(t), 8)));
}

void launch_fold(Call& call, const PatchGeometry& g, const Tensor& from, const Tensor& x) {
  require(from.size() < (int64_t{1} << 32), Code::unimplemented, "patches of 2^32 elements are not supported");
  launch_threads(call, fold(x.type), x.size(), {read(from), write(x)}, patch_params(g, x.size(), 0));
}
void fold_variants(DType t, std::vector<std::string>& names) { names.push_back(fold(t)); }

// ---- the patch ops ----
namespace {

struct PatchAttrs : State {
  std::vector<int64_t> window, stride, rate;
  bool same = false;
};
std::vector<int64_t> spatial(const std::vector<int64_t>& v, const char* name, size_t rank) {
  require(v.size() == rank, Code::invalid_argument, name, " must have length ", rank);
  require(v.front() == 1 && v.back() == 1, Code::unimplemented, "Only support ", name, " across space.");
  std::vector<int64_t> inner(v.begin() + 1, v.end() - 1);
  for (int64_t s : inner) require(s >= 1, Code::out_of_range, name, " is out of range");
  return inner;
}
template <size_t Rank>
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<PatchAttrs>();
  s->window = spatial(attrs.integers("ksizes"), "ksizes", Rank);
  s->stride = spatial(attrs.integers("strides"), "strides", Rank);
  s->rate = attrs.has("rates") ? spatial(attrs.integers("rates"), "rates", Rank) : std::vector<int64_t>(Rank - 2, 1);
  s->same = attrs.string("padding") == "SAME";
  return s;
}

template <size_t Rank>
void run(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const PatchAttrs&>(*state);
  const Tensor x = call.input(0);
  require(x.shape.size() == Rank, Code::invalid_argument, "input must be ", Rank, "-dimensional", text(x.shape));
  PatchGeometry g{{}, x.shape.front(), x.shape.back()};
  Shape shape = x.shape;
  for (size_t d = 0; d + 2 < Rank; ++d) {
    const PatchAxis a = patch_axis(x.shape[d + 1], attrs.window[d], attrs.stride[d], attrs.rate[d], attrs.same);
    g.axes[5 - Rank + d] = a;
    shape[d + 1] = a.out;
  }
  shape.back() = g.width();
  const Tensor y = in_units(call.output(0, x.type, shape));
  g.channels *= y.size() / std::max<int64_t>(count(shape), 1);
  if (y.size() > 0) launch_patches(call, g, in_units(x), y, 0, g.images * g.windows());
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) patch_variants(t, names);
}

const Family patch_ops{
    {"ExtractImagePatches", join({kFloats, kWide, {DType::boolean}}), run<4>, "", variants, prepare<4>},
    {"ExtractVolumePatches", join({kFloats, {DType::f64}}), run<5>, "", variants, prepare<5>},
};

}  // namespace
}  // namespace anvil::ops
