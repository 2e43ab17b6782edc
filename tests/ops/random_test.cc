// Random numbers: Philox against its published vectors, TensorFlow's streams against values TensorFlow 2.21 draws.
#include "ops/random_state.h"

#include <cmath>

#include "ops/kernel_check.h"

namespace anvil::ops::test {
namespace {

TEST(Philox, KnownAnswers) {  // from the Random123 distribution
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox({{0, 0}, {0, 0, 0, 0}}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t k = 0xffffffff;
  EXPECT_EQ(philox({{k, k}, {k, k, k, k}}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Philox, SkipsWithCarryThroughAllWords) {
  Philox p{{}, {0xffffffff, 0xffffffff, 0xffffffff, 7}};
  skip(p, 1);
  EXPECT_EQ(p.counter, (std::array<uint32_t, 4>{0, 0, 0, 8}));
  skip(p, uint64_t{3} << 32 | 5);
  EXPECT_EQ(p.counter, (std::array<uint32_t, 4>{5, 3, 0, 8}));
}

TEST(Philox, AReservationMovesTheStreamOn) {
  ReservedPhilox stream(seeded(11, 23));
  EXPECT_EQ(stream.reserve(10).counter, (std::array<uint32_t, 4>{0, 0, 23, 0}));
  EXPECT_EQ(stream.reserve(1).counter, (std::array<uint32_t, 4>{2560, 0, 23, 0}));
}

TEST(Philox, ZeroSeedsDrawFromTheSystem) {
  const Philox a = seeded(0, 0), b = seeded(0, 0);
  EXPECT_FALSE(a.key == b.key && a.counter == b.counter);
}

Value words(const std::vector<uint64_t>& v) { return raw(DType::u64, {static_cast<int64_t>(v.size())}, v); }

std::vector<Value> draw(Device& gpu, const char* op, DType type, const std::vector<int32_t>& shape,
                        const std::vector<uint64_t>& key, const std::vector<uint64_t>& counter,
                        std::vector<Value> more = {}) {
  std::vector<Value> inputs = {host_ints(shape), words(key), words(counter), host_int(1)};
  inputs.insert(inputs.end(), more.begin(), more.end());
  RunOptions options;
  options.attrs = {{"dtype", type}};
  return run_row(gpu, find_row(op, type), inputs, options);
}

TEST(Random, UniformIsTensorFlows) {
  ANVIL_GPU_OR_SKIP(gpu);
  const auto y = draw(gpu, "StatelessRandomUniformV2", DType::f32, {3}, {5}, {0, 7})[0].as<float>();
  EXPECT_EQ(y, (std::vector<float>{0.4474637508392334f, 0.620756983757019f, 0.2590693235397339f}));
}

TEST(Random, SeedsGiveTensorFlowsNumbers) {
  ANVIL_GPU_OR_SKIP(gpu);
  RunOptions options;
  options.attrs = {{"dtype", DType::f32}};
  const auto stateless =
      run_row(gpu, find_row("StatelessRandomUniform", DType::f32), {host_ints({3}), host_ints({1, 2})}, options);
  EXPECT_EQ(stateless[0].as<float>(),
            (std::vector<float>{0.8440604209899902f, 0.19204533100128174f, 0.9962232112884521f}));
  options.attrs["seed"] = int64_t{1};
  options.attrs["seed2"] = int64_t{2};
  const auto stateful = run_row(gpu, find_row("RandomUniform", DType::f32), {host_ints({3})}, options);
  EXPECT_EQ(stateful[0].as<float>(),
            (std::vector<float>{0.406396746635437f, 0.8575996160507202f, 0.05539584159851074f}));
}

// The host generator is the reference for every group of outputs, whatever the size of the output.
TEST(Random, EveryGroupTakesItsOwnCounter) {
  ANVIL_GPU_OR_SKIP(gpu);
  const std::vector<uint64_t> key = {0x123456789abcdef0}, counter = {0xfffffffffffffffe, 0xffffffffffffffff};
  for (int32_t n : {1, 4, 1001}) {
    const auto y = draw(gpu, "StatelessRandomUniformFullIntV2", DType::u32, {n}, key, counter)[0].as<uint32_t>();
    ASSERT_EQ(y.size(), static_cast<size_t>(n));
    Philox at{{0x9abcdef0, 0x12345678}, {0xfffffffe, 0xffffffff, 0xffffffff, 0xffffffff}};
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i], philox(at)[i % 4]) << i;
      if (i % 4 == 3) skip(at, 1);
    }
  }
}

TEST(Random, WholeNumbersStayInTheirRange) {
  ANVIL_GPU_OR_SKIP(gpu);
  const auto y = draw(gpu, "StatelessRandomUniformIntV2", DType::i32, {1000}, {1}, {0, 0}, {host_int(-3), host_int(4)});
  std::vector<int> seen(7);
  for (int32_t v : y[0].as<int32_t>()) {
    ASSERT_TRUE(v >= -3 && v < 4);
    ++seen[static_cast<size_t>(v + 3)];
  }
  for (int n : seen) EXPECT_GT(n, 90);
}

TEST(Random, NormalNumbersHaveTheirMoments) {
  ANVIL_GPU_OR_SKIP(gpu);
  struct Row {
    const char* op;
    double deviation;
  };
  for (const Row& row : {Row{"StatelessRandomNormalV2", 1.0}, Row{"StatelessTruncatedNormalV2", 0.8796}}) {
    const auto y = draw(gpu, row.op, DType::f32, {100000}, {9}, {0, 4})[0].values();
    double sum = 0, squares = 0, largest = 0;
    for (double v : y) {
      sum += v;
      squares += v * v;
      largest = std::fmax(largest, std::fabs(v));
    }
    EXPECT_NEAR(sum / 1e5, 0, 0.01) << row.op;
    EXPECT_NEAR(std::sqrt(squares / 1e5), row.deviation, 0.01) << row.op;
    EXPECT_EQ(largest < 2, row.deviation < 1) << row.op;
  }
}

TEST(Random, KeysAreScrambledSeeds) {
  ANVIL_GPU_OR_SKIP(gpu);
  RunOptions options;
  options.host_outputs = {0, 1};
  const auto y = run_row(gpu, find_row("StatelessRandomGetKeyCounter", DType::i32), {host_ints({1, 2})}, options);
  EXPECT_EQ(y[0].as<uint64_t>(), (std::vector<uint64_t>{10413732777507651514u}));
  EXPECT_EQ(y[1].as<uint64_t>(), (std::vector<uint64_t>{0, 17830669156045600267u}));
}

TEST(Random, RefusesWhatTensorFlowRefuses) {
  ANVIL_GPU_OR_SKIP(gpu);
  const auto message = [&](std::vector<int32_t> shape, std::vector<uint64_t> key, int32_t low,
                           int32_t high) -> std::string {
    try {
      draw(gpu, "StatelessRandomUniformIntV2", DType::i32, shape, key, {0, 0}, {host_int(low), host_int(high)});
    } catch (const Error& e) {
      EXPECT_EQ(e.code, Code::invalid_argument);
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message({3}, {1}, 5, 5), "Need minval < maxval, got 5 >= 5");
  EXPECT_EQ(message({-1}, {1}, 0, 5), "Dimension -1 must be >= 0");
  EXPECT_EQ(message({3}, {1, 2}, 0, 5),
            "key must have shape [1], not [2]. (Note that batched keys are not supported yet.)");
  EXPECT_EQ(message({0}, {1}, 5, 5), "");
}

}  // namespace
}  // namespace anvil::ops::test
