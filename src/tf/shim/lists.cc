// Lists of tensors, and what gradients do with variants.
//
// TensorFlow registers its list ops for devices of any kind, but for fewer types than its CUDA build: lists of bools
// and complex numbers are missing, as is what the gradient of a loop does with lists of lists.  The kernels here are
// TensorFlow's own for those types, which copy on the stream of a plug-in's device.  Its functions that add variants
// and make zeros like them would compute on the host; ours leave the tensors inside to the plug-in.
#include "tensorflow/core/kernels/list_kernels.h"

#include "tensorflow/core/kernels/ragged_tensor_variant.h"
#include "tensorflow/core/kernels/variant_ops_util.h"
#include "tf/shim/held.h"
#include "tf/shim/parts.h"

namespace tensorflow {

// Variants are in host memory on every device, where the general form would let the device write.
template <>
inline void SetZero<CPUDevice, Variant>(OpKernelContext*, Tensor& tensor) {
  for (int64_t i = 0; i < tensor.NumElements(); ++i) tensor.flat<Variant>()(i) = Variant(0);  // as on the CPU
}

}  // namespace tensorflow

namespace anvil::shim {
namespace {

using tensorflow::CPUDevice;
using tensorflow::DataType;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::RaggedTensorVariant;
using tensorflow::TensorList;
using tensorflow::Variant;

anvil_container_calls variant_calls;  // set once, before the first kernel is registered

absl::Status unknown(const char* what, const Variant& v) {
  return tensorflow::errors::Internal("No variant function ", what, " for a variant of type ", v.TypeName(),
                                      " on this device");
}

absl::Status zeros_like_variant(OpKernelContext* context, const Variant& x, Variant* y);

// Of an element of a variant: a tensor on the device, a place that is still empty, or again a variant.
absl::Status zeros_like(OpKernelContext* context, const Tensor& x, Tensor* y) {
  if (x.dtype() == tensorflow::DT_INVALID) {
    *y = Tensor(tensorflow::DT_INVALID);
    return absl::OkStatus();
  }
  if (x.dtype() == tensorflow::DT_VARIANT) {
    *y = Tensor(tensorflow::cpu_allocator(), x.dtype(), x.shape());
    for (int64_t i = 0; i < x.NumElements(); ++i)
      TF_RETURN_IF_ERROR(zeros_like_variant(context, x.flat<Variant>()(i), &y->flat<Variant>()(i)));
    return absl::OkStatus();
  }
  if (!tensorflow::DataTypeCanUseMemcpy(x.dtype()))
    return tensorflow::errors::InvalidArgument("Trying to compute zeros_like for unsupported dtype ",
                                               tensorflow::DataTypeString(x.dtype()));
  TF_RETURN_IF_ERROR(allocate_like(context, x, y));
  if (y->TotalBytes() == 0) return absl::OkStatus();
  const CallStatus status;
  const Buffer to(*y);
  variant_calls.zero(handle_of(context), &to.view, status.status);
  return status.take();
}

absl::Status zeros_like_variant(OpKernelContext* context, const Variant& x, Variant* y) {
  if (const auto* list = x.get<TensorList>()) {
    TensorList zeros;
    TF_RETURN_IF_ERROR(tensorflow::TensorListZerosLike(context, *list, &zeros, zeros_like));
    *y = std::move(zeros);
    return absl::OkStatus();
  }
  if (const auto* ragged = x.get<RaggedTensorVariant>()) {
    RaggedTensorVariant zeros;
    zeros.set_nested_splits(ragged->nested_splits());
    TF_RETURN_IF_ERROR(zeros_like(context, ragged->values(), zeros.mutable_values()));
    *y = std::move(zeros);
    return absl::OkStatus();
  }
  return unknown("ZEROS_LIKE", x);
}

absl::Status add_variants(OpKernelContext* context, const Variant& a, const Variant& b, Variant* sum);

absl::Status add(OpKernelContext* context, const Tensor& a, const Tensor& b, Tensor* sum) {
  if (a.dtype() == tensorflow::DT_INVALID || b.dtype() == tensorflow::DT_INVALID) {
    *sum = a.dtype() == tensorflow::DT_INVALID ? b : a;
    return absl::OkStatus();
  }
  if (a.dtype() != b.dtype() || a.shape() != b.shape())
    return tensorflow::errors::InvalidArgument(
        "Trying to add two tensors with incompatible element types or shapes. One is ", a.DeviceSafeDebugString(),
        " and the other is ", b.DeviceSafeDebugString());
  if (a.dtype() == tensorflow::DT_VARIANT) {
    *sum = Tensor(tensorflow::cpu_allocator(), a.dtype(), a.shape());
    for (int64_t i = 0; i < a.NumElements(); ++i)
      TF_RETURN_IF_ERROR(add_variants(context, a.flat<Variant>()(i), b.flat<Variant>()(i), &sum->flat<Variant>()(i)));
    return absl::OkStatus();
  }
  TF_RETURN_IF_ERROR(allocate_like(context, a, sum));
  if (a.TotalBytes() == 0) return absl::OkStatus();
  const CallStatus status;
  const Buffer left(a), right(b), to(*sum);
  variant_calls.add(handle_of(context), &left.view, &right.view, &to.view, status.status);
  return status.take();
}

absl::Status add_variants(OpKernelContext* context, const Variant& a, const Variant& b, Variant* sum) {
  const auto *list = a.get<TensorList>(), *other = b.get<TensorList>();
  if (list && other) {
    TensorList both;
    TF_RETURN_IF_ERROR(tensorflow::TensorListBinaryAdd(context, *list, *other, &both, add));
    *sum = std::move(both);
    return absl::OkStatus();
  }
  const auto *ragged = a.get<RaggedTensorVariant>(), *second = b.get<RaggedTensorVariant>();
  if (ragged && second) {
    // Row splits are in host memory, so they can be compared.
    bool same = ragged->ragged_rank() == second->ragged_rank();
    for (int i = 0; same && i < ragged->ragged_rank(); ++i)
      same = ragged->splits(i).shape() == second->splits(i).shape() &&
             ragged->splits(i).tensor_data() == second->splits(i).tensor_data();
    if (!same) return tensorflow::errors::InvalidArgument("Can't add RaggedTensorVariants with different row_splits");
    RaggedTensorVariant both;
    both.set_nested_splits(ragged->nested_splits());
    TF_RETURN_IF_ERROR(add(context, ragged->values(), second->values(), both.mutable_values()));
    *sum = std::move(both);
    return absl::OkStatus();
  }
  return unknown("ADD", a);
}

class ZerosLikeVariant final : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& x = context->input(0);
    OP_REQUIRES(context, x.dims() == 0,
                tensorflow::errors::InvalidArgument("ZerosLike non-scalar Tensor with dtype=DT_VARIANT is not "
                                                    "supported."));
    Tensor y;
    OP_REQUIRES_OK(context, zeros_like(context, x, &y));
    context->set_output(0, y);
  }
};

