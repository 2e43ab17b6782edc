// Sorting and scanning: the planners, and the kernels as a GPU's planner chooses them.
#include "ops/sort.h"

#include <algorithm>
#include <numeric>

#include "ops/kernel_check.h"
#include "ops/planned_as.h"
#include "ops/scan.h"

namespace anvil::ops::test {
namespace {

Caps kind(DeviceKind k) {
  Caps c;
  c.kind = k;
  return c;
}

// The launches sort: each is played on an array, as the kernels do it.
TEST(Sort, PlansSort) {
  for (const DeviceKind k : {DeviceKind::cpu, DeviceKind::discrete})
    for (const uint32_t log : {0u, 1u, 5u, 10u, 11u, 13u}) {
      std::vector<uint32_t> v(size_t{1} << log);
      for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<uint32_t>(i * 2654435761u >> 7);
      std::vector<uint32_t> want = v;
      std::ranges::sort(want);
      const auto step = [&](uint32_t run, uint32_t apart) {
        for (size_t i = 0; i < v.size(); ++i)
          if (const size_t j = i ^ (size_t{1} << apart); j > i)
            if ((v[i] > v[j]) == (run >= log || (i >> run & 1) == 0)) std::swap(v[i], v[j]);
      };
      for (const SortLaunch& l : plan_sort(log, kind(k))) {
        EXPECT_TRUE(k != DeviceKind::cpu || !l.local);
        if (!l.local) step(l.first_run, l.log_apart);
        else
          for (uint32_t run = l.first_run; run <= l.last_run; ++run)
            for (uint32_t a = std::min(run, 10u); a-- > 0;) step(run, a);
      }
      EXPECT_EQ(v, want) << log;
    }
}

TEST(Sort, TopKWithSharedMemory) {
  ANVIL_GPU_OR_SKIP(device);
  PlannedAs as(device, DeviceKind::discrete, 16);
  for (const DType t : {DType::i32, DType::i64})
    for (const int64_t n : {3, 1000, 1024, 5000}) {
      std::vector<double> v(static_cast<size_t>(2 * n));
      for (size_t i = 0; i < v.size(); ++i) v[i] = static_cast<double>(i * 7919 % 997) - 500;
      const auto y = run_op(as, "TopKV2", {tensor(t, {2, n}, v), on_host(tensor(DType::i32, {}, {3.0}))},
                            {.attrs = {{"index_type", DType::i32}}});
      for (int64_t row = 0; row < 2; ++row) {
        std::vector<int32_t> order(static_cast<size_t>(n));
        std::iota(order.begin(), order.end(), 0);
        std::ranges::stable_sort(order, [&](int a, int b) { return v[row * n + a] > v[row * n + b]; });
        for (int64_t k = 0; k < 3; ++k) EXPECT_EQ(y[1].as<int32_t>()[row * 3 + k], order[k]) << n;
      }
    }
}

TEST(Scan, PlansCoverLines) {
  for (const DeviceKind k : {DeviceKind::cpu, DeviceKind::discrete})
    for (const int64_t lines : {1, 100, 5000})
      for (const int64_t length : {1, 64, 65, 4096, 100000}) {
        const ScanPlan p = plan_scan(lines, length, kind(k));
        EXPECT_GE(p.chunk * p.chunks, length);
        EXPECT_LT(p.chunk * (p.chunks - 1), length);
        EXPECT_LE(p.chunk, 4096);
      }
  EXPECT_EQ(plan_scan(1, 4096, kind(DeviceKind::discrete)).chunks, 64);
  EXPECT_EQ(plan_scan(5000, 4096, kind(DeviceKind::discrete)).chunks, 1);
}

}  // namespace
}  // namespace anvil::ops::test
