// CropAndResize and its gradients.  The bodies are in kernels/warp.slang.  Unlike the CPU kernels these do not see the
// boxes' image numbers on the host: a box of an image that is not there gives the extrapolation value and no gradient.
#include <algorithm>

#include "ops/host.h"
#include "ops/map.h"
#include "ops/reduce.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

// llvmpipe cuts a thread's loops off at 65535 turns in all; a GPU's watchdog wants short launches too.
constexpr int64_t kTurns = 32768;

struct CropAttrs : State {
  bool nearest = false;
  float outside = 0;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<CropAttrs>();
  const std::string method = attrs.string("method");
  require(method == "bilinear" || method == "nearest", Code::invalid_argument, "method must be 'bilinear' or 'nearest'",
          method);
  s->nearest = method == "nearest";
  if (attrs.has("extrapolation_value")) s->outside = attrs.real("extrapolation_value");
  return s;
}
const CropAttrs& attrs_of(const State* s) { return static_cast<const CropAttrs&>(*s); }

struct CropParams {
  uint32_t count = 0, images, in_h, in_w, crop_h, crop_w, channels, nearest;
  float outside;
  uint32_t first = 0, last = 0;
};
CropParams crop_params(const Shape& images, const Shape& crops, const CropAttrs& attrs) {
  CropParams p{};
  p.images = static_cast<uint32_t>(images[0]);
  p.in_h = static_cast<uint32_t>(images[1]);
  p.in_w = static_cast<uint32_t>(images[2]);
  p.crop_h = static_cast<uint32_t>(crops[1]);
  p.crop_w = static_cast<uint32_t>(crops[2]);
  p.channels = static_cast<uint32_t>(images[3]);
  p.nearest = attrs.nearest;
  p.outside = attrs.outside;
  p.last = static_cast<uint32_t>(crops[0]);
  return p;
}

// [n, 4] boxes and their [n] image numbers.
int64_t check_boxes(const Tensor& boxes, const Tensor& which) {
  if (boxes.size() == 0 && which.size() == 0) return 0;
  require(boxes.rank() == 2, Code::invalid_argument, "boxes must be 2-D", text(boxes.shape));
  require(boxes.shape[1] == 4, Code::invalid_argument, "boxes must have 4 columns", text(boxes.shape));
  require(which.rank() == 1, Code::invalid_argument, "box_index must be 1-D", text(which.shape));
  require(which.shape[0] == boxes.shape[0], Code::invalid_argument, "box_index has incompatible shape");
  return boxes.shape[0];
}

std::string crop(DType t) { return str("warp/crop<", slang_name(t), ">"); }
void run_crop(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0), boxes = call.input(1), which = call.input(2), size = call.input(3);
  require(x.rank() == 4, Code::invalid_argument, "input image must be 4-D", text(x.shape));
  require(x.shape[1] > 0 && x.shape[2] > 0, Code::invalid_argument, "image dimensions must be positive");
  const int64_t n = check_boxes(boxes, which);
  require(size.rank() == 1, Code::invalid_argument, "crop_size must be 1-D", text(size.shape));
  require(size.size() == 2, Code::invalid_argument, "crop_size must have two elements", text(size.shape));
  const std::vector<int64_t> to = host_values(size);
  require(to[0] > 0 && to[1] > 0, Code::invalid_argument, "crop dimensions must be positive");
  const Tensor y = call.output(0, DType::f32, {n, to[0], to[1], x.shape[3]});
  CropParams params = crop_params(x.shape, y.shape, attrs_of(state));
  params.count = static_cast<uint32_t>(y.size());
  launch_threads(call, crop(x.type), y.size(), {read(x), read(boxes), read(which), write(y)}, params);
}
void crop_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(crop(t));
}

void check_gradient(const Tensor& dy) {
  require(dy.rank() == 4, Code::invalid_argument, "grads image must be 4-D", text(dy.shape));
  require(dy.shape[1] > 0 && dy.shape[2] > 0, Code::invalid_argument, "grads dimensions must be positive");
}

