// MatrixDiagV2/V3, MatrixDiagPartV2/V3 and MatrixSetDiag: bands of diagonals (kernels/diagonals.slang).
#include "ops/host.h"
#include "ops/map.h"

namespace anvil::ops {
namespace {

struct Align final : State {
  uint32_t bits = 3;  // as in diagonals.slang; V2 has all diagonals at the left
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<Align>();
  if (!attrs.has("align")) return s;
  const std::string align = attrs.string("align");  // of those above the main diagonal, then of those below
  s->bits = (align.starts_with("LEFT") ? 1u : 0u) | (align.ends_with("LEFT") ? 2u : 0u);
  return s;
}

struct Band {
  uint32_t rows = 0, columns = 0;
  int32_t lower = 0, upper = 0;
  uint32_t longest = 0, align = 3;
  int64_t diagonals() const { return int64_t{upper} - lower + 1; }
};

std::pair<int64_t, int64_t> read_k(const Tensor& k) {
  require(k.rank() <= 1, Code::invalid_argument,
          "diag_index must be a scalar or vector, received shape: ", text(k.shape));
  const auto v = host_values(k);
  require(!v.empty(), Code::invalid_argument, "Expected diag_index to have at least one element");
  require(v.size() <= 2, Code::invalid_argument, "diag_index must have only one or two elements, received ", v.size(),
          " elements.");
  require(v.front() <= v.back(), Code::invalid_argument,
          "lower_diag_index must not be larger than upper_diag_index: ", v.front(), " > ", v.back());
  return {v.front(), v.back()};
}
int64_t longest_of(int64_t rows, int64_t columns, int64_t lower, int64_t upper) {
  return std::min(rows + std::min<int64_t>(upper, 0), columns - std::max<int64_t>(lower, 0));
}
// The band k of matrices of so many rows and columns.
Band band_of(const Tensor& k, int64_t rows, int64_t columns, const State* state) {
  const auto [lower, upper] = read_k(k);
  const auto inside = [&](int64_t d) { return (-rows < d && d < columns) || d == 0; };
  require(inside(lower), Code::invalid_argument, "lower_diag_index is out of bound: ", lower, ". It must be between ",
          -rows, " and ", columns);
  require(inside(upper), Code::invalid_argument, "upper_diag_index is out of bound: ", upper, ". It must be between ",
          -rows, " and ", columns);
  return {static_cast<uint32_t>(rows),
          static_cast<uint32_t>(columns),
          static_cast<int32_t>(lower),
          static_cast<int32_t>(upper),
          static_cast<uint32_t>(longest_of(rows, columns, lower, upper)),
          state ? static_cast<const Align*>(state)->bits : 3};
}
uint64_t padding_of(const Tensor& t) {
  require(t.size() == 1 && t.rank() == 0, Code::invalid_argument, "Padding must be scalar.");
  return host_bits(t).low;
}

std::string name(const char* entry, size_t bytes) { return str("diagonals/", entry, "<", bytes, ">"); }
void part_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(name("part", bytes));
}
void set_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(name("set", bytes));
}

void launch_set(Call& call, const OpSpec& op, const Band& band, uint64_t padding, const Tensor& diagonal,
                const Tensor& x, const Tensor& y) {
  if (y.size() == 0) return;
  require_indexable(op.name, y);
  require_indexable(op.name, diagonal);
  struct {
    uint64_t padding;
    uint32_t count;
    Band band;
    uint32_t unused = 0;  // the kernel's struct ends at a multiple of 8 bytes
  } const params{padding, static_cast<uint32_t>(y.size()), band};
  call.stream().launch(call.kernel(name("set", size_of(y.type))), Grid::line(div_up(y.size(), kMapGroup)),
                       {read(diagonal), read(x), write(y)}, params);
}