class AddVariants final : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override { tensorflow::AddNVariant(context, add_variants); }
};

// TensorFlow's is not in a header.
class TensorListSetItem final : public OpKernel {
 public:
  explicit TensorListSetItem(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("element_dtype", &element_type_));
    if (construction->HasAttr("resize_if_index_out_of_bounds"))
      OP_REQUIRES_OK(construction, construction->GetAttr("resize_if_index_out_of_bounds", &resizes_));
  }
  void Compute(OpKernelContext* context) override {
    using tensorflow::errors::InvalidArgument;
    const TensorList* list = nullptr;
    OP_REQUIRES_OK(context, tensorflow::GetInputList(context, 0, &list));
    const Tensor& value = context->input(2);
    OP_REQUIRES(context, element_type_ == list->element_dtype,
                InvalidArgument("Invalid data types; op elements ", tensorflow::DataTypeString(element_type_),
                                " but list elements ", tensorflow::DataTypeString(list->element_dtype)));
    const int64_t index = context->input(1).scalar<int32_t>()();
    const auto size = static_cast<int64_t>(list->tensors().size());
    OP_REQUIRES(context, index >= 0 && (resizes_ || index < size),
                InvalidArgument("Trying to modify element ", index, " in a list with ", size, " elements."));
    OP_REQUIRES(context, list->element_shape.IsCompatibleWith(value.shape()),
                InvalidArgument("Tried to set a tensor with incompatible shape at a list index. Item element shape: ",
                                value.shape().DebugString(), " list shape: ", list->element_shape.DebugString()));
    TensorList* changed = nullptr;
    OP_REQUIRES_OK(context, tensorflow::ForwardInputOrCreateNewList(context, 0, 0, *list, &changed));
    if (index >= size) changed->tensors().resize(index + 1, Tensor(tensorflow::DT_INVALID));
    changed->tensors()[index] = value;
  }

 private:
  DataType element_type_ = tensorflow::DT_INVALID;
  bool resizes_ = false;
};

