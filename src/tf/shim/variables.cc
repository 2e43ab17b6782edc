// Variables: finding them, locking them, and copy-on-read, as TensorFlow's own kernels do.
#include "tensorflow/c/tf_status.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::Var;

OpKernelContext* context_of(TF_OpKernelContext* c) { return reinterpret_cast<OpKernelContext*>(c); }

void set(TF_Status* status, const absl::Status& s) {
  TF_SetStatus(status, static_cast<TF_Code>(s.code()), std::string(s.message()).c_str());
}

// A tensor as the plug-in sees it.
struct Buffer {
  explicit Buffer(const Tensor& t) : shape(t.shape().dim_sizes()) {
    view = {t.data(), t.TotalBytes(), static_cast<int32_t>(t.dtype()), t.dims(), shape.data()};
  }
  absl::InlinedVector<int64_t, 4> shape;
  anvil_buffer view;
};

absl::Status allocate_like(OpKernelContext* context, const Tensor& t, Tensor* out) {
  tensorflow::AllocatorAttributes attributes;
  attributes.set_gpu_compatible(true);
  attributes.set_nic_compatible(true);
  return context->allocate_temp(t.dtype(), t.shape(), out, attributes);
}

absl::Status find(OpKernelContext* context, int32_t handle, tensorflow::core::RefCountPtr<Var>* variable) {
  return LookupResource(context, HandleFromInput(context, handle), variable);
}

absl::Status copied(TF_OpKernelContext* context, const Tensor& value, anvil_copy copy, TF_Status* status, Tensor* out) {
  TF_RETURN_IF_ERROR(allocate_like(context_of(context), value, out));
  const Buffer from(value), to(*out);
  if (value.NumElements() > 0) copy(context, &from.view, &to.view, status);
  return absl::OkStatus();
}

absl::Status check_assignment(const Var& variable, const Tensor& held, const Tensor& value, bool validate_shape) {
  const bool untyped = held.dtype() == tensorflow::DT_INVALID && !variable.is_initialized;
  if (!untyped && held.dtype() != value.dtype())
    return tensorflow::errors::InvalidArgument("Trying to assign variable with wrong dtype. Expected ",
                                               DataTypeString(held.dtype()), " got ", DataTypeString(value.dtype()));
  if (validate_shape && variable.is_initialized && !held.shape().IsSameSize(value.shape()))
    return tensorflow::errors::InvalidArgument("Trying to assign to variable with tensor with wrong shape. Expected ",
                                               held.shape().DebugString(), " got ", value.shape().DebugString());
  return absl::OkStatus();
}

absl::Status assign_variable(TF_OpKernelContext* c, int32_t handle, int32_t input, tensorflow::DataType type,
                             bool validate_shape, anvil_copy copy, TF_Status* status) {
  OpKernelContext* context = context_of(c);
  const Tensor& value = context->input(input);
  if (value.dtype() != type)
    return tensorflow::errors::InvalidArgument("Variable and value dtypes don't match; respectively, ",
                                               DataTypeString(type), " and ", DataTypeString(value.dtype()));
  tensorflow::core::RefCountPtr<Var> variable;
  TF_RETURN_IF_ERROR(
      tensorflow::LookupOrCreateResource<Var>(context, HandleFromInput(context, handle), &variable, [&](Var** made) {
        *made = new Var(type);
        *(*made)->tensor() = value;
        (*made)->is_initialized = true;
        return absl::OkStatus();
      }));
  tensorflow::mutex_lock hold(*variable->mu());
  TF_RETURN_IF_ERROR(check_assignment(*variable, *variable->tensor(), value, validate_shape));
  // In copy-on-read mode readers hold the lock while they use the buffer, so it must not be shared with `value`.
  if (variable->copy_on_read_mode.load()) {
    Tensor own;
    TF_RETURN_IF_ERROR(copied(c, value, copy, status, &own));
    *variable->tensor() = own;
  } else {
    *variable->tensor() = value;
  }
  variable->is_initialized = true;
  return absl::OkStatus();
}

absl::Status update_variable(TF_OpKernelContext* c, int32_t handle, int32_t input, int32_t op, anvil_update update,
                             TF_Status* status) {
  OpKernelContext* context = context_of(c);
  tensorflow::core::RefCountPtr<Var> variable;
  TF_RETURN_IF_ERROR(find(context, handle, &variable));
  const Tensor& value = context->input(input);
  tensorflow::mutex_lock hold(*variable->mu());
  Tensor* held = variable->tensor();
  if (!held->shape().IsSameSize(value.shape()))
    return tensorflow::errors::InvalidArgument("Cannot update variable with shape ", held->shape().DebugString(),
                                               " using a Tensor with shape ", value.shape().DebugString(),
                                               ", shapes must be equal.");
  if (held->dtype() != value.dtype())
    return tensorflow::errors::InvalidArgument("Cannot update a variable of type ", DataTypeString(held->dtype()),
                                               " using a Tensor of type ", DataTypeString(value.dtype()));
  if (held->NumElements() == 0) return absl::OkStatus();
  // Where somebody still reads the present buffer, the result goes into a new one: the copy that TensorFlow's kernels
  // make first is not needed.
  const bool shared = variable->copy_on_read_mode.load() || !held->RefCountIsOne();
  Tensor result = *held;
  if (shared) TF_RETURN_IF_ERROR(allocate_like(context, *held, &result));
  const Buffer old(*held), operand(value), target(result);
  update(c, op, &old.view, &operand.view, &target.view, status);
  if (TF_GetCode(status) == TF_OK) *held = result;
  return absl::OkStatus();
}

}  // namespace

void assign(TF_OpKernelContext* context, int32_t handle, int32_t value, int32_t type, int32_t validate_shape,
            anvil_copy copy, TF_Status* status) {
  TF_SetStatus(status, TF_OK, "");
  const absl::Status s = assign_variable(context, handle, value, static_cast<tensorflow::DataType>(type),
                                         validate_shape != 0, copy, status);
  if (!s.ok()) set(status, s);
}

void update(TF_OpKernelContext* context, int32_t handle, int32_t value, int32_t op, anvil_update update,
            TF_Status* status) {
  TF_SetStatus(status, TF_OK, "");
  const absl::Status s = update_variable(context, handle, value, op, update, status);
  if (!s.ok()) set(status, s);
}

}  // namespace anvil::shim
