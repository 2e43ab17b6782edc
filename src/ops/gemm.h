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

  uint64_t batches() const;
};

// A tile in group-shared memory: its edges, and the results of one thread.
struct TileShape {
  uint32_t bm, bn, bk, tm, tn;
  uint32_t threads() const { return (bm / tm) * (bn / tn); }
  uint32_t shared_bytes() const { return bk * (bm + bn + 8) * 4; }
  friend bool operator==(const TileShape&, const TileShape&) = default;
};
inline constexpr TileShape kTiles[] = {{128, 128, 16, 8, 8}, {64, 64, 16, 4, 4}, {32, 32, 16, 2, 2}};
// "128,128,16,8,8", as in a kernel's name.
std::string tile_text(const TileShape&);

// The largest tile that the device can hold and that still gives every core work; the smallest one otherwise.
TileShape choose_tile(uint64_t m, uint64_t n, uint64_t batches, const Caps& caps);

// How many slices to cut a depth of `k` into, so that a product of few tiles keeps all cores busy; 1 = do not cut.
// Each slice holds at least kLeastSlice of the depth, and all partial results together at most kSliceBytes.
uint32_t choose_slices(uint64_t tiles, uint64_t k, uint64_t results, const Caps& caps);
inline constexpr uint64_t kLeastSlice = 256, kSliceBytes = 64ull << 20;

enum class GemmMethod : uint8_t {
  nothing,  // no results
  zeros,    // a depth of 0
  tiles,    // tiles in group-shared memory
};

struct GemmPlan {
  GemmMethod method = GemmMethod::nothing;
  TileShape tile{};
  uint32_t slices = 1;
  uint64_t slice_depth = 0;
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
