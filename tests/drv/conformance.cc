#include "conformance.h"

#include "drv/pack.h"
#include "drv/record/record.h"

namespace anvil::conformance {
namespace {

std::unique_ptr<Device> open_record(const Opening& setup) {
  record::Config config;
  config.pack = &conformance_pack();
  config.fault = setup.fault;
  if (setup.memory_limit) config.memory_limit = setup.memory_limit;
  return record::open(std::move(config));
}

}  // namespace

const Pack& conformance_pack() {
  static const Pack p(ANVIL_CONFORMANCE_PACK);
  return p;
}

std::ostream& operator<<(std::ostream& out, const Driver& d) { return out << d.name; }

const std::vector<Driver>& drivers() {
  static const std::vector<Driver> all = [] {
    std::vector<Driver> list = gpu_drivers();
    list.insert(list.begin(), {"record", false, true, false, open_record});
    return list;
  }();
  return all;
}

Words random_words(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Words w(n);
  for (auto& v : w) v = random();
  return w;
}

Bytes random_bytes(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes b(n);
  for (auto& v : b) v = static_cast<uint8_t>(random());
  return b;
}

uint32_t spun(uint32_t v, uint32_t turns) {
  for (uint32_t k = 0; k < 16 * turns; ++k) v = v * 1664525u + 1013904223u;
  return v;
}

void expect_error(Code code, const std::string& words, const std::function<void()>& f) {
  try {
    f();
    ADD_FAILURE() << "no error; expected one about '" << words << "'";
  } catch (const Error& e) {
    EXPECT_EQ(static_cast<int>(e.code), static_cast<int>(code)) << e.what();
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

}  // namespace anvil::conformance
