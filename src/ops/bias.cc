// BiasAdd and its gradient, the sum over all axes but the channels.  The body is in kernels/bias.slang.
#include "ops/map.h"
#include "ops/packet.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in bias.slang

struct Layout : State {
  bool channels_first = false;
};
std::unique_ptr<State> prepare(const Attrs& a) {
  auto s = std::make_unique<Layout>();
  s->channels_first = a.has("data_format") && a.string("data_format") == "NCHW";
  return s;
}

// The value seen as [outer, channels, inner].
struct Channels {
  int64_t outer = 1, channels = 1, inner = 1;
};
Channels split(const Shape& value, const State* state) {
  require(value.size() >= 2, Code::invalid_argument, "Input tensor must be at least 2D: ", text(value));
  const size_t axis = static_cast<const Layout*>(state)->channels_first ? 1 : value.size() - 1;
  Channels c;
  for (size_t i = 0; i < value.size(); ++i) (i < axis ? c.outer : i == axis ? c.channels : c.inner) *= value[i];
  require(count(value) < (int64_t{1} << 31), Code::unimplemented, "a bias on 2^31 elements or more is not supported");
  return c;
}

const Functor kAddDoubles{"binary_f64", "Double<Add>"};
std::string variant(DType t) { return str("bias/bias_add<", packed(t), ">"); }
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types)
    if (t == DType::f64) pair_variants(kAddDoubles, Forms{}, names);
    else names.push_back(variant(t));
}

void run(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0), bias = call.input(1);
  const Channels c = split(x.shape, state);
  require(bias.rank() == 1, Code::invalid_argument, "Biases must be 1D: ", text(bias.shape));
  require(bias.shape[0] == c.channels, Code::invalid_argument,
          "Must provide as many biases as the last dimension of the input tensor: ", text(bias.shape), " vs. ",
          text(x.shape));
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (y.size() == 0) return;
  if (x.type == DType::f64) {
    const Tensor line{{c.outer, c.channels, c.inner}, x.type, x.data};
    const Tensor result{line.shape, y.type, y.data}, column{{c.channels, 1}, bias.type, bias.data};
    return launch_pair(call, kAddDoubles, Forms{}, line, column, result);
  }
  struct {
    uint32_t count, inner, channels;
  } params{uint32_t(x.size()), uint32_t(c.inner), uint32_t(c.channels)};
  const uint64_t width = packet_width(x.type);
  call.stream().launch(call.kernel(variant(x.type)), Grid::line(div_up(div_up(x.size(), width), kGroup)),
                       {read(x), read(bias), write(y)}, params);
}

void run_gradient(Call& call, const OpSpec&, const State* state) {
  const Tensor dy = call.input(0);
  const Channels c = split(dy.shape, state);
  const Shape view = {c.outer, c.channels, c.inner};
  const ReduceAxes axes = collapse_axes(view, std::initializer_list<int64_t>{0, 2}, false);
  reduce(call, Reduction::sum, dy, call.output(0, dy.type, axes.result), axes);
}
void gradient_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) reduce_variants(Reduction::sum, t, names);
}

const std::vector<DType> kTypes = join({kReals, {DType::i32}});
const Family bias{
    {"BiasAdd", kTypes, run, "", variants, prepare},
    {"BiasAddV1", kTypes, run, "", variants, prepare},
    {"BiasAddGrad", kReals, run_gradient, "", gradient_variants, prepare},
};

}  // namespace
}  // namespace anvil::ops
