// Ops that trade one axis for another: SpaceToBatch, BatchToSpace, SpaceToDepth, DepthToSpace.
#include "ops/host.h"

namespace anvil::ops {
namespace {

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

Pairs read_pairs(const Tensor& t, size_t rows, const char* what) {
  require(t.shape == Shape({static_cast<int64_t>(rows), 2}), Code::invalid_argument, what, " should have shape [", rows,
          ",2] instead of ", text(t.shape));
  const auto v = host_values(t);
  Pairs p(rows);
  for (size_t i = 0; i < rows; ++i) {
    p[i] = {v[2 * i], v[2 * i + 1]};
    require(p[i].first >= 0 && p[i].second >= 0, Code::invalid_argument, what, " must be non-negative");
  }
  return p;
}
std::vector<int64_t> read_blocks(const Tensor& t) {
  require(t.rank() == 1, Code::invalid_argument, "block_shape should be 1-D, got shape ", text(t.shape));
  const auto blocks = host_values(t);
  for (size_t i = 0; i < blocks.size(); ++i)
    require(blocks[i] > 0, Code::invalid_argument, "All values in block_shape must be positive, got value, ", blocks[i],
            " at index ", i, ".");
  return blocks;
}

// The walk between space [batch, blocks[i] * sizes[i]..., rest] (operand 0) and batch
// [blocks..., batch, sizes[i]..., rest] (operand 1).
Walk blocked(int64_t batch, const std::vector<int64_t>& blocks, const Shape& sizes, int64_t rest) {
  const size_t m = blocks.size();
  Shape space = {batch}, spread(blocks.begin(), blocks.end());
  spread.push_back(batch);
  for (size_t i = 0; i < m; ++i) {
    space.push_back(blocks[i] * sizes[i]);
    spread.push_back(sizes[i]);
  }
  space.push_back(rest);
  spread.push_back(rest);
  const auto from = contiguous_strides(space), to = contiguous_strides(spread);
  Walk walk;
  walk.axes.push_back({rest, {1, 1}});
  for (size_t i = m; i-- > 0;) walk.axes.push_back({sizes[i], {blocks[i] * from[1 + i], to[m + 1 + i]}});
  walk.axes.push_back({batch, {from[0], to[m]}});
  for (size_t i = m; i-- > 0;) walk.axes.push_back({blocks[i], {from[1 + i], to[i]}});
  return walk;
}
Walk backwards(Walk walk) {
  std::swap(walk.from, walk.to);
  for (Axis& a : walk.axes) std::swap(a.stride[0], a.stride[1]);
  return walk;
}
// The walk over all of a window (operand 0, contiguous) and its place in a larger tensor (operand 1).
Walk window(const Shape& inside, const Shape& outside, const Pairs& before) {
  const auto from = contiguous_strides(inside), to = contiguous_strides(outside);
  Walk walk;
  for (size_t d = inside.size(); d-- > 0;) walk.axes.push_back({inside[d], {from[d], to[d]}});
  for (size_t i = 0; i < before.size(); ++i) walk.to += before[i].first * to[1 + i];
  return walk;
}

void space_to_batch(Call& call, const std::vector<int64_t>& blocks, const Tensor& paddings) {
  const Tensor x = call.input(0);
  const size_t m = blocks.size();
  require(x.shape.size() > m, Code::invalid_argument, "input rank should be >= ", m + 1, " instead of ", x.rank());
  const Pairs pads = read_pairs(paddings, m, "Paddings");
  Shape padded = x.shape, sizes, shape = x.shape;
  for (size_t i = 0; i < m; ++i) {
    padded[i + 1] += pads[i].first + pads[i].second;
    require(padded[i + 1] % blocks[i] == 0, Code::invalid_argument, "padded_shape[", i, "]=", padded[i + 1],
            " is not divisible by block_shape[", i, "]=", blocks[i]);
    sizes.push_back(padded[i + 1] / blocks[i]);
    shape[0] *= blocks[i];
    shape[i + 1] = sizes[i];
  }
  const Tensor y = call.output(0, x.type, shape);
  if (y.size() == 0) return;
  Tensor source = x;
  if (padded != x.shape) {
    source = call.scratch(x.type, padded);
    fill_elements(call, 0, source);
    launch_copy(call, window(x.shape, padded, pads), x, source);
  }
  launch_copy(call, blocked(x.shape[0], blocks, sizes, count({x.shape.begin() + m + 1, x.shape.end()})), source, y);
}

void batch_to_space(Call& call, const std::vector<int64_t>& blocks, const Tensor& given) {
  const Tensor x = call.input(0);
  const size_t m = blocks.size();
  require(x.shape.size() > m, Code::invalid_argument, "input rank should be >= ", m + 1, " instead of ", x.rank());
  const Pairs crops = read_pairs(given, m, "Crops");
  const int64_t all = count(blocks);
  require(x.shape[0] % all == 0, Code::invalid_argument, "Input batch dimension (", x.shape[0],
          ") is not divisible by product of block sizes (", all, ")");
  Shape whole = x.shape, sizes, shape;
  whole[0] /= all;
  shape = whole;
  for (size_t i = 0; i < m; ++i) {
    sizes.push_back(x.shape[i + 1]);
    whole[i + 1] *= blocks[i];
    shape[i + 1] = whole[i + 1] - crops[i].first - crops[i].second;
    require(shape[i + 1] >= 0, Code::invalid_argument, "cropped_shape[", i, "]=", shape[i + 1],
            " must be non-negative");
  }
  const Tensor y = call.output(0, x.type, shape);
  if (y.size() == 0) return;
  const Walk walk = backwards(blocked(whole[0], blocks, sizes, count({x.shape.begin() + m + 1, x.shape.end()})));
  if (shape == whole) return launch_copy(call, walk, x, y);
  const Tensor all_of_it = call.scratch(x.type, whole);
  launch_copy(call, walk, x, all_of_it);
  launch_copy(call, backwards(window(shape, whole, crops)), all_of_it, y);
}

void run_space_to_batch_nd(Call& call, const OpSpec&, const State*) {
  space_to_batch(call, read_blocks(call.input(1)), call.input(2));
}
void run_batch_to_space_nd(Call& call, const OpSpec&, const State*) {
  batch_to_space(call, read_blocks(call.input(1)), call.input(2));
}

struct BlockState final : State {
  int64_t block = 1;
  std::string format = "NHWC";
};
const BlockState& block_state(const State* s) { return *static_cast<const BlockState*>(s); }
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<BlockState>();
  s->block = attrs.integer("block_size");
  require(s->block > 1, Code::invalid_argument, "Block size should be > 1: ", s->block);
  if (attrs.has("data_format")) s->format = attrs.string("data_format");
  return s;
}
std::vector<int64_t> square(Call& call, const State* s) {
  const Tensor x = call.input(0);
  require(x.rank() == 4, Code::invalid_argument, "input rank should be 4 instead of ", x.rank());
  return {block_state(s).block, block_state(s).block};
}
void run_space_to_batch(Call& call, const OpSpec&, const State* s) {
  space_to_batch(call, square(call, s), call.input(1));
}
void run_batch_to_space(Call& call, const OpSpec&, const State* s) {
  batch_to_space(call, square(call, s), call.input(1));
}

// The walk between an image of many channels (operand 0) and a larger one of few (operand 1), where channel
// (row * block + column) * few + c of the first is pixel (row, column) of a block of the second.
Walk depth_walk(bool first, int64_t n, int64_t h, int64_t w, int64_t few, int64_t b) {
  const int64_t many = few * b * b;
  struct Strides {
    int64_t n, h, w, c;
  };
  const Strides x = first ? Strides{many * h * w, w, 1, h * w} : Strides{many * h * w, w * many, many, 1};
  const int64_t area = h * b * w * b;
  const Strides y = first ? Strides{few * area, w * b, 1, area} : Strides{few * area, w * b * few, few, 1};
  const Axis channels{few, {x.c, y.c}}, column{b, {few * x.c, y.w}}, row{b, {b * few * x.c, y.h}},
      wide{w, {x.w, b * y.w}}, high{h, {x.h, b * y.h}}, images{n, {x.n, y.n}};
  if (first) return {{wide, high, channels, images, column, row}};
  return {{channels, column, wide, row, high, images}};
}

void depth(Call& call, const State* state, bool to_space) {
  const auto& s = block_state(state);
  const Tensor x = call.input(0);
  require(s.format != "NCHW_VECT_C", Code::unimplemented, "NCHW_VECT_C is for qint8, which has no kernel here");
  require(x.rank() == 4, Code::invalid_argument, "Input rank should be: 4 instead of: ", x.rank());
  const bool first = s.format == "NCHW";
  const size_t c = first ? 1 : 3, h = first ? 2 : 1, w = h + 1;
  const int64_t b = s.block;
  Shape shape = x.shape;
  if (to_space) {
    require(x.shape[c] % (b * b) == 0, Code::invalid_argument, "Input depth dimension ", x.shape[c],
            " should be divisible by: ", b * b);
    shape[c] /= b * b;
    shape[h] *= b;
    shape[w] *= b;
  } else {
    require(x.shape[h] % b == 0 && x.shape[w] % b == 0, Code::invalid_argument, "Image width ", x.shape[w],
            " and height ", x.shape[h], " should be divisible by block_size: ", b);
    shape[c] *= b * b;
    shape[h] /= b;
    shape[w] /= b;
  }
  const Tensor y = call.output(0, x.type, shape);
  const Shape& small = to_space ? x.shape : shape;  // the image of many channels
  const Walk walk = depth_walk(first, small[0], small[h], small[w], small[c] / (b * b), b);
  launch_copy(call, to_space ? walk : backwards(walk), x, y);
}
void run_depth_to_space(Call& call, const OpSpec&, const State* s) { depth(call, s, true); }
void run_space_to_depth(Call& call, const OpSpec&, const State* s) { depth(call, s, false); }

void both_variants(const OpSpec& op, std::vector<std::string>& names) {
  copy_variants(op, names);
  fill_variants(op, names);
}

const std::vector<DType> kBatched = join({kFloats, {DType::f64}});
const TypeAxis kBlocks{"Tblock_shape", {DType::i32, DType::i64}}, kPads{"Tpaddings", {DType::i32, DType::i64}},
    kCrops{"Tcrops", {DType::i32, DType::i64}};

const Family space{
    {"SpaceToBatchND",
     kBatched,
     run_space_to_batch_nd,
     "",
     both_variants,
     nullptr,
     {"block_shape", "paddings"},
     "T",
     {kBlocks, kPads}},
    {"BatchToSpaceND",
     kBatched,
     run_batch_to_space_nd,
     "",
     copy_variants,
     nullptr,
     {"block_shape", "crops"},
     "T",
     {kBlocks, kCrops}},
    {"SpaceToBatch", kBatched, run_space_to_batch, "", both_variants, prepare, {"paddings"}, "T", {kPads}},
    {"BatchToSpace", kBatched, run_batch_to_space, "", copy_variants, prepare, {"crops"}, "T", {{"Tidx", kPads.types}}},
    {"DepthToSpace", kFloats, run_depth_to_space, "", copy_variants, prepare},
    {"SpaceToDepth", join({kFloats, {DType::u8}}), run_space_to_depth, "", copy_variants, prepare},
};

}  // namespace
}  // namespace anvil::ops
