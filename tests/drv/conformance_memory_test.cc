// Device memory: addresses, limits, return, and what must not be touched.
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "conformance.h"

namespace anvil::conformance {
namespace {

class Memory : public Conformance {};

// The protection of the page at `address` as the kernel lists it, e.g. "rw-p".
std::string protection(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uint64_t from = 0, to = 0;
    char flags[8] = {};
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, flags) != 3) continue;
    const auto at = reinterpret_cast<uintptr_t>(address);
    if (at >= from && at < to) return flags;
  }
  return "unmapped";
}

TEST_P(Memory, AddressesAreAlignedAndApart) {
  std::vector<std::pair<uintptr_t, uint64_t>> got;
  std::vector<void*> all;
  for (uint64_t bytes : {1u, 255u, 256u, 257u, 4096u, 100'000u, 1u << 20}) {
    all.push_back(allocate(bytes));
    const auto at = reinterpret_cast<uintptr_t>(all.back());
    EXPECT_EQ(at % 256, 0u) << bytes;
    for (const auto& [other, size] : got) EXPECT_TRUE(at >= other + size || at + bytes <= other);
    got.emplace_back(at, bytes);
  }
  for (void* p : all) device->free(p);
}

TEST_P(Memory, GuardedAddressesAreInaccessible) {
  void* p = allocate(1 << 20);
  if (GetParam().guarded) {
    EXPECT_EQ(protection(p), "---p");
    EXPECT_EQ(protection(static_cast<char*>(p) + (1 << 20) - 1), "---p");
  } else {
    EXPECT_EQ(protection(p).substr(0, 2), "rw");
  }
  device->free(p);
}

TEST_P(Memory, InfoAndCountersFollowAllocations) {
  const MemoryInfo before = device->memory();
  EXPECT_GT(before.total, 0u);
  EXPECT_LE(before.free, before.total);
  zero_counters();
  constexpr uint64_t kBytes = 8u << 20;
  void* p = allocate(kBytes);
  EXPECT_EQ(value(Counter::device_bytes), kBytes);
  EXPECT_EQ(value(Counter::allocations), 1u);
  EXPECT_LE(device->memory().free + kBytes, before.free + (1u << 20));
  device->free(p);
  EXPECT_EQ(value(Counter::device_bytes), 0u);
  EXPECT_EQ(value(Counter::device_bytes_peak), kBytes);
  EXPECT_EQ(value(Counter::frees), 1u);
}

TEST_P(Memory, FreeOfNothingAndOfStrangers) {
  device->free(nullptr);
  char mine = 0;
  expect_error(Code::internal, "not an allocation", [&] { device->free(&mine); });
  void* p = allocate(4096);
  expect_error(Code::internal, "not an allocation", [&] { device->free(static_cast<char*>(p) + 256); });
  device->free(p);
  expect_error(Code::internal, "not an allocation", [&] { device->free(p); });
}

TEST_P(Memory, LimitIsHonouredAndSurvived) {
  open({.memory_limit = 4u << 20});
  EXPECT_LE(device->memory().total, 4u << 20);
  void* a = allocate(3u << 20);
  expect_error(Code::resource_exhausted, "2097152 bytes", [&] { allocate(2u << 20); });
  void* b = allocate(1u << 20);
  device->free(a);
  finish();
  void* c = allocate(2u << 20);
  EXPECT_EQ(get(put(Words{1, 2, 3}), 3), (Words{1, 2, 3}));
  device->free(b);
  device->free(c);
  open({});  // frees what put() allocated
}

TEST_P(Memory, UseOutsideOfAllocationsIsRefusedAndTheStreamGoesOn) {
  Words host(64, 7);
  uint32_t* p = put(host);
  uint32_t* gone = words(64);
  device->free(gone);
  const auto refused = [&](const std::function<void()>& f) { expect_error(Code::internal, "live allocation", f); };
  refused([&] { stream->copy(p, gone, 16); });
  refused([&] { stream->copy(p + 32, p, 4 * 33); });
  refused([&] { stream->upload(p + 63, host.data(), 8); });
  refused([&] { stream->download(host.data(), p - 1, 4); });
  refused([&] { stream->fill(p, 0, 1, 4 * 64 + 1); });
  refused([&] { affine(p, gone, {64, 1, 1}); });
  refused([&] { affine(p, p + 1, {64, 1, 1}); });
  EXPECT_EQ(get(p, 64), Words(64, 7));
  device->free(p);
}

TEST_P(Memory, FreedMemoryServesTheWorkRecordedBefore) {
  if (!kernels()) GTEST_SKIP() << "runs no kernels";
  const Words host = random_words(1024, 1);
  uint32_t* x = put(host);
  uint32_t* middle = words(1024);
  uint32_t* y = words(1024);
  busy(*stream, x, middle, 1024, 1'200);
  affine(middle, y, {1024, 3, 1});
  device->free(x);
  device->free(middle);
  // New allocations must not land on what is still in use.
  std::vector<uint32_t*> others;
  for (int i = 0; i < 8; ++i) {
    others.push_back(words(1024));
    stream->fill(others.back(), 0xdeadbeef, 4, 4096);
  }
  const Words got = get(y, 1024);
  for (size_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], spun(host[i], 1'200) * 3 + 1) << i;
  device->free(y);
  for (uint32_t* p : others) device->free(p);
  device->memory();
  EXPECT_EQ(value(Counter::device_bytes), 0u);
}

TEST_P(Memory, ChurnStaysFlat) {
  constexpr uint64_t kBytes = 1u << 16;
  zero_counters();
  const Words host = random_words(kBytes / 4, 3);
  for (int i = 0; i < 1000; ++i) {
    uint32_t* a = words(kBytes / 4);
    uint32_t* b = words(kBytes / 4);
    stream->upload(a, host.data(), kBytes);
    stream->copy(b, a, kBytes);
    stream->fill(a, static_cast<uint32_t>(i), 4, kBytes);
    device->free(a);
    device->free(b);
    if (i % 50 == 49) finish();
  }
  finish();
  device->memory();
  EXPECT_EQ(value(Counter::device_bytes), 0u);
  EXPECT_LE(value(Counter::device_bytes_peak), 110 * kBytes);
  EXPECT_EQ(value(Counter::allocations), value(Counter::frees));
}

TEST_P(Memory, FullMemoryWaitsForWhatIsBeingFreed) {
  open({.memory_limit = 1u << 20});
  // Each round fits only once the one before is given back, and that only once its work is done.
  for (int i = 0; i < 20; ++i) {
    void* p = allocate(768u << 10);
    stream->fill(p, static_cast<uint32_t>(i), 4, 768u << 10);
    device->free(p);
  }
  finish();
}

ANVIL_ON_EVERY_DRIVER(Memory);

}  // namespace
}  // namespace anvil::conformance
