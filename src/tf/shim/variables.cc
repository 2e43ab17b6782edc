// Variables: finding them, locking them, and keeping what others read, as TensorFlow's own kernels do.
//
// TensorFlow's sparse updates switch a variable to copy-on-read: from then on every read copies it.  Ours copy before
// the update instead, and only if somebody holds an earlier read, as dense updates do: reads stay free, and each keeps
// the values of its moment.
#include <memory>
#include <vector>

#include "tensorflow/c/tf_status.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tf/shim/held.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::Var;

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

// TensorFlow 1's variables, which are references: changed in place, since whoever reads them reads what is there.
absl::Status assign_reference(TF_OpKernelContext* c, int32_t reference, int32_t input, bool validate_shape,
                              anvil_copy copy, TF_Status* status) {
  OpKernelContext* context = context_of(c);
  const Tensor& value = context->input(input);
  {
    const tensorflow::mutex_lock hold(*context->input_ref_mutex(reference));
    const Tensor held = context->mutable_input(reference, /*lock_held=*/true);
    if (validate_shape && !held.shape().IsSameSize(value.shape()))
      return tensorflow::errors::InvalidArgument(
          "Assign requires shapes of both tensors to match. lhs shape= ", held.shape().DebugString(),
          " rhs shape= ", value.shape().DebugString());
    Tensor own;
    TF_RETURN_IF_ERROR(copied(c, value, copy, status, &own));
    if (TF_GetCode(status) != TF_OK) return absl::OkStatus();  // `status` says it; the variable keeps what it held
    context->replace_ref_input(reference, own, /*lock_held=*/true);
  }
  context->forward_ref_input_to_ref_output(reference, 0);
  return absl::OkStatus();
}

absl::Status update_reference(TF_OpKernelContext* c, int32_t reference, int32_t input, int32_t op, anvil_update update,
                              TF_Status* status) {
  OpKernelContext* context = context_of(c);
  const Tensor& value = context->input(input);
  {
    const tensorflow::mutex_lock hold(*context->input_ref_mutex(reference));
    const Tensor held = context->mutable_input(reference, /*lock_held=*/true);
    if (!held.IsInitialized())
      return tensorflow::errors::FailedPrecondition("Attempting to use uninitialized parameters: ",
                                                    context->op_kernel().requested_input(reference));
    if (!held.shape().IsSameSize(value.shape()))
      return tensorflow::errors::InvalidArgument("Parameters and update must be the same size");
    const Buffer target(held), operand(value);
    if (held.NumElements() > 0) update(c, op, &target.view, &operand.view, &target.view, status);
  }
  context->forward_ref_input_to_ref_output(reference, 0);
  return absl::OkStatus();
}

absl::Status assign_variable(TF_OpKernelContext* c, int32_t handle, int32_t input, tensorflow::DataType type,
                             bool validate_shape, anvil_copy copy, TF_Status* status) {
  OpKernelContext* context = context_of(c);
  if (context->input_is_ref(handle)) return assign_reference(c, handle, input, validate_shape, copy, status);
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
    if (TF_GetCode(status) != TF_OK) return absl::OkStatus();  // `status` says it; the variable keeps what it held
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
  if (context->input_is_ref(handle)) return update_reference(c, handle, input, op, update, status);
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

absl::Status uninitialized(OpKernelContext* context, int input) {
  return tensorflow::errors::FailedPrecondition("Attempting to use uninitialized variables: ",
                                                context->op_kernel().requested_input(input));
}

// One variable of an op, a resource or a reference, and the buffer to use.
struct Held {
  tensorflow::core::RefCountPtr<Var> resource;
  tensorflow::mutex* lock = nullptr;
  Tensor tensor;
};

absl::Status find_any(OpKernelContext* context, int input, Held* held) {
  if (context->input_is_ref(input)) {
    held->lock = context->input_ref_mutex(input);
    return absl::OkStatus();
  }
  const absl::Status found = find(context, input, &held->resource);
  // TensorFlow's optimisers say it so; its other ops pass on what the look-up said.
  if (!found.ok() && context->op_kernel().type_string().find("Apply") != std::string::npos)
    return tensorflow::errors::Internal("Invalid variable reference.");
  TF_RETURN_IF_ERROR(found);
  held->lock = held->resource->mu();
  return absl::OkStatus();
}

// The buffer that may be used: a copy where it is to be changed and somebody reads the present one.
absl::Status prepare(TF_OpKernelContext* c, int input, bool change, anvil_copy copy, TF_Status* status, Held* held) {
  OpKernelContext* context = context_of(c);
  if (!held->resource) {
    held->tensor = context->mutable_input(input, /*lock_held=*/true);
    return held->tensor.IsInitialized() ? absl::OkStatus() : uninitialized(context, input);
  }
  Var& variable = *held->resource;
  if (!variable.is_initialized || !variable.tensor()->IsInitialized()) return uninitialized(context, input);
  if (change && !variable.tensor()->RefCountIsOne()) return copied(c, *variable.tensor(), copy, status, &held->tensor);
  held->tensor = *variable.tensor();
  return absl::OkStatus();
}

absl::Status use_variables(TF_OpKernelContext* c, const int32_t* inputs, int32_t count, bool change, anvil_copy copy,
                           anvil_use use, void* closure, TF_Status* status) {
  OpKernelContext* context = context_of(c);
  std::vector<Held> all(count);
  for (int32_t i = 0; i < count; ++i) TF_RETURN_IF_ERROR(find_any(context, inputs[i], &all[i]));
  {
    std::vector<tensorflow::mutex*> locks;
    for (const Held& h : all) locks.push_back(h.lock);
    const Locks hold(std::move(locks), !change);
    for (int32_t i = 0; i < count; ++i) {
      TF_RETURN_IF_ERROR(prepare(c, inputs[i], change, copy, status, &all[i]));
      if (TF_GetCode(status) != TF_OK) return absl::OkStatus();
    }
    std::vector<Buffer> buffers;
    buffers.reserve(all.size());
    std::vector<anvil_buffer> views;
    for (const Held& h : all) views.push_back(buffers.emplace_back(h.tensor).view);
    if (!use(closure, views.data())) return absl::OkStatus();
    if (change)
      for (Held& h : all)
        if (h.resource) *h.resource->tensor() = std::move(h.tensor);
  }
  for (int o = 0; o < context->num_outputs(); ++o)
    if (IsRefType(context->expected_output_dtype(o))) context->forward_ref_input_to_ref_output(inputs[0], o);
  return absl::OkStatus();
}

}  // namespace

void with_variables(TF_OpKernelContext* context, const int32_t* inputs, int32_t count, int32_t access, anvil_copy copy,
                    anvil_use use, void* closure, TF_Status* status) {
  TF_SetStatus(status, TF_OK, "");
  const absl::Status s = use_variables(context, inputs, count, access == ANVIL_CHANGE, copy, use, closure, status);
  if (!s.ok()) set(status, s);
}

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
