// Attributes, sizes and checks of the CudnnRNN ops, and the launches that forward and backward share.
#include <algorithm>

#include "ops/cudnn_rnn.h"
#include "ops/gemm.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

RnnMode mode_of(const std::string& name) {
  if (name == "rnn_relu") return RnnMode::relu;
  if (name == "rnn_tanh") return RnnMode::tanh;
  if (name == "lstm") return RnnMode::lstm;
  if (name == "gru") return RnnMode::gru;
  fail(Code::invalid_argument, "Invalid RNN mode: ", name);
}

// Sequence lengths as a device tensor; nothing if all sequences are whole.
Tensor upload_lengths(Call& call, const Tensor& lengths, const RnnShape& s) {
  require(lengths.rank() == 1 && lengths.size() == s.batch, Code::invalid_argument,
          "sequence_lengths must be a vector of ", s.batch, " elements, got shape ", text(lengths.shape));
  const int32_t* begin = lengths.host<int32_t>();
  const auto outside = [&](int32_t n) { return n < 0 || n > s.steps; };
  require(std::none_of(begin, begin + s.batch, outside), Code::invalid_argument,
          "sequence_lengths must lie between 0 and the number of steps, ", s.steps);
  if (std::all_of(begin, begin + s.batch, [&](int32_t n) { return n == s.steps; })) return {};
  const Tensor on_device = call.scratch(DType::i32, lengths.shape);
  call.stream().upload(on_device.data, begin, lengths.bytes());
  return on_device;
}

constexpr Arg kNone{nullptr, 0, Access::read};

}  // namespace

std::unique_ptr<State> prepare_rnn(const Attrs& a) {
  auto s = std::make_unique<RnnAttrs>(
      seeded(static_cast<uint64_t>(a.integer("seed")), static_cast<uint64_t>(a.integer("seed2"))));
  s->mode = mode_of(a.string("rnn_mode"));
  s->input_mode = a.string("input_mode");
  s->directions = a.string("direction") == "bidirectional" ? 2 : 1;
  s->dropout = a.real("dropout");
  if (a.has("is_training")) s->training = a.flag("is_training");
  if (a.has("time_major")) s->time_major = a.flag("time_major");
  s->projection = a.has("num_proj") ? a.integer("num_proj") : 0;
  return s;
}

int64_t RnnShape::input_matrix(int64_t layer, int64_t direction) const {
  int64_t at = 0;
  for (int64_t l = 0; l <= layer; ++l)
    for (int64_t d = 0; d < (l == layer ? direction : directions); ++d)
      at += gates * units * ((has_input_matrix(l) ? width(l) : 0) + units);
  return at;
}
int64_t RnnShape::state_matrix(int64_t layer, int64_t direction) const {
  return input_matrix(layer, direction) + (has_input_matrix(layer) ? gates * units * width(layer) : 0);
}
int64_t RnnShape::bias(int64_t layer, int64_t direction) const {
  return input_matrix(layers, 0) + (layer * directions + direction) * 2 * gates * units;
}
int64_t RnnShape::params() const { return bias(layers, 0); }

RnnShape rnn_params_shape(const RnnAttrs& attrs, int64_t layers, int64_t units, int64_t inputs) {
  require(attrs.projection == 0, Code::unimplemented,
          "recurrent layers with a projection (num_proj) have no kernel on this device");
  require(layers > 0 && units > 0 && inputs > 0, Code::invalid_argument,
          "num_layers, num_units and input_size must be positive, got ", layers, ", ", units, " and ", inputs);
  RnnShape s;
  s.layers = layers;
  s.directions = attrs.directions;
  s.gates = attrs.gates();
  s.units = units;
  s.inputs = inputs;
  s.skip = attrs.input_mode == "skip_input" || (attrs.input_mode == "auto_select" && inputs == units);
  s.cell = attrs.has_cell();
  s.extra = attrs.mode == RnnMode::gru ? 1 : 0;
  s.dropout = attrs.training && attrs.dropout > 0 && layers > 1;
  require(!s.skip || inputs == units, Code::invalid_argument, "skip_input needs an input of num_units, ", units,
          ", got ", inputs);
  return s;
}

