// What must hold for every row of the op catalogue, whatever the op.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "drv/pack.h"
#include "ops/op.h"

namespace anvil::ops {
namespace {

TEST(Catalogue, HasRows) { EXPECT_GT(catalogue().size(), 50u); }

// Metal has no doubles: kernels that compute with them are in modules of their own, and have no MSL.
bool for_metal(std::string_view kernel) { return !kernel.substr(0, kernel.find('/')).ends_with("_f64"); }

// No row can ask for a kernel that was not built: what a row lists is in the pack, for each target.  That rows ask
// for nothing they do not list is checked wherever one runs: kernel_check.cc plans each call for every kind of device.
TEST(Catalogue, EveryListedVariantIsInThePack) {
  const Pack pack(ANVIL_TEST_PACK);
  for (const OpSpec& row : catalogue()) {
    std::vector<std::string> names;
    if (row.variants) row.variants(row, names);
    for (const auto& n : names) {
      EXPECT_TRUE(pack.has(n, PackTarget::spirv)) << row.name << " lists " << n;
      EXPECT_EQ(pack.has(n, PackTarget::msl), for_metal(n)) << row.name << " lists " << n;
    }
  }
}

TEST(Catalogue, ThePackHoldsNothingElse) {
  const Pack pack(ANVIL_TEST_PACK);
  const auto listed = all_variants();
  EXPECT_EQ(pack.names(PackTarget::spirv), listed);
}

// What ships must not depend on where it was built.
TEST(Catalogue, TheMetalTextNamesNoFolder) {
  const Pack pack(ANVIL_TEST_PACK);
  for (const auto& name : pack.names(PackTarget::msl)) {
    const KernelCode code = pack.load(name, PackTarget::msl);
    const std::string_view text(reinterpret_cast<const char*>(code.code.data()), code.code.size());
    EXPECT_EQ(text.find("#line"), text.npos) << name;
    EXPECT_EQ(text.find(".slang"), text.npos) << name;
  }
}

// Two rows for one op and one combination of types would be registered twice, and TensorFlow would refuse to run it.
TEST(Catalogue, NoCombinationOfTypesIsRegisteredTwice) {
  std::set<std::string> seen;
  for (const OpSpec& row : catalogue()) {
    std::vector<TypeAxis> axes = row.more;
    if (!row.types.empty()) axes.push_back({row.type_attr, row.types});
    const std::function<void(size_t, std::map<std::string, DType>)> walk = [&](size_t i,
                                                                               std::map<std::string, DType> chosen) {
      if (i == axes.size()) {
        std::string key = row.name;
        for (const auto& [attr, type] : chosen) key += str(" ", attr, "=", facts(type).tensorflow);
        EXPECT_TRUE(seen.insert(key).second) << key;
        return;
      }
      for (const DType t : axes[i].types) {
        auto next = chosen;
        next[axes[i].attr] = t;
        walk(i + 1, next);
      }
    };
    walk(0, {});
  }
}

TEST(Catalogue, TypesOfARowAreDistinct) {
  for (const OpSpec& row : catalogue())
    EXPECT_EQ(std::set<DType>(row.types.begin(), row.types.end()).size(), row.types.size()) << row.name;
}

}  // namespace
}  // namespace anvil::ops
