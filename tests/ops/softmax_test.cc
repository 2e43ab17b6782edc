// Softmax and the cross entropies against double precision.
#include <cmath>
#include <random>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

std::vector<double> samples(int64_t n) {
  std::mt19937 engine(5);
  std::normal_distribution<double> normal(0, 3);
  std::vector<double> v(static_cast<size_t>(n));
  for (double& x : v) x = normal(engine);
  return v;
}

// Rows of exp(x - max) / sum, and log of the same.
struct Reference {
  std::vector<double> softmax, log_softmax;
};
Reference reference(const std::vector<double>& x, int64_t columns) {
  Reference r{x, x};
  for (size_t row = 0; row < x.size(); row += static_cast<size_t>(columns)) {
    double sum = 0;
    for (int64_t i = 0; i < columns; ++i) sum += std::exp(x[row + i]);
    for (int64_t i = 0; i < columns; ++i) {
      r.softmax[row + i] = std::exp(x[row + i]) / sum;
      r.log_softmax[row + i] = x[row + i] - std::log(sum);
    }
  }
  return r;
}

class Softmax : public testing::TestWithParam<DType> {};
TEST_P(Softmax, AgreesWithDouble) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (const Shape& shape : {Shape{4, 10}, Shape{5, 7}, Shape{3, 1000}, Shape{2, 3, 33}, Shape{6}})
    for (uint64_t misalign : {0, 1}) {
      SCOPED_TRACE(text(shape));
      const Value x = floats(GetParam(), shape, samples(count(shape)));
      const Reference want = reference(x.values(), shape.back());
      RunOptions options;
      options.misalign_elements = misalign;
      EXPECT_LE(worst_ulp(run_op(gpu, "Softmax", {x}, options)[0], want.softmax, 1e-3), 16);
      EXPECT_LE(worst_ulp(run_op(gpu, "LogSoftmax", {x}, options)[0], want.log_softmax, 1), 4);
    }
}

TEST_P(Softmax, CrossEntropiesAgreeWithDouble) {
  ANVIL_GPU_OR_SKIP(gpu);
  for (int64_t columns : {10, 257}) {
    const Value x = floats(GetParam(), {3, columns}, samples(3 * columns));
    const Reference want = reference(x.values(), columns);
    std::vector<double> loss, gradient = want.softmax, one_hot(gradient.size());
    const std::vector<int64_t> labels = {0, columns - 1, 4};
    for (int64_t r = 0; r < 3; ++r) {
      const size_t at = static_cast<size_t>(r * columns + labels[r]);
      loss.push_back(-want.log_softmax[at]);
      gradient[at] -= 1;
      one_hot[at] = 1;
    }
    const auto sparse = run_op(gpu, "SparseSoftmaxCrossEntropyWithLogits", {x, raw(DType::i64, {3}, labels)});
    EXPECT_LE(worst_ulp(sparse[0], loss, 1), 4);
    EXPECT_LE(worst_ulp(sparse[1], gradient, 0.1), 4);
    const auto dense = run_op(gpu, "SoftmaxCrossEntropyWithLogits", {x, floats(GetParam(), {3, columns}, one_hot)});
    EXPECT_LE(worst_ulp(dense[0], loss, 1), 4);
    EXPECT_LE(worst_ulp(dense[1], gradient, 0.1), 4);
  }
}
INSTANTIATE_TEST_SUITE_P(Types, Softmax, testing::Values(DType::f32, DType::f16, DType::bf16));

TEST(SparseCrossEntropy, ALabelOutsideTheClassesMakesItsRowNaN) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value x = floats(DType::f32, {3, 4}, samples(12));
  const auto y = run_op(gpu, "SparseSoftmaxCrossEntropyWithLogits", {x, raw<int32_t>(DType::i32, {3}, {1, 4, -1})});
  const auto loss = y[0].values(), gradient = y[1].values();
  EXPECT_TRUE(std::isfinite(loss[0]) && std::isnan(loss[1]) && std::isnan(loss[2]));
  for (size_t i = 0; i < gradient.size(); ++i) EXPECT_EQ(std::isnan(gradient[i]), i >= 4) << i;
}

TEST(SparseCrossEntropy, RefusesWhatTensorFlowRefuses) {
  ANVIL_GPU_OR_SKIP(gpu);
  const auto message = [&](const Value& logits, const Value& labels) -> std::string {
    try {
      run_op(gpu, "SparseSoftmaxCrossEntropyWithLogits", {logits, labels});
    } catch (const Error& e) {
      EXPECT_EQ(e.code, Code::invalid_argument);
      return e.what();
    }
    return "";
  };
  const Value two = raw<int32_t>(DType::i32, {2}, {0, 0});
  EXPECT_EQ(message(floats(DType::f32, {3}, {1, 2, 3}), two), "logits must be 2-D, but got shape [3]");
  EXPECT_EQ(message(floats(DType::f32, {3, 1}, {1, 2, 3}), two),
            "logits and labels must have the same first dimension, got logits shape [3,1] and labels shape [2]");
  EXPECT_EQ(message(floats(DType::f32, {2, 0}, {}), two), "Must have at least one class, but got logits shape [2,0]");
}

TEST(CrossEntropy, Broadcasts) {
  ANVIL_GPU_OR_SKIP(gpu);
  const Value logits = floats(DType::f32, {1, 3}, {1, 2, 3}), labels = floats(DType::f32, {2, 3}, {1, 0, 0, 0, 0, 1});
  const auto y = run_op(gpu, "SoftmaxCrossEntropyWithLogits", {logits, labels});
  EXPECT_EQ(y[1].shape, (Shape{2, 3}));
  EXPECT_NEAR(y[0].values()[0], 2.40760596, 1e-6);
  EXPECT_NEAR(y[0].values()[1], 0.40760596, 1e-6);
}

}  // namespace
}  // namespace anvil::ops::test
