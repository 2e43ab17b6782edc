// How an op is written down: a row of facts (OpSpec) and one function (run).  No TensorFlow here: src/tf registers the
// rows, tests run them on a plain context, build_kernels compiles the kernels they list.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "base/shape.h"
#include "drv/driver.h"

namespace anvil::ops {

struct Tensor {
  Shape shape;
  DType type{};
  void* data = nullptr;  // a device address (never dereferenced), or host memory for arguments in OpSpec::host

  int64_t size() const { return count(shape); }
  uint64_t bytes() const { return static_cast<uint64_t>(size()) * size_of(type); }
  int rank() const { return static_cast<int>(shape.size()); }
  template <class T>
  const T* host() const {
    return static_cast<const T*>(data);
  }
  template <class T>
  T* host_out() const {
    return static_cast<T*>(data);
  }
};
inline Arg read(const Tensor& t) { return {t.data, t.bytes(), Access::read}; }
inline Arg write(const Tensor& t) { return {t.data, t.bytes(), Access::write}; }

// Attributes, read once when TensorFlow builds the kernel.  Throws invalid_argument for a name the op lacks.
class Attrs {
 public:
  virtual ~Attrs() = default;
  virtual bool has(const char* name) const = 0;
  virtual bool flag(const char* name) const = 0;
  virtual int64_t integer(const char* name) const = 0;
  virtual float real(const char* name) const = 0;
  virtual std::string string(const char* name) const = 0;
  virtual DType type(const char* name) const = 0;
  virtual std::vector<int64_t> integers(const char* name) const = 0;
  virtual std::vector<std::string> strings(const char* name) const = 0;
};

// One call of an op: its inputs, a way to make outputs, and the stream to record on.  Tensors stay valid until the
// recorded work is done; nothing here is kept after run() returns.
class Call {
 public:
  virtual ~Call() = default;
  virtual int inputs() const = 0;
  virtual Tensor input(int i) = 0;
  virtual Tensor output(int i, DType, const Shape&) = 0;
  // As output(), but may hand back the buffer of one of the listed inputs if nobody else needs it and type and size
  // agree.  The caller's kernel must tolerate output == input.
  virtual Tensor output_reusing(int i, std::initializer_list<int> inputs, DType, const Shape&) = 0;
  // Makes output i the same buffer as `input`, under a new shape of equally many elements (no copy).
  virtual void output_alias(int i, int input, const Shape&) = 0;
  virtual Tensor scratch(DType, const Shape&) = 0;  // device memory, 64-byte aligned, until this call's work is done
  virtual Stream& stream() = 0;
  virtual Device& device() = 0;
  const Caps& caps() { return device().caps(); }
  const Kernel& kernel(std::string_view name) { return device().kernel(name); }
};

// State made from the attributes once per node; ops without attributes have none.  Immutable after prepare().
struct State {
  virtual ~State() = default;
};

struct OpSpec;
using Run = void (*)(Call&, const OpSpec&, const State*);
using Prepare = std::unique_ptr<State> (*)(const Attrs&);
using Variants = void (*)(const OpSpec&, std::vector<std::string>& names);

// A further type attribute; the row is registered once per combination.
struct TypeAxis {
  const char* attr;
  std::vector<DType> types;
};

struct OpSpec {
  const char* name;          // the TensorFlow op
  std::vector<DType> types;  // one registration each, as a constraint on `type_attr`; {} = unconstrained
  Run run;
  std::string kernel = {};      // which functor, for families that share one kernel
  Variants variants = nullptr;  // lists every kernel this row may ask for; nullptr = none (host or copy ops)
  Prepare prepare = nullptr;
  std::vector<const char*> host = {};  // arguments (inputs or outputs) that live in host memory, by name
  const char* type_attr = "T";
  std::vector<TypeAxis> more = {};
  // Inputs that are variables: input(i) is the variable's buffer, which run() changes in place if `use` says so. Nobody
  // else reads it meanwhile, and the outputs that are references to variables are none of run()'s business.
  std::vector<int> variables = {};
  enum class Use : uint8_t { change, read } use = Use::change;
};

// Every family adds its rows while the library loads; the table is read afterwards and never changes.
std::vector<OpSpec>& catalogue();
struct Family {
  Family(std::initializer_list<OpSpec> rows) {
    for (const OpSpec& r : rows) catalogue().push_back(r);
  }
};
// All kernel names of all rows, sorted, each once: what tools/build_kernels compiles.
std::vector<std::string> all_variants();

inline const std::vector<DType> kFloats = {DType::f32, DType::f16, DType::bf16};
// With float64, whose kernels are in modules of their own (`*_f64`) and have no MSL: src/tf registers a type that needs
// doubles only where every device computes with them.
inline const std::vector<DType> kReals = {DType::f32, DType::f16, DType::bf16, DType::f64};
// Integer types that live on the device.  int32 is host memory in TensorFlow's convention for most ops.
inline const std::vector<DType> kDeviceInts = {DType::i8,  DType::i16, DType::i64, DType::u8,
                                               DType::u16, DType::u32, DType::u64};
// Types that are moved, as words of 8 bytes, and hardly ever computed with.
inline const std::vector<DType> kWide = {DType::f64, DType::c64, DType::c128};

inline std::vector<DType> join(std::initializer_list<std::vector<DType>> lists) {
  std::vector<DType> all;
  for (const auto& l : lists) all.insert(all.end(), l.begin(), l.end());
  return all;
}

}  // namespace anvil::ops
