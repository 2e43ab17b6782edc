// LowerBound, UpperBound, InTopKV2, Bincount and DenseBincount.
#include "ops/host.h"
#include "ops/map.h"
#include "ops/segment.h"

namespace anvil::ops {
namespace {

Grid grid(int64_t threads) { return Grid::line(div_up(threads, kMapGroup)); }
uint32_t narrow(int64_t n) { return static_cast<uint32_t>(n); }

struct OutState final : State {
  DType type = DType::i32;
};
std::unique_ptr<State> prepare_out(const Attrs& attrs) {
  auto s = std::make_unique<OutState>();
  s->type = attrs.type("out_type");
  return s;
}
std::string bound_name(size_t bytes) { return str("search/bound<", bytes, ">"); }
void bound_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(bound_name(bytes));
}
void run_bound(Call& call, const OpSpec& op, const State* state) {
  const Tensor sorted = call.input(0), values = call.input(1);
  require(sorted.rank() == 2, Code::invalid_argument, "Shape must be rank 2 but is rank ", sorted.rank(),
          " for `sorted_inputs` argument");
  require(values.rank() == 2, Code::invalid_argument, "Shape must be rank 2 but is rank ", values.rank(),
          " for `values` argument");
  require(sorted.shape[0] == values.shape[0], Code::invalid_argument, "Leading dim_size of both tensors must match.");
  const Tensor y = call.output(0, static_cast<const OutState*>(state)->type, values.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, sorted);
  require_indexable(op.name, values);
  struct {
    uint32_t count, per_row, length, order, upper, out_bytes;
  } const params{narrow(y.size()),      narrow(values.shape[1]),        narrow(sorted.shape[1]),
                 order_of(sorted.type), op.kernel == "upper" ? 1u : 0u, narrow(static_cast<int64_t>(size_of(y.type)))};
  call.stream().launch(call.kernel(bound_name(size_of(sorted.type))), grid(y.size()),
                       {read(sorted), read(values), write(y)}, params);
}

void run_in_top(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), targets = call.input(1), k = call.input(2);
  require(x.rank() == 2, Code::invalid_argument, "predictions must be 2-dimensional");
  require(targets.rank() == 1, Code::invalid_argument, "targets must be 1-dimensional");
  require(k.size() == 1, Code::invalid_argument, "k must be 0-D, got shape ", text(k.shape));
  require(x.shape[0] == targets.size(), Code::invalid_argument, "First dimension of predictions ", x.shape[0],
          " must match length of targets ", targets.size());
  const Tensor y = call.output(0, DType::boolean, targets.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, x);
  struct {
    uint32_t rows, classes, bytes;
  } const params{narrow(y.size()), narrow(x.shape[1]), narrow(static_cast<int64_t>(size_of(targets.type)))};
  call.stream().launch(call.kernel("search/in_top"), grid(y.size()), {read(x), read(targets), read(k), write(y)},
                       params);
}
void in_top_variants(const OpSpec&, std::vector<std::string>& names) { names.push_back("search/in_top"); }

struct BinaryState final : State {
  bool binary = false;
};
std::unique_ptr<State> prepare_binary(const Attrs& attrs) {
  auto s = std::make_unique<BinaryState>();
  s->binary = attrs.flag("binary_output");
  return s;
}

// bins[row, v] = how often v is in the row of x, or the sum of the weights there.  Negative values, which the CPU
// kernel refuses, count nowhere, as ones that are too large do everywhere.
void bincount(Call& call, const OpSpec& op, const Tensor& x, const Tensor& weights, const Shape& shape, bool binary) {
  const Tensor y = call.output(0, weights.type, shape);
  if (y.size() == 0) return;
  require_indexable(op.name, x);
  const int64_t size = shape.back(), rows = y.size() / size, per_row = std::max<int64_t>(x.size() / rows, 1);
  if (weights.size() != 0 && !binary) {
    SegmentList given{x, {{0}}, x.size(), size, 0, 1, per_row, size};
    const SortRows list = segment_list(call, given, true);
    return launch_segments(call, Reduction{}, list, segment_bounds(call, list, y.size()), weights, y);
  }
  const Tensor bins = y.type == DType::i32 ? y : call.scratch(DType::i32, shape);
  call.stream().fill(bins.data, 0, 4, bins.bytes());
  struct {
    uint32_t count, per_row, size, bytes, binary;
  } const params{narrow(x.size()), narrow(per_row), narrow(size), narrow(static_cast<int64_t>(size_of(x.type))),
                 binary};
  if (x.size()) call.stream().launch(call.kernel("search/count"), grid(x.size()), {read(x), write(bins)}, params);
  if (y.type != DType::i32)
    call.stream().launch(call.kernel("search/to_float"), grid(y.size()), {read(bins), write(y)}, narrow(y.size()));
}
int64_t size_of_bins(const Tensor& t) {
  require(t.rank() == 0, Code::invalid_argument, "Shape must be rank 0 but is rank ", t.rank());
  const int64_t n = host_scalar(t, "size");
  require(n >= 0, Code::invalid_argument, "size (", n, ") must be non-negative");
  return n;
}

void run_bincount(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), weights = call.input(2);
  const int64_t size = size_of_bins(call.input(1));
  require(weights.size() == 0 || weights.size() == x.size(), Code::invalid_argument,
          "Input indices and weights must have the same size.");
  bincount(call, op, x, weights, {size}, false);
}
void run_dense_bincount(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0), weights = call.input(2);
  require(x.rank() <= 2, Code::invalid_argument, "Shape must be at most rank 2 but is rank ", x.rank());
  const int64_t size = size_of_bins(call.input(1));
  require(
      weights.size() == 0 || weights.shape == x.shape, Code::invalid_argument,
      "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as all weights equal "
      "to 1. Received ",
      text(weights.shape));
  bincount(call, op, x, weights, x.rank() == 2 ? Shape{x.shape[0], size} : Shape{size},
           static_cast<const BinaryState*>(state)->binary);
}
void count_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) segment_variants(names, "Sum", t);
  names.insert(names.end(), {"search/count", "search/to_float"});
}

const std::vector<DType> kSorted = join({kFloats, kDeviceInts, {DType::f64, DType::i32}});
const std::vector<DType> kCounted = {DType::f32, DType::i32}, kEither = {DType::i32, DType::i64};
const Family search{
    {"LowerBound", kSorted, run_bound, "lower", bound_variants, prepare_out, {}, "T", {{"out_type", kEither}}},
    {"UpperBound", kSorted, run_bound, "upper", bound_variants, prepare_out, {}, "T", {{"out_type", kEither}}},
    {"InTopKV2", kEither, run_in_top, "", in_top_variants},
    {"Bincount", kCounted, run_bincount, "", count_variants, nullptr, {"size"}},
    {"DenseBincount",
     kCounted,
     run_dense_bincount,
     "",
     count_variants,
     prepare_binary,
     {"size"},
     "T",
     {{"Tidx", kEither}}},
};

}  // namespace
}  // namespace anvil::ops
