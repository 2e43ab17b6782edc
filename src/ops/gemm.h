// Matrix products, C[b] = op(A[b]) * op(B[b]): the planner, and the one function that every family calls.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// One axis of the batch, outermost first: so many matrices, and how many elements of A and of B lie between two of them
// (0 where the operand is broadcast along it).
struct BatchAxis {
  uint64_t size = 1, a = 0, b = 0;
};

// Shapes of one product; all matrices are dense and row-major.  A is m x k, or k x m when turned; B is k x n, or n x k
// when turned; C is m x n, one behind the other in the order of the batch.
struct GemmProblem {
  DType type = DType::f32;
  uint64_t m = 0, n = 0, k = 0;
  bool turned_a = false, turned_b = false;
  std::vector<BatchAxis> batch;
  // BatchAxis::a and b are multiples of the pitches.
  bool aligned_a = true, aligned_b = true;  // can the operands be loaded as they lie (load_aligned() in gemm_pack.h)?

  uint64_t batches() const;
  uint64_t pad_a = 0, pad_b = 0;  // unused elements behind every row of A and of B
  // Elements from row to row, and in a whole matrix, as they lie in memory.
  uint64_t pitch_a() const { return (turned_a ? m : k) + pad_a; }
  uint64_t pitch_b() const { return (turned_b ? k : n) + pad_b; }
  uint64_t size_a() const { return (turned_a ? k : m) * pitch_a(); }
  uint64_t size_b() const { return (turned_b ? n : k) * pitch_b(); }
};

// A tile in group-shared memory: its edges, and the results of one thread.
struct TileShape {
  uint32_t bm, bn, bk, tm, tn;
  uint32_t threads() const { return (bm / tm) * (bn / tn); }
  uint32_t shared_bytes() const { return bk * (bm + bn + 8) * 4; }
  friend bool operator==(const TileShape&, const TileShape&) = default;
};
inline constexpr TileShape kTiles[] = {{128, 128, 16, 8, 8}, {64, 64, 16, 4, 4}, {32, 32, 16, 2, 2}};
inline constexpr TileShape kNarrowTile{128, 16, 16, 4,
                                       2};  // for few columns: the gradient of an image of 1 to 4 channels
// "128,128,16,8,8", as in a kernel's name.
std::string tile_text(const TileShape&);

// The tile that is done first: large ones do more with what they load, small ones waste less on an odd result and leave
// fewer cores idle.
TileShape choose_tile(uint64_t m, uint64_t n, uint64_t batches, const Caps& caps, bool narrow_too = false);

inline constexpr uint32_t kMatrixDepth = 32, kMatrixUnit = 8;  // elements that a matrix kernel loads at once
// A tile on matrix units: bm x bn results by sm x sn subgroups of 32 threads, 32 of the depth at a time.
struct MatrixShape {
  uint32_t bm, bn, sm, sn;
  uint32_t threads() const { return sm * sn * 32; }
  uint32_t shared_bytes() const { return 2 * 2 * (kMatrixDepth + 8) * (bm + bn); }
  friend bool operator==(const MatrixShape&, const MatrixShape&) = default;
};
inline constexpr MatrixShape kMatrixShapes[] = {{128, 128, 2, 2}, {64, 64, 2, 2}};
std::string matrix_text(const MatrixShape&);
// As choose_tile(); nullptr where the device has no matrix units, its subgroups are not 32 threads, the type is not
// half or no tile fits.
const MatrixShape* choose_matrix(DType, uint64_t m, uint64_t n, uint64_t batches, const Caps& caps);

// Blocks of a product on a CPU-type device: a group of eight lanes makes 8 blocks_a x 8 blocks_b results.
struct LaneShape {
  uint32_t blocks_a, blocks_b;
  uint32_t rows() const { return 8 * blocks_a; }
  uint32_t columns() const { return 8 * blocks_b; }
  friend bool operator==(const LaneShape&, const LaneShape&) = default;
};
inline constexpr LaneShape kLaneShapes[] = {{2, 4}, {4, 2}};
std::string lane_text(const LaneShape&);
// The one that wastes least on an m x n result.
LaneShape choose_lanes(uint64_t m, uint64_t n);

// How many slices to cut a depth of `k` into, so that a product of few tiles keeps all cores busy; 1 = do not cut.
// Each slice holds at least kLeastSlice of the depth, and all partial results together at most kSliceBytes.
uint32_t choose_slices(uint64_t tiles, uint64_t k, uint64_t results, const Caps& caps);
uint64_t most_slices(uint64_t k, uint64_t results);  // 1 or more
inline constexpr uint64_t kLeastSlice = 256, kSliceBytes = 64ull << 20;

// The same on a CPU-type device, which also wants what one slice reads (`depth_bytes` for each unit of depth) in a
// cache of kCacheBytes, since every tile of the slice reads it again.
uint32_t choose_cached_slices(uint64_t tiles, uint64_t k, uint64_t results, uint64_t depth_bytes, const Caps& caps);
inline constexpr uint64_t kCacheBytes = 512u << 10;

enum class GemmMethod : uint8_t {
  nothing,  // no results
  zeros,    // a depth of 0
  tiles,    // tiles in group-shared memory
  matrix,   // the same on matrix units, half only
  lanes,    // blocks in the registers of eight lanes, for CPU-type devices
  doubles,  // float64: tiles, or for CPU-type devices strips of four rows
};

struct GemmPlan {
  GemmMethod method = GemmMethod::nothing;
  TileShape tile{};      // with tiles
  MatrixShape matrix{};  // with matrix
  LaneShape lanes{};     // with lanes
  // Which operands are first copied: with lanes to float with an even pitch, with matrix to a pitch of whole eights.
  bool pack_a = false, pack_b = false;
  uint32_t slices = 1;
  uint64_t slice_depth = 0;
  uint64_t tiles = 0;            // of one batch and slice
  std::string kernel;            // of the product itself
  std::vector<BatchAxis> batch;  // the problem's, with neighbours joined where they are one axis to both operands

  std::string text() const;
};

// Can one launch address all the batch axes [from, end)?  It takes three axes, 65535 batches and 32-bit offsets.
struct Reach {
  uint64_t batches, a, b;  // matrices; elements of A and of B from the first to the last
  bool one_launch;
};
Reach reach(const GemmProblem&, std::span<const BatchAxis> axes);

// Pure.  Throws unimplemented where an operand or the result has 2^32 elements or more.
GemmPlan plan_gemm(const GemmProblem&, const Caps&);

// Records the product on the call's stream.  `a`, `b` and `c` are device tensors of the problem's type; only their
// addresses and sizes matter.  c overlaps neither operand.
void gemm(Call&, const GemmProblem&, const Tensor& a, const Tensor& b, const Tensor& c);

// Adds up `slices` float results of `count` elements each that lie behind each other in `partial`.
void sum_slices(Call&, const Tensor& partial, const Tensor& out, uint64_t count, uint32_t slices);

// Every kernel that gemm() may ask for with this type.
void gemm_variants(DType, std::vector<std::string>& names);
std::string sum_slices_variant(DType);

}  // namespace anvil::ops
