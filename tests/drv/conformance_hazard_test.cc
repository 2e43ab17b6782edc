// Work of one stream happens in order wherever its address ranges meet: read after write, write after read, write after
// write, for kernels, copies, fills and the host's reads and writes.
#include <cstring>

#include "conformance.h"

namespace anvil::conformance {
namespace {

class Hazards : public Conformance {
 protected:
  void SetUp() override {
    if (!kernels()) GTEST_SKIP() << "runs no kernels";
    Conformance::SetUp();
  }
};

TEST_P(Hazards, ReadAfterWrite) {
  constexpr uint32_t kN = 5000, kSteps = 300;
  const Words host = random_words(kN, 1);
  uint32_t* a = put(host);
  uint32_t* b = words(kN);
  for (uint32_t i = 0; i < kSteps; ++i) affine(i % 2 ? b : a, i % 2 ? a : b, {kN, 3, i});
  Words model = host;
  for (uint32_t i = 0; i < kSteps; ++i)
    for (auto& v : model) v = v * 3 + i;
  EXPECT_EQ(get(a, kN), model);
  device->free(a);
  device->free(b);
}

TEST_P(Hazards, WriteAfterRead) {
  constexpr uint32_t kN = 4096, kSteps = 60;
  uint32_t* x = put(Words(kN, 0));
  uint32_t* y = words(kN * kSteps);
  // Slow readers of x, each followed by a quick writer.
  for (uint32_t i = 0; i < kSteps; ++i) {
    launch(*stream, "conformance/spin", x, y + i * kN, {kN, 50, 0});
    stream->fill(x, i + 1, 4, 4 * kN);
  }
  const Words got = get(y, kN * kSteps);
  for (uint32_t i = 0; i < kSteps; ++i)
    for (uint32_t k = 0; k < kN; ++k) ASSERT_EQ(got[i * kN + k], spun(i, 50)) << i << " " << k;
  device->free(x);
  device->free(y);
}

TEST_P(Hazards, WriteAfterWrite) {
  constexpr uint32_t kN = 4096;
  uint32_t* x = put(Words(kN, 1));
  uint32_t* y = words(kN);
  for (uint32_t i = 0; i < 100; ++i) {
    launch(*stream, "conformance/spin", x, y, {kN, 200, i});
    stream->fill(y + i * 7, i, 4, 4);
  }
  const Words got = get(y, kN);
  for (uint32_t k = 0; k < kN; ++k) ASSERT_EQ(got[k], k == 99 * 7 ? 99 : spun(1, 200) + 99) << k;
  device->free(x);
  device->free(y);
}

TEST_P(Hazards, IndependentWorkNeedsNoBarrier) {
  constexpr uint32_t kN = 256;
  uint32_t* x = put(Words(kN, 1));
  uint32_t* y = words(kN * 64);
  finish();
  zero_counters();
  for (uint32_t i = 0; i < 64; ++i) affine(x, y + i * kN, {kN, 1, i});
  finish();
  if (!GetParam().waits) {
    EXPECT_LE(value(Counter::barriers), 1u);  // behind the upload, if that was a copy
  }
  zero_counters();
  affine(y, y, {kN * 64, 1, 1});
  affine(y + kN, y, {kN, 1, 0});
  EXPECT_EQ(get(y, 1)[0], 1u + 1 + 1);
  EXPECT_GE(value(Counter::barriers), 1u);
  device->free(x);
  device->free(y);
}

TEST_P(Hazards, AnUploadDoesNotOvertakeReaders) {
  constexpr uint32_t kN = 4096;
  uint32_t* x = put(Words(kN, 1));
  uint32_t* y = words(kN * 20);
  for (uint32_t i = 0; i < 20; ++i) {
    busy(*stream, x, y + i * kN, kN, 500);
    const Words next(kN, i + 2);
    stream->upload(x, next.data(), 4 * kN);
  }
  const Words got = get(y, kN * 20);
  for (uint32_t i = 0; i < 20; ++i) EXPECT_EQ(got[i * kN + i], spun(i + 1, 500)) << i;
  EXPECT_EQ(get(x, 1)[0], 21u);
  device->free(x);
  device->free(y);
}

TEST_P(Hazards, ADownloadSeesTheValueOfItsTurn) {
  constexpr uint32_t kN = 200'000;
  constexpr size_t kTurns = 12;
  uint32_t* x = put(Words(kN, 0));
  std::vector<Words> got(kTurns, Words(kN));
  for (uint32_t i = 0; i < kTurns; ++i) {
    affine(x, x, {kN, 1, 1});
    stream->download(got[i].data(), x, 4 * kN);
    if (i % 3 == 2) stream->flush();
  }
  stream->fill(x, 0xffffffff, 4, 4 * kN);
  finish();
  for (uint32_t i = 0; i < kTurns; ++i) EXPECT_EQ(got[i], Words(kN, i + 1)) << i;
  device->free(x);
}

// Every call at random on overlapping subranges, against the same program on the host.
TEST_P(Hazards, RandomProgramsMatchTheHost) {
  constexpr uint32_t kN = 2048, kCalls = 400, kPrograms = 6;
  uint32_t* at = words(kN);
  for (uint32_t seed = 0; seed < kPrograms; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    Words model = random_words(kN, seed + 100);
    stream->upload(at, model.data(), 4 * kN);
    std::vector<std::pair<Words, Words>> reads;  // got, expected
    reads.reserve(kCalls);
    for (uint32_t call = 0; call < kCalls; ++call) {
      const uint32_t n = 1 + below(kN / 4), from = below(kN - n), to = below(kN - n);
      const bool apart = from + n <= to || to + n <= from;
      switch (below(7)) {
        case 0:
        case 1:
        case 2:
          if (!apart) break;
          launch(*stream, "conformance/blend", at + from, at + to, {n, 5, call});
          for (uint32_t i = 0; i < n; ++i) model[to + i] = model[to + i] * 5 + model[from + i] + call;
          break;
        case 3:
          stream->copy(at + to, at + from, 4 * n);
          std::memmove(&model[to], &model[from], 4 * n);
          break;
        case 4:
          stream->fill(at + to, call, 4, 4 * n);
          std::fill_n(&model[to], n, call);
          break;
        case 5: {
          const Words piece = random_words(n, call);
          stream->upload(at + to, piece.data(), 4 * n);
          std::copy(piece.begin(), piece.end(), &model[to]);
          break;
        }
        default:
          reads.emplace_back(Words(n), Words(&model[from], &model[from] + n));
          stream->download(reads.back().first.data(), at + from, 4 * n);
          if (below(3) == 0) stream->flush();
      }
    }
    ASSERT_EQ(get(at, kN), model) << "program " << seed;
    for (size_t i = 0; i < reads.size(); ++i)
      ASSERT_EQ(reads[i].first, reads[i].second) << "read " << i << " of " << seed;
  }
  device->free(at);
}

ANVIL_ON_EVERY_DRIVER(Hazards);

}  // namespace
}  // namespace anvil::conformance
