// ArgMax and ArgMin.  The bodies are in kernels/arg.slang.
#include "ops/op.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // results of a group of `lanes`
// Up to here a result is searched by one thread: rows and columns on a GPU, and both on a software GPU, where llvmpipe
// cuts a thread's loops off at 65535 turns in all.
constexpr int64_t kShortRow = 64, kLongColumn = 4096, kSoftwareRow = 32768;

const std::vector<DType> kIndices = {DType::i32, DType::i64};

std::string key(DType t) { return t == DType::boolean ? "BoolKey" : str("FloatKey<", slang_name(t), ">"); }
std::string variant(bool lanes, const OpSpec& op, DType t, DType index) {
  return str("arg/", lanes ? "lanes<" : "groups<", op.kernel, ",", key(t), ",", index == DType::i32 ? "int" : "int64_t",
             ">");
}
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types)
    for (DType index : kIndices)
      for (bool lanes : {false, true}) names.push_back(variant(lanes, op, t, index));
}

struct IndexType : State {
  DType type;
  explicit IndexType(DType t) : type(t) {}
};
std::unique_ptr<State> prepare(const Attrs& a) { return std::make_unique<IndexType>(a.type("output_type")); }

void run(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0), dimension = call.input(1);
  require(dimension.rank() == 0, Code::invalid_argument,
          "dim must be a scalar, but received tensor of shape: ", text(dimension.shape));
  const int64_t rank = x.rank();
  const int64_t given = dimension.type == DType::i32 ? *dimension.host<int32_t>() : *dimension.host<int64_t>();
  const int64_t axis = given < 0 ? given + rank : given;
  require(axis >= 0 && axis < rank, Code::invalid_argument, "Expected dimension in the range [", -rank, ", ", rank,
          "), but got ", given);
  require(x.shape[axis] > 0, Code::invalid_argument, "Reduction axis ", given, " is empty in shape ", text(x.shape));
  Shape result = x.shape;
  result.erase(result.begin() + axis);
  const DType index = static_cast<const IndexType*>(state)->type;
  const Tensor y = call.output(0, index, result);
  if (y.size() == 0) return;
  require(x.size() < (int64_t{1} << 31), Code::unimplemented, op.name, ": 2^31 elements or more are not supported");
  int64_t inner = 1;
  for (int64_t i = axis + 1; i < rank; ++i) inner *= x.shape[i];
  struct {
    uint32_t outer, reduced, inner;
  } params{uint32_t(y.size() / inner), uint32_t(x.shape[axis]), uint32_t(inner)};
  const int64_t longest = call.caps().cpu_type() ? kSoftwareRow : inner > 1 ? kLongColumn : kShortRow;
  const bool lanes = params.reduced <= longest;
  call.stream().launch(call.kernel(variant(lanes, op, x.type, index)),
                       Grid::line(lanes ? div_up(y.size(), kGroup) : y.size()), {read(x), write(y)}, params);
}

const std::vector<DType> kTypes = join({kFloats, {DType::boolean}});
const Family arg{
    {"ArgMax",
     kTypes,
     run,
     "ArgMax",
     variants,
     prepare,
     {"dimension"},
     "T",
     {{"output_type", kIndices}, {"Tidx", {DType::i32}}}},
    {"ArgMin",
     kTypes,
     run,
     "ArgMin",
     variants,
     prepare,
     {"dimension"},
     "T",
     {{"output_type", kIndices}, {"Tidx", {DType::i32}}}},
};

}  // namespace
}  // namespace anvil::ops
