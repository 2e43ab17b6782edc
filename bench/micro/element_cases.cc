// Element-wise ops and broadcasting: bytes that must move, 16 Mi elements.
#include <cmath>

#include "case.h"
#include "data.h"

namespace anvil::bench {
namespace {

constexpr int64_t kSide = 4096;

struct ElementCase {
  const char* name;
  const char* op;
  Shape a, b;  // b empty: a unary op
  double (*want)(double a, double b);
};

class Element final : public StreamJob {
 public:
  Element(Device& device, Stream& stream, const ElementCase& c, DType type)
      : StreamJob(stream),
        case_(c),
        memory_(device),
        op_(device, stream, c.op, type, Attributes{{"T", type}}, inputs(type)) {}

  double error() override {
    const std::vector<float> y = fetch(stream_, op_.result());
    const double allowed = op_.result().type == DType::f32 ? 1e-6 : 1e-3;
    double worst = 0;
    for (uint64_t i = 0; i < 4096; ++i) {
      const uint64_t at = i * 2654435761ull % y.size();
      const double want = case_.want(value(1, case_.a, at), case_.b.empty() ? 0 : value(2, case_.b, at));
      worst = larger(worst, std::abs(y[at] - want) / allowed);
    }
    return worst;
  }

 private:
  // The input's value under output element `at`, its axes of size 1 broadcast.
  static double value(uint32_t seed, const Shape& s, uint64_t at) {
    const uint64_t row = at / kSide, column = at % kSide;
    return noise(seed, (s[0] == 1 ? 0 : row * s[1]) + (s[1] == 1 ? 0 : column));
  }
  std::vector<ops::Tensor> inputs(DType type) {
    std::vector<ops::Tensor> all{noisy(stream_, memory_, 1, type, case_.a)};
    if (!case_.b.empty()) all.push_back(noisy(stream_, memory_, 2, type, case_.b));
    return all;
  }
  void run() override { op_.run(); }
  ElementCase case_;
  Buffers memory_;
  OpRunner op_;
};

double sum(double a, double b) { return a + b; }
double product(double a, double b) { return a * b; }
double relu(double a, double) { return a < 0 ? 0 : a; }

}  // namespace

std::vector<Case> element_cases() {
  const Shape full{kSide, kSide}, row{1, kSide}, column{kSide, 1};
  const ElementCase table[] = {
      {"add", "AddV2", full, full, sum},          {"mul", "Mul", full, full, product},
      {"relu", "Relu", full, {}, relu},           {"add-row", "AddV2", full, row, sum},
      {"add-column", "AddV2", full, column, sum}, {"outer-add", "AddV2", column, row, sum},
  };
  std::vector<Case> cases;
  for (const DType type : {DType::f32, DType::f16})
    for (const ElementCase& c : table) {
      const bool extra = type == DType::f16 && c.op != std::string_view("Relu") && c.name != std::string_view("add");
      if (extra) continue;  // the half types differ from float in their loads only: two cases show it
      const int64_t moved = count(full) + count(c.a) + (c.b.empty() ? 0 : count(c.b));
      cases.push_back({.name = str("element/", c.name, type == DType::f32 ? "/f32" : "/f16"),
                       .group = "element",
                       .unit = Unit::byte,
                       .work = static_cast<double>(moved) * size_of(type),
                       .limit = Limit::bandwidth,
                       .make = [=](Device& d, Stream& s) { return std::make_unique<Element>(d, s, c, type); }});
    }
  return cases;
}

}  // namespace anvil::bench
