// Gather and GatherV2: rows of a tensor by index.  As in TensorFlow's CUDA build an index out of range gives zeros,
// since the host does not see the indices; nothing outside the tensor is read.
#include <functional>
#include <numeric>

#include "ops/copy.h"
#include "ops/host.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

struct BatchState final : State {
  int64_t batch_dims = 0;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<BatchState>();
  s->batch_dims = attrs.integer("batch_dims");
  return s;
}

struct Quotient {
  uint32_t magic = 0, shift = 255;  // of 1, as in gather.slang
  explicit Quotient(int64_t by) {
    if (by < 2) return;
    const Divisor d = divisor(static_cast<uint32_t>(by));
    magic = d.magic;
    shift = d.shift;
  }
};
struct GatherParams {
  uint32_t count, limit, inner, per_batch, outer;
  Quotient by_inner, by_index, by_outer;
};

std::string name(size_t bytes, size_t index_bytes) { return str("gather/gather<", bytes, ",", index_bytes, ">"); }
void variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8})
    for (const size_t index_bytes : {4, 8}) names.push_back(name(bytes, index_bytes));
}

int64_t product(Shape::const_iterator from, Shape::const_iterator to) {
  return std::accumulate(from, to, int64_t{1}, std::multiplies<>());
}

void gather(Call& call, const OpSpec& op, int64_t axis, int64_t batch) {
  const Tensor x = call.input(0), indices = call.input(1);
  require(x.rank() >= 1, Code::invalid_argument, "params must be at least 1 dimensional");
  if (batch < 0) batch += indices.rank();
  require(axis >= -x.rank() && axis < x.rank(), Code::invalid_argument, "Expected axis in the range [", -x.rank(), ", ",
          x.rank(), "), but got ", axis);
  if (axis < 0) axis += x.rank();
  require(batch >= 0 && batch <= indices.rank() && batch < x.rank(), Code::invalid_argument, "batch_dims (", batch,
          ") must be less than rank(params) (", x.rank(), ").");
  require(axis >= batch, Code::invalid_argument, "batch_dims (", batch, ") must be less than or equal to axis (", axis,
          ").");
  for (int64_t d = 0; d < batch; ++d)
    require(x.shape[d] == indices.shape[d], Code::invalid_argument, "params.shape[", d, "]: ", x.shape[d],
            " should be equal to indices.shape[", d, "]: ", indices.shape[d]);
  const auto begin = x.shape.begin();
  Shape shape(begin, begin + axis);
  shape.insert(shape.end(), indices.shape.begin() + batch, indices.shape.end());
  shape.insert(shape.end(), begin + axis + 1, x.shape.end());
  const Tensor y = in_units(call.output(0, x.type, shape));
  if (y.size() == 0) return;
  const Tensor from = in_units(x);
  require_indexable(op.name, from);
  require_indexable(op.name, y);
  const int64_t outer = product(begin + batch, begin + axis);
  const int64_t per_batch = product(indices.shape.begin() + batch, indices.shape.end());
  int64_t inner = product(from.shape.begin() + axis + 1, from.shape.end()), moves = y.size();
  // Neighbouring elements of a slice move as one where addresses allow.
  size_t bytes = size_of(from.type);
  const uintptr_t addresses = reinterpret_cast<uintptr_t>(x.data) | reinterpret_cast<uintptr_t>(y.data);
  for (; bytes < 8 && inner % 2 == 0 && addresses % (2 * bytes) == 0; bytes *= 2) {
    inner /= 2;
    moves /= 2;
  }
  const GatherParams params{static_cast<uint32_t>(moves), static_cast<uint32_t>(x.shape[axis]),
                            static_cast<uint32_t>(inner), static_cast<uint32_t>(per_batch),
                            static_cast<uint32_t>(outer), Quotient(inner),
                            Quotient(per_batch),          Quotient(outer)};
  call.stream().launch(call.kernel(name(bytes, size_of(indices.type))), Grid::line(div_up(moves, kMapGroup)),
                       {read(x), read(indices), write(y)}, params);
}

void run_v2(Call& call, const OpSpec& op, const State* state) {
  gather(call, op, host_scalar(call.input(2), "axis"), static_cast<const BatchState*>(state)->batch_dims);
}
void run_v1(Call& call, const OpSpec& op, const State*) { gather(call, op, 0, 0); }

const std::vector<DType> kTypes = join({kFloats, kWide, {DType::boolean, DType::i32, DType::i64}});
const TypeAxis kIndices{"Tindices", {DType::i32, DType::i64}};

// The slices start behind the batch's axes, and the indices' batch axes are as many.
void run_resource(Call& call, const OpSpec& op, const State* state) {
  const int64_t batch = static_cast<const BatchState*>(state)->batch_dims;
  gather(call, op, batch, batch);
}
OpSpec resource_gather() {
  OpSpec row{"ResourceGather", join({kFloats, kDeviceInts, kWide, {DType::boolean}}), run_resource, "", variants,
             prepare};
  row.host = {"resource"};
  row.type_attr = "dtype";
  row.more = {kIndices};
  row.variables = {0};
  row.use = OpSpec::Use::read;
  return row;
}

const Family gathers{
    resource_gather(),
    {"Gather", kTypes, run_v1, "", variants, nullptr, {}, "Tparams", {kIndices}},
    {"GatherV2", kTypes, run_v2, "", variants, prepare, {"axis"}, "Tparams", {kIndices}},
};

}  // namespace
}  // namespace anvil::ops
