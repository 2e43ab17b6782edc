// Every kernel that the product ships, as a compiler of Metal's language sees it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "apple/msl/kernel.h"
#include "drv/pack.h"

namespace apple::msl {
namespace {

std::string text_of(const anvil::Pack& pack, const std::string& name) {
  const auto code = pack.load(name, anvil::PackTarget::msl).code;
  return {reinterpret_cast<const char*>(code.data()), code.size()};
}

TEST(ShippedKernels, Compile) {
  constexpr size_t kAtOnce = 128;
  const anvil::Pack pack(ANVIL_TEST_PACK);
  const std::vector<std::string> names = pack.names(anvil::PackTarget::msl);
  ASSERT_GT(names.size(), 1000u);
  std::atomic<size_t> next{0};
  const auto look = [&] {
    std::vector<std::string> refused;
    for (size_t first; (first = next.fetch_add(kAtOnce)) < names.size();) {
      const size_t count = std::min(kAtOnce, names.size() - first);
      std::vector<std::string> texts;
      for (size_t i = 0; i < count; ++i) texts.push_back(text_of(pack, names[first + i]));
      const std::vector<std::string> errors = check(texts);
      for (size_t i = 0; i < count; ++i)
        if (!errors[i].empty()) refused.push_back(names[first + i] + ":\n" + errors[i]);
    }
    return refused;
  };
  std::vector<std::future<std::vector<std::string>>> lookers;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    lookers.push_back(std::async(std::launch::async, look));
  for (auto& looker : lookers)
    for (const std::string& refused : looker.get()) ADD_FAILURE() << refused;
  RecordProperty("kernels", static_cast<int>(names.size()));
}

TEST(ShippedKernels, ErrorsAreSortedByKernel) {
  const std::string good = "#include <metal_stdlib>\nkernel void f(device float* x [[buffer(0)]]) { x[0] = 1.5; }\n";
  const std::string bad = "#include <metal_stdlib>\nkernel void f(device float* x [[buffer(0)]]) { x[0] = absent; }\n";
  const std::string worse =
      "#include <metal_stdlib>\nkernel void f(device uint* x [[buffer(0)]]) { x[0] = min(1, 2u); }\n";
  const std::string none = "kernel void f(device float* x) {}";
  const auto errors = check({good, bad, good, worse, none});
  EXPECT_EQ(errors[0], "");
  EXPECT_NE(errors[1].find("absent"), std::string::npos) << errors[1];
  EXPECT_EQ(errors[2], "");
  EXPECT_NE(errors[3].find("min"), std::string::npos) << errors[3];
  EXPECT_NE(errors[4].find("without an attribute"), std::string::npos) << errors[4];
}

}  // namespace
}  // namespace apple::msl
