// Names of the element types of kernels/packet.slang.
#pragma once
#include "ops/op.h"

namespace anvil::ops {

// "Packed<F32>", "PackedI32".
inline std::string packed(DType t) {
  return is_float(t) ? str("Packed<", slang_name(t), ">") : str("Packed", slang_name(t));
}
constexpr uint32_t packet_width(DType t) { return 8 / static_cast<uint32_t>(size_of(t)); }

}  // namespace anvil::ops
