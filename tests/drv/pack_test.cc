// The pack reader refuses what is missing or damaged, in words, and never runs it.
#include "drv/pack.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace anvil {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& p) {
  std::ifstream in(p, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class PackTest : public ::testing::Test {
 protected:
  fs::path copy_ = fs::temp_directory_path() / ("anvil_pack_test_" + std::to_string(::getpid()) + ".pack");
  std::string good_ = content(ANVIL_CONFORMANCE_PACK);  // of few kernels: it is read some hundred times
  void TearDown() override { fs::remove(copy_); }
  void write(const std::string& s) { std::ofstream(copy_, std::ios::binary) << s; }
  // What goes wrong when every kernel of the file is read; empty if nothing does.
  std::string problem() {
    try {
      const Pack pack(copy_.string());
      for (const PackTarget t : {PackTarget::spirv, PackTarget::msl})
        for (const auto& n : pack.names(t)) (void)pack.load(n, t);
      return "";
    } catch (const Error& e) {
      EXPECT_EQ(e.code, Code::internal);
      return e.what();
    }
  }
};

// Metal has no doubles, and so no kernel that computes with them.
TEST_F(PackTest, EveryKernelLoadsForItsTargets) {
  const Pack pack(ANVIL_TEST_PACK);
  const auto spirv = pack.names(PackTarget::spirv);
  ASSERT_FALSE(spirv.empty());
  const auto metal = pack.names(PackTarget::msl);
  EXPECT_TRUE(std::includes(spirv.begin(), spirv.end(), metal.begin(), metal.end()));
  for (const auto& n : spirv) {
    const KernelCode k = pack.load(n, PackTarget::spirv);
    uint32_t magic = 0;
    ASSERT_GE(k.code.size(), 20u) << n;
    std::memcpy(&magic, k.code.data(), 4);
    EXPECT_EQ(magic, 0x07230203u) << n;
    EXPECT_GE(k.group[0] * k.group[1] * k.group[2], 1u) << n;
    EXPECT_TRUE(k.by_pointer || k.param_bytes <= 128) << n;
  }
  for (const auto& n : metal) {  // a pack keeps one block unpacked: one target after the other
    const KernelCode m = pack.load(n, PackTarget::msl);
    const std::string msl(reinterpret_cast<const char*>(m.code.data()), m.code.size());
    EXPECT_NE(msl.find("[[kernel]]"), std::string::npos) << n;
  }
}

TEST_F(PackTest, UnknownKernelIsAnError) {
  const Pack pack(ANVIL_TEST_PACK);
  EXPECT_FALSE(pack.has("unary/unary<Nothing,F32>", PackTarget::spirv));
  EXPECT_THROW((void)pack.load("unary/unary<Nothing,F32>", PackTarget::spirv), Error);
}

TEST_F(PackTest, MissingFileSaysWhatToDo) {
  EXPECT_NE(problem().find("reinstall tensorflow-anvil"), std::string::npos);
}

TEST_F(PackTest, TruncationIsFoundAtEveryLength) {
  for (const double share : {0.0, 0.001, 0.1, 0.5, 0.99}) {
    write(good_.substr(0, static_cast<size_t>(good_.size() * share)));
    EXPECT_NE(problem(), "") << share;
  }
}

TEST_F(PackTest, AFlippedBitIsFoundAnywhere) {
  for (size_t at = 0; at < good_.size(); at += std::max<size_t>(1, good_.size() / 97)) {
    if (at >= offsetof(PackHeader, fingerprint) && at < sizeof(PackHeader)) continue;  // keys caches only
    std::string bad = good_;
    bad[at] ^= 0x10;
    write(bad);
    EXPECT_NE(problem(), "") << "byte " << at;
  }
}

}  // namespace
}  // namespace anvil
