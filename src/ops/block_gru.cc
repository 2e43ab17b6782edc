// GRUBlockCell and its gradient, which TensorFlow 1's fused cell makes; kernels/block_rnn.slang.
#include <algorithm>

#include "ops/cudnn_rnn.h"
#include "ops/gemm.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in block_rnn.slang

uint32_t u(int64_t v) { return static_cast<uint32_t>(v); }

// The arguments that both begin with.
struct Problem {
  Tensor x, h, w_gates, w_c, bias_gates, bias_c;
  int64_t batch = 0, inputs = 0, units = 0;
};

void check(const Tensor& t, const char* name, const Shape& shape) {
  require(t.shape == shape, Code::invalid_argument, name, " must have the shape ", text(shape), ", got ",
          text(t.shape));
}
Problem problem_of(Call& call) {
  Problem p{call.input(0), call.input(1), call.input(2), call.input(3), call.input(4), call.input(5)};
  require(p.x.rank() == 2, Code::invalid_argument, "Rank of x must be 2, got ", p.x.rank());
  require(p.h.rank() == 2, Code::invalid_argument, "Rank of h_prev must be 2, got ", p.h.rank());
  p.batch = p.x.shape[0];
  p.inputs = p.x.shape[1];
  p.units = p.h.shape[1];
  check(p.h, "h_prev", {p.batch, p.units});
  check(p.w_gates, "w_ru", {p.inputs + p.units, 2 * p.units});
  check(p.w_c, "w_c", {p.inputs + p.units, p.units});
  check(p.bias_gates, "b_ru", {2 * p.units});
  check(p.bias_c, "b_c", {p.units});
  require(p.batch * std::max(2 * p.units, p.inputs) < (int64_t{1} << 31), Code::unimplemented,
          "recurrent layers of 2^31 elements or more are not supported");
  return p;
}

// y = a * part of w, or of it turned; the parts of w are the rows of the input and those of the state.
enum class Part : uint8_t { input, state };
void multiply(Call& call, const Problem& p, const Tensor& a, const Tensor& w, Part part, const Tensor& y, bool turned) {
  const int64_t columns = w.shape[1], rows = part == Part::input ? p.inputs : p.units;
  GemmProblem g{.type = a.type};
  g.m = static_cast<uint64_t>(p.batch);
  g.n = static_cast<uint64_t>(turned ? rows : columns);
  g.k = static_cast<uint64_t>(turned ? columns : rows);
  g.turned_b = turned;
  gemm(call, g, a, rnn_part(w, part == Part::input ? 0 : p.inputs * columns, rows * columns), y);
}

Grid over(int64_t count) { return Grid::line(div_up(static_cast<uint64_t>(count), kGroup)); }
struct Sizes {
  uint32_t count, units;
};

// -> (r, u, c, h)
void run(Call& call, const OpSpec&, const State*) {
  const Problem p = problem_of(call);
  const Shape shape{p.batch, p.units};
  const Tensor r = call.output(0, DType::f32, shape), update = call.output(1, DType::f32, shape);
  const Tensor c = call.output(2, DType::f32, shape), h = call.output(3, DType::f32, shape);
  const int64_t count = p.batch * p.units;
  if (count == 0) return;
  const Tensor from_x = call.scratch(DType::f32, {p.batch, 2 * p.units});
  const Tensor from_h = call.scratch(DType::f32, from_x.shape), kept = call.scratch(DType::f32, shape);
  const Sizes sizes{u(count), u(p.units)};
  multiply(call, p, p.x, p.w_gates, Part::input, from_x, false);
  multiply(call, p, p.h, p.w_gates, Part::state, from_h, false);
  call.stream().launch(
      call.kernel("block_rnn/gru_gates"), over(count),
      {read(from_x), read(from_h), read(p.bias_gates), read(p.h), write(r), write(update), write(kept)}, sizes);
  const Tensor c_of_x = rnn_part(from_x, 0, count), c_of_h = rnn_part(from_h, 0, count);
  multiply(call, p, p.x, p.w_c, Part::input, c_of_x, false);
  multiply(call, p, kept, p.w_c, Part::state, c_of_h, false);
  call.stream().launch(call.kernel("block_rnn/gru_output"), over(count),
                       {read(c_of_x), read(c_of_h), read(p.bias_c), read(p.h), read(update), write(c), write(h)},
                       sizes);
}

// (..., r, u, c, d_h) -> (d_x, d_h_prev, d_c_bar, d_r_bar_u_bar)
void run_gradient(Call& call, const OpSpec&, const State*) {
  const Problem p = problem_of(call);
  const Shape shape{p.batch, p.units};
  const Tensor r = call.input(6), update = call.input(7), c = call.input(8), d_h = call.input(9);
  check(r, "r", shape);
  check(update, "u", shape);
  check(c, "c", shape);
  check(d_h, "d_h", shape);
  const Tensor d_x = call.output(0, DType::f32, p.x.shape), d_h_prev = call.output(1, DType::f32, shape);
  const Tensor d_c = call.output(2, DType::f32, shape), d_gates = call.output(3, DType::f32, {p.batch, 2 * p.units});
  const int64_t count = p.batch * p.units;
  if (count == 0) {
    if (d_x.size() > 0) call.stream().fill(d_x.data, 0, 4, d_x.bytes());
    return;
  }
  const Tensor d_kept = call.scratch(DType::f32, shape), by_c = call.scratch(DType::f32, d_x.shape);
  const Sizes sizes{u(count), u(p.units)};
  const auto step = [&](const char* kernel) {
    call.stream().launch(
        call.kernel(kernel), over(count),
        {read(p.h), read(r), read(update), read(c), read(d_h), read(d_kept), write(d_c), write(d_gates)}, sizes);
  };
  step("block_rnn/gru_gradient_output");
  multiply(call, p, d_c, p.w_c, Part::state, d_kept, true);
  step("block_rnn/gru_gradient_gates");
  multiply(call, p, d_c, p.w_c, Part::input, by_c, true);
  multiply(call, p, d_gates, p.w_gates, Part::input, d_x, true);
  multiply(call, p, d_gates, p.w_gates, Part::state, d_h_prev, true);
  const Sizes sums{u(d_x.size()), u(count)};
  call.stream().launch(call.kernel("block_rnn/gru_gradient_sum"), over(std::max(d_x.size(), count)),
                       {write(d_x), read(by_c), write(d_h_prev), read(d_kept), read(r), read(d_h), read(update)}, sums);
}

void variants(const OpSpec&, std::vector<std::string>& names) {
  for (const char* entry : {"gates", "output"}) names.push_back(str("block_rnn/gru_", entry));
  gemm_variants(DType::f32, names);
}
void gradient_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const char* entry : {"output", "gates", "sum"}) names.push_back(str("block_rnn/gru_gradient_", entry));
  gemm_variants(DType::f32, names);
}

const Family block_gru{
    {"GRUBlockCell", {DType::f32}, run, "", variants},
    {"GRUBlockCellGrad", {DType::f32}, run_gradient, "", gradient_variants},
};

}  // namespace
}  // namespace anvil::ops
