#include <algorithm>

#include "ops/gemm.h"
#include "ops/gemm_pack.h"

namespace anvil::ops {

uint64_t GemmProblem::batches() const {
  uint64_t n = 1;
  for (const BatchAxis& axis : batch) n *= axis.size;
  return n;
}

std::string tile_text(const TileShape& t) { return str(t.bm, ",", t.bn, ",", t.bk, ",", t.tm, ",", t.tn); }

namespace {

// What a product costs by tiles of this shape, in results times `effort`, the relative cost of one.  A core wants two
// groups, so that one works while the other waits for memory: fewer tiles take as long as two for each core.
template <class Shape>
uint64_t cost(const Shape& t, uint64_t effort, uint64_t m, uint64_t n, uint64_t batches, const Caps& caps) {
  return std::max<uint64_t>(div_up(m, t.bm) * div_up(n, t.bn) * batches, 2 * caps.cores) * t.bm * t.bn * effort;
}

}  // namespace

TileShape choose_tile(uint64_t m, uint64_t n, uint64_t batches, const Caps& caps, bool narrow_too) {
  constexpr uint64_t kEffort[] = {8, 11, 16}, kNarrowEffort = 16;
  const TileShape* best = nullptr;
  uint64_t least = UINT64_MAX;
  const auto consider = [&](const TileShape& t, uint64_t effort) {
    const uint64_t costs = cost(t, effort, m, n, batches, caps);
    if (t.threads() > caps.max_group || t.shared_bytes() > caps.group_memory || costs >= least) return;
    best = &t;
    least = costs;
  };
  for (size_t i = 0; i < std::size(kTiles); ++i) consider(kTiles[i], kEffort[i]);
  if (narrow_too) consider(kNarrowTile, kNarrowEffort);
  require(best, Code::unimplemented, "matrix products need ", kTiles[2].shared_bytes(),
          " bytes of group memory, the device has ", caps.group_memory);
  return *best;
}

std::string matrix_text(const MatrixShape& s) { return str(s.bm, ",", s.bn, ",", s.sm, ",", s.sn); }

const MatrixShape* choose_matrix(DType type, uint64_t m, uint64_t n, uint64_t batches, const Caps& caps) {
  if (type != DType::f16 || !caps.matrix_f16 || caps.subgroup != 32 || caps.cpu_type()) return nullptr;
  constexpr uint64_t kEffort[] = {8, 13};
  const MatrixShape* best = nullptr;
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < std::size(kMatrixShapes); ++i) {
    const MatrixShape& s = kMatrixShapes[i];
    const uint64_t costs = cost(s, kEffort[i], m, n, batches, caps);
    if (s.threads() > caps.max_group || s.shared_bytes() > caps.group_memory || costs >= least) continue;
    best = &s;
    least = costs;
  }
  return best;
}

std::string lane_text(const LaneShape& s) { return str(s.blocks_a, ",", s.blocks_b); }

LaneShape choose_lanes(uint64_t m, uint64_t n) {
  const auto cost = [&](const LaneShape& s) {
    // Narrow blocks load more for each product: an eighth slower where both fit.
    const uint64_t results = div_up(m, s.rows()) * s.rows() * div_up(n, s.columns()) * s.columns();
    return results * (s.blocks_b > s.blocks_a ? 8 : 9);
  };
  return cost(kLaneShapes[0]) <= cost(kLaneShapes[1]) ? kLaneShapes[0] : kLaneShapes[1];
}

uint64_t most_slices(uint64_t k, uint64_t results) {
  return std::max<uint64_t>(std::min(k / kLeastSlice, kSliceBytes / (4 * std::max<uint64_t>(results, 1))), 1);
}

uint32_t choose_slices(uint64_t tiles, uint64_t k, uint64_t results, const Caps& caps) {
  const uint64_t wanted = (2ull * caps.cores + tiles / 2) / std::max<uint64_t>(tiles, 1);  // the nearest
  return static_cast<uint32_t>(std::clamp<uint64_t>(wanted, 1, most_slices(k, results)));
}

