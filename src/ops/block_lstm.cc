// LSTMBlockCell, BlockLSTM and BlockLSTMV2 with their gradients, which TensorFlow 1's fused cells make.  One product
// for the inputs of all steps, then for each step one product with the state and one kernel; kernels/block_rnn.slang.
#include <algorithm>

#include "ops/cudnn_rnn.h"
#include "ops/gemm.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in block_rnn.slang
constexpr Arg kNone{nullptr, 0, Access::read};

struct LstmAttrs : State {
  float forget_bias = 0, clip = 0;
  bool peephole = false;
};
std::unique_ptr<State> prepare(const Attrs& a) {
  auto s = std::make_unique<LstmAttrs>();
  if (a.has("forget_bias")) s->forget_bias = a.real("forget_bias");
  if (a.has("cell_clip")) s->clip = a.real("cell_clip");
  s->peephole = a.flag("use_peephole");
  return s;
}
const LstmAttrs& attrs_of(const State* s) { return *static_cast<const LstmAttrs*>(s); }

uint32_t u(int64_t v) { return static_cast<uint32_t>(v); }

// Where the gates lie in their products: input and output are always first and last.
struct Places {
  uint32_t cell, forget;
};
constexpr Places kCellFirst{1, 2}, kForgetFirst{2, 1};

// The arguments that all of these ops begin with; the cell's ops see one step.
struct Problem {
  Tensor x, cs_prev, h_prev, w, wci, wcf, wco, bias;
  int64_t steps = 1, batch = 0, inputs = 0, units = 0;
  int64_t used = 1;  // steps that count

  int64_t state() const { return batch * units; }
  Tensor w_input() const { return rnn_part(w, 0, inputs * 4 * units); }
  Tensor w_state() const { return rnn_part(w, inputs * 4 * units, units * 4 * units); }
  Tensor step_of(const Tensor& t, int64_t step) const { return rnn_part(t, step * state(), state()); }
};

void check_rank(const Tensor& t, const char* name, int rank) {
  require(t.rank() == rank, Code::invalid_argument, name, " must be rank ", rank, " but is rank ", t.rank(), ".");
}
void check_shape(const Tensor& t, const char* name, const Shape& shape) {
  require(t.shape == shape, Code::invalid_argument, name, " must have the shape ", text(shape), ", got ",
          text(t.shape));
}

Problem problem_of(Call& call, bool whole, bool peephole) {
  Problem p;
  int at = 0;
  int64_t length = 1;
  if (whole) {
    const Tensor longest = call.input(at++);
    require(longest.rank() == 0, Code::invalid_argument, "`seq_len_max_tensor` must be rank 0 but is rank ",
            longest.rank());
    length = *longest.host<int64_t>();
  }
  for (Tensor* t : {&p.x, &p.cs_prev, &p.h_prev, &p.w, &p.wci, &p.wcf, &p.wco, &p.bias}) *t = call.input(at++);
  check_rank(p.x, "x", whole ? 3 : 2);
  check_rank(p.cs_prev, "cs_prev", 2);
  const size_t first = whole ? 1 : 0;
  p.steps = whole ? p.x.shape[0] : 1;
  p.batch = p.x.shape[first];
  p.inputs = p.x.shape[first + 1];
  p.units = p.cs_prev.shape[1];
  check_shape(p.cs_prev, "cs_prev", {p.batch, p.units});
  check_shape(p.h_prev, "h_prev", {p.batch, p.units});
  check_shape(p.w, "w", {p.inputs + p.units, 4 * p.units});
  check_shape(p.bias, "b", {4 * p.units});
  for (const auto& [t, name] : {std::pair{&p.wci, "wci"}, {&p.wcf, "wcf"}, {&p.wco, "wco"}}) {
    check_rank(*t, name, 1);
    if (whole || peephole) check_shape(*t, name, {p.units});
  }
  require(length >= 0 && length <= p.steps, Code::invalid_argument, "seq_len_max must be between 0 and ", p.steps,
          " but is ", length);
  p.used = whole ? length : 1;
  require(p.steps * p.batch * std::max(4 * p.units, p.inputs) < (int64_t{1} << 31), Code::unimplemented,
          "recurrent layers of 2^31 elements or more are not supported");
  return p;
}

