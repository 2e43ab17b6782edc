#include "tf/call.h"

#include "base/checked_shape.h"
#include "tf/guard.h"
#include "tf/handover.h"
#include "tf/types.h"

namespace anvil::tf {
namespace {

ops::Tensor view(const TF_Tensor* t) {
  ops::Tensor r;
  r.type = dtype_of(TF_TensorType(t));
  r.data = TF_TensorData(t);
  const int rank = TF_NumDims(t);
  r.shape.resize(rank);
  for (int i = 0; i < rank; ++i) r.shape[i] = TF_Dim(t, i);
  return r;
}

uint64_t bytes_of(DType type, const Shape& shape) { return static_cast<uint64_t>(count(shape)) * size_of(type); }

}  // namespace

TfCall::~TfCall() {
  for (size_t i = 0; i < held_count_; ++i) TF_DeleteTensor(held_[i]);
  for (TF_Tensor* t : more_held_) TF_DeleteTensor(t);
}

ops::Tensor TfCall::handed(ops::Tensor t) {
  if constexpr (tsan::kOn)
    if (on_host_) turns_.emplace_front(t.data, bytes_of(t.type, t.shape));
  return t;
}

SP_Stream_st& TfCall::handle() {
  if (!handle_) {
    const Status status;
    handle_ = TF_GetStream(context_, status.out());
    status.check();
    const Use use(handle_);
  }
  return *handle_;
}

void TfCall::check_allocation(const Status& status, uint64_t bytes) {
  if (status.ok()) [[likely]]
    return;
  if (TF_GetCode(status.out()) != TF_RESOURCE_EXHAUSTED) status.check();
  const std::string words = TF_Message(status.out());  // handle() uses the same status
  fail(Code::resource_exhausted, words, "; this tensor takes ", bytes >> 20, " MiB", handle().gpu->out_of_memory());
}

ops::Tensor TfCall::input(int i) {
  for (const auto& [number, buffer] : lent_)
    if (number == i) return buffer;
  const Status status;
  TF_Tensor* t = nullptr;
  TF_GetInput(context_, i, &t, status.out());
  status.check();
  const TensorPtr owned(t);
  return handed(view(t));
}

ops::Tensor TfCall::output(int i, DType type, const Shape& shape) {
  check_shape(shape);
  const Status status;
  const TensorPtr t(TF_AllocateOutput(context_, i, to_tf(type), shape.data(), static_cast<int>(shape.size()),
                                      bytes_of(type, shape), status.out()));
  check_allocation(status, bytes_of(type, shape));
  return handed({shape, type, TF_TensorData(t.get())});
}

ops::Tensor TfCall::output_reusing(int i, std::initializer_list<int> inputs, DType type, const Shape& shape) {
  check_shape(shape);
  const Status status;
  int used = -1;
  const TensorPtr t(TF_ForwardInputOrAllocateOutput(context_, inputs.begin(), static_cast<int>(inputs.size()), i,
                                                    shape.data(), static_cast<int>(shape.size()), &used, status.out()));
  check_allocation(status, bytes_of(type, shape));
  return handed({shape, type, TF_TensorData(t.get())});
}

void TfCall::output_alias(int i, int input, const Shape& shape) {
  check_shape(shape);
  const Status status;
  TF_Tensor* t = nullptr;
  TF_GetInput(context_, input, &t, status.out());
  status.check();
  const TensorPtr from(t);
  const TF_DataType wanted = TF_ExpectedOutputDataType(context_, i);
  const auto rank = static_cast<int>(shape.size());
  if (wanted == TF_TensorType(t)) {
    TF_SetShape(t, shape.data(), rank);
    TF_SetOutput(context_, i, t, status.out());
  } else {
    const int64_t none = 0;
    const TensorPtr to(TF_AllocateTensor(wanted, &none, 1, 0));
    TF_TensorBitcastFrom(t, wanted, to.get(), shape.data(), rank, status.out());
    status.check();
    TF_SetOutput(context_, i, to.get(), status.out());
  }
  status.check();
}

ops::Tensor TfCall::scratch(DType type, const Shape& shape) {
  check_shape(shape);
  const Status status;
  TF_AllocatorAttributes attributes{TF_ALLOCATOR_ATTRIBUTES_STRUCT_SIZE, false};
  TF_Tensor* t =
      TF_AllocateTemp(context_, to_tf(type), shape.data(), static_cast<int>(shape.size()), &attributes, status.out());
  check_allocation(status, bytes_of(type, shape));
  if (held_count_ < held_.size()) held_[held_count_++] = t;
  else more_held_.push_back(t);
  return {shape, type, TF_TensorData(t)};
}

}  // namespace anvil::tf
