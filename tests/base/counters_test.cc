#include "base/counters.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/shape.h"

namespace anvil {
namespace {

TEST(Counters, CountFromManyThreads) {
  reset_counters();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 10000; ++i) add(Counter::launches);
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(value(Counter::launches), 80000u);
}

TEST(Counters, ResetKeepsLevelsAndLowersPeaks) {
  reset_counters();
  add(Counter::device_bytes, 100);
  raise(Counter::device_bytes_peak, 100);
  raise(Counter::device_bytes_peak, 50);
  EXPECT_EQ(value(Counter::device_bytes_peak), 100u);
  subtract(Counter::device_bytes, 60);
  add(Counter::submissions, 5);
  reset_counters();
  EXPECT_EQ(value(Counter::submissions), 0u);
  EXPECT_EQ(value(Counter::device_bytes), 40u);
  EXPECT_EQ(value(Counter::device_bytes_peak), 40u);
  subtract(Counter::device_bytes, 40);
}

TEST(Counters, NamedFamiliesAreApart) {
  reset_counters();
  add_named("fallback", "Qr", 2);
  add_named("fallback", "Qr");
  add_named("other", "Qr");
  EXPECT_EQ(named("fallback").at("Qr"), 3u);
  EXPECT_EQ(named("other").at("Qr"), 1u);
  EXPECT_TRUE(named("none").empty());
}

TEST(Counters, EachHasItsOwnName) {
  std::vector<std::string> seen;
  for (size_t i = 0; i < static_cast<size_t>(Counter::count_); ++i) {
    const char* name = facts(static_cast<Counter>(i)).name;
    ASSERT_NE(name, nullptr) << i;
    for (const auto& s : seen) EXPECT_NE(s, name);
    seen.emplace_back(name);
  }
}

TEST(Log, KeepsTheNewestPlanLinesOnce) {
  clear_log();
  for (size_t i = 0; i < kLogRing + 10; ++i) log_once(LogKind::plan, str("line ", i % (kLogRing + 5)));
  const auto lines = recent_log(LogKind::plan);
  ASSERT_EQ(lines.size(), kLogRing);
  EXPECT_EQ(lines.front(), "line 5");
  EXPECT_EQ(lines.back(), str("line ", kLogRing + 4));
  clear_log();
}

TEST(Error, MessageIsBuiltFromItsParts) {
  try {
    require(false, Code::invalid_argument, "shapes ", text({2, 3}), " and ", text({}), " differ");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code, Code::invalid_argument);
    EXPECT_STREQ(e.what(), "shapes [2,3] and [] differ");
  }
}

}  // namespace
}  // namespace anvil
