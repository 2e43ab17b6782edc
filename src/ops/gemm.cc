#include "ops/gemm.h"

#include <algorithm>

#include "base/log.h"
#include "ops/gemm_pack.h"

namespace anvil::ops {
namespace {

// As GemmParams in gemm.slang, after the addresses.
struct Params {
  uint32_t m, n, k;
  uint32_t pitch_a, pitch_b;
  uint32_t batches, slice;
  uint32_t batch0, batch1;
  uint32_t a0, a1, a2, b0, b1, b2;
  uint32_t flags = 0;  // of gemm_f64.slang
};

Arg part(const Tensor& t, uint64_t offset_elements, uint64_t elements, Access access) {
  return {static_cast<const char*>(t.data) + offset_elements * size_of(t.type), elements * size_of(t.type), access};
}

// Offsets inside one launch are 32-bit: whatever lies beyond is cut into launches of their own.
class Launcher {
 public:
  Launcher(Call& call, const GemmProblem& p, const GemmPlan& plan, const Tensor& a, const Tensor& b, const Tensor& c)
      : call_(call), p_(p), plan_(plan), a_(a), b_(b), c_(c), kernel_(call.kernel(plan.kernel)) {}

  // The axes [from, end) of the batch, starting at these elements of A, B and of the results.
  void walk(std::span<const BatchAxis> axes, uint64_t a, uint64_t b, uint64_t batch) {
    const Reach r = reach(p_, axes);
    if (r.one_launch) return launch(axes, a, b, batch, r);
    const uint64_t inner = r.batches / axes[0].size;
    for (uint64_t i = 0; i < axes[0].size; ++i)
      walk(axes.subspan(1), a + i * axes[0].a, b + i * axes[0].b, batch + i * inner);
  }

 private:
  void launch(std::span<const BatchAxis> axes, uint64_t a, uint64_t b, uint64_t batch, const Reach& r) {
    BatchAxis inner[3] = {};  // innermost first
    for (size_t i = 0; i < axes.size(); ++i) inner[i] = axes[axes.size() - 1 - i];
    const auto u = [](uint64_t v) { return static_cast<uint32_t>(v); };
    Params params{u(p_.m),
                  u(p_.n),
                  u(p_.k),
                  u(p_.pitch_a()),
                  u(p_.pitch_b()),
                  u(r.batches),
                  u(plan_.slice_depth),
                  u(inner[0].size),
                  u(inner[1].size),
                  u(inner[0].a),
                  u(inner[1].a),
                  u(inner[2].a),
                  u(inner[0].b),
                  u(inner[1].b),
                  u(inner[2].b)};
    const auto record = [&] {
      call_.stream().launch(kernel_, Grid{u(plan_.tiles), u(r.batches), plan_.slices},
                            {part(a_, a, r.a, Access::read), part(b_, b, r.b, Access::read),
                             part(c_, batch * p_.m * p_.n, r.batches * plan_.slices * p_.m * p_.n, Access::write)},
                            params);
    };
    if (plan_.method != GemmMethod::doubles) return record();
    // One slice of the depth after the other, each adding to the results.
    constexpr uint32_t kTurnedA = 1, kTurnedB = 2, kAdds = 4;
    for (uint64_t from = 0; from < p_.k; from += plan_.slice_depth) {
      params.slice = u(from);
      params.k = u(std::min(from + plan_.slice_depth, p_.k));
      params.flags = (p_.turned_a ? kTurnedA : 0) | (p_.turned_b ? kTurnedB : 0) | (from ? kAdds : 0);
      record();
    }
  }

  Call& call_;
  const GemmProblem& p_;
  const GemmPlan& plan_;
  const Tensor &a_, &b_, &c_;
  const Kernel& kernel_;
};

// Copies one operand of all batches to the type and pitch that the method takes; `step` gets the batch's distances in
// the copy.
Tensor widen(Call& call, GemmMethod method, const Tensor& x, uint64_t pitch, uint64_t& pad,
             std::vector<BatchAxis>& batch, uint64_t BatchAxis::* step) {
  const bool matrix = method == GemmMethod::matrix;
  const uint64_t rows = static_cast<uint64_t>(x.size()) / pitch, wide = round_up(pitch, matrix ? kMatrixUnit : 2);
  for (BatchAxis& axis : batch) axis.*step = axis.*step / pitch * wide;
  pad = wide - pitch;
  return pack(call, x,
              {.size = {1, 1, rows, pitch},
               .stride = {0, 0, pitch, 1},
               .padded = {1, wide},
               .type = matrix ? x.type : DType::f32});
}

}  // namespace

std::string sum_slices_variant(DType t) { return str("gemm/sum_slices<", slang_name(t), ">"); }

void sum_slices(Call& call, const Tensor& partial, const Tensor& out, uint64_t count, uint32_t slices) {
  struct {
    uint32_t count, slices;
  } params{static_cast<uint32_t>(count), slices};
  call.stream().launch(call.kernel(sum_slices_variant(out.type)), Grid::line(div_up(count, 64)),
                       {read(partial), write(out)}, params);
}

void gemm(Call& call, const GemmProblem& problem, const Tensor& a, const Tensor& b, const Tensor& c) {
  GemmProblem p = problem;
  p.aligned_a = load_aligned(a, call.caps());
  p.aligned_b = load_aligned(b, call.caps());
  GemmPlan plan = plan_gemm(p, call.caps());
  if (log_wanted(LogKind::plan))
    log_once(LogKind::plan, str("gemm ", facts(p.type).tensorflow, " ", p.batches(), "x", p.m, "x", p.n, "x", p.k,
                                p.turned_a ? " T" : " N", p.turned_b ? "T: " : "N: ", plan.text()));
  if (plan.method == GemmMethod::nothing) return;
  if (plan.method == GemmMethod::zeros) return call.stream().fill(c.data, 0, 1, c.bytes());
  // Kernels that store pairs need an aligned result; TensorFlow's own tensors always are.
  const bool direct = plan.method != GemmMethod::lanes || pair_aligned(c);
  const Tensor out = direct ? c : call.scratch(c.type, c.shape);
  const Tensor wide_a = plan.pack_a ? widen(call, plan.method, a, p.pitch_a(), p.pad_a, plan.batch, &BatchAxis::a) : a;
  const Tensor wide_b = plan.pack_b ? widen(call, plan.method, b, p.pitch_b(), p.pad_b, plan.batch, &BatchAxis::b) : b;
  if (plan.slices == 1) {
    Launcher(call, p, plan, wide_a, wide_b, out).walk(plan.batch, 0, 0, 0);
  } else {
    const Tensor partial = call.scratch(DType::f32, {plan.slices, c.size()});
    Launcher(call, p, plan, wide_a, wide_b, partial).walk(plan.batch, 0, 0, 0);
    sum_slices(call, partial, out, static_cast<uint64_t>(c.size()), plan.slices);
  }
  if (!direct) call.stream().copy(c.data, out.data, c.bytes());
}

}  // namespace anvil::ops