void zero(Call& call, const Tensor& t) {
  if (t.size() > 0) call.stream().fill(t.data, 0, 1, t.bytes());
}
void zero_from(Call& call, const Tensor& t, int64_t first) {
  if (first < t.size()) zero(call, rnn_part(t, first, t.size() - first));
}
void multiply(Call& call, const Tensor& a, const Tensor& b, const Tensor& y, int64_t m, int64_t n, int64_t k,
              bool turned_a = false, bool turned_b = false) {
  GemmProblem g{.type = a.type};
  g.m = static_cast<uint64_t>(m);
  g.n = static_cast<uint64_t>(n);
  g.k = static_cast<uint64_t>(k);
  g.turned_a = turned_a;
  g.turned_b = turned_b;
  gemm(call, g, a, b, y);
}

std::string variant(const char* entry, DType t) { return str("block_rnn/", entry, "<", slang_name(t), ">"); }
Grid over(int64_t count) { return Grid::line(div_up(static_cast<uint64_t>(count), kGroup)); }

// -> (i, cs, f, o, ci, co, h)
void forward(Call& call, const LstmAttrs& attrs, bool whole, Places places) {
  const Problem p = problem_of(call, whole, attrs.peephole);
  require(whole || p.state() > 0, Code::invalid_argument,
          "cs_prev_tensor is empty, has shape: ", text(p.cs_prev.shape));
  const DType type = p.x.type;
  const Shape shape = whole ? Shape{p.steps, p.batch, p.units} : Shape{p.batch, p.units};
  Tensor out[7];
  for (int k = 0; k < 7; ++k) {
    out[k] = call.output(k, type, shape);
    zero_from(call, out[k], p.used * p.state());
  }
  const int64_t row = 4 * p.units, rows = p.used * p.batch;
  if (p.used * p.state() == 0) return;
  const Tensor from_x = call.scratch(type, {rows, row}), from_h = call.scratch(type, {p.batch, row});
  multiply(call, rnn_part(p.x, 0, rows * p.inputs), p.w_input(), from_x, rows, row, p.inputs);
  const struct {
    uint32_t count, units, cell, forget;
    float forget_bias, clip;
  } params{u(p.state()), u(p.units), places.cell, places.forget, attrs.forget_bias, attrs.clip};
  const Kernel& kernel = call.kernel(variant("lstm_cell", type));
  const auto peephole = [&](const Tensor& t) { return attrs.peephole ? read(t) : kNone; };
  for (int64_t step = 0; step < p.used; ++step) {
    const Tensor cs = step == 0 ? p.cs_prev : p.step_of(out[1], step - 1);
    const Tensor h = step == 0 ? p.h_prev : p.step_of(out[6], step - 1);
    multiply(call, h, p.w_state(), from_h, p.batch, row, p.units);
    const auto to = [&](int k) { return write(p.step_of(out[k], step)); };
    call.stream().launch(
        kernel, over(p.state()),
        {read(rnn_part(from_x, step * p.batch * row, p.batch * row)), read(from_h), read(p.bias), read(cs),
         peephole(p.wci), peephole(p.wcf), peephole(p.wco), to(0), to(1), to(2), to(3), to(4), to(5), to(6)},
        params);
  }
}

// What the forward pass gave, and the gradients of its outputs.
struct Kept {
  Tensor i, cs, f, o, ci, co, h, cs_grad, h_grad;
};
Kept kept_of(Call& call, const Problem& p, int at, bool has_h) {
  Kept k;
  for (Tensor* t : {&k.i, &k.cs, &k.f, &k.o, &k.ci, &k.co, &k.h, &k.cs_grad, &k.h_grad}) {
    if (t == &k.h && !has_h) continue;
    *t = call.input(at++);
    check_shape(*t, "a kept tensor", has_h ? Shape{p.steps, p.batch, p.units} : Shape{p.batch, p.units});
  }
  return k;
}

