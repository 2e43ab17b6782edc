// CudnnRNNBackprop in its three versions.  A layer is, for each step from the last to the first, one kernel for the
// gates and one product for the state before; then one product a matrix for the gradients of all steps.
#include "ops/cudnn_rnn.h"
#include "ops/gemm.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

constexpr Arg kNone{nullptr, 0, Access::read};

struct Gradients {
  Tensor x, h, c, params;
};

struct Pass {
  Call& call;
  const RnnAttrs& attrs;
  const RnnInputs& in;
  const Gradients& out;
  Tensor reserve, dh, dc;   // dh, dc: of the final states
  Tensor d_gates, d_state;  // [directions, steps, batch, gates * units]; one and the same but for GRU
  Tensor carry_c;           // [directions, batch, units]
  Tensor to_state;          // [2, directions, batch, units]: by the gates, and past them
  Tensor to_input;          // [directions, steps, batch, width]
};

uint32_t u(int64_t v) { return static_cast<uint32_t>(v); }

// What a layer's output gets, with its strides.
struct FromAbove {
  Tensor dy;
  int64_t time, batch;
};

// Past the gates of one step, through R to the state before it.
void multiply_state(const Pass& p, int64_t layer, int64_t step) {
  const RnnShape& s = p.in.shape;
  const int64_t row = s.gates * s.units, one_step = s.batch * row, state = s.batch * s.units;
  const auto at = [&](int64_t d) { return d == 0 ? step : 2 * s.steps - 1 - step; };
  const int64_t apart = (at(1) - at(0)) * one_step;
  const int64_t matrices = s.directions == 2 ? s.state_matrix(layer, 1) - s.state_matrix(layer, 0) : 0;
  GemmProblem problem{.type = p.d_state.type};
  problem.m = s.batch;
  problem.n = s.units;
  problem.k = row;
  const auto some = [&](int64_t d, int64_t directions) {
    gemm(p.call, problem, rnn_part(p.d_state, at(d) * one_step, (directions - 1) * apart + one_step),
         rnn_part(p.in.params, s.state_matrix(layer, d), (directions - 1) * matrices + row * s.units),
         rnn_part(p.to_state, d * state, directions * state));
  };
  if (s.directions == 2 && !p.call.caps().cpu_type()) {
    problem.batch = {{2, static_cast<uint64_t>(apart), static_cast<uint64_t>(matrices)}};
    return some(0, 2);
  }
  for (int64_t d = 0; d < s.directions; ++d) some(d, 1);
}

// The gradient of a layer's final states, [directions, batch, units], from the op's input; and back to its output.
void begin_state(const Pass& p, int64_t layer, const Tensor& final, const Tensor& carry) {
  const RnnShape& s = p.in.shape;
  const RnnStates at = rnn_states(p.attrs, s, layer);
  rnn_gather(p.call, {s.directions, s.batch, s.units, at.direction, at.batch, s.batch * s.units, s.units},
             rnn_part(final, at.offset, final.size() - at.offset), carry);
}
void end_state(const Pass& p, int64_t layer, const Tensor& from, int64_t terms, const Tensor& initial) {
  const RnnShape& s = p.in.shape;
  const RnnStates at = rnn_states(p.attrs, s, layer);
  const int64_t state = s.batch * s.units;
  RnnGather g{s.directions, s.batch, s.units, state, s.units, at.direction, at.batch};
  g.terms = terms;
  g.x_term = s.directions * state;
  rnn_gather(p.call, g, from, rnn_part(initial, at.offset, initial.size() - at.offset));
}

