// OneHot.  An index outside of [0, depth) marks nothing.
#include "ops/host.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

struct AxisState final : State {
  int64_t axis = -1;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<AxisState>();
  s->axis = attrs.integer("axis");
  return s;
}

std::string name(size_t bytes, size_t index_bytes) { return str("one_hot/one_hot<", bytes, ",", index_bytes, ">"); }
void variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8})
    for (const size_t index_bytes : {1, 4, 8}) names.push_back(name(bytes, index_bytes));
}

void run(Call& call, const OpSpec& op, const State* state) {
  const Tensor indices = call.input(0), depth_in = call.input(1), on = call.input(2), off = call.input(3);
  const int64_t given = static_cast<const AxisState*>(state)->axis;
  require(given == -1 || (given >= 0 && given <= indices.rank()), Code::invalid_argument,
          "Expected axis to be -1 or between [0, ", indices.rank() + 1, ").  But received: ", given);
  require(depth_in.rank() == 0, Code::invalid_argument, "depth must be a scalar, but got: ", text(depth_in.shape));
  require(on.rank() == 0, Code::invalid_argument, "on_value must be a scalar, but got: ", text(on.shape));
  require(off.rank() == 0, Code::invalid_argument, "off_value must be a scalar, but got: ", text(off.shape));
  const int64_t depth = host_scalar(depth_in, "depth");
  require(depth >= 0, Code::invalid_argument, "depth must be non-negative, got: ", depth);
  const int64_t axis = given == -1 ? indices.rank() : given;
  Shape shape = indices.shape;
  shape.insert(shape.begin() + axis, depth);
  const Tensor y = call.output(0, on.type, shape);
  if (y.size() == 0) return;
  require_indexable(op.name, y);
  int64_t suffix = 1;
  for (int64_t d = axis; d < indices.rank(); ++d) suffix *= indices.shape[static_cast<size_t>(d)];
  struct {
    uint32_t count, depth, suffix, narrow_sign;
  } const params{static_cast<uint32_t>(y.size()), static_cast<uint32_t>(depth), static_cast<uint32_t>(suffix),
                 indices.type == DType::i8 ? 24u : 0u};
  call.stream().launch(call.kernel(name(size_of(y.type), size_of(indices.type))),
                       Grid::line(div_up(y.size(), kMapGroup)), {read(indices), read(on), read(off), write(y)}, params);
}

const std::vector<DType> kTypes =
    join({kFloats, {DType::boolean, DType::f64, DType::c64, DType::i8, DType::i32, DType::i64}});
const Family one_hot{{"OneHot",
                      kTypes,
                      run,
                      "",
                      variants,
                      prepare,
                      {"depth"},
                      "T",
                      {{"TI", {DType::i32, DType::i64, DType::i8, DType::u8}}}}};

}  // namespace
}  // namespace anvil::ops
