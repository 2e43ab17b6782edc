// Runs one row of the op catalogue on a device, with host data in and host data out, without TensorFlow.
//
//   const auto y = run_op(gpu, "Relu", {{floats(DType::f16, {3}, {-1, 0, 2})}});
//   EXPECT_EQ(y[0].values(), (std::vector<double>{0, 0, 2}));
//
// Every device tensor has a guard zone on both sides, filled with a pattern and checked after the run: a kernel that
// writes outside its tensors fails the test.  Inputs are checked to be unchanged unless an output took their buffer.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ops/op.h"

namespace anvil::ops::test {

// A tensor in plain host memory.
struct Value {
  Shape shape;
  DType type{};
  std::vector<std::byte> bytes;
  bool host = false;  // handed to the op in host memory, for arguments in OpSpec::host

  // Elements as doubles; 64-bit integers lose what a double cannot hold, see as<>().
  std::vector<double> values() const;
  template <class T>
  std::vector<T> as() const {
    std::vector<T> v(bytes.size() / sizeof(T));
    std::memcpy(v.data(), bytes.data(), v.size() * sizeof(T));
    return v;
  }
};
// Rounds to the type as the kernels do (nearest, ties to even); integers and bool convert as C++ does.
Value tensor(DType type, Shape shape, const std::vector<double>& values);
inline Value floats(DType type, Shape shape, const std::vector<double>& values) { return tensor(type, shape, values); }
template <class T>
Value raw(DType type, Shape shape, const std::vector<T>& values) {
  Value v{std::move(shape), type, std::vector<std::byte>(values.size() * sizeof(T)), false};
  std::memcpy(v.bytes.data(), values.data(), v.bytes.size());
  return v;
}
inline Value on_host(Value v) {
  v.host = true;
  return v;
}
// The host argument most ops have: a vector (or scalar, if `shape` is {}) of int32.
Value host_ints(const std::vector<int32_t>& values);
Value host_int(int32_t value);

using Attr = std::variant<bool, int64_t, float, std::string, DType, std::vector<int64_t>, std::vector<std::string>>;
using AttrMap = std::map<std::string, Attr>;

struct RunOptions {
  AttrMap attrs = {};
  bool reuse = false;                  // let output_reusing() hand back an input's buffer
  std::vector<int> host_outputs = {};  // outputs that live in host memory
  uint64_t misalign_elements = 0;      // start every device tensor this many elements past an aligned address
};

// The row registered for `name` and, where the row constrains types, `type`.  Fails the test and throws if none is.
const OpSpec& find_row(const std::string& name, DType type);

// Runs the row for the type of input `typed_by`; returns the outputs in order, then the variables that the row changes.
// Errors of the op pass through.
std::vector<Value> run_op(Device& device, const std::string& name, const std::vector<Value>& inputs,
                          const RunOptions& options = {}, int typed_by = 0);
std::vector<Value> run_row(Device& device, const OpSpec& row, const std::vector<Value>& inputs,
                           const RunOptions& options = {});

// A device of the driver that is tested, software ones too, with the test pack; opened once; nullptr if there is none.
Device* gpu();
// Begins a test that needs a device.
#define ANVIL_GPU_OR_SKIP(name)                 \
  if (!::anvil::ops::test::gpu()) GTEST_SKIP(); \
  ::anvil::Device& name = *::anvil::ops::test::gpu()

// Worst |got - want| over the elements, in units of the spacing of `type` at want; NaN matches NaN and infinities must
// be equal, also where the exact value overflows the type.  `floor` is the magnitude below which the spacing no longer
// shrinks.
double worst_ulp(const Value& got, const std::vector<double>& exact, double floor = 0);

}  // namespace anvil::ops::test
