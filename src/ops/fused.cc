// The ops that TensorFlow's remapper puts in the place of several: _FusedConv2D, _FusedMatMul, _FusedBatchNormEx and
// its gradient.  Each runs the plain op's own row and finishes its result in place with one kernel,
// kernels/fused.slang.
#include <algorithm>
#include <utility>

#include "ops/packet.h"
#include "ops/pair.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in fused.slang
constexpr Arg kNone{nullptr, 0, Access::read};

// In the order of activate() in fused.slang.
constexpr const char* kActivations[] = {"Identity", "Relu",    "Relu6",           "Elu",      "LeakyRelu",
                                        "Tanh",     "Sigmoid", "GeluApproximate", "GeluExact"};

const OpSpec& row_of(const char* op, DType type) {
  for (const OpSpec& row : catalogue())
    if (std::string_view(row.name) == op && std::ranges::count(row.types, type)) return row;
  fail(Code::internal, "there is no row for ", op);
}

// A fused node: the plain op it starts with, and what follows.
struct Fused : State {
  const OpSpec* row = nullptr;
  std::unique_ptr<State> state;
  bool bias = false, norm = false, beside = false, channels_first = false;
  uint32_t activation = 0;
  float alpha = 0, epsilon = 0;
};
const Fused& fused_of(const State* s) { return *static_cast<const Fused*>(s); }

uint32_t activation_of(const std::string& name) {
  const auto* found = std::ranges::find_if(kActivations, [&](const char* a) { return name == a; });
  require(found != std::end(kActivations), Code::unimplemented, "Fusion is not implemented: ", name);
  return static_cast<uint32_t>(found - kActivations);
}

std::unique_ptr<Fused> prepare_inner(const char* op, const Attrs& a) {
  auto s = std::make_unique<Fused>();
  s->row = &row_of(op, a.type("T"));
  s->state = s->row->prepare(a);
  s->channels_first = a.has("data_format") && a.string("data_format") == "NCHW";
  return s;
}

// fused_ops is BiasAdd or FusedBatchNorm, then perhaps an activation.
std::unique_ptr<Fused> prepare_fused(const char* op, const Attrs& a) {
  const std::vector<std::string> steps = a.strings("fused_ops");
  require(!steps.empty(), Code::invalid_argument, "Fused ", op, " must have at least one fused op.");
  auto s = prepare_inner(op, a);
  s->bias = steps[0] == "BiasAdd";
  s->norm = steps[0] == "FusedBatchNorm";
  require((s->bias || s->norm) && steps.size() <= 2, Code::unimplemented, "Fusion is not implemented: ", steps[0],
          steps.size() > 1 ? "," + steps[1] : "");
  if (steps.size() > 1) s->activation = activation_of(steps[1]);
  s->epsilon = a.real("epsilon");
  s->alpha = a.real("leakyrelu_alpha");
  const int64_t args = a.integer("num_args");
  require(args == (s->bias ? 1 : 4), Code::invalid_argument, "Fused ", op, " with ", steps[0], " must have ",
          s->bias ? "one extra argument: bias." : "four extra arguments: scale, offset, mean, variance.");
  return s;
}
std::unique_ptr<State> prepare_matmul(const Attrs& a) { return prepare_fused("MatMul", a); }
std::unique_ptr<State> prepare_conv(const Attrs& a) {
  require(a.string("filter_format") == "HWIO", Code::unimplemented, "_FusedConv2D takes filters in HWIO order only");
  return prepare_fused("Conv2D", a);
}
std::unique_ptr<Fused> prepare_norm(const char* op, const Attrs& a) {
  auto s = prepare_inner(op, a);
  const std::string mode = a.string("activation_mode");
  require(mode == "Identity" || mode == "Relu", Code::unimplemented, "unsupported activation mode: ", mode);
  s->activation = activation_of(mode);
  s->beside = a.integer("num_side_inputs") > 0;
  return s;
}
std::unique_ptr<State> prepare_norm_forward(const Attrs& a) { return prepare_norm("FusedBatchNormV3", a); }
std::unique_ptr<State> prepare_norm_gradient(const Attrs& a) { return prepare_norm("FusedBatchNormGradV3", a); }

// The call as the plain op sees it.
class Inner final : public Call {
 public:
  Inner(Call& outer, int inputs) : outer_(outer), inputs_(inputs) {}
  int inputs() const override { return inputs_; }
  Tensor input(int i) override { return i == 0 && first.data ? first : outer_.input(i); }
  Tensor output(int i, DType type, const Shape& shape) override {
    const Tensor t = outer_.output(i, type, shape);
    if (i == 0) result = t;
    return t;
  }
  // Another input's buffer is still needed: side inputs and the bias are read after the plain op.
  Tensor output_reusing(int i, std::initializer_list<int>, DType type, const Shape& shape) override {
    return output(i, type, shape);
  }
  void output_alias(int i, int input, const Shape& shape) override { outer_.output_alias(i, input, shape); }
  Tensor scratch(DType type, const Shape& shape) override { return outer_.scratch(type, shape); }
  Stream& stream() override { return outer_.stream(); }
  Device& device() override { return outer_.device(); }

  Tensor first;   // in the place of input 0, if it has an address
  Tensor result;  // output 0

 private:
  Call& outer_;
  int inputs_;
};

std::string epilogue_variant(DType t) { return str("fused/epilogue<", packed(t), ">"); }

