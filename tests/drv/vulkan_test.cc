// What only the Vulkan driver does: choosing devices, declining, and its pipeline cache on disk.
#include "drv/vulkan/device.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "base/counters.h"
#include "drv/pack.h"

namespace anvil {
namespace {

namespace fs = std::filesystem;

// Sets an environment variable until it goes out of scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value, 1);
  }
  ~Variable() {
    if (before_) setenv(name_, before_->c_str(), 1);
    else unsetenv(name_);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class Vulkan : public testing::Test {
 protected:
  void SetUp() override {
    config_.options = options();
    config_.options.software_device = true;
    config_.options.device.clear();
    config_.options.cache_dir = folder_.string();
    config_.pack = &pack_;
    if (open().empty()) GTEST_SKIP() << "no Vulkan device: " << why_;
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::unique_ptr<Device>> open() { return vulkan::open_devices(config_, why_); }
  // Opens a device, builds a kernel, closes.
  void use() {
    const auto devices = open();
    ASSERT_FALSE(devices.empty()) << why_;
    devices[0]->kernel("conformance/affine");
  }
  fs::path file() const {
    for (const auto& e : fs::directory_iterator(folder_)) return e.path();
    return {};
  }
  uint64_t discarded() const { return value(Counter::pipeline_cache_discarded); }
  void damage(const std::function<void(std::string&)>& change) {
    std::ifstream in(file(), std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    in.close();
    change(bytes);
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }

  Pack pack_{ANVIL_CONFORMANCE_PACK};
  vulkan::Config config_;
  std::string why_;
  fs::path folder_ = fs::temp_directory_path() / ("anvil_vulkan_test_" + std::to_string(getpid()));
};

TEST_F(Vulkan, OffersTheDeviceAskedFor) {
  const auto all = open();
  for (size_t i = 0; i < all.size(); ++i) {
    config_.options.device = std::to_string(i);
    const auto one = open();
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(one[0]->caps().uuid, all[i]->caps().uuid);
  }
  std::string part = all[0]->caps().name.substr(0, 4);
  for (char& c : part) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  config_.options.device = part;
  EXPECT_FALSE(open().empty());
  config_.options.device = "no such device";
  EXPECT_TRUE(open().empty());
  EXPECT_NE(why_.find("no such device"), std::string::npos) << why_;
  config_.options.device = std::to_string(all.size());
  EXPECT_TRUE(open().empty());
  config_.options.device = "none";
  EXPECT_TRUE(open().empty());
}

TEST_F(Vulkan, OffersTheDevicesOfAListInItsOrderAndEachOnce) {
  const auto all = open();
  std::string backwards;
  for (size_t i = all.size(); i-- > 0;) backwards += std::to_string(i) + ", ";
  config_.options.device = backwards + "0,no such device";
  const auto found = open();
  ASSERT_EQ(found.size(), all.size()) << why_;
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(found[i]->caps().uuid, all[all.size() - 1 - i]->caps().uuid);
  config_.options.device = "no such device, nor this";
  EXPECT_TRUE(open().empty());
  for (const std::string part : {"\"no such device\", \"nor this\" names none", all[0]->caps().name.c_str()})
    EXPECT_NE(why_.find(part), std::string::npos) << why_;
}

TEST_F(Vulkan, OffersADeviceSeveralTimes) {
  const size_t once = open().size();
  config_.options.virtual_devices = 3;
  config_.options.memory_limit = 96ull << 20;
  const auto devices = open();
  ASSERT_EQ(devices.size(), 3 * once) << why_;
  for (const auto& d : devices) EXPECT_EQ(d->memory().total, 32ull << 20);
  void* held = devices[0]->allocate(20ull << 20);
  EXPECT_EQ(devices[0]->memory().free, 12ull << 20);
  EXPECT_EQ(devices[1]->memory().free, 32ull << 20) << "each has memory of its own";
  EXPECT_THROW(devices[0]->allocate(20ull << 20), Error);
  devices[0]->free(held);
}

TEST_F(Vulkan, OffersSoftwareDevicesOnlyWhenAsked) {
  config_.options.software_device = false;
  for (const auto& d : open()) EXPECT_FALSE(d->caps().cpu_type()) << d->caps().name;
  if (open().empty()) {
    EXPECT_NE(why_.find("ANVIL_SOFTWARE_DEVICE=1"), std::string::npos) << why_;
  }
}

// In a process of its own (it inherits the variables), since a process keeps the drivers it has loaded.
TEST(VulkanDeathTest, WithoutADriverSaysWhatToDo) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto look = [] {
    std::string why;
    const size_t devices = vulkan::open_devices(why).size();
    std::fprintf(stderr, "%zu devices: %s\n", devices, why.c_str());
    std::exit(0);
  };
  const Variable icd("VK_ICD_FILENAMES", "/absent.json"), drivers("VK_DRIVER_FILES", "/absent.json");
  EXPECT_EXIT(look(), testing::ExitedWithCode(0), "0 devices: Vulkan found no usable driver.*install");
}

TEST_F(Vulkan, CapsAreFacts) {
  const auto devices = open();
  for (const auto& d : devices) {
    const Caps& c = d->caps();
    EXPECT_FALSE(c.name.empty());
    EXPECT_NE(c.driver.find("vulkan: "), std::string::npos);
    EXPECT_EQ(c.uuid.size(), 64u);
    EXPECT_GE(c.subgroup, 1u);
    EXPECT_GE(c.max_group, 128u);
    EXPECT_GE(c.group_memory, 16384u);
    EXPECT_GE(c.cores, 1u);
    EXPECT_TRUE(c.f16);
    EXPECT_GT(c.memory, 0u);
    EXPECT_GT(c.max_allocation, 0u);
  }
  config_.options.plan_as = "discrete";
  EXPECT_EQ(open()[0]->caps().kind, DeviceKind::discrete);
}

TEST_F(Vulkan, TheCacheIsWrittenAndReadAgain) {
  use();
  ASSERT_FALSE(file().empty());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "nothing is left beside it";
  const uint64_t before = discarded();
  use();
  EXPECT_EQ(discarded(), before);
}

TEST_F(Vulkan, ADamagedCacheIsDiscardedAndRebuilt) {
  const std::function<void(std::string&)> damages[] = {
      [](std::string& s) { s.back() = static_cast<char>(s.back() ^ 1); },
      [](std::string& s) { s.pop_back(); },
      [](std::string& s) { s += "more"; },
      [](std::string& s) { s.resize(10); },
      [](std::string& s) { s.clear(); },
      [](std::string& s) { s[0] = 'X'; },
  };
  for (const auto& d : damages) {
    use();
    damage(d);
    const uint64_t before = discarded();
    use();
    EXPECT_EQ(discarded(), before + 1);
    use();
    EXPECT_EQ(discarded(), before + 1) << "it was not rebuilt";
  }
}

TEST_F(Vulkan, TheCacheOfAnotherDriverIsOldNotDamaged) {
  use();
  damage([](std::string& s) { s[8] = static_cast<char>(s[8] ^ 1); });  // the key
  const uint64_t before = discarded();
  use();
  EXPECT_EQ(discarded(), before);
}

TEST_F(Vulkan, AnUnwritableCacheFolderIsNoError) {
  config_.options.cache_dir = "/proc/nowhere/anvil";
  use();
  std::ofstream(folder_) << "a file where the folder should be";
  config_.options.cache_dir = folder_.string();
  use();
  EXPECT_TRUE(fs::is_regular_file(folder_));
}

}  // namespace
}  // namespace anvil
