// PopulationCount, DataFormatDimMap, DataFormatVecPermute, CheckNumerics, Cross, Empty and DeepCopy.
#include <algorithm>

#include "ops/copy.h"
#include "ops/fetch.h"
#include "ops/host.h"
#include "ops/map.h"
#include "ops/pair.h"

namespace anvil::ops {
namespace {

Grid grid(int64_t threads) { return Grid::line(div_up(threads, kMapGroup)); }
std::string sized(const char* entry, size_t bytes) { return str("vectors/", entry, "<", bytes, ">"); }

void run_bits_set(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0), y = call.output(0, DType::u8, x.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, x);
  call.stream().launch(call.kernel(sized("bits_set", size_of(x.type))), grid(x.size()), {read(x), write(y)},
                       static_cast<uint32_t>(x.size()));
}
void bits_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {1, 2, 4, 8}) names.push_back(sized("bits_set", bytes));
}

struct Formats final : State {
  std::string from, to;
};
std::unique_ptr<State> prepare_formats(const Attrs& attrs) {
  auto s = std::make_unique<Formats>();
  s->from = attrs.string("src_format");
  s->to = attrs.string("dst_format");
  for (const std::string* f : {&s->from, &s->to})
    require(f->size() == 4 || f->size() == 5, Code::invalid_argument,
            "Source and destination formats must be of length 4 or 5, received ", *f);
  std::string a = s->from, b = s->to;
  std::ranges::sort(a);
  std::ranges::sort(b);
  require(a == b, Code::invalid_argument, "Destination and source format must determine a permutation, got ", s->from,
          " and ", s->to);
  return s;
}
void run_dim_map(Call& call, const OpSpec& op, const State* state) {
  const auto& f = *static_cast<const Formats*>(state);
  const Tensor x = call.input(0), y = call.output(0, x.type, x.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, x);
  struct {
    uint32_t count, bytes, rank, places;
  } params{static_cast<uint32_t>(x.size()), static_cast<uint32_t>(size_of(x.type)),
           static_cast<uint32_t>(f.from.size()), 0};
  for (size_t i = 0; i < f.from.size(); ++i) params.places |= static_cast<uint32_t>(f.to.find(f.from[i])) << (4 * i);
  call.stream().launch(call.kernel("vectors/axes"), grid(x.size()), {read(x), write(y)}, params);
}
void axes_variants(const OpSpec&, std::vector<std::string>& names) { names.push_back("vectors/axes"); }

void run_vec_permute(Call& call, const OpSpec&, const State* state) {
  Formats f = *static_cast<const Formats*>(state);
  const Tensor x = call.input(0);
  require(x.rank() == 1 || x.rank() == 2, Code::invalid_argument, "input must be a vector or 2D tensor, but got shape ",
          text(x.shape));
  const int64_t full = static_cast<int64_t>(f.from.size()), spatial = full - 2;
  require(x.shape[0] == full || x.shape[0] == spatial, Code::invalid_argument, x.rank(), "D input must be of size ",
          spatial, " or ", full, ", but got shape ", text(x.shape));
  require(x.rank() == 1 || x.shape[1] == 2, Code::invalid_argument,
          "Second dimension of 2D input must be of size 2, but got shape ", text(x.shape));
  if (x.shape[0] == spatial)
    for (std::string* s : {&f.from, &f.to}) std::erase_if(*s, [](char c) { return c == 'N' || c == 'C'; });
  const Tensor y = call.output(0, x.type, x.shape);
  const int64_t width = x.size() / x.shape[0];
  for (size_t i = 0; i < f.to.size(); ++i) {
    const auto from = static_cast<int64_t>(f.from.find(f.to[i]));
    launch_copy(call, {{{width, {1, 1}}}, from * width, static_cast<int64_t>(i) * width}, x, y);
  }
}

