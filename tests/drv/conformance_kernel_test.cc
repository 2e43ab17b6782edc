// Kernels: how they are found, what they are given, how large a launch may be.
#include <set>
#include <thread>

#include "conformance.h"

namespace anvil::conformance {
namespace {

class Kernels : public Conformance {};

TEST_P(Kernels, AreFoundByNameAndKept) {
  const Kernel& k = device->kernel("conformance/affine");
  EXPECT_EQ(k.name(), "conformance/affine");
  EXPECT_EQ(&device->kernel("conformance/affine"), &k);
  expect_error(Code::internal, "conformance/absent", [&] { device->kernel("conformance/absent"); });
}

TEST_P(Kernels, AreBuiltOnceByManyThreads) {
  zero_counters();
  std::vector<const Kernel*> got(8);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < got.size(); ++t)
    threads.emplace_back([&, t] { got[t] = &device->kernel(t % 2 ? "conformance/affine" : "conformance/blend"); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(std::set<const Kernel*>(got.begin(), got.end()).size(), 2u);
  if (kernels()) {
    EXPECT_EQ(value(Counter::kernels_built), 2u);
  }
}

TEST_P(Kernels, ParametersOfTheWrongSizeAreRefused) {
  uint32_t* x = words(64);
  struct {
    uint32_t a;
  } little{1};
  expect_error(Code::internal, "bytes of parameters", [&] {
    stream->launch(device->kernel("conformance/affine"), Grid{1, 1, 1}, {{x, 256, Access::read}}, little);
  });
  stream->fill(x, 9, 4, 256);
  EXPECT_EQ(get(x, 1)[0], 9u);
  device->free(x);
}

TEST_P(Kernels, OfAnotherDeviceAreRefused) {
  const auto other = GetParam().open({});
  const Kernel& k = other->kernel("conformance/affine");
  uint32_t* x = words(64);
  expect_error(Code::internal, "another device", [&] {
    stream->launch(k, Grid{1, 1, 1}, {{x, 256, Access::read}, {x, 256, Access::write}}, Map{64, 1, 1});
  });
  device->free(x);
}

TEST_P(Kernels, AreCounted) {
  uint32_t* x = words(64);
  zero_counters();
  for (uint32_t i = 0; i < 5; ++i) affine(x, x, {64, 1, 1});
  stream->launch(device->kernel("conformance/affine"), Grid{0, 1, 1}, {{x, 256, Access::read}, {x, 256, Access::write}},
                 Map{0, 1, 1});
  finish();
  EXPECT_EQ(value(Counter::launches), 5u) << "a launch of no groups is none";
  device->free(x);
}

class RunningKernels : public Conformance {
 protected:
  void SetUp() override {
    if (!kernels()) GTEST_SKIP() << "runs no kernels";
    Conformance::SetUp();
  }
};

TEST_P(RunningKernels, ComputeInPlaceAndApart) {
  const Words host = random_words(100'003, 4);
  uint32_t* x = put(host);
  uint32_t* y = words(host.size());
  const auto n = static_cast<uint32_t>(host.size());
  affine(x, y, {n, 7, 5});
  affine(x, x, {n, 2, 1});
  const Words a = get(y, n), b = get(x, n);
  for (uint32_t i = 0; i < n; ++i) {
    ASSERT_EQ(a[i], host[i] * 7 + 5);
    ASSERT_EQ(b[i], host[i] * 2 + 1);
  }
  device->free(x);
  device->free(y);
}

TEST_P(RunningKernels, GetNullForAnEmptyRange) {
  uint32_t* y = words(1);
  const Kernel& k = device->kernel("conformance/is_null");
  const auto run = [&](const Arg& maybe) {
    const Arg args[] = {maybe, {y, 4, Access::write}};
    stream->launch(k, Grid{1, 1, 1}, args, std::span<const std::byte>{});
    return get(y, 1)[0];
  };
  EXPECT_EQ(run({nullptr, 0, Access::read}), 1u);
  EXPECT_EQ(run({&y, 0, Access::read}), 1u) << "an address of nothing is not looked at";
  EXPECT_EQ(run({y, 4, Access::read}), 2u);
  device->free(y);
}

TEST_P(RunningKernels, SeeEveryGroupOnce) {
  for (const Grid g : {Grid{1, 1, 1}, Grid{70'000 % 65'535, 3, 1}, Grid{5, 7, 11}, Grid{1, 1, 300}}) {
    const uint32_t n = g.x * g.y * g.z;
    uint32_t* y = words(n);
    stream->fill(y, 0, 4, 4ull * n);
    struct {
      uint32_t columns, rows;
    } p{g.x, g.y};
    stream->launch(device->kernel("conformance/number_groups"), g, {{y, 4ull * n, Access::write}}, p);
    const Words got = get(y, n);
    for (uint32_t i = 0; i < n; ++i) ASSERT_EQ(got[i], i + 1);
    device->free(y);
  }
}

TEST_P(RunningKernels, TooManyGroupsAreRefused) {
  uint32_t* y = words(1);
  struct {
    uint32_t columns, rows;
  } p{1, 1};
  expect_error(Code::unimplemented, "too large", [&] {
    stream->launch(device->kernel("conformance/number_groups"), Grid{1, 1, UINT32_MAX}, {{y, 4, Access::write}}, p);
  });
  device->free(y);
}

TEST_P(RunningKernels, TakeLargeParameterBlocksByPointer) {
  constexpr uint32_t kInputs = 24, kN = 100, kLaunches = 2000;  // more than the parameter pool holds at once
  struct {
    uint32_t count, term;
  } p{kN, 0};
  uint32_t* y = words(kN);
  std::vector<Arg> args;
  for (uint32_t k = 0; k < kInputs; ++k) args.push_back({put(Words(kN, k * k)), 4 * kN, Access::read});
  args.push_back({y, 4 * kN, Access::write});
  uint32_t sum = 0;
  for (uint32_t k = 0; k < kInputs; ++k) sum += k * k;
  const uint32_t launches = GetParam().waits ? 50 : kLaunches;
  for (uint32_t i = 0; i < launches; ++i) {
    p.term = i;
    stream->launch(device->kernel("conformance/sum_many"), Grid::line(div_up(kN, 64)), args,
                   std::as_bytes(std::span(&p, 1)));
  }
  EXPECT_EQ(get(y, kN), Words(kN, sum + launches - 1));
  EXPECT_LE(value(Counter::staging_bytes), 64u << 20);
  for (const Arg& a : args) device->free(const_cast<void*>(a.address));
}

ANVIL_ON_EVERY_DRIVER(Kernels);
ANVIL_ON_EVERY_DRIVER(RunningKernels);

}  // namespace
}  // namespace anvil::conformance
