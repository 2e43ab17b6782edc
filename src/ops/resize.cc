// ResizeBilinear and ResizeNearestNeighbor with their gradients.  The bodies are in kernels/resize.slang.
#include "ops/host.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kHalfCentres = 1, kAlignCorners = 2, kNearest = 4;  // as in resize.slang

struct Placing : State {
  bool align_corners = false, half_centres = false;
  uint32_t flags() const { return (half_centres ? kHalfCentres : 0) | (align_corners ? kAlignCorners : 0); }
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<Placing>();
  s->align_corners = attrs.flag("align_corners");
  s->half_centres = attrs.flag("half_pixel_centers");
  return s;
}
std::unique_ptr<State> prepare_checked(const Attrs& attrs) {
  require(!attrs.flag("half_pixel_centers") || !attrs.flag("align_corners"), Code::invalid_argument,
          "If half_pixel_centers is True, align_corners must be False.");
  return prepare(attrs);
}
const Placing& placing(const State* s) { return static_cast<const Placing&>(*s); }

float scale(int64_t in, int64_t out, bool align_corners) {
  return align_corners && out > 1 ? float(in - 1) / float(out - 1) : float(in) / float(out);
}

Shape resized(const Tensor& images, const Tensor& size) {
  require(images.rank() == 4, Code::invalid_argument, "input must be 4-dimensional", text(images.shape));
  require(size.rank() == 1, Code::invalid_argument, "shape_t must be 1-dimensional", text(size.shape));
  require(size.size() == 2, Code::invalid_argument, "shape_t must have two elements", text(size.shape));
  const std::vector<int64_t> to = host_values(size);
  require(to[0] > 0 && to[1] > 0, Code::invalid_argument, "output dimensions must be positive");
  return {images.shape[0], to[0], to[1], images.shape[3]};
}

// ---- forward ----
void resize(Call& call, const std::string& kernel, const Tensor& x, const Tensor& y, const Placing& how,
            uint32_t kind) {
  struct {
    uint32_t count, in_h, in_w, out_h, out_w, channels;
    float scale_h, scale_w;
    uint32_t flags;
  } params{uint32_t(y.size()),
           uint32_t(x.shape[1]),
           uint32_t(x.shape[2]),
           uint32_t(y.shape[1]),
           uint32_t(y.shape[2]),
           uint32_t(y.shape[3]),
           scale(x.shape[1], y.shape[1], how.align_corners),
           scale(x.shape[2], y.shape[2], how.align_corners),
           how.flags() | kind};
  launch_threads(call, kernel, y.size(), {read(x), write(y)}, params);
}
void check_images(const Tensor& x) {
  require(x.shape[1] > 0 && x.shape[2] > 0, Code::invalid_argument, "input image must be of non-zero size");
}

std::string bilinear(DType t) { return str("resize/bilinear<", slang_name(t), ">"); }
void run_bilinear(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0);
  const Shape shape = resized(x, call.input(1));
  check_images(x);
  resize(call, bilinear(x.type), x, call.output(0, DType::f32, shape), placing(state), 0);
}
void bilinear_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(bilinear(t));
}

std::string nearest(DType t) { return str("resize/nearest<", size_of(t), ">"); }
void run_nearest(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0);
  const Shape shape = resized(x, call.input(1));
  check_images(x);
  resize(call, nearest(x.type), x, call.output(0, x.type, shape), placing(state), kNearest);
}
void nearest_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(nearest(t));
}

// ---- gradients: along the columns into float32, then along the rows ----
std::string gradient(DType from, DType to) {
  return str("resize/gradient<", slang_name(from), ",", slang_name(to), ">");
}
void gradient_axis(Call& call, const Tensor& dy, const Tensor& dx, size_t axis, float scale, uint32_t flags) {
  struct {
    uint32_t count, large, small, inner;
    float scale;
    uint32_t flags;
  } params{uint32_t(dx.size()), uint32_t(dy.shape[axis]), uint32_t(dx.shape[axis]), 1, scale, flags};
  for (size_t d = axis + 1; d < 4; ++d) params.inner *= static_cast<uint32_t>(dx.shape[d]);
  launch_threads(call, gradient(dy.type, dx.type), dx.size(), {read(dy), write(dx)}, params);
}
void add_gradient(Call& call, const Tensor& dy, const Tensor& dx, const Placing& how, uint32_t kind) {
  if (dx.size() == 0) return;
  if (dy.size() == 0) return call.stream().fill(dx.data, 0, 1, dx.bytes());
  const uint32_t flags = how.flags() | kind;
  const Tensor rows = call.scratch(DType::f32, {dy.shape[0], dy.shape[1], dx.shape[2], dy.shape[3]});
  gradient_axis(call, dy, rows, 2, scale(dx.shape[2], dy.shape[2], how.align_corners), flags);
  gradient_axis(call, rows, dx, 1, scale(dx.shape[1], dy.shape[1], how.align_corners), flags);
}

void run_bilinear_gradient(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0), images = call.input(1);
  require(dy.rank() == 4, Code::invalid_argument, "input_grad must be 4-dimensional", text(dy.shape));
  require(images.rank() == 4, Code::invalid_argument, "original_image must be 4-dimensional", text(images.shape));
  require(images.shape[1] > 0 && images.shape[2] > 0, Code::invalid_argument,
          "original image must be of non-zero size");
  // As in TensorFlow's kernels the image has its sizes and its type to give, no more.
  const Shape shape{dy.shape[0], images.shape[1], images.shape[2], dy.shape[3]};
  add_gradient(call, dy, call.output(0, images.type, shape), placing(state), 0);
}
void bilinear_gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(gradient(DType::f32, t));
}

void run_nearest_gradient(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0);
  const Shape shape = resized(dy, call.input(1));
  add_gradient(call, dy, call.output(0, dy.type, shape), placing(state), kNearest);
}
void nearest_gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    names.push_back(gradient(t, DType::f32));
    names.push_back(gradient(DType::f32, t));
  }
}

const Family resizes{
    {"ResizeBilinear", kFloats, run_bilinear, "", bilinear_variants, prepare_checked, {"size"}},
    {"ResizeBilinearGrad", kFloats, run_bilinear_gradient, "", bilinear_gradient_variants, prepare_checked},
    {"ResizeNearestNeighbor", kFloats, run_nearest, "", nearest_variants, prepare_checked, {"size"}},
    {"ResizeNearestNeighborGrad", kFloats, run_nearest_gradient, "", nearest_gradient_variants, prepare, {"size"}},
};

}  // namespace
}  // namespace anvil::ops
