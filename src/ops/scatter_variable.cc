// ResourceScatter* and ResourceScatterNd*: rows of a variable changed where indices say.
#include "ops/map.h"
#include "ops/scatter.h"

namespace anvil::ops {
namespace {

ScatterOp op_of(const OpSpec& row) { return static_cast<ScatterOp>(row.kernel[0] - '0'); }

void variants(const OpSpec& row, std::vector<std::string>& names) {
  for (const DType t : row.types) scatter_variants(op_of(row), t, names);
}

// updates: a row of the variable for each index, or one element.
void run_scatter(Call& call, const OpSpec& row, const State*) {
  const Tensor y = call.input(0), indices = call.input(1), updates = call.input(2);
  require(y.rank() >= 1, Code::invalid_argument, "params must be at least 1-D, got shape ", text(y.shape));
  Shape wanted = indices.shape;
  wanted.insert(wanted.end(), y.shape.begin() + 1, y.shape.end());
  require(updates.rank() == 0 || updates.shape == wanted, Code::invalid_argument,
          "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got updates.shape ",
          text(updates.shape), ", indices.shape ", text(indices.shape), ", params.shape ", text(y.shape));
  launch_scatter(call, op_of(row), first_axis_rows(y.shape, indices.shape), indices, updates, y);
}

void run_scatter_nd(Call& call, const OpSpec& row, const State*) {
  const Tensor y = call.input(0), indices = call.input(1), updates = call.input(2);
  require(y.rank() >= 1, Code::invalid_argument, "Output must be at least 1-D, got shape: ", text(y.shape));
  require_nd(y.shape, indices.shape, updates.shape);
  launch_scatter(call, op_of(row), nd_rows(y.shape, indices.shape), indices, updates, y);
}

const TypeAxis kIndices{"Tindices", {DType::i32, DType::i64}};
const std::vector<DType> kNumbers = join({kFloats, kDeviceInts});  // int32 variables live on the CPU
const std::vector<DType> kEvery = join({kNumbers, {DType::boolean, DType::f64, DType::c64, DType::c128}});

OpSpec scatter(const char* name, ScatterOp op, bool nd) {
  OpSpec row{name, op == ScatterOp::update ? kEvery : kNumbers, nd ? run_scatter_nd : run_scatter,
             std::string(1, static_cast<char>('0' + static_cast<int>(op))), variants};
  row.host = {nd ? "ref" : "resource"};
  row.type_attr = nd ? "T" : "dtype";
  row.more = {kIndices};
  row.variables = {0};
  return row;
}

// TensorFlow 1's forms, on references; the CUDA build has floats only for those without vectors.
OpSpec on_reference(const char* name, ScatterOp op, bool nd) {
  OpSpec row = scatter(name, op, nd);
  row.types = nd ? kNumbers : kFloats;
  row.host = {};
  row.type_attr = "T";
  return row;
}

const Family scatters{
    on_reference("ScatterUpdate", ScatterOp::update, false),
    on_reference("ScatterAdd", ScatterOp::add, false),
    on_reference("ScatterSub", ScatterOp::sub, false),
    on_reference("ScatterMul", ScatterOp::mul, false),
    on_reference("ScatterDiv", ScatterOp::div, false),
    on_reference("ScatterMin", ScatterOp::min, false),
    on_reference("ScatterMax", ScatterOp::max, false),
    on_reference("ScatterNdUpdate", ScatterOp::update, true),
    on_reference("ScatterNdAdd", ScatterOp::add, true),
    on_reference("ScatterNdSub", ScatterOp::sub, true),
    on_reference("ScatterNdMin", ScatterOp::min, true),
    on_reference("ScatterNdMax", ScatterOp::max, true),
    scatter("ResourceScatterUpdate", ScatterOp::update, false),
    scatter("ResourceScatterAdd", ScatterOp::add, false),
    scatter("ResourceScatterSub", ScatterOp::sub, false),
    scatter("ResourceScatterMul", ScatterOp::mul, false),
    scatter("ResourceScatterDiv", ScatterOp::div, false),
    scatter("ResourceScatterMin", ScatterOp::min, false),
    scatter("ResourceScatterMax", ScatterOp::max, false),
    scatter("ResourceScatterNdUpdate", ScatterOp::update, true),
    scatter("ResourceScatterNdAdd", ScatterOp::add, true),
    scatter("ResourceScatterNdSub", ScatterOp::sub, true),
    scatter("ResourceScatterNdMin", ScatterOp::min, true),
    scatter("ResourceScatterNdMax", ScatterOp::max, true),
};

}  // namespace
}  // namespace anvil::ops
