#include "ops/kernel_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "drv/pack.h"
#include "drv/record/record.h"
#include "worst_error.h"

namespace anvil::ops::test {
namespace {

constexpr uint64_t kGuard = 256;
constexpr std::byte kPattern{0xA5};

float from_half(uint16_t h) {
  const int exponent = (h >> 10) & 31, mantissa = h & 1023;
  const float size = exponent == 31 ? (mantissa ? NAN : INFINITY)
                     : exponent     ? std::ldexp(1024.0f + mantissa, exponent - 25)
                                    : std::ldexp(static_cast<float>(mantissa), -24);
  return h & 0x8000 ? -size : size;
}
uint16_t to_half(double v) {
  const uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  const double a = std::fabs(v);
  if (std::isnan(v)) return 0x7e00;
  if (a == 0) return sign;
  if (a >= 65520) return sign | 0x7c00;
  int e = 0;
  std::frexp(a, &e);
  e = std::max(e, -13);  // below 2^-14 the spacing stays 2^-24
  const double units = std::nearbyint(std::ldexp(a, 11 - e));
  return static_cast<uint16_t>(sign + ((e + 13) << 10) + static_cast<int>(units));
}
uint16_t to_bfloat(double v) {
  const float f = static_cast<float>(v);
  uint32_t b;
  std::memcpy(&b, &f, 4);
  if (std::isnan(f)) return static_cast<uint16_t>((b >> 16) | 0x40);
  return static_cast<uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}
float from_bfloat(uint16_t h) {
  const uint32_t b = static_cast<uint32_t>(h) << 16;
  float f;
  std::memcpy(&f, &b, 4);
  return f;
}

template <class T>
void put(std::byte* p, T v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
T get(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

double element(DType t, const std::byte* p) {
  switch (t) {
    case DType::f32: return get<float>(p);
    case DType::f16: return from_half(get<uint16_t>(p));
    case DType::bf16: return from_bfloat(get<uint16_t>(p));
    case DType::f64: return get<double>(p);
    case DType::i8: return get<int8_t>(p);
    case DType::i16: return get<int16_t>(p);
    case DType::i32: return get<int32_t>(p);
    case DType::i64: return static_cast<double>(get<int64_t>(p));
    case DType::u8: return get<uint8_t>(p);
    case DType::u16: return get<uint16_t>(p);
    case DType::u32: return get<uint32_t>(p);
    case DType::u64: return static_cast<double>(get<uint64_t>(p));
    case DType::boolean: return get<uint8_t>(p);
    default: fail(Code::unimplemented, "no such type in the harness");
  }
}
void set_element(DType t, std::byte* p, double v) {
  switch (t) {
    case DType::f32: return put(p, static_cast<float>(v));
    case DType::f16: return put(p, to_half(v));
    case DType::bf16: return put(p, to_bfloat(v));
    case DType::f64: return put(p, v);
    case DType::i8: return put(p, static_cast<int8_t>(v));
    case DType::i16: return put(p, static_cast<int16_t>(v));
    case DType::i32: return put(p, static_cast<int32_t>(v));
    case DType::i64: return put(p, static_cast<int64_t>(v));
    case DType::u8: return put(p, static_cast<uint8_t>(v));
    case DType::u16: return put(p, static_cast<uint16_t>(v));
    case DType::u32: return put(p, static_cast<uint32_t>(v));
    case DType::u64: return put(p, static_cast<uint64_t>(v));
    case DType::boolean: return put(p, static_cast<uint8_t>(v != 0));
    default: fail(Code::unimplemented, "no such type in the harness");
  }
}

class MapAttrs final : public Attrs {
 public:
  explicit MapAttrs(const AttrMap& m) : m_(m) {}
  bool has(const char* n) const override { return m_.contains(n); }
  bool flag(const char* n) const override { return at<bool>(n); }
  int64_t integer(const char* n) const override { return at<int64_t>(n); }
  float real(const char* n) const override { return at<float>(n); }
  std::string string(const char* n) const override { return at<std::string>(n); }
  DType type(const char* n) const override { return at<DType>(n); }
  std::vector<int64_t> integers(const char* n) const override { return at<std::vector<int64_t>>(n); }
  std::vector<std::string> strings(const char* n) const override { return at<std::vector<std::string>>(n); }

 private:
  template <class T>
  const T& at(const char* n) const {
    const auto it = m_.find(n);
    require(it != m_.end(), Code::invalid_argument, "no attribute ", n);
    return std::get<T>(it->second);
  }
  const AttrMap& m_;
};

// Device memory with guard zones around it.
class Buffer {
 public:
  Buffer(Device& device, uint64_t bytes, uint64_t skew) : device_(device), bytes_(bytes), skew_(skew) {
    base_ = static_cast<char*>(device.allocate(2 * kGuard + skew + bytes + 8));
  }
  ~Buffer() { device_.free(base_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data() const { return base_ + kGuard + skew_; }
  void guard(Stream& s) { s.fill(base_, static_cast<uint32_t>(kPattern), 1, total()); }
  std::vector<std::byte> all;  // as downloaded
  void download(Stream& s) {
    all.resize(total());
    s.download(all.data(), base_, total());
  }
  std::vector<std::byte> inside() const {
    const auto from = all.begin() + static_cast<ptrdiff_t>(kGuard + skew_);
    return {from, from + static_cast<ptrdiff_t>(bytes_)};
  }
  void check_guards(const std::string& what) const {
    const auto is_pattern = [](std::byte b) { return b == kPattern; };
    const auto begin = all.begin() + static_cast<ptrdiff_t>(kGuard + skew_);
    const auto end = begin + static_cast<ptrdiff_t>(bytes_);
    EXPECT_TRUE(std::all_of(all.begin(), begin, is_pattern)) << what << ": written before its beginning";
    EXPECT_TRUE(std::all_of(end, all.end(), is_pattern)) << what << ": written after its end";
  }

 private:
  uint64_t total() const { return 2 * kGuard + skew_ + bytes_; }
  Device& device_;
  uint64_t bytes_, skew_;
  char* base_;
};

class HarnessCall final : public Call {
 public:
  HarnessCall(Device& device, const std::vector<Value>& inputs, const RunOptions& options)
      : device_(device), inputs_(inputs), options_(options), stream_(device.stream(StreamKind::compute)) {
    for (const Value& v : inputs_) {
      in_.push_back({v.shape, v.type, nullptr});
      if (v.host) {
        in_.back().data = const_cast<std::byte*>(v.bytes.data());
        in_buffers_.push_back(nullptr);
        continue;
      }
      in_buffers_.push_back(make(v.shape, v.type, options_.misalign_elements));
      in_.back().data = in_buffers_.back()->data();
      if (!v.bytes.empty()) stream_->upload(in_.back().data, v.bytes.data(), v.bytes.size());
    }
    taken_.resize(inputs_.size());
  }

  int inputs() const override { return static_cast<int>(inputs_.size()); }
  Tensor input(int i) override { return in_.at(static_cast<size_t>(i)); }
  Tensor output(int i, DType t, const Shape& shape) override {
    Out& o = slot(i);
    o.tensor = {shape, t, nullptr};
    const auto& host = options_.host_outputs;
    if (std::find(host.begin(), host.end(), i) != host.end()) {
      o.host.resize(o.tensor.bytes());
      o.tensor.data = o.host.data();
      o.in_host = true;
    } else {
      o.buffer = make(shape, t, options_.misalign_elements);
      o.tensor.data = o.buffer->data();
    }
    return o.tensor;
  }
  Tensor output_reusing(int i, std::initializer_list<int> from, DType t, const Shape& shape) override {
    for (const int k : from) {
      const Tensor& x = in_.at(static_cast<size_t>(k));
      if (!options_.reuse || x.type != t || x.shape != shape || inputs_[static_cast<size_t>(k)].host) continue;
      taken_[static_cast<size_t>(k)] = true;
      Out& o = slot(i);
      o.buffer = in_buffers_[static_cast<size_t>(k)];
      return o.tensor = {shape, t, o.buffer->data()};
    }
    return output(i, t, shape);
  }
  void output_alias(int i, int k, const Shape& shape) override {
    const Tensor& x = in_.at(static_cast<size_t>(k));
    Out& o = slot(i);
    o.tensor = {shape, x.type, x.data};
    o.buffer = in_buffers_[static_cast<size_t>(k)];
    if (inputs_[static_cast<size_t>(k)].host) {
      o.in_host = true;
      o.host = inputs_[static_cast<size_t>(k)].bytes;
    }
  }
  Tensor scratch(DType t, const Shape& shape) override {
    scratch_.push_back(make(shape, t, 0));
    return {shape, t, scratch_.back()->data()};
  }
  Stream& stream() override { return *stream_; }
  Device& device() override { return device_; }

  // Input i is a variable that the op changes: its buffer is the result after the outputs.
  void change(int i) {
    taken_[static_cast<size_t>(i)] = true;
    changed_.push_back(static_cast<size_t>(i));
  }

  std::vector<Value> finish(const std::string& op) {
    std::vector<Buffer*> all;
    const auto want = [&](const std::shared_ptr<Buffer>& b) {
      if (b && std::find(all.begin(), all.end(), b.get()) == all.end()) all.push_back(b.get());
    };
    for (const auto& b : in_buffers_) want(b);
    for (const auto& b : scratch_) want(b);
    for (const auto& [i, o] : out_) want(o.buffer);
    for (Buffer* b : all) b->download(*stream_);
    stream_->sync(stream_->flush().value, WaitFor::host);

    for (Buffer* b : all) b->check_guards(op);
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (in_buffers_[i] && !taken_[i]) {
        EXPECT_EQ(in_buffers_[i]->inside(), inputs_[i].bytes) << op << ": input " << i << " was changed";
      }
    std::vector<Value> results;
    for (const auto& [i, o] : out_) {
      EXPECT_EQ(static_cast<size_t>(i), results.size()) << op << ": an output is missing";
      results.push_back({o.tensor.shape, o.tensor.type, o.in_host ? o.host : o.buffer->inside(), o.in_host});
    }
    for (const size_t i : changed_) results.push_back({in_[i].shape, in_[i].type, in_buffers_[i]->inside(), false});
    return results;
  }

 private:
  struct Out {
    Tensor tensor;
    std::shared_ptr<Buffer> buffer;
    std::vector<std::byte> host;
    bool in_host = false;
  };
  Out& slot(int i) {
    require(!out_.contains(i), Code::internal, "output ", i, " was made twice");
    return out_[i];
  }
  std::shared_ptr<Buffer> make(const Shape& shape, DType t, uint64_t misalign_elements) {
    const uint64_t bytes = static_cast<uint64_t>(count(shape)) * size_of(t);
    auto b = std::make_shared<Buffer>(device_, bytes, misalign_elements * size_of(t));
    b->guard(*stream_);
    return b;
  }

  Device& device_;
  const std::vector<Value>& inputs_;
  const RunOptions& options_;
  std::unique_ptr<Stream> stream_;
  std::vector<Tensor> in_;
  std::vector<std::shared_ptr<Buffer>> in_buffers_, scratch_;
  std::vector<bool> taken_;
  std::vector<size_t> changed_;
  std::map<int, Out> out_;
};

// The kinds of device that planners tell apart, each with and without what only some have.
std::vector<Caps> kinds_of_device(const Caps& here) {
  std::vector<Caps> kinds{here};
  for (const DeviceKind kind : {DeviceKind::cpu, DeviceKind::integrated, DeviceKind::discrete})
    for (const uint32_t subgroup : {8u, 32u, 64u})
      for (const bool rich : {false, true}) {
        Caps c;
        c.kind = kind;
        c.subgroup = subgroup;
        c.cores = rich ? 132 : 4;
        c.max_group = rich ? 1024 : 256;
        c.f16 = c.matrix_f16 = c.atomic_f32_add = rich;
        c.unified = kind != DeviceKind::discrete;
        kinds.push_back(c);
      }
  return kinds;
}

// Records the call as every kind of device would plan it.  A row that asks for a kernel which it does not list, or that
// passes a kernel too many or too few parameters, fails here, before a user with such a device meets it.
void plan_for_all_kinds(const Caps& here, const OpSpec& row, const std::vector<Value>& inputs,
                        const RunOptions& options, const State* state) {
  constexpr uint64_t kLargest =
      1 << 22;  // bytes of inputs; larger ones are seldom another case, and are copied 19 times
  uint64_t bytes = 0;
  for (const Value& v : inputs) bytes += v.bytes.size();
  if (bytes > kLargest) return;
  static const Pack pack(ANVIL_TEST_PACK);
  std::vector<std::string> listed;
  if (row.variants) row.variants(row, listed);
  std::sort(listed.begin(), listed.end());
  for (const Caps& caps : kinds_of_device(here)) {
    record::Config config;
    config.caps = caps;
    config.pack = &pack;
    config.has_kernel = [&](std::string_view name) { return std::binary_search(listed.begin(), listed.end(), name); };
    const auto recorder = record::open(std::move(config));
    try {
      HarnessCall call(*recorder, inputs, options);
      row.run(call, row, state);
    } catch (const Error& e) {
      ADD_FAILURE() << row.name << " planned for " << (caps.cpu_type() ? "a CPU" : "a GPU") << ", subgroup "
                    << caps.subgroup << ", " << caps.cores << " cores: " << e.what();
    }
  }
}

}  // namespace

std::vector<double> Value::values() const {
  std::vector<double> v;
  for (size_t at = 0; at < bytes.size(); at += size_of(type)) v.push_back(element(type, bytes.data() + at));
  return v;
}

Value tensor(DType type, Shape shape, const std::vector<double>& values) {
  require(static_cast<size_t>(count(shape)) == values.size(), Code::invalid_argument, text(shape), " has not ",
          values.size(), " elements");
  Value v{std::move(shape), type, std::vector<std::byte>(values.size() * size_of(type)), false};
  for (size_t i = 0; i < values.size(); ++i) set_element(type, v.bytes.data() + i * size_of(type), values[i]);
  return v;
}
Value host_ints(const std::vector<int32_t>& values) {
  return on_host(raw(DType::i32, {static_cast<int64_t>(values.size())}, values));
}
Value host_int(int32_t value) { return on_host(raw(DType::i32, {}, std::vector<int32_t>{value})); }

const OpSpec& find_row(const std::string& name, DType type) {
  for (const OpSpec& row : catalogue())
    if (row.name == name &&
        (row.types.empty() || std::find(row.types.begin(), row.types.end(), type) != row.types.end()))
      return row;
  ADD_FAILURE() << "no row for " << name << " of " << facts(type).tensorflow;
  fail(Code::internal, "no row for ", name);
}

std::vector<Value> run_row(Device& device, const OpSpec& row, const std::vector<Value>& inputs,
                           const RunOptions& options) {
  std::unique_ptr<State> state;
  if (row.prepare) state = row.prepare(MapAttrs(options.attrs));
  HarnessCall call(device, inputs, options);
  if (row.use == OpSpec::Use::change)
    for (const int i : row.variables) call.change(i);
  row.run(call, row, state.get());
  plan_for_all_kinds(device.caps(), row, inputs, options, state.get());
  return call.finish(row.name);
}

std::vector<Value> run_op(Device& device, const std::string& name, const std::vector<Value>& inputs,
                          const RunOptions& options, int typed_by) {
  return run_row(device, find_row(name, inputs.at(static_cast<size_t>(typed_by)).type), inputs, options);
}

WorstError& worst_error() {
  static WorstError worst;
  return worst;
}

double worst_ulp(const Value& got, const std::vector<double>& exact, double floor) {
  std::vector<double> want = exact;
  const double largest = got.type == DType::f16 ? 65519 : 3.4028235e38;  // what is beyond rounds to infinity
  for (double& w : want)
    if (std::fabs(w) > largest) w = std::copysign(INFINITY, w);
  const int digits = got.type == DType::f32 ? 24 : got.type == DType::f16 ? 11 : 8;
  const std::vector<double> values = got.values();
  EXPECT_EQ(values.size(), want.size());
  double worst = 0;
  for (size_t i = 0; i < std::min(values.size(), want.size()); ++i) {
    if (std::isnan(want[i]) || std::isnan(values[i])) {
      if (std::isnan(want[i]) != std::isnan(values[i])) return std::numeric_limits<double>::infinity();
      continue;
    }
    if (values[i] == want[i]) continue;
    if (std::isinf(want[i]) || std::isinf(values[i])) return std::numeric_limits<double>::infinity();
    int e = 0;
    std::frexp(std::max(std::fabs(want[i]), floor), &e);
    worst = std::max(worst, std::fabs(values[i] - want[i]) / std::ldexp(1.0, e - digits));
  }
  if (worst > worst_error().ulp) worst_error() = {worst, testing::UnitTest::GetInstance()->current_test_info()->name()};
  return worst;
}

}  // namespace anvil::ops::test
