#include "tf/types.h"

#include "base/error.h"

namespace anvil::tf {
namespace {
constexpr std::array<TF_DataType, kDTypes.size()> kTypes = {
    TF_FLOAT, TF_HALF,   TF_BFLOAT16, TF_DOUBLE, TF_INT8, TF_INT16,     TF_INT32,     TF_INT64,
    TF_UINT8, TF_UINT16, TF_UINT32,   TF_UINT64, TF_BOOL, TF_COMPLEX64, TF_COMPLEX128};
}

TF_DataType to_tf(DType type) { return kTypes[static_cast<size_t>(type)]; }

std::optional<DType> from_tf(TF_DataType type) {
  static const auto table = [] {
    std::array<std::optional<DType>, 64> t;
    for (size_t i = 0; i < kTypes.size(); ++i) t[kTypes[i]] = static_cast<DType>(i);
    return t;
  }();
  const auto i = static_cast<size_t>(type);
  return i < table.size() ? table[i] : std::nullopt;
}

DType dtype_of(TF_DataType type) {
  const auto t = from_tf(type);
  require(t.has_value(), Code::unimplemented, "no kernel on this device takes TensorFlow's type number ",
          static_cast<int>(type));
  return *t;
}

}  // namespace anvil::tf
