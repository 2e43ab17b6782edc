// Roll, ReverseSequence and the gradient of MirrorPad.
#include "ops/host.h"
#include "ops/map.h"
#include "ops/mirror.h"

namespace anvil::ops {
namespace {

// Each rolled axis is two stretches that change places; all combinations over the axes are copied, a walk each.
void run_roll(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0), shift = call.input(1), axis = call.input(2);
  require(x.rank() >= 1, Code::invalid_argument, "input must be 1-D or higher");
  require(shift.rank() <= 1, Code::invalid_argument,
          "shift must be a scalar or a 1-D vector. Found: ", text(shift.shape));
  require(axis.rank() <= 1, Code::invalid_argument, "axis must be a scalar or a 1-D vector. Found: ", text(axis.shape));
  require(shift.shape == axis.shape, Code::invalid_argument, "shift and axis must have the same size");
  const auto shifts = host_values(shift), axes = host_values(axis);
  std::vector<int64_t> by(x.shape.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t a = axes[i] < 0 ? axes[i] + x.rank() : axes[i];
    require(a >= 0 && a < x.rank(), Code::invalid_argument, "axis ", a, " is out of range");
    const int64_t n = std::max<int64_t>(x.shape[static_cast<size_t>(a)], 1);
    by[static_cast<size_t>(a)] = ((by[static_cast<size_t>(a)] + shifts[i] % n) % n + n) % n;
  }
  const Tensor y = call.output(0, x.type, x.shape);
  const auto strides = contiguous_strides(x.shape);
  std::vector<Walk> walks = {Walk{}};
  for (size_t d = x.shape.size(); d-- > 0;) {
    const int64_t n = x.shape[d], k = by[d], step = strides[d];
    std::vector<Walk> more;
    for (const Walk& w : walks)
      for (const bool wraps : {false, true}) {
        if (wraps && k == 0) continue;
        Walk next = w;
        next.axes.push_back({wraps ? k : n - k, {step, step}});
        next.from += wraps ? (n - k) * step : 0;
        next.to += wraps ? 0 : k * step;
        more.push_back(std::move(next));
      }
    walks = std::move(more);
  }
  for (const Walk& w : walks) launch_copy(call, w, x, y);
}

struct SequenceState final : State {
  int64_t seq = 0, batch = 0;
};
std::unique_ptr<State> prepare_sequence(const Attrs& attrs) {
  auto s = std::make_unique<SequenceState>();
  s->seq = attrs.integer("seq_dim");
  s->batch = attrs.integer("batch_dim");
  return s;
}
std::string sequence_name(size_t bytes) { return str("sequence/reverse<", bytes, ">"); }
void sequence_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(sequence_name(bytes));
}

// Lengths that are too large or negative, which the CPU kernel refuses, count as the nearest that is not.
void run_reverse_sequence(Call& call, const OpSpec& op, const State* state) {
  const auto& s = *static_cast<const SequenceState*>(state);
  const Tensor x = call.input(0), lengths = call.input(1);
  require(lengths.rank() == 1, Code::invalid_argument, "seq_lens input must be 1-dim, not ", lengths.rank());
  const int64_t seq = s.seq, batch = s.batch < 0 ? s.batch + x.rank() : s.batch;
  require(batch != seq, Code::invalid_argument, "batch_dim == seq_dim == ", seq);
  require(seq >= 0 && seq < x.rank(), Code::invalid_argument, "seq_dim must be < input rank ( ", seq, " vs. ", x.rank(),
          ")");
  require(batch >= 0 && batch < x.rank(), Code::invalid_argument, "batch_dim must be < input rank ( ", batch, " vs. ",
          x.rank(), ")");
  const int64_t batches = x.shape[static_cast<size_t>(batch)];
  require(lengths.size() == batches, Code::invalid_argument, "Length of seq_lengths != input.dims(", batch, "), (",
          lengths.size(), " vs. ", batches, ")");
  const Tensor y = call.output(0, x.type, x.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, x);
  const auto strides = contiguous_strides(x.shape);
  const auto narrow = [](int64_t v) { return static_cast<uint32_t>(v); };
  struct {
    uint32_t count, steps, step_stride, batches, batch_stride, length_bytes;
  } const params{narrow(x.size()),
                 narrow(x.shape[static_cast<size_t>(seq)]),
                 narrow(strides[static_cast<size_t>(seq)]),
                 narrow(batches),
                 narrow(strides[static_cast<size_t>(batch)]),
                 narrow(static_cast<int64_t>(size_of(lengths.type)))};
  call.stream().launch(call.kernel(sequence_name(size_of(x.type))), Grid::line(div_up(x.size(), kMapGroup)),
                       {read(x), read(lengths), write(y)}, params);
}

