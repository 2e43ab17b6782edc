// ScatterNd, TensorScatter*, SparseToDense: rows of a new tensor by index.  An index outside of it takes part in
// nothing, as in TensorFlow's CUDA build, since the host does not see the indices.
#include "ops/copy.h"
#include "ops/host.h"
#include "ops/scatter.h"

namespace anvil::ops {
namespace {

ScatterOp how(const OpSpec& op) {
  if (op.kernel == "add") return ScatterOp::add;
  if (op.kernel == "sub") return ScatterOp::sub;
  if (op.kernel == "min") return ScatterOp::min;
  return op.kernel == "max" ? ScatterOp::max : ScatterOp::update;
}

// Complex numbers are added as pairs.
void scatter(Call& call, ScatterOp op, ScatterRows rows, const Tensor& indices, Tensor updates, Tensor y) {
  if (y.type == DType::c64) {
    rows.width *= 2;
    for (Tensor* t : {&updates, &y}) {
      t->type = DType::f32;
      t->shape.push_back(2);
    }
  }
  launch_scatter(call, op, rows, indices, updates, y);
}

// What TensorFlow's kernels check of (output shape, indices, updates).
void check(const Shape& shape, const Tensor& indices, const Tensor& updates) {
  require(indices.rank() >= 1, Code::invalid_argument,
          "Indices shape must have rank at least one. Found:", text(indices.shape));
  require(updates.rank() >= 1, Code::invalid_argument,
          "Updates shape must have rank at least one. Found:", text(updates.shape));
  require(count(shape) > 0 || (indices.size() == 0 && updates.size() == 0), Code::invalid_argument,
          "Indices and updates specified for empty output shape");
  require(indices.shape.back() <= static_cast<int64_t>(shape.size()), Code::invalid_argument,
          "Inner dimensions of output shape must match inner dimensions of updates shape. Output: ", text(shape),
          " updates: ", text(updates.shape));
  require_nd(shape, indices.shape, updates.shape);
}

void run_scatter_nd(Call& call, const OpSpec&, const State*) {
  const Tensor indices = call.input(0), updates = call.input(1), given = call.input(2);
  require(given.rank() == 1, Code::invalid_argument, "Shape must be a vector");
  const Shape shape = host_shape(given);
  for (const int64_t d : shape)
    require(d >= 0, Code::invalid_argument, "Dimension of shape must be non-negative, got ", d);
  check(shape, indices, updates);
  const Tensor y = call.output(0, updates.type, shape);
  fill_elements(call, 0, y);
  scatter(call, ScatterOp::add, nd_rows(shape, indices.shape), indices, updates, y);
}

void run_tensor_scatter(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), indices = call.input(1), updates = call.input(2);
  check(x.shape, indices, updates);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (y.data != x.data) call.stream().copy(y.data, x.data, y.bytes());
  scatter(call, how(op), nd_rows(x.shape, indices.shape), indices, updates, y);
}

void run_sparse_to_dense(Call& call, const OpSpec&, const State*) {
  Tensor indices = call.input(0);
  const Tensor given = call.input(1), values = call.input(2), otherwise = call.input(3);
  require(indices.rank() <= 2, Code::invalid_argument,
          "sparse_indices should be a scalar, vector, or matrix, got shape ", text(indices.shape));
  require(given.rank() == 1, Code::invalid_argument, "output_shape must be rank 1, got shape ", text(given.shape));
  const int64_t n = indices.rank() == 0 ? 1 : indices.shape[0], rank = indices.rank() == 2 ? indices.shape[1] : 1;
  require(given.size() == rank, Code::invalid_argument, "output_shape has incorrect number of elements: ", given.size(),
          " should be: ", rank);
  require(values.rank() == 0 || (values.rank() == 1 && values.size() == n), Code::invalid_argument,
          "sparse_values has incorrect shape ", text(values.shape), ", should be [] or [", n, "]");
  require(otherwise.rank() == 0, Code::invalid_argument, "default_value should be a scalar.");
  const Shape shape = host_shape(given);
  for (const int64_t d : shape) require(d >= 0, Code::invalid_argument, "output_shape must not be negative, got ", d);
  const Tensor y = call.output(0, values.type, shape);
  fill_elements(call, host_bits(otherwise), y);
  indices.shape = {n, rank};
  launch_scatter(call, ScatterOp::update, nd_rows(shape, indices.shape), indices, values, y);
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  fill_variants(op, names);
  for (const DType t : op.types) scatter_variants(how(op), t == DType::c64 ? DType::f32 : t, names);
}

const TypeAxis kIndices{"Tindices", {DType::i32, DType::i64}};
const std::vector<DType> kSummed = join({kFloats, {DType::c64}, kDeviceInts});
const std::vector<DType> kCompared = join({kFloats, {DType::i64}});
// bool, which CUDA builds leave to the CPU, is what Keras masks are made of.
const std::vector<DType> kMoved = join({kFloats, kWide, {DType::i64, DType::boolean}});
const std::vector<DType> kDense = join({kFloats, kDeviceInts, {DType::f64, DType::i32, DType::boolean}});

OpSpec tensor_scatter(const char* name, const char* kernel, const std::vector<DType>& types) {
  return {name, types, run_tensor_scatter, kernel, variants, nullptr, {}, "T", {kIndices}};
}
const Family scatters{
    {"ScatterNd", kSummed, run_scatter_nd, "add", variants, nullptr, {"shape"}, "T", {kIndices}},
    tensor_scatter("TensorScatterUpdate", "update", kMoved),
    tensor_scatter("TensorScatterAdd", "add", join({kCompared, {DType::c64}})),
    tensor_scatter("TensorScatterSub", "sub", join({kCompared, {DType::c64}})),
    tensor_scatter("TensorScatterMin", "min", kCompared),
    tensor_scatter("TensorScatterMax", "max", kCompared),
    tensor_scatter("ScatterNdNonAliasingAdd", "add", kSummed),
    {"SparseToDense",
     kDense,
     run_sparse_to_dense,
     "",
     variants,
     nullptr,
     {"output_shape", "default_value"},
     "T",
     {kIndices}},
};

}  // namespace
}  // namespace anvil::ops
