// What a launch costs the host: recording, hazards and a share of the submission, on the calling thread alone.
#include <ctime>

#include <algorithm>
#include <cstdio>

#include "base/options.h"
#include "conformance.h"

namespace anvil::conformance {
namespace {

class LaunchCost : public Conformance {};

// Time of this thread, so that a GPU that runs on the same cores does not count.
double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

#ifndef __has_feature  // how clang says what GCC says by macros
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
constexpr bool kMeasures = false;
#else
constexpr bool kMeasures = true;
#endif

TEST_P(LaunchCost, IsAFewMicroseconds) {
  const bool slow_by_design = GetParam().waits || options().validate;
  if (!kMeasures || slow_by_design) GTEST_SKIP() << "not built or opened for speed";
  constexpr uint32_t kN = 64, kLaunches = 2000, kRounds = 9, kBuffers = 8;
  std::vector<uint32_t*> at;
  for (uint32_t i = 0; i < kBuffers; ++i) at.push_back(put(Words(kN, 1)));
  const Kernel& k = device->kernel("conformance/affine");
  std::vector<double> us;
  for (uint32_t round = 0; round < kRounds; ++round) {
    finish();
    const double start = thread_seconds();
    for (uint32_t i = 0; i < kLaunches; ++i)
      stream->launch(k, Grid{1, 1, 1},
                     {{at[i % kBuffers], 4 * kN, Access::read}, {at[(i + 1) % kBuffers], 4 * kN, Access::write}},
                     Map{kN, 3, 1});
    us.push_back((thread_seconds() - start) * 1e6 / kLaunches);
  }
  std::sort(us.begin(), us.end());
  std::printf("%s: %.2f us a launch (best of %u; median %.2f)\n", GetParam().name.c_str(), us.front(), kRounds,
              us[kRounds / 2]);
  RecordProperty("microseconds", std::to_string(us.front()));
  // The best: what other programs on the machine take from a shared cache is no cost of a launch.
  EXPECT_LT(us.front(), 5.0);
  finish();
  for (uint32_t* a : at) device->free(a);
}

ANVIL_ON_EVERY_DRIVER(LaunchCost);

}  // namespace
}  // namespace anvil::conformance
