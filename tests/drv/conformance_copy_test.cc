// Copies of every size, offset and overlap; fills; what must stay as it was.
#include <cstring>

#include "conformance.h"

namespace anvil::conformance {
namespace {

class Copies : public Conformance {};

constexpr uint64_t kSizes[] = {1,  2,  3,  4,   5,   7,   8,   15,   16,   17,   31,    32,     33,
                               63, 64, 65, 127, 255, 256, 257, 1023, 4096, 4099, 65537, 300'001};

TEST_P(Copies, ToAndFromTheHostAtEverySizeAndOffset) {
  constexpr uint64_t kAll = 310'000;
  auto* at = static_cast<uint8_t*>(allocate(kAll));
  Bytes model = random_bytes(kAll, 1);
  stream->upload(at, model.data(), kAll);
  uint32_t seed = 2;
  for (const uint64_t bytes : kSizes)
    for (const uint64_t offset : {0, 1, 2, 3, 4, 5, 255}) {
      const Bytes piece = random_bytes(bytes, ++seed);
      std::memcpy(&model[offset], piece.data(), bytes);
      stream->upload(at + offset, piece.data(), bytes);
      ASSERT_EQ(get(at + offset, bytes), piece) << bytes << " at " << offset;
    }
  EXPECT_EQ(get(at, kAll), model);
  device->free(at);
}

TEST_P(Copies, OnTheDeviceAtEverySizeAndOffset) {
  constexpr uint64_t kAll = 310'000;
  auto* from = static_cast<uint8_t*>(allocate(kAll));
  auto* to = static_cast<uint8_t*>(allocate(kAll));
  const Bytes source = random_bytes(kAll, 1);
  Bytes model = random_bytes(kAll, 2);
  stream->upload(from, source.data(), kAll);
  stream->upload(to, model.data(), kAll);
  for (const uint64_t bytes : kSizes)
    for (const uint64_t a : {0, 1, 3, 6})
      for (const uint64_t b : {0, 2, 5, 257}) {
        stream->copy(to + b, from + a, bytes);
        std::memcpy(&model[b], &source[a], bytes);
      }
  EXPECT_EQ(get(to, kAll), model);
  EXPECT_EQ(get(from, kAll), source);
  device->free(from);
  device->free(to);
}

TEST_P(Copies, OverlappingIsAsMemmove) {
  constexpr uint64_t kAll = 5u << 20;
  auto* at = static_cast<uint8_t*>(allocate(kAll));
  Bytes model = random_bytes(kAll, 1);
  stream->upload(at, model.data(), kAll);
  const auto move = [&](uint64_t to, uint64_t from, uint64_t bytes) {
    stream->copy(at + to, at + from, bytes);
    std::memmove(&model[to], &model[from], bytes);
  };
  for (const uint64_t distance : {1, 2, 3, 4, 7, 64, 1000, 4096})
    for (const uint64_t bytes : {2u, 5u, 100u, 5000u, 70'001u}) {
      move(10 + distance, 10, bytes);
      move(10, 10 + distance, bytes);
    }
  move(0, 1, 3u << 20);
  move(3, 0, 3u << 20);
  move(0, (1u << 20) + 5, 3u << 20);
  move((1u << 20) + 1, 0, 3u << 20);
  move(64, 64, 1000);
  EXPECT_EQ(get(at, kAll), model);
  device->free(at);
}

TEST_P(Copies, FillsAtEverySizeAndOffset) {
  constexpr uint64_t kAll = 310'000;
  auto* at = static_cast<uint8_t*>(allocate(kAll));
  Bytes model = random_bytes(kAll, 1);
  stream->upload(at, model.data(), kAll);
  uint8_t byte = 1;
  for (const uint64_t bytes : kSizes)
    for (const uint64_t offset : {0, 1, 2, 3, 4, 255}) {
      stream->fill(at + offset, 0xabcdef00u | ++byte, 1, bytes);
      std::memset(&model[offset], byte, bytes);
    }
  for (const uint64_t n : {1u, 2u, 3u, 64u, 1001u}) {
    const uint32_t pattern = 0x01020304u * n;
    stream->fill(at + 4 * n, pattern, 4, 4 * n);
    for (uint64_t i = 0; i < n; ++i) std::memcpy(&model[4 * n + 4 * i], &pattern, 4);
  }
  EXPECT_EQ(get(at, kAll), model);
  device->free(at);
}

TEST_P(Copies, BadFillsAreRefused) {
  auto* at = static_cast<uint8_t*>(allocate(64));
  expect_error(Code::internal, "4-byte aligned", [&] { stream->fill(at + 1, 0, 4, 4); });
  expect_error(Code::internal, "4-byte aligned", [&] { stream->fill(at, 0, 4, 6); });
  expect_error(Code::internal, "pattern of 3", [&] { stream->fill(at, 0, 3, 6); });
  device->free(at);
}

TEST_P(Copies, OfNothingTouchNothing) {
  Words host(4, 5);
  uint32_t* at = put(host);
  uint32_t* null = nullptr;
  stream->copy(null, null, 0);
  stream->upload(null, nullptr, 0);
  stream->download(nullptr, null, 0);
  stream->fill(null, 1, 1, 0);
  EXPECT_EQ(get(at, 4), host);
  device->free(at);
}

TEST_P(Copies, TheSourceOfAnUploadMayBeReusedAtOnce) {
  constexpr size_t kWords = 10'000;
  uint32_t* at = words(kWords * 8);
  Words host(kWords);
  for (uint32_t k = 0; k < 8; ++k) {
    std::fill(host.begin(), host.end(), k + 1);
    stream->upload(at + k * kWords, host.data(), 4 * kWords);
    if (k % 2) stream->copy(at + k * kWords, at + (k - 1) * kWords, 4);  // so that some are staged
  }
  std::fill(host.begin(), host.end(), 99);
  const Words got = get(at, kWords * 8);
  for (uint32_t k = 0; k < 8; ++k) {
    EXPECT_EQ(got[k * kWords], k % 2 ? k : k + 1);
    EXPECT_EQ(got[k * kWords + kWords - 1], k + 1);
  }
  device->free(at);
}

TEST_P(Copies, LargerThanEveryStagingPool) {
  constexpr size_t kWords = 6u << 20;  // 24 MiB
  const Words host = random_words(kWords, 9);
  uint32_t* a = words(kWords);
  uint32_t* b = words(kWords);
  stream->fill(a, 0, 1, 4 * kWords);  // makes the range busy: the upload cannot go straight there
  stream->upload(a, host.data(), 4 * kWords);
  stream->copy(b, a, 4 * kWords);
  EXPECT_EQ(get(b, kWords), host);
  EXPECT_LE(value(Counter::staging_bytes), 64u << 20);
  device->free(a);
  device->free(b);
}

TEST_P(Copies, BytesAreCounted) {
  uint32_t* a = words(100);
  uint32_t* b = words(100);
  const Words host(100, 1);
  zero_counters();
  stream->upload(a, host.data(), 400);
  stream->copy(b, a, 400);
  get(b, 50);
  EXPECT_EQ(value(Counter::bytes_to_device), 400u);
  EXPECT_EQ(value(Counter::bytes_on_device), 400u);
  EXPECT_EQ(value(Counter::bytes_to_host), 200u);
  device->free(a);
  device->free(b);
}

ANVIL_ON_EVERY_DRIVER(Copies);

}  // namespace
}  // namespace anvil::conformance
