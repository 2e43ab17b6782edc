// Qr, SelfAdjointEigV2 and Svd.  The bodies are in kernels/orthogonal.slang.  Jacobi's rotations go round for as many
// sweeps as float32 ever needs: whether fewer would do is a matter of values, which nobody waits for here.  Neither is
// a matrix with NaN in it reported, as the CPU kernel of SelfAdjointEigV2 does: its results are NaN.
#include <algorithm>

#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kTurn = "orthogonal/turn", *kReflect = "orthogonal/reflect", *kUnitary = "orthogonal/unitary",
                     *kUpper = "orthogonal/upper", *kSymmetric = "orthogonal/symmetric",
                     *kEigenRound = "orthogonal/eigen_round", *kRanks = "orthogonal/ranks",
                     *kArrange = "orthogonal/arrange", *kColumnLargest = "orthogonal/column_largest",
                     *kScaleColumns = "orthogonal/scale_columns", *kColumnSizes = "orthogonal/column_sizes",
                     *kUnit = "orthogonal/unit", *kSingularRound = "orthogonal/singular_round";
constexpr int64_t kTurns = 32768;  // of loops in one launch: software drivers end longer ones

uint32_t narrow(int64_t n) { return static_cast<uint32_t>(n); }
Tensor nothing() { return {{0}}; }

struct Matrices {
  int64_t count = 0, rows = 0, columns = 0;
  Shape outer;
  int64_t smaller() const { return std::min(rows, columns); }
  Shape of(std::initializer_list<int64_t> inner) const {
    Shape s = outer;
    s.insert(s.end(), inner);
    return s;
  }
};
Matrices matrices(const Tensor& x) {
  require(x.rank() >= 2, Code::invalid_argument, "Input tensor 0 must have rank >= 2");
  Matrices m;
  m.outer = Shape(x.shape.begin(), x.shape.end() - 2);
  m.count = count(m.outer);
  m.rows = x.shape[x.shape.size() - 2];
  m.columns = x.shape.back();
  return m;
}

struct FlagState final : State {
  bool full = false, vectors = true;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<FlagState>();
  if (attrs.has("full_matrices")) s->full = attrs.flag("full_matrices");
  if (attrs.has("compute_v")) s->vectors = attrs.flag("compute_v");
  if (attrs.has("compute_uv")) s->vectors = attrs.flag("compute_uv");
  return s;
}

template <class Params>
void launch_groups(Call& call, const char* kernel, int64_t groups, std::initializer_list<Arg> args,
                   const Params& params) {
  require(groups < (int64_t{1} << 31), Code::unimplemented, kernel, ": 2^31 columns or more are not supported");
  call.stream().launch(call.kernel(kernel), Grid::line(static_cast<uint64_t>(groups)), args, params);
}