void run_steps(const Pass& p, int64_t layer, const FromAbove& above) {
  const RnnShape& s = p.in.shape;
  const int64_t states = s.directions * s.batch * s.units;
  const Tensor gates = rnn_part(p.reserve, s.gates_of(layer), s.h_of(layer) - s.gates_of(layer));
  const Tensor h = rnn_part(p.reserve, s.h_of(layer), s.states());
  const Tensor c = s.cell ? rnn_part(p.reserve, s.c_of(layer), s.states()) : Tensor{};
  const Tensor by_gates = rnn_part(p.to_state, 0, states), past_gates = rnn_part(p.to_state, states, states);
  const Kernel& kernel = p.call.kernel(rnn_kernel(p.attrs, h.type, true));
  struct {
    uint32_t count, units, batch, steps, step, y_time, y_batch;
    uint32_t padding = 0;
  } params{u(states), u(s.units), u(s.batch), u(s.steps), 0, u(above.time), u(above.batch)};
  begin_state(p, layer, p.dh, past_gates);
  if (s.cell) begin_state(p, layer, p.dc, p.carry_c);
  for (int64_t step = s.steps - 1; step >= 0; --step) {
    params.step = u(step);
    const bool last = step + 1 == s.steps;
    p.call.stream().launch(kernel, Grid::line(div_up(params.count, kRnnGroup)),
                           {read(gates), read(h), s.cell ? read(c) : kNone, read(above.dy),
                            last ? kNone : read(by_gates), write(past_gates), s.cell ? write(p.carry_c) : kNone,
                            write(p.d_gates), write(p.d_state), p.in.lengths.data ? read(p.in.lengths) : kNone},
                           params);
    multiply_state(p, layer, step);
  }
  // Without a step nothing went by the gates.
  const Tensor& from = s.rows() == 0 ? past_gates : p.to_state;
  end_state(p, layer, from, s.rows() == 0 ? 1 : 2, p.out.h);
  if (s.cell) end_state(p, layer, p.carry_c, 1, p.out.c);
}

void weight_gradients(const Pass& p, int64_t layer, const Tensor& x) {
  const RnnShape& s = p.in.shape;
  const int64_t row = s.gates * s.units, all = s.rows() * row, state = s.batch * s.units;
  GemmProblem problem{.type = x.type};
  problem.m = row;
  problem.k = s.rows();
  problem.turned_a = true;
  const ReduceAxes over_rows = collapse_axes({s.rows(), row}, std::initializer_list<int64_t>{0}, false);
  const auto sum = [&](const Tensor& d, int64_t to) {
    reduce(p.call, Reduction::sum, d, rnn_part(p.out.params, to, row), over_rows);
  };
  for (int64_t d = 0; d < s.directions; ++d) {
    const Tensor d_gates = rnn_part(p.d_gates, d * all, all), d_state = rnn_part(p.d_state, d * all, all);
    if (s.has_input_matrix(layer)) {
      problem.n = s.width(layer);
      gemm(p.call, problem, d_gates, x, rnn_part(p.out.params, s.input_matrix(layer, d), row * s.width(layer)));
    }
    // The states before each step.
    problem.n = s.units;
    const int64_t before = s.h_of(layer) + (d == 0 ? 0 : (s.steps + 2) * state);
    gemm(p.call, problem, d_state, rnn_part(p.reserve, before, s.steps * state),
         rnn_part(p.out.params, s.state_matrix(layer, d), row * s.units));
    sum(d_gates, s.bias(layer, d));
    sum(d_state, s.bias(layer, d) + row);
  }
}

// The gradient of a layer's input, in time-major order or as the op's input lies.
void input_gradient(const Pass& p, int64_t layer, const Tensor& dx, bool time_major, const Tensor* factor) {
  const RnnShape& s = p.in.shape;
  const int64_t row = s.gates * s.units, width = s.width(layer);
  RnnGather g{s.steps, s.batch, width};
  g.y_outer = time_major ? s.batch * width : width;
  g.y_inner = time_major ? width : s.steps * width;
  g.terms = s.directions;
  if (!s.has_input_matrix(layer)) {
    g.x_outer = s.batch * row;
    g.x_inner = row;
    g.x_term = s.rows() * row;
    g.gates = s.gates;
    g.x_gate = s.units;
    return rnn_gather(p.call, g, p.d_gates, dx, factor);
  }
  GemmProblem problem{.type = dx.type};
  problem.m = s.rows();
  problem.n = width;
  problem.k = row;
  const bool direct = s.directions == 1 && time_major && !factor;
  for (int64_t d = 0; d < s.directions; ++d)
    gemm(p.call, problem, rnn_part(p.d_gates, d * s.rows() * row, s.rows() * row),
         rnn_part(p.in.params, s.input_matrix(layer, d), row * width),
         direct ? dx : rnn_part(p.to_input, d * s.rows() * width, s.rows() * width));
  if (direct) return;
  g.x_outer = s.batch * width;
  g.x_inner = width;
  g.x_term = s.rows() * width;
  rnn_gather(p.call, g, p.to_input, dx, factor);
}

