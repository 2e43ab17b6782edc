// Random numbers, the same as TensorFlow's CPU kernels draw.  The bodies are in kernels/random.slang, the streams in
// random_state.h.
#include "ops/op.h"
#include "ops/random_state.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kGroup = 64;  // as in random.slang
constexpr int32_t kPhiloxAlgorithm = 1, kAutoAlgorithm = 3;

// ---- the launch ----
struct Source {
  Tensor key, counter;  // in device memory, or empty
  Philox start;         // used if they are empty
};
// An argument that may be missing: a null address.
Arg given(const Tensor& t) { return t.data ? read(t) : Arg{nullptr, 0, Access::read}; }

struct Range {
  uint64_t low = 0, size = 0;  // size 0: all values
};

bool eight_bytes(DType t) { return size_of(t) == 8; }
std::string distribution(const std::string& name, DType t) {
  if (!is_float(t)) return eight_bytes(t) ? "Whole64" : "Whole32";
  const int bits = t == DType::f32 ? 23 : t == DType::f16 ? 10 : 7;
  return name == "Uniform" ? str("Uniform<", slang_name(t), ",", bits, ">") : str(name, "<", slang_name(t), ">");
}
std::string variant(const std::string& name, DType t) { return str("random/fill<", distribution(name, t), ">"); }
void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) names.push_back(variant(op.kernel, t));
}

void fill(Call& call, const OpSpec& op, const Source& source, const Tensor& y, Range range = {}) {
  if (y.size() == 0) return;
  require(y.size() < (int64_t{1} << 31), Code::unimplemented, op.name, ": 2^31 numbers or more are not supported");
  struct {
    uint64_t low, range;
    uint32_t count;
    uint32_t key[2];
    uint32_t counter[4];
  } params{range.low, range.size, uint32_t(y.size()), {}, {}};
  std::copy(source.start.key.begin(), source.start.key.end(), params.key);
  std::copy(source.start.counter.begin(), source.start.counter.end(), params.counter);
  const uint64_t outputs = eight_bytes(y.type) ? 2 : 4;
  call.stream().launch(call.kernel(variant(op.kernel, y.type)), Grid::line(div_up(div_up(y.size(), outputs), kGroup)),
                       {given(source.key), given(source.counter), write(y)}, params);
}

// ---- arguments ----
int64_t host_value(const Tensor& t, int64_t i) {
  switch (t.type) {
    case DType::i32: return t.host<int32_t>()[i];
    case DType::u32: return t.host<uint32_t>()[i];
    default: return t.host<int64_t>()[i];
  }
}

Shape output_shape(const Tensor& shape) {
  require(shape.rank() == 1, Code::invalid_argument, "shape must be a vector of {int32,int64}, got shape ",
          text(shape.shape));
  Shape out(shape.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = host_value(shape, static_cast<int64_t>(i));
    require(out[i] >= 0, Code::invalid_argument, "Dimension ", out[i], " must be >= 0");
  }
  return out;
}

// A range, as an algorithm, is checked only where numbers are drawn from it, as TensorFlow does.
Range whole_range(const Tensor& low, const Tensor& high, bool empty_output) {
  require(low.rank() == 0, Code::invalid_argument, "minval must be 0-D, got shape ", text(low.shape));
  require(high.rank() == 0, Code::invalid_argument, "maxval must be 0-D, got shape ", text(high.shape));
  const int64_t from = host_value(low, 0), to = host_value(high, 0);
  require(empty_output || from < to, Code::invalid_argument, "Need minval < maxval, got ", from, " >= ", to);
  return {static_cast<uint64_t>(from), static_cast<uint64_t>(to) - static_cast<uint64_t>(from)};
}

Philox from_seed(const Tensor& seed) {
  require(seed.shape == Shape{2}, Code::invalid_argument, "seed must have shape [2], not ", text(seed.shape));
  return scrambled(static_cast<uint64_t>(host_value(seed, 0)), static_cast<uint64_t>(host_value(seed, 1)));
}

