// TopKV2: each row is sorted, descending, and its first k elements taken.  Of equal elements the one with the
// lower index comes first; NaN is larger than all numbers.  Where k is small and rows are long, only the best of each
// part of a row are sorted.
#include "ops/host.h"
#include "ops/map.h"
#include "ops/sort.h"

namespace anvil::ops {
namespace {

struct TopState final : State {
  DType index = DType::i32;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<TopState>();
  s->index = attrs.type("index_type");
  return s;
}

// As in kernels/sort.slang.
constexpr int64_t kParts = 64, kBest = 16;

bool is_narrow(DType type) { return size_of(type) <= 4; }
std::string best_name(size_t bytes) { return str("sort/best<", bytes, ">"); }
std::string take_name(size_t bytes) { return str("sort/take<", bytes, ">"); }
void variants(const OpSpec&, std::vector<std::string>& names) {
  sort_variants(names, true, true);
  sort_key_variants(names, {1, 2, 4, 8});
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(take_name(bytes));
  for (const size_t bytes : {1, 2, 4}) names.push_back(best_name(bytes));
}

// Rows whose first k keys, once sorted, are those of x's rows.  Parts shorter than 2^16: a software GPU ends longer
// loops.
SortRows candidates(Call& call, const Tensor& x, int64_t rows, int64_t length, int64_t k) {
  const bool few = k <= kBest && length >= 2 * kParts * kBest && length < kParts << 16 && is_narrow(x.type);
  if (!few) return sort_keys(call, x, rows, length, true);
  const SortRows s = sort_space(call, rows, kParts * kBest, false);
  struct {
    uint32_t count, length, order;
  } const params{static_cast<uint32_t>(rows * kParts), static_cast<uint32_t>(length), order_of(x.type, true)};
  call.stream().launch(call.kernel(best_name(size_of(x.type))), Grid::line(div_up(rows * kParts, kMapGroup)),
                       {read(x), write(s.keys)}, params);
  return s;
}

void run(Call& call, const OpSpec&, const State* state) {
  const auto& s = *static_cast<const TopState*>(state);
  const Tensor x = call.input(0);
  const Tensor given = call.input(1);
  require(given.rank() == 0, Code::invalid_argument, "k must be scalar, got shape ", text(given.shape));
  const int64_t k = host_scalar(given, "k");
  require(k >= 0, Code::invalid_argument, "Need k >= 0, got ", k);
  require(x.rank() >= 1, Code::invalid_argument, "input must be >= 1-D, got shape ", text(x.shape));
  const int64_t length = x.shape.back();
  require(length >= k, Code::invalid_argument, "input must have at least k columns. Had ", length, ", needed ", k);
  Shape shape = x.shape;
  shape.back() = k;
  const Tensor values = call.output(0, x.type, shape), indices = call.output(1, s.index, shape);
  if (values.size() == 0) return;
  require_indexable("TopK", x);
  const SortRows sorted = candidates(call, x, x.size() / length, length, k);
  launch_sort(call, sorted);
  struct {
    uint32_t count, kept, length, log_padded, index_bytes;
  } const params{static_cast<uint32_t>(values.size()), static_cast<uint32_t>(k), static_cast<uint32_t>(length),
                 sorted.log_padded, static_cast<uint32_t>(size_of(s.index))};
  call.stream().launch(
      call.kernel(take_name(size_of(x.type))), Grid::line(div_up(values.size(), kMapGroup)),
      {read(sorted.keys), read(sorted.wide() ? sorted.places : Tensor{{0}}), read(x), write(values), write(indices)},
      params);
}

const std::vector<DType> kTypes = join({kFloats, kDeviceInts, {DType::i32}});
const Family top{
    {"TopKV2",
     kTypes,
     run,
     "",
     variants,
     prepare,
     {"k"},
     "T",
     {{"index_type", {DType::i32, DType::i64}}, {"Tk", {DType::i32, DType::i64}}}},
};

}  // namespace
}  // namespace anvil::ops
