// Arguments and tensors in host memory: reading them, and doing to int32 tensors there what copy.h does on the device.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/copy.h"
#include "ops/op.h"

namespace anvil::ops {

// The int32 or int64 elements of a host argument.
std::vector<int64_t> host_values(const Tensor& t);
// The one element of a host argument of one element; throws invalid_argument otherwise, naming the argument.
int64_t host_scalar(const Tensor& t, const char* name);
// The bytes of a host argument's first element.
Bits host_bits(const Tensor& t);
// The elements as a shape.
Shape host_shape(const Tensor& t);

// Rows whose tensors live in host memory say so in OpSpec::kernel; the functions below then work there.
inline constexpr const char* kHost = "host";
inline bool on_host(const OpSpec& op) { return op.kernel == kHost; }

// launch_copy() for either memory: moves the elements of x along the walk to y.
void move_elements(Call& call, const OpSpec& op, const Walk& walk, const Tensor& x, const Tensor& y);
// fill_elements() for either memory.
void set_elements(Call& call, const OpSpec& op, const Bits& bits, const Tensor& y);

}  // namespace anvil::ops
