// Cholesky, Lu, MatrixSolve, MatrixInverse, MatrixDeterminant, LogMatrixDeterminant and MatrixTriangularSolve.  The
// bodies are in kernels/linear.slang.  A matrix that cannot be factored or inverted gives infinities or NaN where the
// CPU kernels report an error: that is a matter of values, which nobody waits for here.
#include <algorithm>

#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kTranspose = "linear/transpose", *kCholesky = "linear/cholesky", *kPivot = "linear/pivot",
                     *kEliminate = "linear/eliminate", *kSubstitute = "linear/substitute",
                     *kDeterminant = "linear/determinant";
constexpr int64_t kTurns = 32768;  // of a loop in one launch: software drivers end longer ones

uint32_t narrow(int64_t n) { return static_cast<uint32_t>(n); }
Tensor nothing() { return {{0}}; }

// Square matrices in the last two axes.
struct Matrices {
  int64_t n = 0, count = 0;
};
Matrices matrices(const Tensor& x, const char* what = "Input matrix") {
  require(x.rank() >= 2, Code::invalid_argument, what, " must have rank >= 2, got ", x.rank());
  const int64_t n = x.shape.back();
  require(x.shape[x.shape.size() - 2] == n, Code::invalid_argument, what, " must be square, got ", text(x.shape));
  return {n, count(Shape(x.shape.begin(), x.shape.end() - 2))};
}
bool empty(const Matrices& m) { return m.n == 0 || m.count == 0; }

struct FlagState final : State {
  bool adjoint = false, lower = true;
};
std::unique_ptr<State> prepare_adjoint(const Attrs& attrs) {
  auto s = std::make_unique<FlagState>();
  s->adjoint = attrs.flag("adjoint");
  if (attrs.has("lower")) s->lower = attrs.flag("lower");
  return s;
}

// ---- Cholesky ----
void run_cholesky(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  const Matrices m = matrices(x);
  const Tensor y = call.output(0, x.type, x.shape);
  if (empty(m)) return;
  call.stream().fill(y.data, 0, 4, y.bytes());
  for (int64_t k = 0; k < m.n; ++k) {
    struct {
      uint32_t count, n, k;
    } const params{narrow(m.count * (m.n - k)), narrow(m.n), narrow(k)};
    launch_threads(call, kCholesky, m.count * (m.n - k), {read(x), write(y)}, params);
  }
}

// ---- LU ----
void copy_matrices(Call& call, const Tensor& x, const Tensor& y, bool transposed) {
  if (!transposed) return call.stream().copy(y.data, x.data, x.bytes());
  struct {
    uint32_t count, n;
  } const params{narrow(x.size()), narrow(x.shape.back())};
  launch_threads(call, kTranspose, x.size(), {read(x), write(y)}, params);
}
// Both factors in place of `a`; the result is the rows' order, [count, n + 1], see kernels/linear.slang.
Tensor factor(Call& call, const Tensor& a, const Matrices& m) {
  const Tensor order = call.scratch(DType::i32, {m.count, m.n + 1});
  for (int64_t k = 0; k < m.n; ++k) {
    struct {
      uint32_t count, n, k;
    } params{narrow(m.count), narrow(m.n), narrow(k)};
    call.stream().launch(call.kernel(kPivot), Grid::line(static_cast<uint64_t>(m.count)), {write(a), write(order)},
                         params);
    const int64_t rest = m.n - k - 1, threads = m.count * rest * rest;
    params.count = narrow(threads);
    launch_threads(call, kEliminate, threads, {write(a)}, params);
  }
  return order;
}