uint32_t choose_cached_slices(uint64_t tiles, uint64_t k, uint64_t results, uint64_t depth_bytes, const Caps& caps) {
  const uint64_t cached = std::min(div_up(k * depth_bytes, kCacheBytes), most_slices(k, results));
  return std::max(choose_slices(tiles, k, results, caps), static_cast<uint32_t>(cached));
}

std::string GemmPlan::text() const {
  switch (method) {
    case GemmMethod::nothing: return "nothing";
    case GemmMethod::zeros: return "zeros";
    case GemmMethod::matrix:
      return str("matrix units ", matrix_text(matrix), pack_a ? " pack A" : "", pack_b ? " pack B" : "",
                 slices > 1 ? str(" x", slices, " slices") : "");
    case GemmMethod::lanes:
      return str("lanes ", lane_text(lanes), pack_a ? " pack A" : "", pack_b ? " pack B" : "",
                 slices > 1 ? str(" x", slices, " slices") : "");
    case GemmMethod::doubles: return kernel;
    case GemmMethod::tiles: return str("tiles ", tile_text(tile), slices > 1 ? str(" x", slices, " slices") : "");
  }
  return {};
}

Reach reach(const GemmProblem& p, std::span<const BatchAxis> axes) {
  constexpr uint64_t kGridAxis = 65535;  // the least that Vulkan promises for y and z
  Reach r{1, p.size_a(), p.size_b(), false};
  for (const BatchAxis& x : axes) {
    r.batches *= x.size;
    r.a += (x.size - 1) * x.a;
    r.b += (x.size - 1) * x.b;
  }
  r.one_launch = axes.size() <= 3 && r.batches <= kGridAxis && r.a <= UINT32_MAX && r.b <= UINT32_MAX;
  return r;
}

namespace {

// Joins neighbouring axes that are one axis to both operands, and drops axes of one.
std::vector<BatchAxis> merged(const std::vector<BatchAxis>& axes) {
  std::vector<BatchAxis> out;
  for (const BatchAxis& x : axes) {
    if (x.size == 1) continue;
    if (!out.empty() && out.back().a == x.size * x.a && out.back().b == x.size * x.b)
      out.back() = {out.back().size * x.size, x.a, x.b};
    else out.push_back(x);
  }
  return out;
}

std::string tiled_kernel(DType in, DType out, bool turned_a, bool turned_b, const TileShape& t) {
  // A line of A is a row of the product, a line of B a column: a plain B has its depth outermost.
  return str("gemm/tiled<", slang_name(in), ",", slang_name(out), ",", int(turned_a), ",", int(!turned_b), ",",
             tile_text(t), ">");
}

std::string lanes_kernel(DType out, bool turned_a, bool turned_b, const LaneShape& s) {
  return str("gemm/lanes<", slang_name(out), ",", int(turned_a), ",", int(turned_b), ",", lane_text(s), ">");
}

std::string matrix_kernel(DType out, bool turned_a, bool turned_b, const MatrixShape& s) {
  return str("gemm/matrix<", slang_name(out), ",", int(turned_a), ",", int(!turned_b), ",", matrix_text(s), ">");
}

// Cuts the depth; a slice is a multiple of `unit`.
void slice(GemmPlan& plan, uint64_t wanted, uint64_t k, uint64_t unit) {
  plan.slice_depth = div_up(div_up(k, wanted), unit) * unit;
  plan.slices = static_cast<uint32_t>(div_up(k, plan.slice_depth));
}

}  // namespace

void gemm_variants(DType type, std::vector<std::string>& names) {
  if (type == DType::f64) {
    names.insert(names.end(), {"gemm_f64/lanes", "gemm_f64/tiled"});
    return;
  }
  for (const LaneShape& s : kLaneShapes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const DType out : {type, DType::f32}) names.push_back(lanes_kernel(out, ta, tb, s));
  if (type == DType::f16)
    for (const MatrixShape& s : kMatrixShapes)
      for (const bool ta : {false, true})
        for (const bool tb : {false, true})
          for (const DType out : {type, DType::f32}) names.push_back(matrix_kernel(out, ta, tb, s));
  names.push_back(pack_variant(type, DType::f32));
  if (type == DType::f16) names.push_back(pack_variant(type, type));
  for (const TileShape& t : kTiles)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const DType out : {type, DType::f32}) names.push_back(tiled_kernel(type, out, ta, tb, t));
  names.push_back(sum_slices_variant(type));
}

