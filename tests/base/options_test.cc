#include "base/options.h"

#include <gtest/gtest.h>

#include <map>

namespace anvil {
namespace {

std::map<std::string, std::string> environment;
const char* lookup(const char* name) {
  const auto it = environment.find(name);
  return it == environment.end() ? nullptr : it->second.c_str();
}
Options parse(std::map<std::string, std::string> env, std::vector<std::string>* problems = nullptr) {
  environment = std::move(env);
  std::vector<std::string> ignored;
  return parse_options(&lookup, problems ? *problems : ignored);
}

TEST(Options, DefaultsAreQuietAndFast) {
  const Options o = parse({{"HOME", "/home/u"}});
  EXPECT_FALSE(o.safe || o.guard || o.validate || o.software_device);
  EXPECT_EQ(o.memory_limit, 0u);
  EXPECT_EQ(o.cache_dir, "/home/u/.cache/tensorflow-anvil");
  EXPECT_EQ(o.log, "error,warn");
}

TEST(Options, SizesTakeSuffixes) {
  EXPECT_EQ(parse({{"ANVIL_MEMORY_LIMIT", "1000"}}).memory_limit, 1000u);
  EXPECT_EQ(parse({{"ANVIL_MEMORY_LIMIT", "512M"}}).memory_limit, 512ull << 20);
  EXPECT_EQ(parse({{"ANVIL_MEMORY_LIMIT", "1.5g"}}).memory_limit, 3ull << 29);
}

TEST(Options, MalformedValuesKeepTheDefaultAndAreNamed) {
  std::vector<std::string> problems;
  const Options o = parse({{"ANVIL_SAFE", "perhaps"}, {"ANVIL_MEMORY_LIMIT", "much"}}, &problems);
  EXPECT_FALSE(o.safe);
  EXPECT_EQ(o.memory_limit, 0u);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_NE(problems[0].find("ANVIL_SAFE=perhaps"), std::string::npos);
}

TEST(Options, SizesThatAreNoSizesAreRefused) {
  for (const char* bad : {"4Gb", "1K1", "-1", "nan", "inf", "1e30", "17179869184G", "", " "}) {
    std::vector<std::string> problems;
    EXPECT_EQ(parse({{"ANVIL_MEMORY_LIMIT", bad}}, &problems).memory_limit, 0u) << bad;
    EXPECT_EQ(problems.size(), 1u) << bad;
  }
}

TEST(Options, UnknownKindsOfLogLinesAreNamedOnce) {
  std::vector<std::string> problems;
  const Options o = parse({{"ANVIL_LOG", "falback, plan,verbose"}}, &problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0],
            "ANVIL_LOG: \"falback\", \"verbose\" is ignored: known are error, warn, info, plan, fallback, all");
  EXPECT_EQ(words_of(o.log), (std::vector<std::string>{"falback", "plan", "verbose", "error", "warn"}));
  for (const char* right : {"all", "plan , fallback", "error,warn,info,plan,fallback", "", ",,"}) {
    problems.clear();
    EXPECT_EQ(parse({{"ANVIL_LOG", right}}, &problems).log, right);
    EXPECT_TRUE(problems.empty()) << right;
  }
}

TEST(Options, VirtualDevicesAreCounted) {
  EXPECT_EQ(parse({}).virtual_devices, 1u);
  EXPECT_EQ(parse({{"ANVIL_VIRTUAL_DEVICES", "2"}}).virtual_devices, 2u);
  for (const char* bad : {"0", "17", "-1", "two", "2.5", ""}) {
    std::vector<std::string> problems;
    EXPECT_EQ(parse({{"ANVIL_VIRTUAL_DEVICES", bad}}, &problems).virtual_devices, 1u) << bad;
    EXPECT_EQ(problems.size(), 1u) << bad;
  }
}

TEST(Options, CommaListsLoseBlanksAndEmptyWords) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(words_of(""), Words());
  EXPECT_EQ(words_of(" , ,"), Words());
  EXPECT_EQ(words_of("1"), Words{"1"});
  EXPECT_EQ(words_of(" a b ,\tc,,d "), (Words{"a b", "c", "d"}));
}

TEST(Options, CacheFolderFollowsXdg) {
  EXPECT_EQ(parse({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}).cache_dir, "/x/tensorflow-anvil");
  EXPECT_EQ(parse({{"HOME", "/h"}, {"ANVIL_CACHE_DIR", "/c"}}).cache_dir, "/c");
  EXPECT_EQ(parse({}).cache_dir, "");
}

TEST(Options, EveryOptionIsDocumented) {
  for (const OptionRow& row : option_table()) {
    EXPECT_EQ(std::string(row.name).rfind("ANVIL_", 0), 0u) << row.name;
    EXPECT_GT(std::string(row.meaning).size(), 10u) << row.name;
  }
}

}  // namespace
}  // namespace anvil