// ---- QR ----
// Of [count, columns, rows], in place.  The result is the reflectors' numbers, [count, steps, 3].
Tensor factor(Call& call, const Tensor& a, const Matrices& m) {
  const Tensor kept = call.scratch(DType::f32, {m.count, m.smaller(), 3});
  for (int64_t k = 0; k < m.smaller(); ++k) {
    const int64_t groups = m.count * (m.columns - k);
    struct {
      uint32_t groups, rows, columns, k, steps;
    } const params{narrow(groups), narrow(m.rows), narrow(m.columns), narrow(k), narrow(m.smaller())};
    launch_groups(call, kReflect, groups, {write(a), write(kept)}, params);
  }
  return kept;
}
// The first `wide` columns of Q, column by column.
Tensor unitary(Call& call, const Tensor& a, const Tensor& kept, const Matrices& m, int64_t wide) {
  const Tensor q = call.scratch(DType::f32, {m.count, wide, m.rows});
  const int64_t at_once = std::max<int64_t>(1, kTurns / (m.rows / 32 + 16)), groups = m.count * wide;
  for (int64_t to = m.smaller(); to > 0; to -= std::min(to, at_once)) {
    struct {
      uint32_t groups, rows, columns, steps, wide, from, to;
    } const params{narrow(groups),      narrow(m.rows), narrow(m.columns),
                   narrow(m.smaller()), narrow(wide),   narrow(std::max<int64_t>(0, to - at_once)),
                   narrow(to)};
    launch_groups(call, kUnitary, groups, {read(a), read(kept), write(q)}, params);
  }
  return q;
}
// y = x of [count, rows, columns], turned over.
void turn(Call& call, const Tensor& x, const Tensor& y, int64_t rows, int64_t columns, const Tensor& kept = nothing(),
          int64_t steps = 0) {
  struct {
    uint32_t count, rows, columns, steps;
  } const params{narrow(x.size()), narrow(rows), narrow(columns), narrow(steps)};
  launch_threads(call, kTurn, x.size(), {read(x), write(y), read(kept)}, params);
}
void run_qr(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0);
  const Matrices m = matrices(x);
  const int64_t wide = static_cast<const FlagState*>(state)->full ? m.rows : m.smaller();
  const Tensor q = call.output(0, x.type, m.of({m.rows, wide})), r = call.output(1, x.type, m.of({wide, m.columns}));
  if (x.size() == 0) {
    if (q.size()) {  // no columns: the unit matrix
      struct {
        uint32_t count, n;
      } const params{narrow(q.size()), narrow(m.rows)};
      launch_threads(call, kUnit, q.size(), {write(q)}, params);
    }
    return;
  }
  const Tensor a = call.scratch(x.type, {m.count, m.columns, m.rows});
  turn(call, x, a, m.rows, m.columns);
  const Tensor kept = factor(call, a, m);
  turn(call, unitary(call, a, kept, m, wide), q, wide, m.rows);
  struct {
    uint32_t count, rows, columns, steps, tall;
  } const params{narrow(r.size()), narrow(m.rows), narrow(m.columns), narrow(m.smaller()), narrow(wide)};
  launch_threads(call, kUpper, r.size(), {read(a), read(kept), write(r)}, params);
}

// ---- rotations ----
// Rounds of a sweep in which each of n columns meets each other once.
int64_t rounds(int64_t n) { return n < 2 ? 0 : n + n % 2 - 1; }
// As many as matrices of float32 take, and some more: that number grows with the logarithm of their size.
int64_t sweeps(int64_t n) {
  int64_t log = 0;
  while (int64_t{1} << log < n) ++log;
  return 6 + log;
}
// The places of n values of each matrix, `pitch` from one matrix and `step` from one value to the next.
Tensor sort(Call& call, const Tensor& x, const Tensor& sorted, int64_t n, int64_t pitch, int64_t step,
            bool descending) {
  const Tensor places = call.scratch(DType::u32, {sorted.size()});
  struct {
    uint32_t count, n, pitch, step, descending;
  } const params{narrow(sorted.size()), narrow(n), narrow(pitch), narrow(step), descending};
  launch_threads(call, kRanks, sorted.size(), {read(x), write(sorted), write(places)}, params);
  return places;
}
struct Order {
  int64_t row, column;  // distances of elements
};
void arrange(Call& call, const Tensor& x, Order from, const Tensor& y, Order to, const Tensor& places, int64_t rows,
             int64_t n) {
  struct {
    uint32_t count, n, rows, row, column, y_row, y_column;
  } const params{narrow(x.size()),    narrow(n),      narrow(rows),     narrow(from.row),
                 narrow(from.column), narrow(to.row), narrow(to.column)};
  launch_threads(call, kArrange, x.size(), {read(x), write(y), read(places)}, params);
}

void run_eigen(Call& call, const OpSpec&, const State* state) {
  const bool vectors = static_cast<const FlagState*>(state)->vectors;
  const Tensor x = call.input(0);
  const Matrices m = matrices(x);
  require(m.rows == m.columns, Code::invalid_argument, "Input matrix must be square, got ", text(x.shape));
  const int64_t n = m.rows;
  const Tensor e = call.output(0, x.type, m.of({n}));
  const Tensor v = call.output(1, x.type, vectors ? x.shape : Shape{0});
  if (x.size() == 0) return;
  Tensor a = call.scratch(x.type, x.shape), b = call.scratch(x.type, x.shape);
  const Tensor turned = vectors ? call.scratch(x.type, x.shape) : nothing();
  struct {
    uint32_t count, n;
  } const begin{narrow(x.size()), narrow(n)};
  launch_threads(call, kSymmetric, x.size(), {read(x), write(a), write(turned)}, begin);
  const int64_t pairs = (n + 1) / 2, threads = m.count * (pairs * pairs + (vectors ? n * pairs : 0));
  for (int64_t i = 0; i < rounds(n) * sweeps(n); ++i, std::swap(a, b)) {
    struct {
      uint32_t count, n, round;
    } const params{narrow(threads), narrow(n), narrow(i % rounds(n))};
    launch_threads(call, kEigenRound, threads, {read(a), write(b), write(turned)}, params);
  }
  const Tensor places = sort(call, a, e, n, n * n, n + 1, false);
  if (vectors) arrange(call, turned, {n, 1}, v, {n, 1}, places, n, n);
}