void run_diag(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  require(x.rank() >= 1, Code::invalid_argument, "diagonal must be at least 1-dim, received shape: ", text(x.shape));
  const auto [lower, upper] = read_k(call.input(1));
  const uint64_t padding = padding_of(call.input(4));
  int64_t rows = host_scalar(call.input(2), "num_rows"), columns = host_scalar(call.input(3), "num_cols");
  const int64_t diagonals = upper - lower + 1, longest = x.shape.back();
  require(lower == upper || (x.rank() >= 2 && x.shape[x.shape.size() - 2] == diagonals), Code::invalid_argument,
          "The number of diagonals provided in the input does not match the lower_diag_index and upper_diag_index "
          "range.");
  const int64_t least_rows = longest - std::min<int64_t>(upper, 0),
                least_columns = longest + std::max<int64_t>(lower, 0);
  require(rows == -1 || rows >= least_rows, Code::invalid_argument, "The number of rows is too small.");
  require(columns == -1 || columns >= least_columns, Code::invalid_argument, "The number of columns is too small.");
  // Without either, the matrix is square.
  if (rows == -1 && columns == -1) rows = columns = std::max(least_rows, least_columns);
  else if (rows == -1) rows = least_rows;
  else if (columns == -1) columns = least_columns;
  require(rows == least_rows || columns == least_columns, Code::invalid_argument,
          "The number of rows or columns is not consistent with the specified d_lower, d_upper, and diagonal.");
  Shape shape(x.shape.begin(), x.shape.end() - (lower == upper ? 1 : 2));
  shape.insert(shape.end(), {rows, columns});
  const Band band{static_cast<uint32_t>(rows), static_cast<uint32_t>(columns), static_cast<int32_t>(lower),
                  static_cast<int32_t>(upper), static_cast<uint32_t>(longest), static_cast<const Align*>(state)->bits};
  launch_set(call, op, band, padding, x, {{0}}, call.output(0, x.type, shape));
}

void run_part(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  require(x.rank() >= 2, Code::invalid_argument, "input must be at least 2-dim, received shape: ", text(x.shape));
  const int64_t columns = x.shape.back(), rows = x.shape[x.shape.size() - 2];
  const Band band = band_of(call.input(1), rows, columns, state);
  const uint64_t padding = padding_of(call.input(2));
  Shape shape(x.shape.begin(), x.shape.end() - 2);
  if (band.diagonals() > 1) shape.push_back(band.diagonals());
  shape.push_back(band.longest);
  const Tensor y = call.output(0, x.type, shape);
  if (y.size() == 0) return;
  require_indexable(op.name, x);
  require_indexable(op.name, y);
  struct {
    uint64_t padding;
    uint32_t count;
    Band band;
    uint32_t unused = 0;
  } const params{padding, static_cast<uint32_t>(y.size()), band};
  call.stream().launch(call.kernel(name("part", size_of(x.type))), Grid::line(div_up(y.size(), kMapGroup)),
                       {read(x), write(y)}, params);
}

void run_set(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0), diagonal = call.input(1);
  const int32_t main = 0;
  const Tensor k = call.inputs() > 2 ? call.input(2) : Tensor{{}, DType::i32, const_cast<int32_t*>(&main)};
  require(x.rank() >= 2, Code::invalid_argument, "input must be at least 2-dim, received shape: ", text(x.shape));
  require(diagonal.rank() >= 1, Code::invalid_argument,
          "diagonal must be at least 1-dim, received shape: ", text(diagonal.shape));
  const Band band = band_of(k, x.shape[x.shape.size() - 2], x.shape.back(), state);
  Shape expected(x.shape.begin(), x.shape.end() - 2);
  if (band.diagonals() > 1) expected.push_back(band.diagonals());
  expected.push_back(band.longest);
  require(diagonal.shape == expected, Code::invalid_argument,
          "Either first dimensions of diagonal don't match input.shape[:-2], or diagonal.shape[:-1] is not equal to "
          "the longests diagonal in range [lower_diag_index:upper_diag_index].\nInput shape: ",
          text(x.shape), "\nDiagonal shape: ", text(diagonal.shape), "\nExpected diagonal shape: ", text(expected));
  launch_set(call, op, band, 0, diagonal, x, call.output_reusing(0, {0}, x.type, x.shape));
}

const std::vector<DType> kTypes = join({kFloats, {DType::f64, DType::c64, DType::boolean}});
const std::vector<const char*> kDiagHost = {"k", "num_rows", "num_cols", "padding_value"},
                               kPartHost = {"k", "padding_value"};
const Family bands{
    {"MatrixDiagV2", kTypes, run_diag, "", set_variants, prepare, kDiagHost},
    {"MatrixDiagV3", kTypes, run_diag, "", set_variants, prepare, kDiagHost},
    {"MatrixDiagPartV2", kTypes, run_part, "", part_variants, prepare, kPartHost},
    {"MatrixDiagPartV3", kTypes, run_part, "", part_variants, prepare, kPartHost},
    {"MatrixSetDiag", kTypes, run_set, "", set_variants},
    {"BatchMatrixSetDiag", join({kFloats, {DType::f64}}), run_set, "", set_variants},  // of TensorFlow 0.8
    {"MatrixSetDiagV2", kTypes, run_set, "", set_variants, prepare, {"k"}},
    {"MatrixSetDiagV3", kTypes, run_set, "", set_variants, prepare, {"k"}},
};

}  // namespace
}  // namespace anvil::ops
