// Transpose and Reverse.
#include <algorithm>

#include "ops/complex.h"
#include "ops/host.h"

namespace anvil::ops {
namespace {

constexpr int64_t kTile = 32;  // as in transpose.slang
constexpr const char* kConjugate = "conjugate";

struct TileParams {
  uint32_t rows, columns, column_tiles, tiles;
};

std::string tile_name(size_t bytes) { return str("transpose/transpose<", bytes, ">"); }

// A batch of matrices whose rows become columns: a GPU moves them through shared memory in tiles, so that it reads and
// writes whole lines.  Anything else, and a device without cheap barriers, takes the strided copy.
struct Matrices {
  int64_t batch = 0, rows = 0, columns = 0;
};
Matrices as_matrices(const Axes& axes) {
  // Innermost first, in the output's order: rows (stride `columns` in the source), columns (stride 1), batch.
  if (axes.size() < 2 || axes.size() > 3) return {};
  const Axis &r = axes[0], &c = axes[1];
  if (r.stride[0] != c.size || c.stride[0] != 1) return {};
  if (axes.size() == 3 && axes[2].stride[0] != r.size * c.size) return {};
  return {axes.size() == 3 ? axes[2].size : 1, r.size, c.size};
}

// Moves x along the walk to y, in tiles where that is better.
void transpose(Call& call, const OpSpec& op, const Walk& walk, const Tensor& x, const Tensor& y) {
  const Matrices m = as_matrices(collapse(walk.axes));
  if (m.batch == 0 || call.caps().cpu_type() || std::min(m.rows, m.columns) < 8 || x.size() > UINT32_MAX ||
      size_of(x.type) > 8)
    return move_elements(call, op, walk, x, y);
  const int64_t row_tiles = static_cast<int64_t>(div_up(m.rows, kTile)),
                column_tiles = static_cast<int64_t>(div_up(m.columns, kTile));
  const TileParams params{static_cast<uint32_t>(m.rows), static_cast<uint32_t>(m.columns),
                          static_cast<uint32_t>(column_tiles), static_cast<uint32_t>(row_tiles * column_tiles)};
  call.stream().launch(call.kernel(tile_name(size_of(x.type))), Grid::line(m.batch * row_tiles * column_tiles),
                       {read(x), write(y)}, params);
}

void run_transpose(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), p = call.input(1);
  require(p.rank() == 1, Code::invalid_argument, "perm must be rank 1, got shape ", text(p.shape));
  require(p.size() == x.rank(), Code::invalid_argument, "transpose expects a vector of size ", x.rank(),
          ". But input(1) is a vector of size ", p.size());
  std::vector<int64_t> perm = host_values(p);
  std::vector<bool> seen(perm.size());
  Shape shape;
  bool identity = true;
  for (size_t i = 0; i < perm.size(); ++i) {
    if (perm[i] < 0) perm[i] += x.rank();
    require(perm[i] >= 0 && perm[i] < x.rank(), Code::invalid_argument, perm[i], " is out of range [0 .. ", x.rank(),
            ")");
    seen[static_cast<size_t>(perm[i])] = true;
    shape.push_back(x.shape[static_cast<size_t>(perm[i])]);
    identity &= perm[i] == static_cast<int64_t>(i);
  }
  for (size_t i = 0; i < seen.size(); ++i)
    require(seen[i], Code::invalid_argument, i, " is missing from the permutation.");
  const bool conjugate = op.kernel == kConjugate && (x.type == DType::c64 || x.type == DType::c128);
  if (!conjugate && (identity || x.size() <= 1)) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, x.type, shape);
  if (y.size() == 0) return;
  const auto from = contiguous_strides(x.shape), to = contiguous_strides(shape);
  Walk walk;
  for (size_t d = shape.size(); d-- > 0;) walk.axes.push_back({shape[d], {from[static_cast<size_t>(perm[d])], to[d]}});
  transpose(call, op, walk, x, y);
  if (conjugate) launch_conj(call, y, y);
}

void transpose_variants(const OpSpec& op, std::vector<std::string>& names) {
  if (op.kernel == kConjugate) conj_variants(op, names);
  copy_variants(op, names);
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(tile_name(bytes));
}

void reverse(Call& call, const OpSpec& op, const Tensor& x, const std::vector<bool>& backwards) {
  if (std::ranges::none_of(backwards, [](bool b) { return b; })) return call.output_alias(0, 0, x.shape);
  const Tensor y = call.output(0, x.type, x.shape);
  const auto strides = contiguous_strides(x.shape);
  Walk walk;
  for (size_t d = x.shape.size(); d-- > 0;) {
    walk.axes.push_back({x.shape[d], {backwards[d] ? -strides[d] : strides[d], strides[d]}});
    if (backwards[d] && x.shape[d] > 0) walk.from += (x.shape[d] - 1) * strides[d];
  }
  move_elements(call, op, walk, x, y);
}

void run_reverse_v2(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), axes = call.input(1);
  require(axes.rank() == 1, Code::invalid_argument, "axes must be 1-dimension, not ", axes.rank());
  std::vector<bool> backwards(x.shape.size());
  for (const int64_t given : host_values(axes)) {
    const int64_t a = given < 0 ? given + x.rank() : given;
    require(a >= 0 && a < x.rank(), Code::invalid_argument, "axis ", given, " is out of valid range [-", x.rank(), ", ",
            x.rank() - 1, "]");
    require(!backwards[static_cast<size_t>(a)], Code::invalid_argument, "axis ", a, " specified more than once.");
    backwards[static_cast<size_t>(a)] = true;
  }
  reverse(call, op, x, backwards);
}

// The older op marks the axes with a vector of bool.
void run_reverse(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), dims = call.input(1);
  require(dims.rank() == 1, Code::invalid_argument, "'dims' must be 1-dimension, not ", dims.rank());
  require(dims.size() == x.rank(), Code::invalid_argument,
          "'dims' must have the same number of values as 'tensor' has ", "dimensions. 'tensor' has ", x.rank(),
          "'dims' has ", dims.size(), " values");
  std::vector<bool> backwards;
  for (int64_t i = 0; i < dims.size(); ++i) backwards.push_back(dims.host<uint8_t>()[i] != 0);
  reverse(call, op, x, backwards);
}

const std::vector<DType> kAll = join({kFloats, kDeviceInts, kWide, {DType::i32, DType::boolean}});
const std::vector<DType> kReversed = join({kFloats, kWide, {DType::boolean, DType::i8, DType::u8}});
const std::vector<DType> kInt32 = {DType::i32};

const Family permute{
    {"Transpose", kAll, run_transpose, "", transpose_variants, nullptr, {"perm"}},
    {"ConjugateTranspose", kAll, run_transpose, kConjugate, transpose_variants, nullptr, {"perm"}},
    {"Reverse", kReversed, run_reverse, "", copy_variants, nullptr, {"dims"}},
    {"Reverse", kInt32, run_reverse, kHost, nullptr, nullptr, {"tensor", "dims", "output"}},
    {"ReverseV2", kReversed, run_reverse_v2, "", copy_variants, nullptr, {"axis"}},
    {"ReverseV2", kInt32, run_reverse_v2, kHost, nullptr, nullptr, {"tensor", "axis", "output"}},
};

}  // namespace
}  // namespace anvil::ops
