// Points, waits between streams, submission, time, and calls from many threads.
#include <thread>

#include "conformance.h"

namespace anvil::conformance {
namespace {

class Streams : public Conformance {
 protected:
  // A stream uploads to what a kernel of another is reading; without `waits` it is not told of it.
  void upload_behind_a_reader(bool waits) {
    const auto loads = device->stream(StreamKind::transfer);
    constexpr uint32_t kN = 1024;
    uint32_t* x = put(Words(kN, 1));
    uint32_t* y = words(kN);
    finish();
    busy(*stream, x, y, kN, 30'000);
    if (waits) loads->wait(stream->flush());
    const Words next(kN, 7);
    loads->upload(x, next.data(), 4 * kN);
    stream->wait(loads->flush());
    EXPECT_EQ(get(y, kN), Words(kN, spun(1, 30'000)));
    EXPECT_EQ(get(x, kN), next);
    device->free(x);
    device->free(y);
  }
};

TEST_P(Streams, PointsGrowAndAreReached) {
  uint32_t* x = words(64);
  EXPECT_TRUE(stream->reached(0));
  const Point empty = stream->flush();
  EXPECT_TRUE(stream->reached(empty.value));
  EXPECT_EQ(empty.stream, stream.get());
  uint64_t last = empty.value;
  for (int i = 0; i < 50; ++i) {
    stream->fill(x, 1, 4, 256);
    const Point p = stream->flush();
    EXPECT_GT(p.value, last);
    last = p.value;
  }
  EXPECT_EQ(stream->flush().value, last) << "nothing was recorded";
  stream->sync(last, WaitFor::host);
  EXPECT_TRUE(stream->reached(last));
  EXPECT_TRUE(stream->reached(1));
  device->free(x);
}

TEST_P(Streams, RecordingAndFlushingDoNotWait) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  if (GetParam().waits) GTEST_SKIP() << "waits by design";
  uint32_t* x = put(Words(1024, 1));
  uint32_t* y = words(1024);
  device->kernel("conformance/spin");
  finish();
  zero_counters();
  busy(*stream, x, y, 1024, 60'000);
  const Point p = stream->flush();
  EXPECT_FALSE(stream->reached(p.value)) << "the GPU is too fast for this test";
  for (int i = 0; i < 20; ++i) stream->flush();
  Words got(1024);
  stream->download(got.data(), y, 4096);
  const Point q = stream->flush();
  EXPECT_EQ(value(Counter::waits), 0u);
  stream->sync(q.value, WaitFor::script_read);
  EXPECT_EQ(value(Counter::waits), 0u);
  EXPECT_EQ(value(Counter::script_reads), 1u);
  EXPECT_EQ(got[5], spun(1, 60'000));
  device->free(x);
  device->free(y);
}

TEST_P(Streams, WorkReachesAnIdleDeviceWithoutAFlush) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  uint32_t* x = put(Words(64, 1));
  finish();
  zero_counters();
  for (int i = 0; i < 8; ++i) affine(x, x, {64, 1, 1});
  EXPECT_GE(value(Counter::submissions), 1u);
  finish();
  zero_counters();
  for (int i = 0; i < 400; ++i) affine(x, x, {64, 1, 1});
  if (!GetParam().waits) {
    EXPECT_LE(value(Counter::submissions), 101u);
  }
  EXPECT_EQ(get(x, 1)[0], 409u);
  device->free(x);
}

TEST_P(Streams, AWaitOrdersTwoStreams) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  const auto other = device->stream(StreamKind::compute);
  constexpr uint32_t kN = 1024, kRounds = 30;
  uint32_t* x = put(Words(kN, 0));
  uint32_t* y = put(Words(kN, 0));
  finish();
  // Ping-pong: each round depends on the other stream's round before.
  for (uint32_t i = 0; i < kRounds; ++i) {
    launch(*stream, "conformance/spin", x, y, {kN, 100, i});
    other->wait(stream->flush());
    affine(*other, y, x, {kN, 3, 1});
    stream->wait(other->flush());
  }
  uint32_t model = 0;
  for (uint32_t i = 0; i < kRounds; ++i) model = (spun(model, 100) + i) * 3 + 1;
  EXPECT_EQ(get(x, kN), Words(kN, model));
  device->free(x);
  device->free(y);
}

TEST_P(Streams, WaitsAreTransitive) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  const auto a = device->stream(StreamKind::compute), b = device->stream(StreamKind::transfer);
  constexpr uint32_t kN = 1024;
  uint32_t* x = put(Words(kN, 1));
  uint32_t* y = put(Words(kN, 0));
  finish();
  for (int round = 0; round < 5; ++round) {
    stream->fill(y, 0, 4, 4 * kN);
    busy(*stream, x, y, kN, 18'000);
    a->wait(stream->flush());
    b->wait(a->flush());  // a has no work of its own
    EXPECT_EQ(get(y, kN, *b), Words(kN, spun(1, 18'000)));
    stream->wait(b->flush());
  }
  // The middle stream's point is reached only when the first one's is.
  busy(*stream, x, y, kN, 60'000);
  const Point p = stream->flush();
  a->wait(p);
  const Point q = a->flush();
  a->sync(q.value, WaitFor::host);
  EXPECT_TRUE(stream->reached(p.value));
  finish();
  device->free(x);
  device->free(y);
}

TEST_P(Streams, AReadOnOneStreamHoldsBackAWriterOfAnother) {
  const auto other = device->stream(StreamKind::compute);
  constexpr size_t kWords = 500'000;
  uint32_t* x = words(kWords);
  for (uint32_t i = 0; i < 10; ++i) {
    stream->fill(x, i, 4, 4 * kWords);
    Words got(kWords);
    stream->download(got.data(), x, 4 * kWords);
    const Point p = stream->flush();
    other->wait(p);
    other->fill(x, 0xffffffff, 4, 4 * kWords);
    stream->wait(other->flush());
    stream->sync(p.value, WaitFor::script_read);
    ASSERT_EQ(got, Words(kWords, i));
  }
  finish();
  device->free(x);
}

TEST_P(Streams, AnUploadIsOrderedBehindAnotherStreamsReader) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  upload_behind_a_reader(true);
}

TEST_P(Streams, AnUploadComesAfterWhatOthersHaveRecordedOnItsRange) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  upload_behind_a_reader(false);
}

TEST_P(Streams, APointOfItsOwnOrOfAClosedStreamIsNoObstacle) {
  uint32_t* x = words(64);
  Point gone;
  {
    const auto other = device->stream(StreamKind::compute);
    other->fill(x, 3, 4, 256);
    gone = other->flush();
  }
  stream->wait(gone);
  EXPECT_EQ(get(x, 64), Words(64, 3));
  stream->fill(x, 4, 4, 256);
  stream->wait(stream->flush());
  stream->wait({});
  EXPECT_EQ(get(x, 64), Words(64, 4));
  device->free(x);
}

TEST_P(Streams, ClosingAStreamFinishesItsWork) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  constexpr uint32_t kN = 1024;
  uint32_t* x = put(Words(kN, 1));
  uint32_t* y = words(kN);
  finish();
  Words got(kN);
  {
    const auto other = device->stream(StreamKind::compute);
    busy(*other, x, y, kN, 6'000);
    other->download(got.data(), y, 4 * kN);
  }
  EXPECT_EQ(got, Words(kN, spun(1, 6'000)));
  device->free(x);
  device->free(y);
}

TEST_P(Streams, MarksMeasureTheDevice) {
  uint32_t* x = words(1024);
  stream->fill(x, 1, 4, 4096);
  const uint64_t a = stream->mark();
  if (kernels()) busy(*stream, x, x, 1024, 6'000);
  const uint64_t b = stream->mark();
  finish();
  const uint64_t ns = stream->elapsed(a, b);
  if (a == 0) {
    EXPECT_EQ(ns, 0u);
  } else {
    EXPECT_GT(ns, 1000u);
    EXPECT_LT(ns, 60'000'000'000u);
  }
  for (int i = 0; i < 3000; ++i) stream->mark();
  finish();
  EXPECT_EQ(stream->elapsed(a, b), 0u) << "long left the ring";
  device->free(x);
}

TEST_P(Streams, ManyThreadsOnTheirOwnStreams) {
  constexpr int kThreads = 6;
  constexpr uint32_t kN = 3000, kRounds = 40;
  std::vector<Words> got(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const auto mine = device->stream(t % 2 ? StreamKind::transfer : StreamKind::compute);
      auto* a = static_cast<uint32_t*>(device->allocate(4 * kN));
      Words host(kN);
      for (uint32_t i = 0; i < kRounds; ++i) {
        auto* b = static_cast<uint32_t*>(device->allocate(4 * kN));
        std::fill(host.begin(), host.end(), static_cast<uint32_t>(t) * 1000 + i);
        mine->upload(b, host.data(), 4 * kN);
        mine->copy(a, b, 4 * kN);
        mine->fill(a, i, 4, 4);
        device->free(b);
        if (i % 7 == 0) mine->sync(mine->flush().value, WaitFor::host);
      }
      got[static_cast<size_t>(t)] = get(a, kN, *mine);
      device->free(a);
    });
  for (auto& t : threads) t.join();
  for (uint32_t t = 0; t < kThreads; ++t) {
    EXPECT_EQ(got[t][0], kRounds - 1);
    EXPECT_EQ(got[t][kN - 1], t * 1000 + kRounds - 1);
  }
}

TEST_P(Streams, ManyThreadsOnOneStream) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  constexpr int kThreads = 6;
  constexpr uint32_t kN = 500, kRounds = 100;
  std::vector<uint32_t*> at;
  for (int t = 0; t < kThreads; ++t) at.push_back(put(Words(kN, 0)));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      uint32_t* mine = at[static_cast<size_t>(t)];
      for (uint32_t i = 0; i < kRounds; ++i) {
        affine(mine, mine, {kN, 3, i});
        if (i % 10 == 0) stream->reached(stream->flush().value);
      }
    });
  for (auto& t : threads) t.join();
  uint32_t model = 0;
  for (uint32_t i = 0; i < kRounds; ++i) model = model * 3 + i;
  for (uint32_t* a : at) {
    EXPECT_EQ(get(a, kN), Words(kN, model));
    device->free(a);
  }
}

ANVIL_ON_EVERY_DRIVER(Streams);

}  // namespace
}  // namespace anvil::conformance
