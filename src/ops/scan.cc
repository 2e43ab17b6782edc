#include "ops/scan.h"

#include "ops/host.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr int64_t kChunk = 64;
// As long as that a line is left to one thread if there are lines enough; llvmpipe ends longer loops.
constexpr int64_t kWholeLine = 4096;

std::string name(const char* entry, const std::string& how, DType t) {
  if (t == DType::f64) return str("scan_f64/", entry);
  return str("scan/", entry, "<", how, ",", is_float(t) ? "Float<" : "Int<", slang_name(t), ">>");
}
DType value_type(DType t) { return is_float(t) && t != DType::f64 ? DType::f32 : t; }

struct ScanParams {
  uint32_t count, length, inner, chunk, chunks, exclusive, reverse;
  uint32_t how;  // heeded by scan_f64.slang alone
};

}  // namespace

ScanPlan plan_scan(int64_t lines, int64_t length, const Caps& caps) {
  const int64_t enough = caps.cpu_type() ? 64 : 4096;
  if (length <= kChunk || (lines >= enough && length <= kWholeLine)) return {length, 1};
  return {kChunk, static_cast<int64_t>(div_up(length, kChunk))};
}

void launch_scan(Call& call, const Scan& scan, const Tensor& x, const Tensor& y) {
  if (y.size() == 0) return;
  require_indexable("a scan", x);
  const ScanPlan plan = plan_scan(scan.outer * scan.inner, scan.length, call.caps());
  const int64_t threads = scan.outer * plan.chunks * scan.inner;
  const ScanParams params{static_cast<uint32_t>(threads),
                          static_cast<uint32_t>(scan.length),
                          static_cast<uint32_t>(scan.inner),
                          static_cast<uint32_t>(plan.chunk),
                          static_cast<uint32_t>(plan.chunks),
                          scan.exclusive,
                          scan.reverse,
                          scan.how == "Sum"    ? 0u
                          : scan.how == "Prod" ? 1u
                                               : 2u};
  Tensor carry{{0}};
  if (plan.chunks > 1) {
    carry = call.scratch(value_type(x.type), {threads});
    call.stream().launch(call.kernel(name("totals", scan.how, x.type)), Grid::line(div_up(threads, kMapGroup)),
                         {read(x), write(carry), Arg{nullptr, 0, Access::read}}, params);
    launch_scan(call, {scan.how, scan.outer, plan.chunks, scan.inner, true, false}, carry, carry);
  }
  call.stream().launch(call.kernel(name("apply", scan.how, x.type)), Grid::line(div_up(threads, kMapGroup)),
                       {read(x), read(carry), write(y)}, params);
}

void scan_variants(std::vector<std::string>& names, const std::string& how, DType type) {
  for (const DType t : {type, value_type(type)})
    for (const char* entry : {"totals", "apply"}) names.push_back(name(entry, how, t));
}

namespace {

struct ScanState final : State {
  bool exclusive = false, reverse = false;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<ScanState>();
  s->exclusive = attrs.flag("exclusive");
  s->reverse = attrs.flag("reverse");
  return s;
}

void run(Call& call, const OpSpec& op, const State* state) {
  const auto& s = *static_cast<const ScanState*>(state);
  const Tensor x = call.input(0), given = call.input(1);
  require(given.rank() == 0, Code::invalid_argument, "ScanOp: axis must be a scalar, not ", text(given.shape));
  const int64_t axis = host_scalar(given, "axis"), a = axis < 0 ? axis + x.rank() : axis;
  require(a >= 0 && a < x.rank(), Code::invalid_argument, "ScanOp: Expected scan axis in the range [", -x.rank(), ", ",
          x.rank(), "), but got ", axis);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  const auto at = x.shape.begin() + a;
  launch_scan(call,
              {op.kernel, count({x.shape.begin(), at}), *at, count({at + 1, x.shape.end()}), s.exclusive, s.reverse}, x,
              y);
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) scan_variants(names, op.kernel, t);
}

const std::vector<DType> kTypes = join({kReals, {DType::i32, DType::i64}});
const TypeAxis kAxis{"Tidx", {DType::i32, DType::i64}};
const Family scans{
    {"Cumsum", kTypes, run, "Sum", variants, prepare, {"axis"}, "T", {kAxis}},
    {"Cumprod", kTypes, run, "Prod", variants, prepare, {"axis"}, "T", {kAxis}},
    {"CumulativeLogsumexp", kReals, run, "LogSumExp", variants, prepare, {"axis"}, "T", {kAxis}},
};

}  // namespace
}  // namespace anvil::ops