Source from_key(const Tensor& key, const Tensor& counter, const Tensor& algorithm, bool empty_output) {
  require(algorithm.rank() == 0, Code::invalid_argument, "input 3 (0-based) must have shape [], not ",
          text(algorithm.shape));
  const int32_t id = *algorithm.host<int32_t>();
  require(empty_output || id == kPhiloxAlgorithm || id == kAutoAlgorithm, Code::invalid_argument,
          "Unsupported algorithm id: ", id);
  require(key.shape == Shape{1}, Code::invalid_argument, "key must have shape [1], not ", text(key.shape),
          ". (Note that batched keys are not supported yet.)");
  require(counter.rank() == 1 && counter.shape[0] >= 2, Code::invalid_argument,
          "counter must be a vector with length at least 2; got shape: ", text(counter.shape),
          ". (Note that batched counters are not supported yet.)");
  return {key, counter, {}};
}

// ---- stateless ops ----
struct OutputType : State {
  DType type;
  explicit OutputType(DType t) : type(t) {}
};
std::unique_ptr<State> prepare_stateless(const Attrs& a) { return std::make_unique<OutputType>(a.type("dtype")); }
DType output_type(const State* state) { return static_cast<const OutputType*>(state)->type; }

// (shape, key, counter, alg[, minval, maxval])
void run_keyed(Call& call, const OpSpec& op, const State* state) {
  const Shape shape = output_shape(call.input(0));
  const Source source = from_key(call.input(1), call.input(2), call.input(3), count(shape) == 0);
  fill(call, op, source, call.output(0, output_type(state), shape));
}
void run_keyed_range(Call& call, const OpSpec& op, const State* state) {
  const Shape shape = output_shape(call.input(0));
  const Source source = from_key(call.input(1), call.input(2), call.input(3), count(shape) == 0);
  const Range range = whole_range(call.input(4), call.input(5), count(shape) == 0);
  fill(call, op, source, call.output(0, output_type(state), shape), range);
}
// The first version: (shape, seed[, minval, maxval])
void run_seeded(Call& call, const OpSpec& op, const State* state) {
  const Source source{{}, {}, from_seed(call.input(1))};
  fill(call, op, source, call.output(0, output_type(state), output_shape(call.input(0))));
}
void run_seeded_range(Call& call, const OpSpec& op, const State* state) {
  const Source source{{}, {}, from_seed(call.input(1))};
  const Shape shape = output_shape(call.input(0));
  const Range range = whole_range(call.input(2), call.input(3), count(shape) == 0);
  fill(call, op, source, call.output(0, output_type(state), shape), range);
}

// ---- stateful ops: a generator per node ----
struct Generator : State {
  DType type;
  mutable ReservedPhilox stream;
  Generator(DType t, const Philox& start) : type(t), stream(start) {}
};
template <const char* const& TypeAttr>
std::unique_ptr<State> prepare_stateful(const Attrs& a) {
  return std::make_unique<Generator>(
      a.type(TypeAttr), seeded(static_cast<uint64_t>(a.integer("seed")), static_cast<uint64_t>(a.integer("seed2"))));
}
const Generator& generator(const State* state) { return *static_cast<const Generator*>(state); }

void run_stateful(Call& call, const OpSpec& op, const State* state) {
  const Tensor y = call.output(0, generator(state).type, output_shape(call.input(0)));
  fill(call, op, {{}, {}, generator(state).stream.reserve(static_cast<uint64_t>(y.size()))}, y);
}
void run_stateful_range(Call& call, const OpSpec& op, const State* state) {
  const Shape shape = output_shape(call.input(0));
  const Range range = whole_range(call.input(1), call.input(2), count(shape) == 0);
  const Tensor y = call.output(0, generator(state).type, shape);
  if (y.size() == 0) return;
  fill(call, op, {{}, {}, generator(state).stream.reserve(static_cast<uint64_t>(y.size()))}, y, range);
}

// ---- generators: a variable of int64, two words of counter and one of key (tf.random.Generator) ----
constexpr const char* kAdvance = "random/advance";
constexpr int64_t kStateWords = 3;
constexpr uint64_t kCountersPerNumber = 256;  // that TensorFlow sets aside

