// Test data that can be made again at any index, so that results are checked without keeping a copy of the inputs.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "drv/driver.h"
#include "op_runner.h"
#include "ops/op.h"

namespace anvil::bench {

// In [-1, 1), a multiple of 1/1024: exact in half precision too.
float noise(uint32_t seed, uint64_t i);

float half_to_float(uint16_t h);
uint16_t float_to_half(float f);  // exact for what noise() returns; rounds to nearest even

// A device tensor of noise(seed, i).  `type` is f32 or f16.
ops::Tensor noisy(Stream& stream, Buffers& memory, uint32_t seed, DType type, const Shape& shape);

// The tensor's values as floats.  Waits for the stream.
std::vector<float> fetch(Stream& stream, const ops::Tensor& t);

// The larger error; NaN counts as the largest, where std::fmax would lose it.
inline double larger(double worst, double error) {
  return error <= worst ? worst : std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

// Waits until everything recorded on the stream is done.
void finish(Stream& stream);

}  // namespace anvil::bench