std::string crop_boxes(DType t) { return str("warp/crop_boxes<", slang_name(t), ">"); }
// (grads, image, boxes, box_ind)
void run_boxes(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0), x = call.input(1), boxes = call.input(2), which = call.input(3);
  check_gradient(dy);
  require(x.rank() == 4, Code::invalid_argument, "input image must be 4-D", text(x.shape));
  require(x.shape[1] > 0 && x.shape[2] > 0, Code::invalid_argument, "image dimensions must be positive");
  require(x.shape[3] == dy.shape[3], Code::invalid_argument, "image, grads depth differ");
  const int64_t n = check_boxes(boxes, which);
  require(dy.shape[0] == n, Code::invalid_argument, "boxes and grads have incompatible shape");
  const Tensor out = call.output(0, DType::f32, {n, 4});
  if (n == 0) return;
  const int64_t pixels = dy.shape[1] * dy.shape[2];
  const Tensor parts = call.scratch(DType::f32, {n, pixels, 4});
  CropParams params = crop_params(x.shape, dy.shape, attrs_of(state));
  params.count = static_cast<uint32_t>(n * pixels);
  launch_threads(call, crop_boxes(x.type), n * pixels, {read(x), read(boxes), read(which), read(dy), write(parts)},
                 params);
  reduce(call, Reduction::sum, parts, out, collapse_axes(parts.shape, std::initializer_list<int64_t>{1}, false));
}
void boxes_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(crop_boxes(t));
  reduce_variants(Reduction::sum, DType::f32, names);
}

constexpr const char* kImage = "warp/crop_image";
const Functor kToHalf{"cast", "FloatToFloat<F32,F16>"};
struct ImageState : CropAttrs {
  DType type{};
};
std::unique_ptr<State> prepare_image(const Attrs& attrs) {
  auto s = std::make_unique<ImageState>();
  static_cast<CropAttrs&>(*s) = static_cast<const CropAttrs&>(*prepare(attrs));
  s->type = attrs.type("T");
  return s;
}
// (grads, boxes, box_ind, image_size)
void run_image(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0), boxes = call.input(1), which = call.input(2), size = call.input(3);
  check_gradient(dy);
  const int64_t n = check_boxes(boxes, which);
  require(dy.shape[0] == n, Code::invalid_argument, "boxes and grads have incompatible shape");
  require(size.rank() == 1, Code::invalid_argument, "image_size must be 1-D", text(size.shape));
  require(size.size() == 4, Code::invalid_argument, "image_size must have 4 elements", text(size.shape));
  const Shape shape = host_values(size);
  require(shape[1] > 0 && shape[2] > 0, Code::invalid_argument, "image dimensions must be positive");
  require(shape[3] == dy.shape[3], Code::invalid_argument, "image_size and grads are incompatible");
  const DType type = static_cast<const ImageState&>(*state).type;
  const Tensor out = call.output(0, type, shape);
  if (out.size() == 0) return;
  const Tensor dx = type == DType::f32 ? out : call.scratch(DType::f32, shape);
  CropParams params = crop_params(shape, dy.shape, attrs_of(state));
  params.count = static_cast<uint32_t>(dx.size());
  const int64_t turns = dy.shape[1] * dy.shape[2] + dy.shape[1] + 1;
  require(!call.caps().cpu_type() || turns <= kTurns, Code::unimplemented,
          "CropAndResizeGradImage: crops of more than ", kTurns, " pixels are not supported on a software GPU");
  const int64_t step = std::max<int64_t>(1, kTurns / turns);
  if (n == 0) call.stream().fill(dx.data, 0, 1, dx.bytes());
  for (int64_t first = 0; first < n; first += step) {
    params.first = static_cast<uint32_t>(first);
    params.last = static_cast<uint32_t>(std::min(first + step, n));
    launch_threads(call, kImage, dx.size(), {read(dy), read(boxes), read(which), write(dx)}, params);
  }
  if (type != DType::f32) launch_map(call, kToHalf, dx, out);
}
void image_variants(const OpSpec&, std::vector<std::string>& names) {
  names.push_back(kImage);
  map_variants(kToHalf, names);
}

const std::vector<DType> kTwo = {DType::f32, DType::f16};

const Family crops{
    {"CropAndResize", kTwo, run_crop, "", crop_variants, prepare, {"crop_size"}},
    {"CropAndResizeGradBoxes", kTwo, run_boxes, "", boxes_variants, prepare},
    {"CropAndResizeGradImage", kTwo, run_image, "", image_variants, prepare_image, {"image_size"}},
};

}  // namespace
}  // namespace anvil::ops