// One step: the gradients of its gates and of the cell before it.  `later` are those that the step after it gives.
struct Later {
  const Tensor *cs = nullptr, *h = nullptr;
};
void step_gradient(Call& call, const LstmAttrs& attrs, const Problem& p, Places places, const Kept& k, int64_t step,
                   const Tensor& cs_prev, Later later, const Tensor& cs_prev_grad, const Tensor& gates) {
  const struct {
    uint32_t count, units, cell, forget;
  } params{u(p.state()), u(p.units), places.cell, places.forget};
  const auto from = [&](const Tensor& t) { return read(p.step_of(t, step)); };
  const auto peephole = [&](const Tensor& t) { return attrs.peephole ? read(t) : kNone; };
  call.stream().launch(
      call.kernel(variant("lstm_cell_gradient", p.x.type)), over(p.state()),
      {read(cs_prev), peephole(p.wci), peephole(p.wcf), peephole(p.wco), from(k.i), from(k.f), from(k.o), from(k.ci),
       from(k.co), from(k.cs_grad), from(k.h_grad), later.cs ? read(*later.cs) : kNone,
       later.h ? read(*later.h) : kNone, write(cs_prev_grad), write(gates)},
      params);
}

// Sums over sequences and steps, into the three outputs from `first` on; zeros without peepholes.
void peephole_gradients(Call& call, const LstmAttrs& attrs, const Problem& p, Places places, int64_t rows,
                        const Tensor& gates, const Tensor& cs_prev, const Tensor& cs, int first) {
  Tensor out[3];
  const Tensor* vectors[] = {&p.wci, &p.wcf, &p.wco};
  for (int k = 0; k < 3; ++k) out[k] = call.output(first + k, p.x.type, vectors[k]->shape);
  if (!attrs.peephole || rows * p.units == 0) {
    for (const Tensor& t : out) zero(call, t);
    return;
  }
  const Tensor products = call.scratch(p.x.type, {3, rows, p.units});
  const struct {
    uint32_t count, units, forget;
  } params{u(rows * p.units), u(p.units), places.forget};
  call.stream().launch(call.kernel(variant("peepholes", p.x.type)), over(rows * p.units),
                       {read(gates), read(cs_prev), read(cs), write(products)}, params);
  const ReduceAxes over_rows = collapse_axes({rows, p.units}, std::initializer_list<int64_t>{0}, false);
  for (int k = 0; k < 3; ++k)
    reduce(call, Reduction::sum, rnn_part(products, k * rows * p.units, rows * p.units), out[k], over_rows);
}

// The states before each of the steps that count: `first`, then those that the steps left.
Tensor before_steps(Call& call, const Problem& p, const Tensor& first, const Tensor& after) {
  if (p.used == 1) return first;
  const Tensor t = call.scratch(first.type, {p.used, p.batch, p.units});
  call.stream().copy(t.data, first.data, first.bytes());
  const Tensor rest = rnn_part(t, p.state(), (p.used - 1) * p.state());
  call.stream().copy(rest.data, after.data, rest.bytes());
  return t;
}

// -> (cs_prev_grad, dicfo, wci_grad, wcf_grad, wco_grad)
void run_cell_gradient(Call& call, const OpSpec&, const State* state) {
  const LstmAttrs& attrs = attrs_of(state);
  const Problem p = problem_of(call, false, attrs.peephole);
  const Kept k = kept_of(call, p, 8, false);
  const Tensor cs_prev_grad = call.output(0, p.x.type, {p.batch, p.units});
  const Tensor gates = call.output(1, p.x.type, {p.batch, 4 * p.units});
  step_gradient(call, attrs, p, kCellFirst, k, 0, p.cs_prev, {}, cs_prev_grad, gates);
  peephole_gradients(call, attrs, p, kCellFirst, p.batch, gates, p.cs_prev, k.cs, 2);
}