struct Substitution {
  Tensor a, b, x;  // b may be empty: the unit matrix
  Tensor order = nothing(), a_of = nothing(), b_of = nothing();
  int64_t count = 0, columns = 0;
  bool lower = true, transposed = false, unit = false;
};
void substitute(Call& call, const Substitution& s) {
  const int64_t n = s.a.shape.back(), rows = std::max<int64_t>(1, kTurns / n), threads = s.count * s.columns;
  for (int64_t from = 0; from < n; from += rows) {
    struct {
      uint32_t count, n, columns, row, column, backward, unit, from, to;
    } const params{narrow(threads),
                   narrow(n),
                   narrow(s.columns),
                   s.transposed ? 1 : narrow(n),
                   s.transposed ? narrow(n) : 1,
                   s.lower == s.transposed,
                   s.unit,
                   narrow(from),
                   narrow(std::min(n, from + rows))};
    launch_threads(call, kSubstitute, threads,
                   {read(s.a), read(s.b), write(s.x), read(s.order), read(s.a_of), read(s.b_of)}, params);
  }
}
void solve(Call& call, const Tensor& a, const Matrices& m, bool transposed, const Tensor& b, const Tensor& x) {
  const Tensor factors = call.scratch(DType::f32, a.shape);
  copy_matrices(call, a, factors, transposed);
  const Tensor order = factor(call, factors, m);
  Substitution s{factors, b, x};
  s.order = order;
  s.count = m.count;
  s.columns = x.shape.back();
  s.unit = true;
  substitute(call, s);
  s.b = x;
  s.order = nothing();
  s.lower = s.unit = false;
  substitute(call, s);
}

void run_lu(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0);
  const Matrices m = matrices(x);
  const Tensor y = call.output(0, x.type, x.shape);
  const Tensor p = call.output(1, DType::i32, Shape(x.shape.begin(), x.shape.end() - 1));
  if (empty(m)) return;
  copy_matrices(call, x, y, false);
  const Tensor order = factor(call, y, m);
  for (int64_t i = 0; i < m.count; ++i)
    call.stream().copy(static_cast<int32_t*>(p.data) + i * m.n, static_cast<int32_t*>(order.data) + i * (m.n + 1),
                       static_cast<uint64_t>(m.n) * 4);
}
// (matrix, rhs)
void run_solve(Call& call, const OpSpec&, const State* state) {
  const Tensor a = call.input(0), b = call.input(1);
  const Matrices m = matrices(a);
  require(b.rank() == a.rank() && std::equal(a.shape.begin(), a.shape.end() - 1, b.shape.begin()),
          Code::invalid_argument, "Input matrix and rhs are incompatible: ", text(a.shape), " and ", text(b.shape));
  const Tensor x = call.output(0, a.type, b.shape);
  if (x.size()) solve(call, a, m, static_cast<const FlagState*>(state)->adjoint, b, x);
}
void run_inverse(Call& call, const OpSpec&, const State* state) {
  const Tensor a = call.input(0);
  const Matrices m = matrices(a);
  const Tensor y = call.output(0, a.type, a.shape);
  if (!empty(m)) solve(call, a, m, static_cast<const FlagState*>(state)->adjoint, nothing(), y);
}
// The last output is the determinant, or its logarithm after its sign.
void run_determinant(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  const Matrices m = matrices(x);
  const Shape shape(x.shape.begin(), x.shape.end() - 2);
  const Tensor y = call.output(0, x.type, shape);
  const Tensor logarithm = op.kernel == "log" ? call.output(1, x.type, shape) : nothing();
  if (m.count == 0) return;
  const Tensor factors = call.scratch(x.type, x.shape);
  if (m.n) copy_matrices(call, x, factors, false);
  const Tensor order = factor(call, factors, m);
  struct {
    uint32_t count, n;
  } const params{narrow(m.count), narrow(m.n)};
  launch_threads(call, kDeterminant, m.count, {read(factors), read(order), write(y), write(logarithm)}, params);
}

