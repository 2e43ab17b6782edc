// CudnnRNN in its three versions: the forward pass.  A layer is one product for the inputs of all steps, then for each
// step one product with the state and one kernel for everything else.
#include "ops/cudnn_rnn.h"

#include <cmath>

#include "ops/gemm.h"

namespace anvil::ops {
namespace {

constexpr Arg kNone{nullptr, 0, Access::read};

struct Pass {
  Call& call;
  const RnnAttrs& attrs;
  const RnnInputs& in;
  Tensor reserve;
  Tensor recurrent;  // [directions, batch, gates * units]
};

uint32_t u(int64_t v) { return static_cast<uint32_t>(v); }

// W x of all steps, for both directions; with skip_input the input itself.
struct Projected {
  Tensor x;
  int64_t direction, row, gate;  // strides
};
Projected project(const Pass& p, int64_t layer, const Tensor& x, const Tensor& gates) {
  const RnnShape& s = p.in.shape;
  if (!s.has_input_matrix(layer)) return {x, 0, s.units, 0};
  const int64_t row = s.gates * s.units;
  GemmProblem problem{.type = x.type};
  problem.m = s.rows();
  problem.n = row;
  problem.k = s.width(layer);
  problem.turned_b = true;
  for (int64_t d = 0; d < s.directions; ++d) {
    const Tensor matrix = rnn_part(p.in.params, s.input_matrix(layer, d), row * s.width(layer));
    gemm(p.call, problem, x, matrix, rnn_part(gates, d * s.rows() * row, s.rows() * row));
  }
  return {gates, s.rows() * row, row, s.units};
}

// R h of one step.
void multiply_state(const Pass& p, int64_t layer, int64_t step, const Tensor& h) {
  const RnnShape& s = p.in.shape;
  const int64_t row = s.gates * s.units, state = s.batch * s.units, places = s.steps + 1;
  const auto before = [&](int64_t d) { return d == 0 ? step : places + s.steps - step; };
  const int64_t apart = (before(1) - before(0)) * state;
  const int64_t matrices = s.directions == 2 ? s.state_matrix(layer, 1) - s.state_matrix(layer, 0) : 0;
  GemmProblem problem{.type = h.type};
  problem.m = s.batch;
  problem.n = row;
  problem.k = s.units;
  problem.turned_b = true;
  const auto one = [&](int64_t d, int64_t directions) {
    gemm(p.call, problem, rnn_part(h, before(d) * state, (directions - 1) * apart + state),
         rnn_part(p.in.params, s.state_matrix(layer, d), (directions - 1) * matrices + row * s.units),
         rnn_part(p.recurrent, d * s.batch * row, directions * s.batch * row));
  };
  // A CPU-type device copies operands that it cannot take as they are, and would copy all that lies between the two.
  if (s.directions == 2 && !p.call.caps().cpu_type()) {
    problem.batch = {{2, static_cast<uint64_t>(apart), static_cast<uint64_t>(matrices)}};
    return one(0, 2);
  }
  for (int64_t d = 0; d < s.directions; ++d) one(d, 1);
}

// Puts the initial states of a layer into their places.
void begin_state(const Pass& p, int64_t layer, const Tensor& initial, const Tensor& states) {
  const RnnShape& s = p.in.shape;
  const RnnStates at = rnn_states(p.attrs, s, layer);
  const int64_t state = s.batch * s.units;
  rnn_gather(p.call, {s.directions, s.batch, s.units, at.direction, at.batch, (2 * s.steps + 1) * state, s.units},
             rnn_part(initial, at.offset, initial.size() - at.offset), states);
}
void end_state(const Pass& p, int64_t layer, const Tensor& states, const Tensor& final) {
  const RnnShape& s = p.in.shape;
  const RnnStates at = rnn_states(p.attrs, s, layer);
  const int64_t state = s.batch * s.units, first = s.steps * state;
  rnn_gather(p.call, {s.directions, s.batch, s.units, state, s.units, at.direction, at.batch},
             rnn_part(states, first, states.size() - first), rnn_part(final, at.offset, final.size() - at.offset));
}

void run_layer(const Pass& p, int64_t layer, const Tensor& x, const Tensor& y, int64_t y_time, int64_t y_batch) {
  const RnnShape& s = p.in.shape;
  const Tensor gates = rnn_part(p.reserve, s.gates_of(layer), s.h_of(layer) - s.gates_of(layer));
  const Tensor h = rnn_part(p.reserve, s.h_of(layer), s.states());
  const Tensor c = s.cell ? rnn_part(p.reserve, s.c_of(layer), s.states()) : Tensor{};
  const int64_t biases = 2 * s.gates * s.units * s.directions;
  const Tensor bias = rnn_part(p.in.params, s.bias(layer, 0), biases);
  begin_state(p, layer, p.in.h, h);
  if (s.cell) begin_state(p, layer, p.in.c, c);
  if (s.rows() == 0) return;
  const Projected from = project(p, layer, x, gates);
  const Kernel& kernel = p.call.kernel(rnn_kernel(p.attrs, x.type, false));
  struct {
    uint32_t count, units, batch, steps, step, x_direction, x_row, x_gate, y_time, y_batch;
  } params{u(s.directions * s.batch * s.units),
           u(s.units),
           u(s.batch),
           u(s.steps),
           0,
           u(from.direction),
           u(from.row),
           u(from.gate),
           u(y_time),
           u(y_batch)};
  for (int64_t step = 0; step < s.steps; ++step) {
    multiply_state(p, layer, step, h);
    params.step = u(step);
    p.call.stream().launch(kernel, Grid::line(div_up(params.count, kRnnGroup)),
                           {read(from.x), read(p.recurrent), read(bias), write(gates), write(h),
                            s.cell ? write(c) : kNone, write(y), p.in.lengths.data ? read(p.in.lengths) : kNone},
                           params);
  }
}

void drop(const Pass& p, int64_t layer, const Tensor& y) {
  const RnnShape& s = p.in.shape;
  const int64_t count = y.size();
  if (count == 0) return;
  const Philox from = p.attrs.random.reserve(static_cast<uint64_t>(count));
  const double rate = p.attrs.dropout;
  const struct {
    uint32_t count, threshold, key[2], counter[4];
    float scale;
  } params{u(count),
           static_cast<uint32_t>(std::min(rate * 4294967296.0, 4294967295.0)),
           {from.key[0], from.key[1]},
           {from.counter[0], from.counter[1], from.counter[2], from.counter[3]},
           static_cast<float>(1 / (1 - rate))};
  p.call.stream().launch(p.call.kernel(str("rnn/drop<", slang_name(y.type), ">")),
                         Grid::line(div_up(div_up(count, 4), kRnnGroup)),
                         {write(rnn_part(p.reserve, s.factors_of(layer), count)), write(y)}, params);
}

// (input, input_h, input_c, params[, sequence_lengths])
// -> (output, output_h, output_c, reserve_space[, host_reserved])
template <int Version>
void run(Call& call, const OpSpec&, const State* state) {
  const RnnAttrs& attrs = rnn_attrs(state);
  const RnnInputs in = rnn_inputs(call, attrs, Version == 3);
  const RnnShape& s = in.shape;
  const DType type = in.x.type;
  const int64_t width = s.directions * s.units;
  const Tensor y =
      call.output(0, type, attrs.time_major ? Shape{s.steps, s.batch, width} : Shape{s.batch, s.steps, width});
  const Tensor h = call.output(1, type, in.h.shape);
  const Tensor c = call.output(2, type, s.cell ? in.h.shape : Shape{});
  if (!s.cell) call.stream().fill(c.data, 0, 1, c.bytes());
  const Tensor kept = call.output(3, type, {attrs.training ? s.reserve() : 0});
  if (Version >= 2) call.output(4, DType::i8, {0});
  const Pass p{call, attrs, in, attrs.training ? kept : call.scratch(type, {s.reserve()}),
               call.scratch(type, {s.directions, s.batch, s.gates * s.units})};
  Tensor x = rnn_time_major(call, attrs, in);
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const bool last = layer + 1 == s.layers;
    const Tensor out = last ? y : rnn_part(p.reserve, s.output_of(layer), s.rows() * width);
    const bool by_time = !last || attrs.time_major;
    run_layer(p, layer, x, out, by_time ? s.batch * width : width, by_time ? width : s.steps * width);
    if (!last && s.dropout) drop(p, layer, out);
    end_state(p, layer, rnn_part(p.reserve, s.h_of(layer), s.states()), h);
    if (s.cell) end_state(p, layer, rnn_part(p.reserve, s.c_of(layer), s.states()), c);
    x = out;
  }
}

const Family cudnn_rnn{
    {"CudnnRNN", kFloats, run<1>, "", rnn_variants, prepare_rnn},
    {"CudnnRNNV2", kFloats, run<2>, "", rnn_variants, prepare_rnn, {"host_reserved"}},
    {"CudnnRNNV3", kFloats, run<3>, "", rnn_variants, prepare_rnn, {"host_reserved", "sequence_lengths"}},
};

}  // namespace
}  // namespace anvil::ops