// -> (x_grad, cs_prev_grad, h_prev_grad, w_grad, wci_grad, wcf_grad, wco_grad, b_grad)
void gradient(Call& call, const LstmAttrs& attrs, Places places) {
  const Problem p = problem_of(call, true, attrs.peephole);
  const Kept k = kept_of(call, p, 9, true);
  const DType type = p.x.type;
  const Tensor x_grad = call.output(0, type, p.x.shape), cs_prev_grad = call.output(1, type, p.cs_prev.shape);
  const Tensor h_prev_grad = call.output(2, type, p.h_prev.shape), w_grad = call.output(3, type, p.w.shape);
  const Tensor b_grad = call.output(7, type, p.bias.shape);
  const int64_t row = 4 * p.units, rows = p.used * p.batch;
  zero_from(call, x_grad, rows * p.inputs);
  if (p.used * p.state() == 0) {
    for (const Tensor& t : {x_grad, cs_prev_grad, h_prev_grad, w_grad, b_grad}) zero(call, t);
    return peephole_gradients(call, attrs, p, places, 0, {}, {}, {}, 4);
  }
  const Tensor gates = call.scratch(type, {rows, row});
  const Tensor cs_before = before_steps(call, p, p.cs_prev, k.cs), h_before = before_steps(call, p, p.h_prev, k.h);
  for (int64_t step = p.used - 1; step >= 0; --step) {
    const bool last = step + 1 == p.used;
    const Tensor d_gates = rnn_part(gates, step * p.batch * row, p.batch * row);
    step_gradient(call, attrs, p, places, k, step, p.step_of(cs_before, step),
                  last ? Later{} : Later{&cs_prev_grad, &h_prev_grad}, cs_prev_grad, d_gates);
    multiply(call, d_gates, p.w_state(), h_prev_grad, p.batch, p.units, row, false, true);
  }
  multiply(call, gates, p.w_input(), rnn_part(x_grad, 0, rows * p.inputs), rows, p.inputs, row, false, true);
  multiply(call, rnn_part(p.x, 0, rows * p.inputs), gates, rnn_part(w_grad, 0, p.inputs * row), p.inputs, row, rows,
           true);
  multiply(call, h_before, gates, rnn_part(w_grad, p.inputs * row, p.units * row), p.units, row, rows, true);
  reduce(call, Reduction::sum, gates, b_grad, collapse_axes({rows, row}, std::initializer_list<int64_t>{0}, false));
  peephole_gradients(call, attrs, p, places, rows, gates, cs_before, k.cs, 4);
}

void run_cell(Call& call, const OpSpec&, const State* s) { forward(call, attrs_of(s), false, kCellFirst); }
void run_whole(Call& call, const OpSpec&, const State* s) { forward(call, attrs_of(s), true, kCellFirst); }
void run_whole_v2(Call& call, const OpSpec&, const State* s) { forward(call, attrs_of(s), true, kForgetFirst); }
void run_gradient(Call& call, const OpSpec&, const State* s) { gradient(call, attrs_of(s), kCellFirst); }
void run_gradient_v2(Call& call, const OpSpec&, const State* s) { gradient(call, attrs_of(s), kForgetFirst); }

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) {
    for (const char* entry : {"lstm_cell", "lstm_cell_gradient", "peepholes"}) names.push_back(variant(entry, t));
    gemm_variants(t, names);
    reduce_variants(Reduction::sum, t, names);
  }
}

const std::vector<DType> kSingleAndHalf = {DType::f32, DType::f16};
const Family block_lstm{
    {"LSTMBlockCell", kSingleAndHalf, run_cell, "", variants, prepare},
    {"LSTMBlockCellGrad", kSingleAndHalf, run_cell_gradient, "", variants, prepare},
    {"BlockLSTM", kSingleAndHalf, run_whole, "", variants, prepare, {"seq_len_max"}},
    {"BlockLSTMV2", kSingleAndHalf, run_whole_v2, "", variants, prepare, {"seq_len_max"}},
    {"BlockLSTMGrad", kSingleAndHalf, run_gradient, "", variants, prepare, {"seq_len_max"}},
    {"BlockLSTMGradV2", kSingleAndHalf, run_gradient_v2, "", variants, prepare, {"seq_len_max"}},
};

}  // namespace
}  // namespace anvil::ops