GemmPlan plan_gemm(const GemmProblem& p, const Caps& caps) {
  GemmPlan plan;
  const uint64_t batches = p.batches(), results = p.m * p.n * batches;
  if (results == 0) return plan;
  require(results <= UINT32_MAX && p.m * p.k <= UINT32_MAX && p.k * p.n <= UINT32_MAX, Code::unimplemented,
          "matrix products with 2^32 elements or more are not supported");
  if (p.k == 0) {
    plan.method = GemmMethod::zeros;
    return plan;
  }
  plan.batch = merged(p.batch);
  if (p.type == DType::f64) {
    // As in gemm_f64.slang; llvmpipe cuts a thread's loop off at 65535 turns.
    constexpr uint64_t kEdge = 64, kStrip = 4, kColumns = 64, kMostTurns = 32768;
    const bool cpu = caps.cpu_type();
    plan.method = GemmMethod::doubles;
    plan.kernel = cpu ? "gemm_f64/lanes" : "gemm_f64/tiled";
    plan.tiles = div_up(p.m, cpu ? kStrip : kEdge) * div_up(p.n, cpu ? kColumns : kEdge);
    plan.slice_depth = cpu ? std::min(p.k, kMostTurns) : p.k;
    return plan;
  }
  const bool sliceable = reach(p, plan.batch).one_launch;
  if (caps.cpu_type()) {
    plan.method = GemmMethod::lanes;
    plan.lanes = choose_lanes(p.m, p.n);
    plan.pack_a = p.type != DType::f32 || p.pitch_a() % 2 != 0 || !p.aligned_a;
    plan.pack_b = p.type != DType::f32 || p.pitch_b() % 2 != 0 || !p.aligned_b;
    plan.tiles = div_up(p.m, plan.lanes.rows()) * div_up(p.n, plan.lanes.columns());
    const uint64_t depth_bytes = 4 * (plan.lanes.rows() + plan.lanes.columns());
    slice(plan, sliceable ? choose_cached_slices(plan.tiles * batches, p.k, results, depth_bytes, caps) : 1, p.k, 2);
    plan.kernel = lanes_kernel(plan.slices > 1 ? DType::f32 : p.type, p.turned_a, p.turned_b, plan.lanes);
    return plan;
  }
  if (const MatrixShape* shape = choose_matrix(p.type, p.m, p.n, batches, caps)) {
    plan.method = GemmMethod::matrix;
    plan.matrix = *shape;
    plan.pack_a = p.pitch_a() % kMatrixUnit != 0 || !p.aligned_a;
    plan.pack_b = p.pitch_b() % kMatrixUnit != 0 || !p.aligned_b;
    plan.tiles = div_up(p.m, shape->bm) * div_up(p.n, shape->bn);
    slice(plan, sliceable ? choose_slices(plan.tiles * batches, p.k, results, caps) : 1, p.k, kMatrixDepth);
    plan.kernel = matrix_kernel(plan.slices > 1 ? DType::f32 : p.type, p.turned_a, p.turned_b, *shape);
    return plan;
  }
  plan.method = GemmMethod::tiles;
  plan.tile = choose_tile(p.m, p.n, batches, caps);
  plan.tiles = div_up(p.m, plan.tile.bm) * div_up(p.n, plan.tile.bn);
  slice(plan, sliceable ? choose_slices(plan.tiles * batches, p.k, results, caps) : 1, p.k, plan.tile.bk);
  plan.kernel = tiled_kernel(p.type, plan.slices > 1 ? DType::f32 : p.type, p.turned_a, p.turned_b, plan.tile);
  return plan;
}

}  // namespace anvil::ops
