// Where the recurrent layers keep their parameters, and one step of each against formulas in double precision.
#include "ops/cudnn_rnn.h"

#include <cmath>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

struct TestAttrs : RnnAttrs {
  TestAttrs(RnnMode m, int64_t d, const char* input = "linear_input") : RnnAttrs(Philox{}) {
    mode = m;
    directions = d;
    input_mode = input;
  }
};

TEST(RnnShape, MatricesOfAllLayersComeBeforeAllBiases) {
  const RnnShape s = rnn_params_shape(TestAttrs(RnnMode::lstm, 2), 2, 3, 5);
  EXPECT_EQ(s.input_matrix(0, 0), 0);
  EXPECT_EQ(s.state_matrix(0, 0), 4 * 3 * 5);
  EXPECT_EQ(s.input_matrix(0, 1), 4 * 3 * (5 + 3));
  EXPECT_EQ(s.input_matrix(1, 0), 2 * 4 * 3 * (5 + 3));
  EXPECT_EQ(s.state_matrix(1, 0) - s.input_matrix(1, 0), 4 * 3 * 6);  // both directions are its input
  EXPECT_EQ(s.bias(0, 0), 2 * 4 * 3 * (5 + 3) + 2 * 4 * 3 * (6 + 3));
  EXPECT_EQ(s.bias(0, 1) - s.bias(0, 0), 2 * 4 * 3);
  EXPECT_EQ(s.params(), s.bias(0, 0) + 4 * 2 * 4 * 3);
}

TEST(RnnShape, ASkippedInputHasNoMatrixButABias) {
  const RnnShape s = rnn_params_shape(TestAttrs(RnnMode::gru, 1, "auto_select"), 1, 4, 4);
  EXPECT_TRUE(s.skip);
  EXPECT_EQ(s.state_matrix(0, 0), 0);
  EXPECT_EQ(s.params(), 3 * 4 * 4 + 2 * 3 * 4);
  EXPECT_FALSE(rnn_params_shape(TestAttrs(RnnMode::gru, 1, "auto_select"), 1, 4, 5).skip);
  EXPECT_THROW(rnn_params_shape(TestAttrs(RnnMode::gru, 1, "skip_input"), 1, 4, 5), Error);
}

TEST(RnnShape, NothingInTheReserveOverlaps) {
  TestAttrs a(RnnMode::lstm, 2);
  a.dropout = 0.5f;
  RnnShape s = rnn_params_shape(a, 3, 3, 5);
  s.steps = 7;
  s.batch = 1;
  int64_t end = 0;
  const auto next = [&](int64_t at, int64_t size) {
    EXPECT_GE(at, end);
    EXPECT_EQ(at % 4, 0);  // whole packets, for the products
    end = at + size;
  };
  for (int64_t l = 0; l < 3; ++l) {
    next(s.gates_of(l), 2 * 7 * 4 * 3);
    next(s.h_of(l), s.states());
    next(s.c_of(l), s.states());
  }
  for (int64_t l = 0; l < 2; ++l) next(s.output_of(l), 7 * 2 * 3);
  for (int64_t l = 0; l < 2; ++l) next(s.factors_of(l), 7 * 2 * 3);
  EXPECT_LE(end, s.reserve());
}

// One unit, one input, one sequence: x = 0.5, h = 0.25, c = -0.5, all matrices 1, all biases 0.125 and 0.25.
std::vector<Value> one_step(Device& gpu, const char* mode, int gates) {
  std::vector<double> params(static_cast<size_t>(2 * gates), 1.0);
  params.insert(params.end(), static_cast<size_t>(gates), 0.125);
  params.insert(params.end(), static_cast<size_t>(gates), 0.25);
  const RunOptions options{.attrs = {{"rnn_mode", std::string(mode)},
                                     {"input_mode", std::string("linear_input")},
                                     {"direction", std::string("unidirectional")},
                                     {"dropout", 0.0f},
                                     {"seed", int64_t{0}},
                                     {"seed2", int64_t{0}},
                                     {"is_training", true}}};
  const auto size = static_cast<int64_t>(params.size());
  return run_op(gpu, "CudnnRNN",
                {floats(DType::f32, {1, 1, 1}, {0.5}), floats(DType::f32, {1, 1, 1}, {0.25}),
                 floats(DType::f32, {1, 1, 1}, {-0.5}), floats(DType::f32, {size}, params)},
                options);
}
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(CudnnRnn, OneStepOfEachMode) {
  ANVIL_GPU_OR_SKIP(gpu);
  const double sum = 0.5 + 0.25 + 0.125 + 0.25, s = sigmoid(sum);
  const double c = s * -0.5 + s * std::tanh(sum);
  const auto lstm = one_step(gpu, "lstm", 4);
  EXPECT_NEAR(lstm[0].values()[0], s * std::tanh(c), 1e-6);
  EXPECT_NEAR(lstm[1].values()[0], s * std::tanh(c), 1e-6);
  EXPECT_NEAR(lstm[2].values()[0], c, 1e-6);
  const double fresh = std::tanh(0.5 + 0.125 + s * (0.25 + 0.25));
  EXPECT_NEAR(one_step(gpu, "gru", 3)[0].values()[0], (1 - s) * fresh + s * 0.25, 1e-6);
  EXPECT_NEAR(one_step(gpu, "rnn_relu", 1)[0].values()[0], sum, 1e-6);
  EXPECT_NEAR(one_step(gpu, "rnn_tanh", 1)[0].values()[0], std::tanh(sum), 1e-6);
}

}  // namespace
}  // namespace anvil::ops::test
