// SparseTensorDenseMatMul: each row of the result is the sum over the entries of a sparse matrix's row, in their order.
// Entries outside of the matrix take part in nothing.
#include "ops/host.h"
#include "ops/segment.h"

namespace anvil::ops {
namespace {

struct Adjoints final : State {
  bool a = false, b = false;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<Adjoints>();
  s->a = attrs.flag("adjoint_a");
  s->b = attrs.flag("adjoint_b");
  return s;
}

void run(Call& call, const OpSpec&, const State* state) {
  const auto& adjoint = *static_cast<const Adjoints*>(state);
  const Tensor indices = call.input(0), values = call.input(1), given = call.input(2), b = call.input(3);
  require(b.rank() == 2, Code::invalid_argument, "Tensor 'b' is not a matrix");
  require(given.rank() == 1, Code::invalid_argument, "Tensor 'a_shape' is not a vector");
  require(given.size() == 2, Code::invalid_argument, "Tensor 'a_shape' must have 2 elements");
  require(values.rank() == 1, Code::invalid_argument, "Tensor 'a_values' is not a vector");
  require(indices.rank() == 2, Code::invalid_argument, "Tensor 'a_indices' is not a matrix");
  require(indices.shape[0] == values.size(), Code::invalid_argument,
          "Number of rows of a_indices does not match number of entries in a_values");
  require(indices.shape[1] == 2, Code::invalid_argument,
          "Number of columns of a_indices does not match number of entries in a_shape");
  const Shape a = host_shape(given);
  const int64_t rows = a[adjoint.a], inner = a[!adjoint.a], columns = b.shape[!adjoint.b];
  require(inner == b.shape[adjoint.b], Code::invalid_argument,
          "Cannot multiply A and B because inner dimension does not match: ", inner, " vs. ", b.shape[adjoint.b],
          ".  Did you forget a transpose?  Dimensions of A: [", a[0], ", ", a[1],
          ").  Dimensions of B: ", text(b.shape));
  require(rows >= 0, Code::invalid_argument, "a_shape must not be negative");
  const Tensor y = call.output(0, b.type, {rows, columns});
  if (y.size() == 0) return;
  // Entry i belongs to the row that half of a pair says, and takes part with the row of b that the other half says.
  Tensor ids{{indices.size()}, indices.type, indices.data};
  if (adjoint.a && indices.size()) {
    ids.data = static_cast<char*>(ids.data) + size_of(ids.type);
    --ids.shape[0];
  }
  const SortRows list = segment_list(call, {ids, {{0}}, values.size(), rows, 0, 2}, true);
  Reduction how;
  how.width = columns;
  how.row_stride = adjoint.b ? 1 : b.shape[1];
  how.column_stride = adjoint.b ? b.shape[1] : 1;
  how.rows_limit = inner;
  how.columns = indices;
  how.column = adjoint.a ? 0 : 1;
  how.weights = values;
  launch_segments(call, how, list, segment_bounds(call, list, rows), b, y);
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) segment_variants(names, "Sum", t);
}

const Family sparse{{"SparseTensorDenseMatMul",
                     {DType::f32, DType::f16},
                     run,
                     "",
                     variants,
                     prepare,
                     {"a_shape"},
                     "T",
                     {{"Tindices", {DType::i32, DType::i64}}}}};

}  // namespace
}  // namespace anvil::ops
