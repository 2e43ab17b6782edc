// MatMul and the batch products: shapes and TensorFlow's checks; the product itself is ops::gemm.
#include "ops/gemm.h"

namespace anvil::ops {
namespace {

struct Turns : State {
  bool a = false, b = false;
};

std::unique_ptr<State> prepare_matmul(const Attrs& attrs) {
  auto s = std::make_unique<Turns>();
  s->a = attrs.flag("transpose_a");
  s->b = attrs.flag("transpose_b");
  return s;
}
// For real types the adjoint is the transpose.
std::unique_ptr<State> prepare_batch(const Attrs& attrs) {
  auto s = std::make_unique<Turns>();
  s->a = attrs.flag("adj_x");
  s->b = attrs.flag("adj_y");
  return s;
}

int64_t at(const Tensor& t, int from_end) { return t.shape[t.shape.size() - from_end]; }

// The part of the problem that the last two axes decide, checked as the CPU kernels check it.
GemmProblem matrices(const Tensor& x, const Tensor& y, const Turns& turn) {
  GemmProblem p;
  p.type = x.type;
  p.turned_a = turn.a;
  p.turned_b = turn.b;
  p.m = at(x, turn.a ? 1 : 2);
  p.k = at(x, turn.a ? 2 : 1);
  p.n = at(y, turn.b ? 2 : 1);
  require(p.k == static_cast<uint64_t>(at(y, turn.b ? 1 : 2)), Code::invalid_argument,
          "Matrix size-incompatible: In[0]: ", text(x.shape), ", In[1]: ", text(y.shape));
  return p;
}

void same_rank(const Tensor& x, const Tensor& y) {
  require(x.rank() == y.rank(), Code::invalid_argument, "In[0] and In[1] has different ndims: ", text(x.shape), " vs. ",
          text(y.shape));
}

void run_matmul(Call& call, const OpSpec&, const State* state) {
  const Tensor a = call.input(0), b = call.input(1);
  same_rank(a, b);
  require(a.rank() == 2, Code::invalid_argument, "In[0] and In[1] ndims must be == 2: ", a.rank());
  const GemmProblem p = matrices(a, b, static_cast<const Turns&>(*state));
  const Tensor c = call.output(0, a.type, {static_cast<int64_t>(p.m), static_cast<int64_t>(p.n)});
  gemm(call, p, a, b, c);
}

// Broadcasts the batch axes of both operands against each other.  `out` gets their sizes.
std::vector<BatchAxis> broadcast(const Tensor& x, const Tensor& y, Shape& out) {
  const int rank = std::max(x.rank(), y.rank()) - 2;
  std::vector<BatchAxis> axes(rank);
  uint64_t step_x = at(x, 1) * at(x, 2), step_y = at(y, 1) * at(y, 2);
  out.assign(rank, 1);
  for (int i = 1; i <= rank; ++i) {
    const int64_t sx = i + 2 <= x.rank() ? at(x, i + 2) : 1, sy = i + 2 <= y.rank() ? at(y, i + 2) : 1;
    require(sx == sy || sx == 1 || sy == 1, Code::invalid_argument,
            "In[0] and In[1] must have compatible batch dimensions: ", text(x.shape), " vs. ", text(y.shape));
    const int64_t size = sx == 1 ? sy : sx;
    out[rank - i] = size;
    axes[rank - i] = {static_cast<uint64_t>(size), sx == 1 ? 0 : step_x, sy == 1 ? 0 : step_y};
    step_x *= sx;
    step_y *= sy;
  }
  return axes;
}

void multiply_batches(Call& call, const Tensor& x, const Tensor& y, const Turns& turn) {
  Shape shape;
  std::vector<BatchAxis> batch = broadcast(x, y, shape);
  GemmProblem p = matrices(x, y, turn);
  p.batch = std::move(batch);
  shape.push_back(static_cast<int64_t>(p.m));
  shape.push_back(static_cast<int64_t>(p.n));
  gemm(call, p, x, y, call.output(0, x.type, shape));
}

// The first version knows no broadcasting.
void run_batch(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0), y = call.input(1);
  same_rank(x, y);
  require(x.rank() >= 2, Code::invalid_argument, "In[0] and In[1] ndims must be >= 2: ", x.rank());
  for (int i = 0; i < x.rank() - 2; ++i)
    require(x.shape[i] == y.shape[i], Code::invalid_argument, "In[0].dim(", i, ") and In[1].dim(", i,
            ") must be the same: ", text(x.shape), " vs ", text(y.shape));
  multiply_batches(call, x, y, static_cast<const Turns&>(*state));
}

void run_broadcast(Call& call, const OpSpec&, const State* state) {
  const Tensor x = call.input(0), y = call.input(1);
  require(x.rank() >= 2, Code::invalid_argument, "In[0] ndims must be >= 2: ", x.rank());
  require(y.rank() >= 2, Code::invalid_argument, "In[1] ndims must be >= 2: ", y.rank());
  multiply_batches(call, x, y, static_cast<const Turns&>(*state));
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) gemm_variants(t, names);
}

// BatchMatMulV3 has three type attributes; as in the CUDA build only the rows with all three equal exist.
OpSpec v3(DType t) {
  return {.name = "BatchMatMulV3",
          .types = {t},
          .run = run_broadcast,
          .variants = variants,
          .prepare = prepare_batch,
          .type_attr = "Ta",
          .more = {{"Tb", {t}}, {"Tout", {t}}}};
}

const Family matmul{
    {.name = "MatMul", .types = kReals, .run = run_matmul, .variants = variants, .prepare = prepare_matmul},
    {.name = "BatchMatMul", .types = kReals, .run = run_batch, .variants = variants, .prepare = prepare_batch},
    {.name = "BatchMatMulV2", .types = kReals, .run = run_broadcast, .variants = variants, .prepare = prepare_batch},
    v3(DType::f32),
    v3(DType::f16),
    v3(DType::bf16),
    v3(DType::f64),
};

}  // namespace
}  // namespace anvil::ops