std::string mirror_name(DType from, DType to) {
  return str("sequence/unmirror<", slang_name(from), ",", slang_name(to), ">");
}
void mirror_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types)
    for (const DType from : {t, DType::f32})
      for (const DType to : {t, DType::f32}) names.push_back(mirror_name(from, to));
}

// One axis at a time; what lies between is kept in float32.
void run_mirror_pad_grad(Call& call, const OpSpec& op, const State* state) {
  const int64_t skip = static_cast<const MirrorState*>(state)->skip;
  const Tensor dy = call.input(0), paddings = call.input(1);
  require(paddings.shape == Shape({dy.rank(), 2}), Code::invalid_argument,
          "paddings must be a matrix with 2 columns: ", text(paddings.shape));
  const auto pads = host_values(paddings);
  Shape shape = dy.shape;
  std::vector<size_t> axes;  // that were padded
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t before = pads[2 * d], after = pads[2 * d + 1];
    require(before >= 0 && after >= 0, Code::invalid_argument, "Paddings must be non-negative: ", before, ", ", after);
    require(before + after < shape[d], Code::invalid_argument,
            "Total paddings must be less than the input dimension size: ", before + after, " was not less than ",
            shape[d]);
    shape[d] -= before + after;
    require(before <= shape[d] - skip && after <= shape[d] - skip, Code::invalid_argument,
            "paddings must be less than the output dimension size: ", before, ", ", after, " not less than ", shape[d]);
    if (before || after) axes.push_back(d);
  }
  if (axes.empty()) return call.output_alias(0, 0, shape);
  const Tensor y = call.output(0, dy.type, shape);
  if (y.size() == 0) return;
  require_indexable(op.name, dy);
  Tensor from = dy;
  for (const size_t d : axes) {
    Shape next = from.shape;
    next[d] = shape[d];
    const Tensor to = d == axes.back() ? y : call.scratch(DType::f32, next);
    const int64_t inner = count({next.begin() + static_cast<ptrdiff_t>(d) + 1, next.end()});
    struct {
      uint32_t count, length, inner, before, after, skip;
    } const params{static_cast<uint32_t>(to.size()),       static_cast<uint32_t>(shape[d]),
                   static_cast<uint32_t>(inner),           static_cast<uint32_t>(pads[2 * d]),
                   static_cast<uint32_t>(pads[2 * d + 1]), static_cast<uint32_t>(skip)};
    call.stream().launch(call.kernel(mirror_name(from.type, to.type)), Grid::line(div_up(to.size(), kMapGroup)),
                         {read(from), write(to)}, params);
    from = to;
  }
}

const std::vector<DType> kRolled = join({kFloats, kWide, {DType::i32, DType::i64, DType::u32}});
const std::vector<DType> kReversed = join({kFloats, {DType::f64, DType::boolean}});
const std::vector<DType> kEither = {DType::i32, DType::i64};
const Family rolls{
    {"Roll",
     kRolled,
     run_roll,
     "",
     copy_variants,
     nullptr,
     {"shift", "axis"},
     "T",
     {{"Tshift", kEither}, {"Taxis", kEither}}},
    {"ReverseSequence",
     kReversed,
     run_reverse_sequence,
     "",
     sequence_variants,
     prepare_sequence,
     {},
     "T",
     {{"Tlen", kEither}}},
    {"MirrorPadGrad",
     kFloats,
     run_mirror_pad_grad,
     "",
     mirror_variants,
     prepare_mirror,
     {"paddings"},
     "T",
     {{"Tpaddings", kEither}}},
};

}  // namespace
}  // namespace anvil::ops
