// GatherNd: slices of a tensor by rows of indices.  As in TensorFlow's CUDA build a row that points outside gives
// zeros, since the host does not see the indices; nothing outside the tensor is read.
#include "ops/copy.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr int64_t kMaxDepth = 7;  // as in gather_nd.slang

struct GatherNdParams {
  uint32_t count, inner, depth;
  uint32_t size[kMaxDepth];
};

std::string name(size_t bytes, size_t index_bytes) { return str("gather_nd/gather_nd<", bytes, ",", index_bytes, ">"); }
void variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8})
    for (const size_t index_bytes : {4, 8}) names.push_back(name(bytes, index_bytes));
}

void run(Call& call, const OpSpec& op, const State*) {
  Tensor x = call.input(0);
  const Tensor indices = call.input(1);
  require(x.rank() >= 1, Code::invalid_argument, "params must be at least a vector");
  require(indices.rank() >= 1, Code::invalid_argument, "indices must be at least a vector");
  const int64_t depth = indices.shape.back();
  require(depth <= x.rank(), Code::invalid_argument,
          "index innermost dimension length must be <= params rank; saw: ", depth, " vs. ", x.rank());
  require(depth <= kMaxDepth, Code::unimplemented, "Only indices.shape[-1] values between 1 and 7 are currently ",
          "supported.  Requested rank: ", depth);
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  const int64_t rows = count(shape);
  shape.insert(shape.end(), x.shape.begin() + depth, x.shape.end());
  const Tensor y = in_units(call.output(0, x.type, shape));
  if (y.size() == 0) return;
  require(x.size() > 0 || depth == 0, Code::invalid_argument, "Requested more than 0 entries, but params is empty.  ",
          "Params shape: ", text(x.shape));
  x = in_units(x);
  require_indexable(op.name, x);
  require_indexable(op.name, y);
  require_indexable(op.name, indices);
  GatherNdParams params{
      static_cast<uint32_t>(y.size()), static_cast<uint32_t>(y.size() / rows), static_cast<uint32_t>(depth), {}};
  for (int64_t d = 0; d < depth; ++d) params.size[d] = static_cast<uint32_t>(x.shape[static_cast<size_t>(d)]);
  call.stream().launch(call.kernel(name(size_of(x.type), size_of(indices.type))),
                       Grid::line(div_up(y.size(), kMapGroup)), {read(x), read(indices), write(y)}, params);
}

const std::vector<DType> kTypes = join({kFloats, kWide, {DType::i32, DType::i64}});
const TypeAxis kIndices{"Tindices", {DType::i32, DType::i64}};

OpSpec resource_gather_nd() {
  OpSpec row{"ResourceGatherNd", join({kFloats, kDeviceInts, {DType::f64, DType::c64}}), run, "", variants};
  row.host = {"resource"};
  row.type_attr = "dtype";
  row.more = {kIndices};
  row.variables = {0};
  row.use = OpSpec::Use::read;
  return row;
}

const Family gathers{{"GatherNd", kTypes, run, "", variants, nullptr, {}, "Tparams", {kIndices}}, resource_gather_nd()};

}  // namespace
}  // namespace anvil::ops
