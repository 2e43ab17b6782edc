// Where, DynamicPartition and DynamicStitch.  The first two make outputs whose sizes are a matter of values: the host
// waits for the counts.
#include <algorithm>
#include <numeric>

#include "ops/copy.h"
#include "ops/fetch.h"
#include "ops/host.h"
#include "ops/map.h"
#include "ops/scan.h"
#include "ops/scatter.h"
#include "ops/segment.h"

namespace anvil::ops {
namespace {

constexpr int kMaxRank = 8;  // as in where.slang

std::string name(const char* entry, size_t bytes) { return str("where/", entry, "<", bytes, ">"); }
Grid grid(int64_t threads) { return Grid::line(div_up(threads, kMapGroup)); }

// The bits of an element that are not all 0 in what counts as true.
uint64_t mask_of(DType t) {
  if (t == DType::c64) return 0x7fffffff7fffffff;
  const uint64_t all = UINT64_MAX >> (64 - 8 * size_of(t));
  return is_float(t) ? all >> 1 : all;
}

void run_where(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 1 && x.rank() <= kMaxRank, Code::invalid_argument,
          "WhereOp : Unhandled input dimensions: ", x.rank());
  if (x.size() == 0) {
    call.output(0, DType::i64, {0, x.rank()});
    return;
  }
  require_indexable(op.name, x);
  const Tensor flags = call.scratch(DType::i32, {x.size()}), ranks = call.scratch(DType::i32, {x.size()});
  struct {
    uint64_t mask;
    uint32_t count, unused = 0;  // the kernel's struct ends at a multiple of 8 bytes
  } const chosen{mask_of(x.type), static_cast<uint32_t>(x.size())};
  call.stream().launch(call.kernel(name("flags", size_of(x.type))), grid(x.size()), {read(x), write(flags)}, chosen);
  launch_scan(call, {"Sum", 1, x.size(), 1, false, false}, flags, ranks);
  const Tensor last{{1}, DType::i32, static_cast<char*>(ranks.data) + 4 * (x.size() - 1)};
  const Tensor y = call.output(0, DType::i64, {fetch_words(call, last)[0], x.rank()});
  if (y.size() == 0) return;
  struct {
    uint32_t count, rank, size[kMaxRank];
  } params{static_cast<uint32_t>(x.size()), static_cast<uint32_t>(x.rank()), {}};
  for (int d = 0; d < x.rank(); ++d) params.size[d] = static_cast<uint32_t>(x.shape[x.shape.size() - 1 - d]);
  call.stream().launch(call.kernel("where/places"), grid(x.size()), {read(flags), read(ranks), write(y)}, params);
}
void where_variants(const OpSpec&, std::vector<std::string>& names) {
  scan_variants(names, "Sum", DType::i32);
  names.push_back("where/places");
  for (const size_t bytes : {1, 4, 8}) names.push_back(name("flags", bytes));
}

struct PartsState final : State {
  int64_t parts = 1;
};
std::unique_ptr<State> prepare_parts(const Attrs& attrs) {
  auto s = std::make_unique<PartsState>();
  s->parts = attrs.integer("num_partitions");
  return s;
}
// Rows are sorted by partition, stably; each partition is then a run of them.
void run_partition(Call& call, const OpSpec& op, const State* state) {
  const int64_t parts = static_cast<const PartsState*>(state)->parts;
  const Tensor x = call.input(0), ids = call.input(1);
  require(ids.rank() <= x.rank() && std::equal(ids.shape.begin(), ids.shape.end(), x.shape.begin()),
          Code::invalid_argument, "data.shape must start with partitions.shape, got data.shape = ", text(x.shape),
          ", partitions.shape = ", text(ids.shape));
  Shape shape(x.shape.begin() + ids.rank(), x.shape.end());
  shape.insert(shape.begin(), 0);
  if (ids.size() == 0) {
    for (int i = 0; i < parts; ++i) call.output(i, x.type, shape);
    return;
  }
  require_indexable(op.name, x);
  const SortRows list = segment_list(call, {ids, {{0}}, ids.size(), parts, 0, 1}, true);
  const auto bounds = fetch_words(call, segment_bounds(call, list, parts));
  require(bounds.back() == static_cast<uint32_t>(ids.size()), Code::invalid_argument, "partitions must be in [0, ",
          parts, ")");
  const Tensor units = in_units(x);
  const int64_t width = units.size() / ids.size();
  for (int i = 0; i < parts; ++i) {
    shape[0] = bounds[i + 1] - bounds[i];
    const Tensor y = in_units(call.output(i, x.type, shape));
    if (y.size() == 0) continue;
    struct {
      uint32_t count, width, first;
    } const params{static_cast<uint32_t>(y.size()), static_cast<uint32_t>(width), bounds[i]};
    call.stream().launch(call.kernel(name("rows", size_of(y.type))), grid(y.size()),
                         {read(list.keys), read(units), write(y)}, params);
  }
}
void partition_variants(const OpSpec&, std::vector<std::string>& names) {
  sort_variants(names, true, false);
  names.insert(names.end(), {"segment/list", "segment/bounds"});
  for (const size_t bytes : {2, 4, 8}) names.push_back(name("rows", bytes));
}

// The indices are in host memory, since they make the shape.  Rows that none of them names are undefined in TensorFlow;
// here they are 0.
void run_stitch(Call& call, const OpSpec&, const State*) {
  const int n = call.inputs() / 2;
  int64_t rows = 0, entries = 0;
  Shape tail;
  for (int i = 0; i < n; ++i) {
    const Tensor at = call.input(i), x = call.input(n + i);
    require(at.rank() <= x.rank() && std::equal(at.shape.begin(), at.shape.end(), x.shape.begin()),
            Code::invalid_argument, "data[", i, "].shape = ", text(x.shape), " does not start with indices[", i,
            "].shape = ", text(at.shape));
    const Shape rest(x.shape.begin() + at.rank(), x.shape.end());
    require(i == 0 || rest == tail, Code::invalid_argument, "Need data[0].shape[", call.input(0).rank(), ":] = data[",
            i, "].shape[", at.rank(), ":], got ", text(tail), " and ", text(rest));
    tail = rest;
    entries += at.size();
    for (const int64_t v : host_values(at)) {
      require(v >= 0, Code::invalid_argument, "indices[", i, "] is out of range");
      rows = std::max(rows, v + 1);
    }
  }
  Shape shape = tail;
  shape.insert(shape.begin(), rows);
  const Tensor x0 = call.input(n), y = call.output(0, x0.type, shape);
  if (y.size() == 0) return;
  const int64_t width = count(tail);
  // Of several entries for one row the last counts; the others, and rows that have none, name no row at all.
  std::vector<int32_t> source(static_cast<size_t>(rows), -1);
  int32_t entry = 0;
  for (int i = 0; i < n; ++i)
    for (const int64_t v : host_values(call.input(i))) source[static_cast<size_t>(v)] = entry++;
  if (std::ranges::find(source, -1) != source.end()) fill_elements(call, 0, y);
  entry = 0;
  for (int i = 0; i < n; ++i) {
    const Tensor x = call.input(n + i), at = call.input(i);
    if (x.size() == 0) continue;
    std::vector<int32_t> targets;
    for (const int64_t v : host_values(at))
      targets.push_back(source[static_cast<size_t>(v)] == entry++ ? static_cast<int32_t>(v) : -1);
    const Tensor rows_of = call.scratch(DType::i32, {at.size()});
    call.stream().upload(rows_of.data, targets.data(), rows_of.bytes());
    launch_scatter(call, ScatterOp::update, {{rows}, at.size(), width}, rows_of, x, y);
  }
}
void stitch_variants(const OpSpec& op, std::vector<std::string>& names) {
  fill_variants(op, names);
  scatter_variants(ScatterOp::update, DType::f32, names);
}

const std::vector<DType> kWhere = {DType::f32, DType::f64, DType::c64, DType::boolean,
                                   DType::i8,  DType::u8,  DType::i64};
const std::vector<DType> kMoved = join({kFloats, kWide, {DType::i32, DType::i64}});
const Family chosen{
    {"Where", kWhere, run_where, "", where_variants},
    {"DynamicPartition", kMoved, run_partition, "", partition_variants, prepare_parts},
    {"DynamicStitch", kMoved, run_stitch, "", stitch_variants, nullptr, {"indices"}},
};

}  // namespace
}  // namespace anvil::ops