void check_generator(const Tensor& state, const Tensor& algorithm) {
  require(algorithm.rank() == 0, Code::invalid_argument, "algorithm must be of shape [], not ", text(algorithm.shape));
  const int64_t id = host_value(algorithm, 0);
  require(id == kPhiloxAlgorithm || id == kAutoAlgorithm, Code::invalid_argument, "Unsupported algorithm id: ", id);
  require(state.type == DType::i64, Code::invalid_argument, "dtype of RNG state variable must be int64, not ",
          facts(state.type).tensorflow);
  require(state.rank() == 1, Code::invalid_argument, "RNG state must have one and only one dimension, not ",
          state.rank());
  require(state.size() >= kStateWords, Code::invalid_argument,
          "For the Philox algorithm, the size of state must be at least ", kStateWords, "; got ", state.size());
}
void advance(Call& call, const Tensor& state, uint64_t numbers) {
  call.stream().launch(call.kernel(kAdvance), Grid{}, {Arg{state.data, 16, Access::write}},
                       numbers * kCountersPerNumber);
}
// (resource, algorithm, shape[, minval, maxval])
void draw(Call& call, const OpSpec& op, const State* state, bool ranged) {
  const Tensor words = call.input(0);
  check_generator(words, call.input(1));
  const Shape shape = output_shape(call.input(2));
  const Range range = ranged ? whole_range(call.input(3), call.input(4), count(shape) == 0) : Range{};
  const Tensor y = call.output(0, output_type(state), shape);
  if (y.size() == 0) return;
  const Tensor counter{{2}, DType::u64, words.data}, key{{1}, DType::u64, static_cast<uint64_t*>(words.data) + 2};
  fill(call, op, {key, counter, {}}, y, range);
  advance(call, words, static_cast<uint64_t>(y.size()));
}
void run_draw(Call& call, const OpSpec& op, const State* state) { draw(call, op, state, false); }
void run_draw_range(Call& call, const OpSpec& op, const State* state) { draw(call, op, state, true); }
void draw_variants(const OpSpec& op, std::vector<std::string>& names) {
  variants(op, names);
  names.push_back(kAdvance);
}
// (resource, algorithm, delta); the second also returns what the state was.
template <bool Read>
void run_skip(Call& call, const OpSpec&, const State*) {
  const Tensor words = call.input(0), delta = call.input(2);
  check_generator(words, call.input(1));
  require(delta.rank() == 0, Code::invalid_argument, "delta must be of shape [], not ", text(delta.shape));
  if (Read) {
    const Tensor before = call.output(0, DType::i64, {kStateWords});
    call.stream().copy(before.data, words.data, before.bytes());
  }
  advance(call, words, *delta.host<uint64_t>());
}
void skip_variants(const OpSpec&, std::vector<std::string>& names) { names.push_back(kAdvance); }

// ---- seeds to keys, on the host ----
void write_key(Call& call) {
  const Philox p = from_seed(call.input(0));
  *call.output(0, DType::u64, {1}).host_out<uint64_t>() = p.key[0] | uint64_t{p.key[1]} << 32;
  uint64_t* counter = call.output(1, DType::u64, {2}).host_out<uint64_t>();
  counter[0] = p.counter[0] | uint64_t{p.counter[1]} << 32;
  counter[1] = p.counter[2] | uint64_t{p.counter[3]} << 32;
}
void run_get_key(Call& call, const OpSpec&, const State*) { write_key(call); }
void run_get_key_and_algorithm(Call& call, const OpSpec&, const State*) {
  write_key(call);
  *call.output(2, DType::i32, {}).host_out<int32_t>() = kPhiloxAlgorithm;
}
void run_get_algorithm(Call& call, const OpSpec&, const State*) {
  *call.output(0, DType::i32, {}).host_out<int32_t>() = kPhiloxAlgorithm;
}

