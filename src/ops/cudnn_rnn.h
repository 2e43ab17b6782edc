// The recurrent layers of the CudnnRNN ops: attributes, the layout of their parameters, and what a forward pass keeps
// for its gradient.
//
// Parameters are one vector.  First the matrices of all layers: for each layer and direction, those of the input (one
// [units, inputs] matrix a gate), then those of the state ([units, units]).  Then the biases: for each layer and
// direction, those of the input, then those of the state, `units` a gate.  Gates of LSTM: input, forget, cell, output.
// Gates of GRU: update, reset, new, which is the order in which Keras hands them over where TensorFlow was built
// without CUDA (it exchanges the first two for a CUDA build only).
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ops/op.h"
#include "ops/random_state.h"

namespace anvil::ops {

enum class RnnMode : uint8_t { relu, tanh, lstm, gru };

struct RnnAttrs : State {
  RnnMode mode = RnnMode::lstm;
  std::string input_mode;
  int64_t directions = 1, projection = 0;
  float dropout = 0;
  bool training = true, time_major = true;
  mutable ReservedPhilox random{Philox{}};

  explicit RnnAttrs(const Philox& start) : random(start) {}
  int64_t gates() const { return mode == RnnMode::lstm ? 4 : mode == RnnMode::gru ? 3 : 1; }
  bool has_cell() const { return mode == RnnMode::lstm; }
};
std::unique_ptr<State> prepare_rnn(const Attrs&);
inline const RnnAttrs& rnn_attrs(const State* s) { return *static_cast<const RnnAttrs*>(s); }

// The sizes of all layers, and where everything lies.  All offsets and lengths are in elements.
struct RnnShape {
  int64_t layers = 1, directions = 1, gates = 4, units = 1, inputs = 1;
  bool skip = false;  // the first layer's input goes into its gates without a matrix
  int64_t steps = 0, batch = 0;
  bool cell = false, dropout = false;
  int64_t extra = 0;  // what GRU keeps besides its gates, in units of `units`

  int64_t width(int64_t layer) const { return layer == 0 ? inputs : directions * units; }  // of a layer's input
  bool has_input_matrix(int64_t layer) const { return layer > 0 || !skip; }
  // ---- parameters ----
  int64_t input_matrix(int64_t layer, int64_t direction) const;
  int64_t state_matrix(int64_t layer, int64_t direction) const;
  int64_t bias(int64_t layer, int64_t direction) const;
  int64_t params() const;
  // ---- reserve ----
  int64_t rows() const { return steps * batch; }
  int64_t gates_of(int64_t layer) const { return layer == 0 ? 0 : layer * layer_size(); }
  int64_t h_of(int64_t layer) const { return gates_of(layer) + aligned(directions * rows() * (gates + extra) * units); }
  int64_t c_of(int64_t layer) const { return h_of(layer) + aligned(states()); }
  int64_t output_of(int64_t layer) const {
    return layers * layer_size() + layer * aligned(rows() * directions * units);
  }
  int64_t factors_of(int64_t layer) const { return output_of(layers - 1 + layer); }  // of the layer's output
  int64_t reserve() const { return output_of((layers - 1) * (dropout ? 2 : 1)); }
  int64_t states() const { return directions * (steps + 1) * batch * units; }

 private:
  static int64_t aligned(int64_t n) { return (n + 3) / 4 * 4; }  // 8 bytes of any type
  int64_t layer_size() const { return c_of(0) + (cell ? aligned(states()) : 0); }
};
// Of the parameters alone: steps and batch stay 0.  Throws invalid_argument, and unimplemented for projections
// (num_proj).
RnnShape rnn_params_shape(const RnnAttrs&, int64_t layers, int64_t units, int64_t inputs);

// The inputs that forward and backward share, checked.
struct RnnInputs {
  RnnShape shape;
  Tensor x, h, c, params;
  Tensor lengths;  // on the device, null if every sequence has all steps
};
// (input, input_h, input_c, params[, sequence_lengths])
RnnInputs rnn_inputs(Call&, const RnnAttrs&, bool has_lengths);

// ---- launches that both passes share ----
// y[i, j, k] = sum over terms and gates of x (times factor), 0 past the lengths; see kernels/rnn.slang.
struct RnnGather {
  int64_t outer = 0, inner = 0, columns = 0;
  int64_t x_outer = 0, x_inner = 0, y_outer = 0, y_inner = 0;
  int64_t terms = 1, x_term = 0, gates = 1, x_gate = 0;
};
void rnn_gather(Call&, const RnnGather&, const Tensor& x, const Tensor& y, const Tensor* factor = nullptr,
                const Tensor* lengths = nullptr);
// The input in time-major order with zeros past the lengths; the input itself if it is that already.
Tensor rnn_time_major(Call&, const RnnAttrs&, const RnnInputs&);
// Where layer l's part of a tensor of states [layers * directions, batch, units] lies (its middle two axes exchanged
// where batches come first), for gather.
struct RnnStates {
  int64_t offset, direction, batch;
};
RnnStates rnn_states(const RnnAttrs&, const RnnShape&, int64_t layer);

// Elements [first, first + count) as a vector.
Tensor rnn_part(const Tensor&, int64_t first, int64_t count);
std::string rnn_kernel(const RnnAttrs&, DType, bool gradient);
void rnn_variants(const OpSpec&, std::vector<std::string>& names);
constexpr uint32_t kRnnGroup = 64;  // as in rnn.slang

}  // namespace anvil::ops
