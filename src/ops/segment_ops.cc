// UnsortedSegment*, Segment*, SparseSegment* and their gradients.  Ids outside of the result take part in nothing where
// the host does not see them, as in TensorFlow's CUDA build.  Where the shape of the result is a matter of the ids, the
// host waits for the last one, and refuses what the CPU kernel refuses.
#include <cstring>

#include "ops/fetch.h"
#include "ops/host.h"
#include "ops/map.h"
#include "ops/segment.h"
#include "ops/unique.h"

namespace anvil::ops {
namespace {

// Complex numbers are summed as pairs.
Tensor as_real(const Tensor& t) {
  if (t.type != DType::c64) return t;
  Tensor r = t;
  r.type = DType::f32;
  r.shape.push_back(2);
  return r;
}

// What a segment without rows gives: for Min the largest number of the type and for Max the least in UnsortedSegment*,
// 0 in Segment*.
uint32_t empty_bits(const OpSpec& op, DType t, bool sorted) {
  const bool least = op.kernel == "Max", most = op.kernel == "Min";
  if (op.kernel == "Prod")
    return t == DType::i32 ? 1 : t == DType::f32 ? 0x3f800000 : t == DType::f16 ? 0x3c00 : 0x3f80;
  if (sorted || !(least || most)) return 0;
  switch (t) {
    case DType::f32: return most ? 0x7f7fffff : 0xff7fffff;
    case DType::f16: return most ? 0x7bff : 0xfbff;
    case DType::bf16: return most ? 0x7f7f : 0xff7f;
    default: return most ? 0x7fffffff : 0x80000000;
  }
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) segment_variants(names, op.kernel, t == DType::c64 ? DType::f32 : t);
  names.push_back("segment/inspect");
}

void reduce(Call& call, Reduction how, const SegmentList& given, bool sort, const Tensor& data, const Tensor& y) {
  if (y.size() == 0) return;
  const SortRows list = segment_list(call, given, sort);
  const Tensor bounds = segment_bounds(call, list, y.shape[0]);
  const Tensor to = as_real(y);
  how.width = to.size() / to.shape[0];
  how.row_stride = how.width;
  launch_segments(call, how, list, bounds, as_real(data), to);
}

// The number of segments of a host argument.
int64_t segments_of(const Tensor& t) {
  require(t.rank() == 0, Code::invalid_argument, "num_segments should be a scalar, not shape ", text(t.shape));
  const int64_t n = host_scalar(t, "num_segments");
  require(n >= 0, Code::invalid_argument, "Input num_segments == ", n, " must not be negative.");
  return n;
}

void run_unsorted(Call& call, const OpSpec& op, const State*) {
  const Tensor data = call.input(0), ids = call.input(1);
  const int64_t segments = segments_of(call.input(2));
  require(ids.rank() <= data.rank() && std::equal(ids.shape.begin(), ids.shape.end(), data.shape.begin()),
          Code::invalid_argument, "data.shape = ", text(data.shape),
          " does not start with segment_ids.shape = ", text(ids.shape));
  Shape shape(data.shape.begin() + ids.rank(), data.shape.end());
  shape.insert(shape.begin(), segments);
  const Tensor y = call.output(0, data.type, shape);
  Reduction how;
  how.how = op.kernel;
  how.empty = empty_bits(op, data.type, false);
  reduce(call, how, {ids, {{0}}, ids.size(), segments, 0, 1}, true, data, y);
}

// One more than the last of sorted ids; refuses ids that decrease or are negative, and rows outside of [0, rows_limit).
int64_t inspect(Call& call, const Tensor& ids, const Tensor& rows, int64_t rows_limit) {
  if (ids.size() == 0) return 0;
  require_indexable("segment_ids", ids);
  const Tensor found = call.scratch(DType::u32, {4});
  call.stream().fill(found.data, 0, 4, found.bytes());
  struct {
    uint32_t count, id_bytes, row_bytes, rows_limit;
  } const params{static_cast<uint32_t>(ids.size()), static_cast<uint32_t>(size_of(ids.type)),
                 static_cast<uint32_t>(size_of(rows.type)), static_cast<uint32_t>(rows_limit)};
  call.stream().launch(call.kernel("segment/inspect"), Grid::line(div_up(ids.size(), kMapGroup)),
                       {read(ids), read(rows), write(found)}, params);
  const auto words = fetch_words(call, found);
  require(words[2] == 0, Code::invalid_argument, "segment ids are not increasing");
  require(words[3] == 0, Code::invalid_argument, "Bad: indices out of range [0, ", rows_limit, ")");
  const int64_t last = static_cast<int64_t>(uint64_t{words[1]} << 32 | words[0]);
  require(last < INT32_MAX, Code::invalid_argument, "segment ids must be < 2^31 - 1, got ", last);
  return last + 1;
}

uint32_t finish_of(const OpSpec& op) {
  const std::string_view name = op.name;
  return name.find("SqrtN") != name.npos ? 2 : name.find("Mean") != name.npos ? 1 : 0;
}

void run_sorted(Call& call, const OpSpec& op, const State*) {
  const Tensor data = call.input(0), ids = call.input(1);
  require(ids.rank() == 1, Code::invalid_argument, "segment_ids should be a vector.");
  require(data.rank() >= 1 && ids.size() == data.shape[0], Code::invalid_argument,
          "segment_ids should be the same size as dimension 0 of input.");
  Shape shape = data.shape;
  shape[0] = inspect(call, ids, {{0}}, 0);
  const Tensor y = call.output(0, data.type, shape);
  Reduction how;
  how.how = op.kernel;
  how.finish = finish_of(op);
  how.empty = empty_bits(op, data.type, true);
  reduce(call, how, {ids, {{0}}, ids.size(), shape[0], 0, 1}, false, data, y);
}

void run_sparse(Call& call, const OpSpec& op, const State*) {
  const Tensor data = call.input(0), indices = call.input(1), ids = call.input(2);
  require(data.rank() >= 1, Code::invalid_argument, "input must be at least rank 1");
  require(indices.rank() == 1, Code::invalid_argument, "indices should be a vector.");
  require(ids.rank() == 1, Code::invalid_argument, "segment_ids should be a vector.");
  require(ids.size() == indices.size(), Code::invalid_argument, "segment_ids and indices should have same size.");
  Shape shape = data.shape;
  shape[0] = call.inputs() > 3 ? segments_of(call.input(3)) : inspect(call, ids, indices, data.shape[0]);
  const Tensor y = call.output(0, data.type, shape);
  Reduction how;
  how.finish = finish_of(op);
  reduce(call, how, {ids, indices, ids.size(), shape[0], data.shape[0], 1}, false, data, y);
}

// dx[i] = the sum over the entries of index i of their segment's gradient, divided as the segment's sum was.  With
// `compact` only rows that occur are made, and their indices are the second output.
void run_sparse_grad(Call& call, const OpSpec& op, const State*) {
  const Tensor grad = call.input(0), indices = call.input(1), ids = call.input(2);
  require(grad.rank() >= 1, Code::invalid_argument, "grad must be at least rank 1");
  require(indices.rank() == 1, Code::invalid_argument, "indices should be a vector.");
  require(ids.rank() == 1, Code::invalid_argument, "segment_ids should be a vector.");
  require(ids.size() == indices.size(), Code::invalid_argument, "segment_ids and indices should have same size.");
  const int64_t rows = host_scalar(call.input(3), "output_dim0"), segments = grad.shape[0];
  require(rows >= 0, Code::invalid_argument, "output_dim0 must not be negative, got ", rows);
  const bool compact = std::string_view(op.name).ends_with("V2");
  Shape shape = grad.shape;
  shape[0] = rows;
  SortRows list = segment_list(call, {indices, ids, ids.size(), rows, segments, 1}, true);
  if (compact) {
    const Heads heads = list_heads(call, list);
    shape[0] = fetch_words(call, heads.count)[0];
    const Tensor unique = call.output(1, indices.type, {shape[0]});
    number_heads(call, list, heads, unique);
  }
  const Tensor y = call.output(0, grad.type, shape);
  if (y.size() == 0) return;
  Reduction how;
  how.finish = finish_of(op);
  how.width = how.row_stride = y.size() / shape[0];
  if (how.finish)
    how.counts = segment_bounds(call, segment_list(call, {ids, {{0}}, ids.size(), segments, 0, 1}, false), segments);
  launch_segments(call, how, list, segment_bounds(call, list, shape[0]), grad, y);
}

void grad_variants(const OpSpec& op, std::vector<std::string>& names) {
  variants(op, names);
  head_variants(names);
}

const TypeAxis kIndices{"Tindices", {DType::i32, DType::i64}}, kRows{"Tidx", {DType::i32, DType::i64}},
    kIds{"Tsegmentids", {DType::i32, DType::i64}}, kSegments{"Tnumsegments", {DType::i32, DType::i64}};
const std::vector<DType> kSummed = join({kFloats, {DType::c64, DType::i32}}), kCompared = join({kFloats, {DType::i32}});

OpSpec unsorted(const char* name, const char* how, const std::vector<DType>& types) {
  return {name, types, run_unsorted, how, variants, nullptr, {"num_segments"}, "T", {kIndices, kSegments}};
}
OpSpec sorted(const char* name, const char* how) {
  return {name, kFloats, run_sorted, how, variants, nullptr, {}, "T", {kIndices}};
}
OpSpec sparse(const char* name) {
  return {name, kFloats, run_sparse, "Sum", variants, nullptr, {}, "T", {kRows, kIds}};
}
OpSpec counted(const char* name) {
  return {name, kFloats, run_sparse, "Sum", variants, nullptr, {"num_segments"}, "T", {kRows, kIds, kSegments}};
}
OpSpec gradient(const char* name, const char* rows) {
  return {name, kFloats, run_sparse_grad, "Sum", grad_variants, nullptr, {rows}, "T", {kRows, kIds}};
}

const Family segments{
    unsorted("UnsortedSegmentSum", "Sum", kSummed),
    unsorted("UnsortedSegmentProd", "Prod", kCompared),
    unsorted("UnsortedSegmentMin", "Min", kCompared),
    unsorted("UnsortedSegmentMax", "Max", kCompared),
    sorted("SegmentSum", "Sum"),
    sorted("SegmentMean", "Sum"),
    sorted("SegmentProd", "Prod"),
    sorted("SegmentMin", "Min"),
    sorted("SegmentMax", "Max"),
    sparse("SparseSegmentSum"),
    sparse("SparseSegmentMean"),
    sparse("SparseSegmentSqrtN"),
    counted("SparseSegmentSumWithNumSegments"),
    counted("SparseSegmentMeanWithNumSegments"),
    counted("SparseSegmentSqrtNWithNumSegments"),
    gradient("SparseSegmentSumGrad", "output_dim0"),
    gradient("SparseSegmentMeanGrad", "output_dim0"),
    gradient("SparseSegmentSqrtNGrad", "output_dim0"),
    gradient("SparseSegmentSumGradV2", "dense_output_dim0"),
    gradient("SparseSegmentMeanGradV2", "dense_output_dim0"),
    gradient("SparseSegmentSqrtNGradV2", "dense_output_dim0"),
};

}  // namespace
}  // namespace anvil::ops
