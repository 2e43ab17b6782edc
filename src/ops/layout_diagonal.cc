// Snapshot, and tensors seen along their diagonals: Diag, DiagPart, MatrixDiag, MatrixDiagPart, MatrixBandPart.
#include <algorithm>

#include "ops/host.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

void run_snapshot(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (y.data != x.data && y.size() != 0) call.stream().copy(y.data, x.data, y.bytes());
}

// Element i of a vector of n lies at i * (n + 1) of an n x n matrix.
void run_diag(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 1, Code::invalid_argument, "Input must be at least rank 1");
  Shape shape = x.shape;
  shape.insert(shape.end(), x.shape.begin(), x.shape.end());
  const Tensor y = call.output(0, x.type, shape);
  set_elements(call, op, 0, y);
  launch_copy(call, {{{x.size(), {1, x.size() + 1}}}}, x, y);
}
void run_diag_part(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  const int64_t half = x.rank() / 2;
  require(x.rank() >= 2 && x.rank() % 2 == 0, Code::invalid_argument,
          "The rank of the tensor should be even and positive, got shape ", text(x.shape));
  for (int64_t d = 0; d < half; ++d)
    require(x.shape[d] == x.shape[d + half], Code::invalid_argument, "Invalid shape ", text(x.shape), ": dimensions ",
            d, " and ", d + half, " do not match.");
  const Tensor y = call.output(0, x.type, Shape(x.shape.begin(), x.shape.begin() + half));
  launch_copy(call, {{{y.size(), {y.size() + 1, 1}}}}, x, y);
}

void run_matrix_diag(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 1, Code::invalid_argument, "input must be at least 1-dim, received shape: ", text(x.shape));
  const int64_t n = x.shape.back(), batch = n == 0 ? 0 : x.size() / n;
  Shape shape = x.shape;
  shape.push_back(n);
  const Tensor y = call.output(0, x.type, shape);
  set_elements(call, op, 0, y);
  launch_copy(call, {{{n, {1, n + 1}}, {batch, {n, n * n}}}}, x, y);
}
void run_matrix_diag_part(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 2, Code::invalid_argument, "input must be at least 2-dim, received shape: ", text(x.shape));
  const int64_t columns = x.shape.back(), rows = x.shape[x.shape.size() - 2], n = std::min(rows, columns);
  Shape shape(x.shape.begin(), x.shape.end() - 2);
  shape.push_back(n);
  const Tensor y = call.output(0, x.type, shape);
  if (n == 0) return;
  launch_copy(call, {{{n, {columns + 1, 1}}, {y.size() / n, {rows * columns, n}}}}, x, y);
}

std::string band_name(size_t bytes) { return str("band/band<", bytes, ">"); }
void band_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(band_name(bytes));
}

// Keeps what lies at most `lower` below and `upper` above the diagonal; negative means all.
void run_band_part(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 2, Code::invalid_argument, "input must be at least 2-dim, received shape: ", text(x.shape));
  const int64_t columns = x.shape.back(), rows = x.shape[x.shape.size() - 2];
  const auto limit = [&](int i, const char* name, int64_t length) {
    const Tensor given = call.input(i);
    require(given.rank() == 0, Code::invalid_argument, name, " must be scalar, got shape ", text(given.shape));
    const int64_t v = host_scalar(given, name);
    require(v <= length, Code::invalid_argument, name, " must be negative or less or equal to number of ",
            i == 1 ? "rows" : "columns", " (", length, ") got: ", v);
    return v < 0 ? length : v;
  };
  struct {
    uint32_t count, columns, rows, lower, upper;
  } params{};
  params.lower = static_cast<uint32_t>(limit(1, "num_lower", rows));
  params.upper = static_cast<uint32_t>(limit(2, "num_upper", columns));
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, y);
  params.count = static_cast<uint32_t>(y.size());
  params.columns = static_cast<uint32_t>(columns);
  params.rows = static_cast<uint32_t>(rows);
  call.stream().launch(call.kernel(band_name(size_of(x.type))), Grid::line(div_up(y.size(), kMapGroup)),
                       {read(x), write(y)}, params);
}

void both_variants(const OpSpec& op, std::vector<std::string>& names) {
  copy_variants(op, names);
  fill_variants(op, names);
}

const std::vector<DType> kAll = join({kFloats, kDeviceInts, kWide, {DType::i32, DType::boolean}});
const std::vector<DType> kDiagonal = join({kWide, {DType::f32, DType::f16, DType::i32, DType::i64}});
const std::vector<DType> kMatrix = join({kFloats, kWide, {DType::boolean}});
const std::vector<DType> kBanded = join({kFloats, {DType::f64, DType::c64, DType::boolean}});
const std::vector<DType> kBatched = join({kFloats, {DType::f64}});

const Family diagonal{
    {"Snapshot", kAll, run_snapshot},
    {"Diag", kDiagonal, run_diag, "", both_variants},
    {"DiagPart", kDiagonal, run_diag_part, "", copy_variants},
    {"MatrixDiag", kMatrix, run_matrix_diag, "", both_variants},
    {"MatrixDiagPart", kMatrix, run_matrix_diag_part, "", copy_variants},
    {"MatrixBandPart", kBanded, run_band_part, "", band_variants, nullptr, {"num_lower", "num_upper"}},
    // as graphs of TensorFlow 0.8 and before call them
    {"BatchMatrixDiag", kBatched, run_matrix_diag, "", both_variants},
    {"BatchMatrixDiagPart", kBatched, run_matrix_diag_part, "", copy_variants},
    {"BatchMatrixBandPart", kBatched, run_band_part, "", band_variants, nullptr, {"num_lower", "num_upper"}},
};

}  // namespace
}  // namespace anvil::ops