struct Lists : Registry {
  template <typename T>
  void add_lists() const {
    constexpr DataType type = tensorflow::DataTypeToEnum<T>::value;
    constexpr const char* attr = "element_dtype";
    add<tensorflow::TensorListStack<CPUDevice, T>>("TensorListStack", attr, type, {"element_shape"});
    add<tensorflow::TensorListGetItem<CPUDevice, T>>("TensorListGetItem", attr, type, {"index", "element_shape"});
    add<TensorListSetItem>("TensorListSetItem", attr, type, {"index"});
    add<tensorflow::TensorListPopBack<CPUDevice, T>>("TensorListPopBack", attr, type, {"element_shape"});
    add<tensorflow::TensorListConcat<CPUDevice, T>>("TensorListConcat", attr, type, {"lengths"});
    add<tensorflow::TensorListConcat<CPUDevice, T>>("TensorListConcatV2", attr, type,
                                                    {"leading_dims", "element_shape", "lengths"});
    add<tensorflow::TensorListSplit<CPUDevice, T>>("TensorListSplit", attr, type, {"element_shape", "lengths"});
    add<tensorflow::TensorListGather<CPUDevice, T>>("TensorListGather", attr, type, {"indices", "element_shape"});
    add<tensorflow::TensorListFromTensor<CPUDevice, T>>("TensorListFromTensor", attr, type, {"element_shape"});
    add<tensorflow::TensorListScatterIntoExistingList<CPUDevice, T>>("TensorListScatterIntoExistingList", attr, type,
                                                                     {"indices"});
    add<tensorflow::TensorListScatter<CPUDevice, T>>("TensorListScatter", attr, type, {"element_shape", "indices"});
    add<tensorflow::TensorListScatter<CPUDevice, T>>("TensorListScatterV2", attr, type,
                                                     {"element_shape", "num_elements", "indices"});
    add<tensorflow::TensorListPushBackBatch<CPUDevice, T>>("TensorListPushBackBatch", attr, type);
  }
};

}  // namespace

void register_variants(const char* device_type, const anvil_container_calls* calls) {
  variant_calls = *calls;
  const Lists registry{device_type, "AnvilVariant"};
  registry.add_lists<bool>();
  registry.add_lists<tensorflow::complex64>();
  registry.add_lists<tensorflow::complex128>();
  registry.add<tensorflow::TensorListPopBack<CPUDevice, Variant>>("TensorListPopBack", "element_dtype",
                                                                  tensorflow::DT_VARIANT, {"element_shape"});
  registry.add<ZerosLikeVariant>("ZerosLike", "T", tensorflow::DT_VARIANT);
  registry.add<AddVariants>("AddN", "T", tensorflow::DT_VARIANT);
}

}  // namespace anvil::shim