struct Message final : State {
  std::string text;
};
std::unique_ptr<State> prepare_message(const Attrs& attrs) {
  auto s = std::make_unique<Message>();
  s->text = attrs.string("message");
  return s;
}
// The op is there to fail, so the host waits for the verdict.
void run_check(Call& call, const OpSpec& op, const State* state) {
  const Tensor x = call.input(0);
  call.output_alias(0, 0, x.shape);
  if (x.size() == 0) return;
  require_indexable(op.name, x);
  const Tensor found = call.scratch(DType::u32, {1});
  call.stream().fill(found.data, 0, 4, 4);
  struct {
    uint64_t infinity;
    uint32_t count, unused = 0;  // the kernel's struct ends at a multiple of 8 bytes
  } params{0x7c00, static_cast<uint32_t>(x.size())};
  if (x.type == DType::f32) params.infinity = 0x7f800000;
  if (x.type == DType::f64) params.infinity = 0x7ff0000000000000;
  call.stream().launch(call.kernel(sized("check", size_of(x.type))), grid(x.size()), {read(x), write(found)}, params);
  const uint32_t bits = fetch_words(call, found)[0];
  if (bits == 0) return;
  std::string what;
  const auto add = [&](bool there, const char* name) {
    if (there) what += (what.empty() ? "" : ", ") + std::string(name);
  };
  if (op.kernel == "signed") {
    add(bits & 4, "-Inf");
    add(bits & 2, "+Inf");
  } else {
    add(bits & 6, "Inf");
  }
  add(bits & 1, "NaN");
  fail(Code::invalid_argument, static_cast<const Message*>(state)->text, " : Tensor had ", what, " values");
}
void check_variants(const OpSpec&, std::vector<std::string>& names) {
  for (const size_t bytes : {2, 4, 8}) names.push_back(sized("check", bytes));
}

std::string cross_name(DType t) {
  return str("vectors/cross<", is_float(t) ? "Float<" : "Int<", slang_name(is_float(t) ? t : unsigned_of(t)), ">>");
}
void run_cross(Call& call, const OpSpec& op, const State*) {
  const Tensor a = call.input(0), b = call.input(1);
  require(a.shape == b.shape, Code::invalid_argument, "Both inputs must be of same shape: ", text(a.shape), " vs. ",
          text(b.shape));
  require(a.rank() >= 1, Code::invalid_argument, "Input must be at least 1D");
  require(a.shape.back() == 3, Code::failed_precondition, "Cross-products are only defined for 3-element vectors.");
  const Tensor y = call.output(0, a.type, a.shape);
  if (y.size() == 0) return;
  require_indexable(op.name, y);
  call.stream().launch(call.kernel(cross_name(a.type)), grid(y.size() / 3), {read(a), read(b), write(y)},
                       static_cast<uint32_t>(y.size() / 3));
}
void cross_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (const DType t : op.types) names.push_back(cross_name(t));
}

struct EmptyState final : State {
  DType type = DType::f32;
  bool init = false;
};
std::unique_ptr<State> prepare_empty(const Attrs& attrs) {
  auto s = std::make_unique<EmptyState>();
  s->type = attrs.type("dtype");
  s->init = attrs.flag("init");
  return s;
}
void run_empty(Call& call, const OpSpec&, const State* state) {
  const auto& s = *static_cast<const EmptyState*>(state);
  const Tensor y = call.output(0, s.type, host_shape(call.input(0)));
  if (s.init) fill_elements(call, 0, y);
}
void run_deep_copy(Call& call, const OpSpec&, const State*) {
  const Tensor x = call.input(0), y = call.output(0, x.type, x.shape);
  call.stream().copy(y.data, x.data, y.bytes());
}

const std::vector<DType> kCounted = {DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16};
const std::vector<DType> kIndices = {DType::i32, DType::i64}, kChecked = {DType::f32, DType::f16, DType::f64};
const std::vector<DType> kEmpty =
    join({kFloats, {DType::f64, DType::i32, DType::i64, DType::i8, DType::u8, DType::u64}});
const std::vector<DType> kCopied = join({kFloats, {DType::f64, DType::i64, DType::i8, DType::u8, DType::u64}});
const Family vectors{
    {"PopulationCount", kCounted, run_bits_set, "", bits_variants},
    {"DataFormatDimMap", kIndices, run_dim_map, "", axes_variants, prepare_formats},
    {"DataFormatVecPermute", kIndices, run_vec_permute, "", copy_variants, prepare_formats},
    {"CheckNumerics", kChecked, run_check, "", check_variants, prepare_message},
    {"CheckNumericsV2", kChecked, run_check, "signed", check_variants, prepare_message},
    {"Cross", join({kFloats, kDeviceInts, {DType::i32}}), run_cross, "", cross_variants},
    {"Empty", kEmpty, run_empty, "", nullptr, prepare_empty, {"shape"}, "dtype"},
    {"DeepCopy", kCopied, run_deep_copy},
};

}  // namespace
}  // namespace anvil::ops
