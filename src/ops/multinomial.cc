// Multinomial and StatelessMultinomial.  The draws are those of TensorFlow's CPU kernel but for the rare one that falls
// within a rounding of the border between two categories.
#include <algorithm>
#include <bit>

#include "ops/host.h"
#include "ops/random_state.h"
#include "ops/reduce.h"
#include "ops/scan.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kWeights = "random/weights", *kSample = "random/sample";
constexpr int64_t kLargestSum = 62;  // bits
constexpr int64_t kWeightBits = 40;  // of a category's weight, where that leaves room for the sum
std::string logits_name(DType t) { return str("random/logits<", slang_name(t), ">"); }

struct MultinomialState final : State {
  DType type;
  mutable ReservedPhilox stream;
  MultinomialState(DType t, const Philox& start) : type(t), stream(start) {}
};
std::unique_ptr<State> prepare(const Attrs& a) {
  return std::make_unique<MultinomialState>(a.type("output_dtype"), seeded(static_cast<uint64_t>(a.integer("seed")),
                                                                           static_cast<uint64_t>(a.integer("seed2"))));
}
std::unique_ptr<State> prepare_stateless(const Attrs& a) {
  return std::make_unique<MultinomialState>(a.type("output_dtype"), Philox{});
}

// Running sums of the categories' weights, [rows, classes].
Tensor running_sums(Call& call, const Tensor& x) {
  const int64_t rows = x.shape[0], classes = x.shape[1];
  const Tensor clean = call.scratch(DType::f32, x.shape), largest = call.scratch(DType::f32, {rows});
  const Tensor sums = call.scratch(DType::i64, x.shape);
  launch_threads(call, logits_name(x.type), x.size(), {read(x), write(clean)}, uint32_t(x.size()));
  const int64_t last[] = {1};
  reduce(call, Reduction::max, clean, largest, collapse_axes(x.shape, last, false));
  const int64_t bits =
      std::min(kWeightBits, kLargestSum - static_cast<int64_t>(std::bit_width(static_cast<uint64_t>(classes))));
  struct {
    uint32_t count, classes, bits;
  } const params{uint32_t(x.size()), uint32_t(classes), uint32_t(bits)};
  launch_threads(call, kWeights, x.size(), {read(clean), read(largest), write(sums)}, params);
  launch_scan(call, {.outer = rows, .length = classes}, sums, sums);
  return sums;
}

struct Problem {
  int64_t samples = 0;
  Tensor y;
};
Problem check(Call& call, const State* state) {
  const Tensor x = call.input(0), given = call.input(1);
  require(x.rank() == 2, Code::invalid_argument, "logits should be a matrix, got shape ", text(x.shape));
  require(given.rank() == 0, Code::invalid_argument, "num_samples should be a scalar, got shape ", text(given.shape));
  const int64_t samples = host_scalar(given, "num_samples");
  require(samples >= 0, Code::invalid_argument, "num_samples should be nonnegative, got ", samples);
  require(x.shape[0] == 0 || x.shape[1] > 0, Code::invalid_argument, "num_classes should be positive, got ",
          x.shape[1]);
  return {samples, call.output(0, static_cast<const MultinomialState*>(state)->type, {x.shape[0], samples})};
}
void draw(Call& call, const Problem& problem, const Philox& start) {
  const Tensor x = call.input(0), &y = problem.y;
  if (y.size() == 0) return;
  struct {
    uint32_t count, samples, classes, bytes, key[2], counter[4];
  } params{uint32_t(y.size()), uint32_t(problem.samples), uint32_t(x.shape[1]), uint32_t(size_of(y.type)), {}, {}};
  std::ranges::copy(start.key, params.key);
  std::ranges::copy(start.counter, params.counter);
  launch_threads(call, kSample, y.size(), {read(running_sums(call, x)), write(y)}, params);
}

// (logits, num_samples)
void run(Call& call, const OpSpec&, const State* state) {
  const Problem problem = check(call, state);
  // TensorFlow sets aside two numbers a sample, in whole counters.
  const uint64_t numbers = static_cast<uint64_t>(call.input(0).shape[0]) * div_up(problem.samples, 4) * 8;
  draw(call, problem, static_cast<const MultinomialState*>(state)->stream.reserve(numbers));
}
// (logits, num_samples, seed)
void run_stateless(Call& call, const OpSpec&, const State* state) {
  const Tensor seed = call.input(2);
  require(seed.shape == Shape{2}, Code::invalid_argument, "seed must have shape [2], not ", text(seed.shape));
  const auto seeds = host_values(seed);
  draw(call, check(call, state), scrambled(static_cast<uint64_t>(seeds[0]), static_cast<uint64_t>(seeds[1])));
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) names.push_back(logits_name(t));
  names.insert(names.end(), {kWeights, kSample});
  reduce_variants(Reduction::max, DType::f32, names);
  scan_variants(names, "Sum", DType::i64);
}

const std::vector<DType> kTypes = {DType::f32, DType::f16}, kWhole = {DType::i32, DType::i64};
const Family categories{
    {"Multinomial", kTypes, run, "", variants, prepare, {"num_samples"}, "T", {{"output_dtype", kWhole}}},
    {"StatelessMultinomial",
     kTypes,
     run_stateless,
     "",
     variants,
     prepare_stateless,
     {"num_samples", "seed"},
     "T",
     {{"output_dtype", kWhole}}},
};

}  // namespace
}  // namespace anvil::ops
