// TensorFlow's element types and ours.
#pragma once
#include <optional>

#include "base/dtype.h"
#include "tensorflow/c/tf_datatype.h"

namespace anvil::tf {

TF_DataType to_tf(DType type);
// Nothing for types that no kernel of ours handles: strings, resources, variants, quantized types.
std::optional<DType> from_tf(TF_DataType type);
// As from_tf(), but throws unimplemented.
DType dtype_of(TF_DataType type);

}  // namespace anvil::tf