// ---- triangular solve ----
// Which matrix of an operand with these outer axes belongs to each of the result's.
std::vector<uint32_t> broadcast_places(const Shape& given, const Shape& all) {
  std::vector<uint32_t> places(static_cast<size_t>(count(all)));
  for (size_t i = 0; i < places.size(); ++i) {
    size_t rest = i, at = 0, step = 1;
    for (size_t d = 0; d < all.size(); ++d) {
      const size_t axis = all.size() - 1 - d, size = static_cast<size_t>(all[axis]), k = rest % size;
      rest /= size;
      if (d >= given.size()) continue;
      const size_t own = static_cast<size_t>(given[given.size() - 1 - d]);
      at += own == 1 ? 0 : k * step;
      step *= own;
    }
    places[i] = static_cast<uint32_t>(at);
  }
  return places;
}
Tensor upload_places(Call& call, const Shape& given, const Shape& all) {
  if (given == all) return nothing();
  const auto places = broadcast_places(given, all);
  const Tensor t = call.scratch(DType::u32, {static_cast<int64_t>(places.size())});
  call.stream().upload(t.data, places.data(), t.bytes());
  return t;
}
Shape broadcast(const Shape& a, const Shape& b) {
  Shape all(std::max(a.size(), b.size()), 1);
  for (size_t d = 0; d < all.size(); ++d) {
    const int64_t x = d < a.size() ? a[a.size() - 1 - d] : 1, y = d < b.size() ? b[b.size() - 1 - d] : 1;
    require(x == y || x == 1 || y == 1, Code::invalid_argument,
            "In[0] and In[1] must have compatible batch dimensions: ", text(a), " vs. ", text(b));
    all[all.size() - 1 - d] = x == 1 ? y : x;
  }
  return all;
}
// (matrix, rhs)
void run_triangular(Call& call, const OpSpec&, const State* state) {
  const auto& flags = *static_cast<const FlagState*>(state);
  const Tensor a = call.input(0), b = call.input(1);
  const Matrices m = matrices(a, "In[0]");
  require(b.rank() >= 2, Code::invalid_argument, "In[1] ndims must be >= 2: ", b.rank());
  require(b.shape[b.shape.size() - 2] == m.n, Code::invalid_argument, "In[0] mismatch In[1] shape: ", text(a.shape),
          " vs. ", text(b.shape));
  const Shape a_outer(a.shape.begin(), a.shape.end() - 2), b_outer(b.shape.begin(), b.shape.end() - 2);
  const Shape outer = broadcast(a_outer, b_outer);
  Shape shape = outer;
  shape.insert(shape.end(), {m.n, b.shape.back()});
  const Tensor x = call.output(0, a.type, shape);
  if (x.size() == 0) return;
  Substitution s{a, b, x};
  s.a_of = upload_places(call, a_outer, outer);
  s.b_of = upload_places(call, b_outer, outer);
  s.count = count(outer);
  s.columns = b.shape.back();
  s.lower = flags.lower;
  s.transposed = flags.adjoint;
  substitute(call, s);
}

void variants(const OpSpec&, std::vector<std::string>& names) {
  names.insert(names.end(), {kTranspose, kCholesky, kPivot, kEliminate, kSubstitute, kDeterminant});
}
const std::vector<DType> kSingle = {DType::f32};
OpSpec row(const char* name, Run run, const char* kernel = "", Prepare prepare = nullptr) {
  return {name, kSingle, run, kernel, variants, prepare};
}
OpSpec lu() {
  OpSpec r = row("Lu", run_lu);
  r.more = {{"output_idx_type", {DType::i32}}};
  return r;
}
const Family linear{
    row("Cholesky", run_cholesky),
    lu(),
    row("MatrixSolve", run_solve, "", prepare_adjoint),
    row("MatrixInverse", run_inverse, "", prepare_adjoint),
    row("MatrixDeterminant", run_determinant),
    row("LogMatrixDeterminant", run_determinant, "log"),
    row("MatrixTriangularSolve", run_triangular, "", prepare_adjoint),
    row("BatchMatrixTriangularSolve", run_triangular, "", prepare_adjoint),  // of TensorFlow 0.8
};

}  // namespace
}  // namespace anvil::ops