// (input, input_h, input_c, params[, sequence_lengths], output, output_h, output_c, output_backprop,
//  output_h_backprop, output_c_backprop, reserve_space[, host_reserved])
// -> (input_backprop, input_h_backprop, input_c_backprop, params_backprop)
template <int Version>
void run(Call& call, const OpSpec&, const State* state) {
  const RnnAttrs& attrs = rnn_attrs(state);
  const RnnInputs in = rnn_inputs(call, attrs, Version == 3);
  const RnnShape& s = in.shape;
  const int first = Version == 3 ? 5 : 4;
  const Tensor y = call.input(first), dy = call.input(first + 3), dh = call.input(first + 4),
               dc = call.input(first + 5), reserve = call.input(first + 6);
  require(dy.shape == y.shape, Code::invalid_argument, "Invalid output_backprop shape: ", text(dy.shape));
  require(dh.shape == in.h.shape, Code::invalid_argument, "Invalid output_h_backprop shape: ", text(dh.shape));
  require(!s.cell || dc.shape == in.h.shape, Code::invalid_argument,
          "Invalid output_c_backprop shape: ", text(dc.shape));
  require(y.size() == s.rows() * s.directions * s.units && reserve.size() == s.reserve(), Code::invalid_argument,
          "reserve_space is not of this layer's forward pass: ", reserve.size(), " elements, expected ", s.reserve());
  const DType type = in.x.type;
  const Gradients out{call.output(0, type, in.x.shape), call.output(1, type, in.h.shape),
                      call.output(2, type, s.cell ? in.c.shape : Shape{}), call.output(3, type, in.params.shape)};
  if (!s.cell) call.stream().fill(out.c.data, 0, 1, out.c.bytes());
  const int64_t states = s.directions * s.batch * s.units, all = s.directions * s.rows() * s.gates * s.units;
  const int64_t widest = std::max(s.width(0), s.layers > 1 ? s.width(1) : 0);
  const Tensor d_gates = call.scratch(type, {all});
  const Pass p{call,
               attrs,
               in,
               out,
               reserve,
               dh,
               dc,
               d_gates,
               attrs.mode == RnnMode::gru ? call.scratch(type, {all}) : d_gates,
               call.scratch(type, {states}),
               call.scratch(type, {2, states}),
               call.scratch(type, {s.directions * s.rows() * widest})};
  const int64_t width = s.directions * s.units, output = s.rows() * width;
  FromAbove above{dy, attrs.time_major ? s.batch * width : width, attrs.time_major ? width : s.steps * width};
  const Tensor between[2] = {s.layers > 1 ? call.scratch(type, {output}) : Tensor{},
                             s.layers > 2 ? call.scratch(type, {output}) : Tensor{}};
  for (int64_t layer = s.layers - 1; layer >= 0; --layer) {
    run_steps(p, layer, above);
    if (layer == 0) {
      weight_gradients(p, layer, rnn_time_major(call, attrs, in));
      input_gradient(p, layer, out.x, attrs.time_major, nullptr);
      break;
    }
    weight_gradients(p, layer, rnn_part(reserve, s.output_of(layer - 1), output));
    const Tensor below = between[layer % 2 == s.layers % 2 ? 1 : 0];
    const Tensor factors = s.dropout ? rnn_part(reserve, s.factors_of(layer - 1), output) : Tensor{};
    input_gradient(p, layer, below, true, s.dropout ? &factors : nullptr);
    above = {below, s.batch * width, width};
  }
}

const Family cudnn_rnn_gradient{
    {"CudnnRNNBackprop", kFloats, run<1>, "", rnn_variants, prepare_rnn},
    {"CudnnRNNBackpropV2", kFloats, run<2>, "", rnn_variants, prepare_rnn, {"host_reserved"}},
    {"CudnnRNNBackpropV3", kFloats, run<3>, "", rnn_variants, prepare_rnn, {"host_reserved", "sequence_lengths"}},
};

}  // namespace
}  // namespace anvil::ops