// ---- the rows ----
constexpr const char* kDtype = "dtype";
constexpr const char* kTout = "Tout";
const std::vector<DType> kWhole = {DType::i32, DType::i64}, kWords = {DType::i32, DType::i64, DType::u32, DType::u64};

OpSpec stateless(const char* name, std::vector<DType> types, Run run, const char* kernel,
                 std::vector<const char*> host) {
  return {name, std::move(types), run, kernel, variants, prepare_stateless, std::move(host), kDtype};
}
OpSpec stateful(const char* name, const char* kernel) {
  return {name,      kFloats, run_stateful,         kernel, variants, prepare_stateful<kDtype>,
          {"shape"}, kDtype,  {{"T", {DType::i32}}}};
}

OpSpec drawn(const char* name, std::vector<DType> types, const char* kernel, Run run = run_draw) {
  OpSpec row{name, std::move(types), run, kernel, draw_variants, prepare_stateless, {"resource", "algorithm", "shape"}};
  if (run == run_draw_range) row.host.insert(row.host.end(), {"minval", "maxval"});
  row.type_attr = kDtype;
  row.variables = {0};
  return row;
}
OpSpec skipped(const char* name, Run run, const char* algorithm) {
  OpSpec row{name, {}, run, "", skip_variants, nullptr, {"resource", algorithm, "delta"}};
  row.variables = {0};
  return row;
}

const Family generators{
    drawn("StatefulUniform", kFloats, "Uniform"),
    drawn("StatefulStandardNormalV2", kFloats, "Normal"),
    drawn("StatefulTruncatedNormal", kFloats, "TruncatedNormal"),
    drawn("StatefulUniformFullInt", kWords, ""),
    drawn("StatefulUniformInt", kWhole, "", run_draw_range),
    skipped("RngSkip", run_skip<false>, "algorithm"),
    skipped("RngReadAndSkip", run_skip<true>, "alg"),
};

const Family random_numbers{
    stateless("StatelessRandomUniformV2", kFloats, run_keyed, "Uniform", {"shape", "alg"}),
    stateless("StatelessRandomNormalV2", kFloats, run_keyed, "Normal", {"shape", "alg"}),
    stateless("StatelessTruncatedNormalV2", kFloats, run_keyed, "TruncatedNormal", {"shape", "alg"}),
    stateless("StatelessRandomUniformFullIntV2", kWords, run_keyed, "", {"shape", "alg"}),
    stateless("StatelessRandomUniformIntV2", kWhole, run_keyed_range, "", {"shape", "alg", "minval", "maxval"}),
    stateless("StatelessRandomUniform", kFloats, run_seeded, "Uniform", {"shape", "seed"}),
    stateless("StatelessRandomNormal", kFloats, run_seeded, "Normal", {"shape", "seed"}),
    stateless("StatelessTruncatedNormal", kFloats, run_seeded, "TruncatedNormal", {"shape", "seed"}),
    stateless("StatelessRandomUniformFullInt", kWords, run_seeded, "", {"shape", "seed"}),
    stateless("StatelessRandomUniformInt", kWhole, run_seeded_range, "", {"shape", "seed", "minval", "maxval"}),
    stateful("RandomUniform", "Uniform"),
    stateful("RandomStandardNormal", "Normal"),
    stateful("TruncatedNormal", "TruncatedNormal"),
    {"RandomUniformInt",
     kWhole,
     run_stateful_range,
     "",
     variants,
     prepare_stateful<kTout>,
     {"shape", "minval", "maxval"},
     kTout,
     {{"T", {DType::i32}}}},
    {"StatelessRandomGetKeyCounter", {}, run_get_key, "", nullptr, nullptr, {"seed", "key", "counter"}},
    {"StatelessRandomGetKeyCounterAlg",
     {},
     run_get_key_and_algorithm,
     "",
     nullptr,
     nullptr,
     {"seed", "key", "counter", "alg"}},
    {"StatelessRandomGetAlg", {}, run_get_algorithm, "", nullptr, nullptr, {"alg"}},
};

}  // namespace
}  // namespace anvil::ops
