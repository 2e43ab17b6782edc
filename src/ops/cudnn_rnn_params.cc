// CudnnRNNParamsSize, and between one vector of parameters and a matrix and a bias for each gate.
#include "ops/cudnn_rnn.h"

namespace anvil::ops {
namespace {

int64_t host_size(const Tensor& t, const char* name) {
  require(t.size() == 1, Code::invalid_argument, name, " must be a scalar");
  return *t.host<int32_t>();
}
// (num_layers, num_units, input_size, ...)
RnnShape shape_of(Call& call, const RnnAttrs& attrs) {
  return rnn_params_shape(attrs, host_size(call.input(0), "num_layers"), host_size(call.input(1), "num_units"),
                          host_size(call.input(2), "input_size"));
}

void run_size(Call& call, const OpSpec&, const State* state) {
  const RnnShape s = shape_of(call, rnn_attrs(state));
  require(s.params() <= INT32_MAX, Code::invalid_argument, "the parameters do not fit in 32 bits");
  *call.output(0, DType::i32, {1}).host_out<int32_t>() = static_cast<int32_t>(s.params());
}

struct Piece {
  int64_t at;
  Shape shape;
};
// The matrices of all layers, directions, and gates of input and state; and their biases.
struct Pieces {
  std::vector<Piece> matrices, biases;
};
Pieces pieces_of(const RnnShape& s) {
  require(!s.skip, Code::invalid_argument, "Params size mismatch. The first layer has no matrices with skip_input");
  Pieces p;
  for (int64_t layer = 0; layer < s.layers; ++layer)
    for (int64_t d = 0; d < s.directions; ++d) {
      for (int64_t g = 0; g < s.gates; ++g)
        p.matrices.push_back({s.input_matrix(layer, d) + g * s.units * s.width(layer), {s.units, s.width(layer)}});
      for (int64_t g = 0; g < s.gates; ++g)
        p.matrices.push_back({s.state_matrix(layer, d) + g * s.units * s.units, {s.units, s.units}});
      for (int64_t g = 0; g < 2 * s.gates; ++g) p.biases.push_back({s.bias(layer, d) + g * s.units, {s.units}});
    }
  return p;
}

// How many matrices and biases the node has.
struct CanonicalAttrs : RnnAttrs {
  int64_t matrices = 0, biases = 0;
  explicit CanonicalAttrs(const RnnAttrs& a) : RnnAttrs(Philox{}) {
    mode = a.mode;
    input_mode = a.input_mode;
    directions = a.directions;
    projection = a.projection;
  }
};
std::unique_ptr<State> prepare_canonical(const Attrs& a) {
  auto s = std::make_unique<CanonicalAttrs>(rnn_attrs(prepare_rnn(a).get()));
  const bool first = a.has("num_params");
  s->matrices = a.integer(first ? "num_params" : "num_params_weights");
  s->biases = a.integer(first ? "num_params" : "num_params_biases");
  return s;
}
Pieces checked_pieces(Call& call, const CanonicalAttrs& attrs) {
  Pieces p = pieces_of(shape_of(call, attrs));
  const auto expected = static_cast<int64_t>(p.matrices.size());
  require(attrs.matrices == expected && attrs.biases == expected, Code::invalid_argument,
          "Number of params mismatch. Expected ", expected, ", got ", attrs.matrices, " and ", attrs.biases);
  return p;
}

void run_to_canonical(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const CanonicalAttrs&>(rnn_attrs(state));
  const Pieces pieces = checked_pieces(call, attrs);
  const Tensor params = call.input(3);
  require(params.size() == shape_of(call, attrs).params(), Code::invalid_argument, "Params size mismatch. Expected ",
          shape_of(call, attrs).params(), ", got ", params.size());
  int i = 0;
  for (const auto* list : {&pieces.matrices, &pieces.biases})
    for (const Piece& piece : *list) {
      const Tensor y = call.output(i++, params.type, piece.shape);
      call.stream().copy(y.data, rnn_part(params, piece.at, y.size()).data, y.bytes());
    }
}

void run_to_params(Call& call, const OpSpec&, const State* state) {
  const auto& attrs = static_cast<const CanonicalAttrs&>(rnn_attrs(state));
  const Pieces pieces = checked_pieces(call, attrs);
  int i = 3;
  const Tensor params = call.output(0, call.input(i).type, {shape_of(call, attrs).params()});
  for (const auto* list : {&pieces.matrices, &pieces.biases})
    for (const Piece& piece : *list) {
      const Tensor x = call.input(i++);
      const bool matrix = list == &pieces.matrices;
      require(x.shape == piece.shape || (!matrix && x.size() == piece.shape[0]), Code::invalid_argument,
              "Params size mismatch. Expected ", text(piece.shape), ", got ", text(x.shape));
      call.stream().copy(rnn_part(params, piece.at, x.size()).data, x.data, x.bytes());
    }
}

const std::vector<const char*> kSizes = {"num_layers", "num_units", "input_size"};
const Family cudnn_rnn_params{
    {.name = "CudnnRNNParamsSize",
     .types = kFloats,
     .run = run_size,
     .prepare = prepare_rnn,
     .host = {"num_layers", "num_units", "input_size", "params_size"},
     .more = {{"S", {DType::i32}}}},
    {"CudnnRNNParamsToCanonical", kFloats, run_to_canonical, "", nullptr, prepare_canonical, kSizes},
    {"CudnnRNNParamsToCanonicalV2", kFloats, run_to_canonical, "", nullptr, prepare_canonical, kSizes},
    {"CudnnRNNCanonicalToParams", kFloats, run_to_params, "", nullptr, prepare_canonical, kSizes},
    {"CudnnRNNCanonicalToParamsV2", kFloats, run_to_params, "", nullptr, prepare_canonical, kSizes},
};

}  // namespace
}  // namespace anvil::ops