void run_svd(Call& call, const OpSpec&, const State* state) {
  const auto& flags = *static_cast<const FlagState*>(state);
  const Tensor x = call.input(0);
  const Matrices m = matrices(x);
  const int64_t few = m.smaller(), many = std::max(m.rows, m.columns), wide = flags.full ? many : few;
  const bool tall = m.rows >= m.columns;
  const Tensor s = call.output(0, x.type, m.of({few}));
  const Shape none{0}, long_shape = m.of({many, wide}), short_shape = m.of({few, few});
  const Tensor u = call.output(1, x.type, !flags.vectors ? none : tall ? long_shape : short_shape);
  const Tensor v = call.output(2, x.type, !flags.vectors ? none : tall ? short_shape : long_shape);
  const auto unit = [&](const Tensor& t, int64_t n) {
    struct {
      uint32_t count, n;
    } const params{narrow(t.size()), narrow(n)};
    launch_threads(call, kUnit, t.size(), {write(t)}, params);
  };
  if (x.size() == 0) {
    if (flags.vectors && flags.full) unit(tall ? u : v, many);
    return;
  }
  // The columns of the matrix, or of its transpose if that is the taller.
  const Tensor a = call.scratch(x.type, {m.count, few, many});
  if (tall) turn(call, x, a, many, few);
  else call.stream().copy(a.data, x.data, x.bytes());
  const Tensor largest = call.scratch(x.type, {m.count, few}), sizes = call.scratch(x.type, {m.count, few});
  const Tensor turned = flags.vectors ? call.scratch(x.type, {m.count, few, few}) : nothing();
  const int64_t columns = m.count * few;
  struct {
    uint32_t groups, rows, columns;
  } const each{narrow(columns), narrow(many), narrow(few)};
  launch_groups(call, kColumnLargest, columns, {read(a), write(largest)}, each);
  launch_groups(call, kScaleColumns, columns, {write(a), read(largest)}, each);
  if (flags.vectors) unit(turned, few);
  const int64_t pairs = m.count * ((few + 1) / 2);
  for (int64_t i = 0; i < rounds(few) * sweeps(few); ++i) {
    struct {
      uint32_t groups, rows, columns, round;
    } const params{narrow(pairs), narrow(many), narrow(few), narrow(i % rounds(few))};
    launch_groups(call, kSingularRound, pairs, {write(a), write(turned)}, params);
  }
  launch_groups(call, kColumnSizes, columns, {read(a), read(largest), write(sizes)}, each);
  const Tensor places = sort(call, sizes, s, few, few, 1, true);
  if (!flags.vectors) return;
  // The columns are orthogonal: of their QR decomposition, whose R is diagonal, Q is what they are in units, and where
  // they vanish or are too few it completes them.
  const Tensor sorted = call.scratch(x.type, a.shape);
  arrange(call, a, {1, many}, sorted, {1, many}, places, many, few);
  const Matrices own{m.count, many, few, {}};
  const Tensor kept = factor(call, sorted, own);
  turn(call, unitary(call, sorted, kept, own, wide), tall ? u : v, wide, many, kept, few);
  arrange(call, turned, {1, few}, tall ? v : u, {few, 1}, places, few, few);
}

void qr_variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kTurn, kReflect, kUnitary, kUpper, kUnit});
}
void eigen_variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kSymmetric, kEigenRound, kRanks, kArrange});
}
void svd_variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kTurn, kReflect, kUnitary, kColumnLargest, kScaleColumns, kColumnSizes, kUnit,
                             kSingularRound, kRanks, kArrange});
}

const Family orthogonal{
    {"Qr", {DType::f32}, run_qr, "", qr_variants, prepare},
    {"SelfAdjointEigV2", {DType::f32}, run_eigen, "", eigen_variants, prepare},
    {"Svd", {DType::f32}, run_svd, "", svd_variants, prepare},
};

}  // namespace
}  // namespace anvil::ops
