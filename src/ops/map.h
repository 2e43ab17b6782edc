// Launches of the element-wise kernels (kernels/map.slang): y[i] = F(x[i]) and y[i] = F(a[i], b[i]).  A functor is
// named as in its module, e.g. "Float<Relu,F32>".
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ops/op.h"
#include "ops/strided.h"

namespace anvil::ops {

inline constexpr uint32_t kMapGroup = 256;  // threads in a group, as in map.slang
inline constexpr uint32_t kMapStream = 4;   // chunks of a thread of `streams`, likewise
inline constexpr int kBroadcastRank = 5;    // axes the broadcast kernels walk

struct Functor {
  const char* module;  // "unary"
  std::string name;    // "Float<Relu,F32>"
};

// Does it take float64?  Its kernels have no forms but `chunks`, if it has one operand, and `broadcast`, if it has two.
bool of_doubles(const Functor& f);

// Is it so cheap that loads and stores are what it costs?  It then has the kernel `streams` in place of `chunks`.
bool streams(const Functor& f);

enum class ElementWise : uint8_t { unary, binary };
// The functor of an op with one struct for floats, one for integers and one for float64: Float<Relu,F32>,
// Int<IntRelu,I64>, and in a module of its own Double<Relu>.
Functor arithmetic(ElementWise module, const OpSpec& op, DType t);

// The attribute "alpha" of activations, their functor's parameter.
struct Alpha final : State {
  explicit Alpha(float a) : alpha(a) {}
  float alpha;
};
std::unique_ptr<State> read_alpha(const Attrs& attrs);
inline float alpha_of(const State* state) { return state ? static_cast<const Alpha*>(state)->alpha : 0; }

// ---- plans: pure ----
// How `count` elements are shared between the two forms: the first `chunks` * `lanes` go by whole chunks of 8 bytes of
// the widest tensor, the others one by one.
struct MapPlan {
  uint64_t chunks = 0;
  uint32_t lanes = 1;
  uint64_t rest = 0;  // elements after the chunks
};
// `aligned`: every tensor starts at a multiple of its chunk.
MapPlan plan_map(uint64_t count, uint32_t widest_bytes, bool aligned);

// Which kernels a functor of two operands has besides `flat` and `broadcast`.
struct Forms {
  bool scalar = false;    // an operand of one element
  bool rows = false;      // b is one row, or one column, of a matrix a
  bool commutes = false;  // the operands may be exchanged
};
enum class PairForm : uint8_t { flat, scalar_a, scalar_b, row, column, broadcast, expand };
struct PairPlan {
  PairForm form = PairForm::flat;  // expand: more axes than kBroadcastRank, the operands are spread out beforehand
  bool swapped = false;            // the kernel gets (b, a)
  Axes axes;                       // for row, column and broadcast: operand 0 is a, 1 is b; after the exchange
};
PairPlan plan_pair(const Shape& a, const Shape& b, const Shape& y, Forms forms);
// The same without row and column, for tensors that do not come in whole chunks.
PairPlan plan_broadcast(const Shape& a, const Shape& b, const Shape& y);

// ---- launches ----
void map_variants(const Functor& f, std::vector<std::string>& names);
// y and x have the same number of elements; y may be x where their elements are equally wide.
void launch_map(Call& call, const Functor& f, const Tensor& x, const Tensor& y, float parameter = 0);

void pair_variants(const Functor& f, Forms forms, std::vector<std::string>& names);
// a and b broadcast to y; y may be a or b where their shapes and widths agree.
void launch_pair(Call& call, const Functor& f, Forms forms, const Tensor& a, const Tensor& b, const Tensor& y,
                 float parameter = 0);

// Throws unimplemented for more elements than 32-bit indices reach.
void require_indexable(const char* op, const Tensor& t);
// The part of `t` from element `first` on, as one axis.
Tensor tail(const Tensor& t, uint64_t first);

}  // namespace anvil::ops