RnnInputs rnn_inputs(Call& call, const RnnAttrs& attrs, bool has_lengths) {
  RnnInputs in{{}, call.input(0), call.input(1), call.input(2), call.input(3), {}};
  require(in.x.rank() == 3, Code::invalid_argument, "RNN input must be a 3-D vector.");
  require(in.h.rank() == 3, Code::invalid_argument, "RNN input_h must be a 3-D vector.");
  const int time = attrs.time_major ? 0 : 1, batch = 1 - time;
  const int64_t states = in.h.shape[time];
  require(states > 0 && states % attrs.directions == 0, Code::invalid_argument,
          "input_h must have a state for each layer and direction, got shape ", text(in.h.shape));
  in.shape = rnn_params_shape(attrs, states / attrs.directions, in.h.shape[2], in.x.shape[2]);
  in.shape.steps = in.x.shape[time];
  in.shape.batch = in.x.shape[batch];
  const RnnShape& s = in.shape;
  require(in.h.shape[batch] == s.batch, Code::invalid_argument, "Invalid input_h shape: ", text(in.h.shape));
  require(!s.cell || in.c.shape == in.h.shape, Code::invalid_argument, "Invalid input_c shape: ", text(in.c.shape),
          ", expected ", text(in.h.shape));
  require(in.params.size() == s.params(), Code::invalid_argument, "Params size mismatch. Expected ", s.params(),
          ", got ", in.params.size());
  require(s.reserve() < (int64_t{1} << 31) && in.x.size() < (int64_t{1} << 31), Code::unimplemented,
          "recurrent layers of 2^31 elements or more are not supported");
  if (has_lengths) in.lengths = upload_lengths(call, call.input(4), s);
  return in;
}

void rnn_gather(Call& call, const RnnGather& g, const Tensor& x, const Tensor& y, const Tensor* factor,
                const Tensor* lengths) {
  const int64_t count = g.outer * g.inner * g.columns;
  if (count == 0) return;
  const auto u = [](int64_t v) { return static_cast<uint32_t>(v); };
  const struct {
    uint32_t count, columns, inner, terms, x_term, gates, x_gate, x_outer, x_inner, y_outer, y_inner;
  } params{u(count),    u(g.columns), u(g.inner),   u(g.terms),   u(g.x_term), u(g.gates),
           u(g.x_gate), u(g.x_outer), u(g.x_inner), u(g.y_outer), u(g.y_inner)};
  call.stream().launch(call.kernel(str("rnn/gather<", slang_name(x.type), ">")), Grid::line(div_up(count, kRnnGroup)),
                       {read(x), factor ? read(*factor) : kNone, write(y), lengths ? read(*lengths) : kNone}, params);
}

Tensor rnn_time_major(Call& call, const RnnAttrs& attrs, const RnnInputs& in) {
  if (attrs.time_major && !in.lengths.data) return in.x;
  const RnnShape& s = in.shape;
  const int64_t w = s.inputs;
  const Tensor x = call.scratch(in.x.type, {s.steps, s.batch, w});
  RnnGather g{s.steps, s.batch, w, s.batch * w, w, s.batch * w, w};
  if (!attrs.time_major) {
    g.x_outer = w;
    g.x_inner = s.steps * w;
  }
  rnn_gather(call, g, in.x, x, nullptr, in.lengths.data ? &in.lengths : nullptr);
  return x;
}

RnnStates rnn_states(const RnnAttrs& attrs, const RnnShape& s, int64_t layer) {
  if (attrs.time_major) return {layer * s.directions * s.batch * s.units, s.batch * s.units, s.units};
  return {layer * s.directions * s.units, s.units, s.layers * s.directions * s.units};
}

Tensor rnn_part(const Tensor& t, int64_t first, int64_t count) {
  return {{count}, t.type, static_cast<char*>(t.data) + first * static_cast<int64_t>(size_of(t.type))};
}

std::string rnn_kernel(const RnnAttrs& attrs, DType t, bool gradient) {
  const char* suffix = gradient ? "_gradient" : "";
  switch (attrs.mode) {
    case RnnMode::lstm: return str("rnn/lstm", suffix, "<", slang_name(t), ">");
    case RnnMode::gru: return str("rnn/gru", suffix, "<", slang_name(t), ">");
    case RnnMode::relu: return str("rnn/plain", suffix, "<Rectify,", slang_name(t), ">");
    case RnnMode::tanh: return str("rnn/plain", suffix, "<Tanh,", slang_name(t), ">");
  }
  fail(Code::internal, "no such recurrent layer");
}

void rnn_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) {
    for (const RnnMode mode : {RnnMode::lstm, RnnMode::gru, RnnMode::relu, RnnMode::tanh})
      for (const bool gradient : {false, true}) {
        RnnAttrs attrs{Philox{}};
        attrs.mode = mode;
        names.push_back(rnn_kernel(attrs, t, gradient));
      }
    for (const char* entry : {"gather", "drop"}) names.push_back(str("rnn/", entry, "<", slang_name(t), ">"));
    gemm_variants(t, names);
    reduce_variants(Reduction::sum, t, names);
  }
}

}  // namespace anvil::ops
