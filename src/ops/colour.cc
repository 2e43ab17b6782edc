// Colour spaces and colour adjustments.  The bodies are in kernels/colour.slang.
#include "ops/reduce.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

std::string pixels(const OpSpec& op, DType t) { return str("colour/pixels<", op.name, ",", slang_name(t), ">"); }
void pixel_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(pixels(op, t));
}

void launch_pixels(Call& call, const OpSpec& op, const Tensor& x, Arg parameter) {
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  const uint32_t count = static_cast<uint32_t>(x.size() / 3);
  launch_threads(call, pixels(op, x.type), x.size() / 3, {read(x), parameter, write(y)}, count);
}

// RGBToHSV and HSVToRGB
void run_convert(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 1, Code::invalid_argument, "input must be at least 1D", text(x.shape));
  require(x.shape.back() == 3, Code::failed_precondition, "input must have 3 channels but instead has ", x.shape.back(),
          " channels.");
  launch_pixels(call, op, x, kNoArg);
}

void check_scalar(const Tensor& t, const char* name) {
  require(t.rank() == 0, Code::invalid_argument, name, " must be scalar: ", text(t.shape));
}

// AdjustHue and AdjustSaturation: (images, delta or scale)
void run_adjust(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), parameter = call.input(1);
  require(x.rank() >= 3, Code::invalid_argument, "input must be at least 3-D, got shape", text(x.shape));
  check_scalar(parameter, op.kernel.c_str());
  require(x.shape.back() == 3, Code::invalid_argument, "input must have 3 channels but instead has ", x.shape.back(),
          " channels.");
  launch_pixels(call, op, x, read(parameter));
}

// ---- contrast ----
std::string contrast(DType t) { return str("colour/contrast<", slang_name(t), ">"); }

void run_contrast(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0), factor = call.input(1);
  require(x.rank() >= 3, Code::invalid_argument, "input must be at least 3-D, got shape", text(x.shape));
  check_scalar(factor, "contrast_factor");
  const Tensor y = call.output(0, x.type, x.shape);
  if (x.size() == 0) return;
  const int64_t channels = x.shape.back(), one = x.shape[x.rank() - 3] * x.shape[x.rank() - 2];
  const int64_t images = x.size() / (one * channels);
  const Tensor mean = call.scratch(DType::f32, {images, channels});
  reduce(call, Reduction::mean, x, mean,
         collapse_axes({images, one, channels}, std::initializer_list<int64_t>{1}, false));
  struct {
    uint32_t count, pixels, channels;
  } params{uint32_t(x.size()), uint32_t(one), uint32_t(channels)};
  launch_threads(call, contrast(x.type), x.size(), {read(x), read(mean), read(factor), write(y)}, params);
}
void contrast_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    names.push_back(contrast(t));
    reduce_variants(Reduction::mean, t, names, DType::f32);
  }
}

const std::vector<DType> kTwo = {DType::f32, DType::f16};

const Family colours{
    {"RGBToHSV", {DType::f32}, run_convert, "", pixel_variants},
    {"HSVToRGB", {DType::f32}, run_convert, "", pixel_variants},
    {"AdjustHue", kTwo, run_adjust, "delta", pixel_variants},
    {"AdjustSaturation", kTwo, run_adjust, "scale", pixel_variants},
    {"AdjustContrastv2", kTwo, run_contrast, "", contrast_variants},
};

}  // namespace
}  // namespace anvil::ops