struct Vectors {
  const Tensor *bias = nullptr, *scale = nullptr, *mean = nullptr, *variance = nullptr, *side = nullptr;
};
void finish(Call& call, const Fused& f, const Tensor& y, const Vectors& v) {
  if (y.size() == 0) return;
  require(y.size() < (int64_t{1} << 31), Code::unimplemented, "fused ops of 2^31 elements or more are not supported");
  const size_t axis = f.channels_first ? 1 : y.shape.size() - 1;
  int64_t inner = 1;
  for (size_t i = axis + 1; i < y.shape.size(); ++i) inner *= y.shape[i];
  const auto arg = [](const Tensor* t) { return t ? read(*t) : kNone; };
  const struct {
    uint32_t count, inner, channels, activation;
    float alpha, epsilon;
  } params{uint32_t(y.size()), uint32_t(inner), uint32_t(y.shape[axis]), f.activation, f.alpha, f.epsilon};
  call.stream().launch(call.kernel(epilogue_variant(y.type)),
                       Grid::line(div_up(div_up(y.size(), packet_width(y.type)), kGroup)),
                       {write(y), arg(v.bias), arg(v.scale), arg(v.mean), arg(v.variance), arg(v.side)}, params);
}

void check_vector(const Tensor& t, const char* name, int64_t channels) {
  require(t.rank() == 1 && t.size() == channels, Code::invalid_argument, name, " must be a vector of ", channels,
          " elements, got shape ", text(t.shape));
}

// (a, b, args...): MatMul and Conv2D
void run_product(Call& call, const OpSpec&, const State* state) {
  const Fused& f = fused_of(state);
  Inner inner(call, 2);
  f.row->run(inner, *f.row, f.state.get());
  const Tensor y = inner.result;
  const int64_t channels = y.shape[f.channels_first ? 1 : y.shape.size() - 1];
  if (f.bias) {
    const Tensor bias = call.input(2);
    check_vector(bias, "bias", channels);
    return finish(call, f, y, {.bias = &bias});
  }
  const Tensor scale = call.input(2), offset = call.input(3), mean = call.input(4), variance = call.input(5);
  check_vector(scale, "scale", channels);
  check_vector(offset, "offset", channels);
  check_vector(mean, "estimated_mean", channels);
  check_vector(variance, "estimated_variance", channels);
  finish(call, f, y, {&offset, &scale, &mean, &variance});
}

// (x, scale, offset, mean, variance[, side_input])
void run_norm(Call& call, const OpSpec&, const State* state) {
  const Fused& f = fused_of(state);
  if (f.beside)
    require(call.input(5).shape == call.input(0).shape, Code::invalid_argument,
            "side_input shape must be equal to input shape: ", text(call.input(5).shape),
            " != ", text(call.input(0).shape));
  Inner inner(call, 5);
  f.row->run(inner, *f.row, f.state.get());
  const Tensor side = f.beside ? call.input(5) : Tensor{};
  if (f.beside || f.activation != 0) finish(call, f, inner.result, {.side = f.beside ? &side : nullptr});
}

// (y_backprop, x, scale, mean, variance, reserve_space_3, offset, y)
// -> (x_backprop, scale_backprop, offset_backprop, unused, unused[, side_input_backprop])
Functor relu_gradient(DType t) { return arithmetic(ElementWise::binary, row_of("ReluGrad", t), t); }
void run_norm_gradient(Call& call, const OpSpec&, const State* state) {
  const Fused& f = fused_of(state);
  const Tensor dy = call.input(0), y = call.input(7);
  require(y.shape == dy.shape, Code::invalid_argument, "x and y must have the same shape, but x has shape ",
          text(dy.shape), " and y has shape ", text(y.shape));
  const bool rectified = f.activation != 0;
  Inner inner(call, 6);
  Tensor through = dy;  // what reaches the normalised value, and the side input
  if (f.beside) through = call.output(5, dy.type, dy.shape);
  else if (rectified) through = call.scratch(dy.type, dy.shape);
  if (rectified) launch_pair(call, relu_gradient(dy.type), Forms{}, dy, y, through);
  else if (f.beside) call.stream().copy(through.data, dy.data, dy.bytes());
  inner.first = std::move(through);
  f.row->run(inner, *f.row, f.state.get());
}

void variants(const OpSpec& op, const char* plain, std::vector<std::string>& names) {
  for (const DType t : op.types) {
    OpSpec row = row_of(plain, t);
    row.types = {t};
    row.variants(row, names);
    names.push_back(epilogue_variant(t));
  }
}
void matmul_variants(const OpSpec& op, std::vector<std::string>& names) { variants(op, "MatMul", names); }
void conv_variants(const OpSpec& op, std::vector<std::string>& names) { variants(op, "Conv2D", names); }
void norm_variants(const OpSpec& op, std::vector<std::string>& names) { variants(op, "FusedBatchNormV3", names); }
void norm_gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  variants(op, "FusedBatchNormGradV3", names);
  for (const DType t : op.types) pair_variants(relu_gradient(t), Forms{}, names);
}

const std::vector<DType> kSingleAndHalf = {DType::f32, DType::f16};
const std::vector<TypeAxis> kStatistics = {{"U", {DType::f32}}};
const Family fused{
    {"_FusedMatMul", kFloats, run_product, "", matmul_variants, prepare_matmul},
    {"_FusedConv2D", kSingleAndHalf, run_product, "", conv_variants, prepare_conv, {"host_args"}},
    {"_FusedBatchNormEx", kFloats, run_norm, "", norm_variants, prepare_norm_forward, {}, "T", kStatistics},
    {"_FusedBatchNormGradEx",
     kSingleAndHalf,
     run_norm_gradient,
     "",
     norm_gradient_variants,
     prepare_norm_gradient,
     {},
     "T",
     kStatistics},
};

}  // namespace
}  // namespace anvil::ops
