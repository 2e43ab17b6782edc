// AssignVariableOp, AssignAddVariableOp and AssignSubVariableOp, and the arithmetic on what is inside of variants.
//
// TensorFlow has kernels of its own for every device, but they compute on the host: right for host memory, a race or a
// crash for device memory.  Ours compute with the catalogue's AddV2 and Sub, on a call whose output is the variable's
// buffer.  What needs TensorFlow's inner parts (the variable, its lock, copy-on-read) is in the compat shim; without
// one, in functions that TensorFlow exports up to 2.18.
#include <algorithm>
#include <exception>
#include <optional>

#include "base/log.h"
#include "ops/op.h"
#include "tensorflow/c/kernels_experimental.h"
#include "tf/attributes.h"
#include "tf/call.h"
#include "tf/guard.h"
#include "tf/handover.h"
#include "tf/installation.h"
#include "tf/kernels.h"
#include "tf/types.h"

namespace anvil::tf {
namespace {

using ops::OpSpec;
using ops::Tensor;

enum class Update : int32_t { add, subtract };

// ---- the arithmetic: the catalogue's rows on borrowed buffers ----

Tensor tensor_of(const anvil_buffer& b) {
  return {Shape(b.shape, b.shape + b.rank), dtype_of(static_cast<TF_DataType>(b.type)), b.data};
}

// The call of a binary op whose operands and result are given.
class UpdateCall final : public ops::Call {
 public:
  UpdateCall(TfCall& outer, const Tensor& old, const Tensor& value, const Tensor& result)
      : outer_(outer), operands_{old, value}, result_(result) {}
  int inputs() const override { return 2; }
  Tensor input(int i) override { return operands_[static_cast<size_t>(i)]; }
  Tensor output(int, DType type, const Shape& shape) override {
    require(type == result_.type && shape == result_.shape, Code::internal, "an update changed a variable's shape");
    return result_;
  }
  Tensor output_reusing(int i, std::initializer_list<int>, DType type, const Shape& shape) override {
    return output(i, type, shape);
  }
  void output_alias(int, int, const Shape&) override {
    fail(Code::internal, "an update must write the variable's own buffer");
  }
  Tensor scratch(DType type, const Shape& shape) override { return outer_.scratch(type, shape); }
  Stream& stream() override { return outer_.stream(); }
  Device& device() override { return outer_.device(); }

 private:
  TfCall& outer_;
  std::array<Tensor, 2> operands_;
  Tensor result_;
};

constexpr const char* row_name(Update update) { return update == Update::add ? "AddV2" : "Sub"; }

// The row that computes `update` for `type` on such a device, or nullptr.
const OpSpec* row_for(Update update, DType type, const Caps& caps) {
  if (!all_can({&caps}, type)) return nullptr;
  for (const OpSpec& row : ops::catalogue()) {
    if (std::string_view(row.name) != row_name(update) || !row.host.empty()) continue;
    for (DType t : row.types)
      if (t == type) return &row;
  }
  return nullptr;
}

// Can values of this type be added on all of these devices?
bool all_add(const std::vector<const Caps*>& caps, DType type) {
  return std::all_of(caps.begin(), caps.end(),
                     [&](const Caps* c) { return row_for(Update::add, type, *c) != nullptr; });
}

void record_copy(TF_OpKernelContext* context, const anvil_buffer* from, const anvil_buffer* to, TF_Status* status) {
  guard(status, [&] { TfCall(context).stream().copy(to->data, from->data, from->bytes); });
}

void record_update(TF_OpKernelContext* context, int32_t op, const anvil_buffer* old, const anvil_buffer* value,
                   const anvil_buffer* to, TF_Status* status) {
  guard(status, [&] {
    const Tensor result = tensor_of(*to);
    TfCall outer(context);
    const OpSpec* row = row_for(static_cast<Update>(op), result.type, outer.caps());
    require(row != nullptr, Code::unimplemented, "values of type ", facts(result.type).tensorflow,
            " cannot be updated or added on this device; keep them under tf.device(\"CPU\")");
    UpdateCall call(outer, tensor_of(*old), tensor_of(*value), result);
    row->run(call, *row, nullptr);
  });
}

void record_zero(TF_OpKernelContext* context, const anvil_buffer* to, TF_Status* status) {
  guard(status, [&] { TfCall(context).stream().fill(to->data, 0, 1, to->bytes); });
}

void record_sum(TF_OpKernelContext* context, const anvil_buffer* a, const anvil_buffer* b, const anvil_buffer* to,
                TF_Status* status) {
  record_update(context, static_cast<int32_t>(Update::add), a, b, to, status);
}

std::vector<const Caps*> devices;  // set once, before `adds` is asked

int32_t adds(int32_t type) {
  const std::optional<DType> ours = from_tf(static_cast<TF_DataType>(type));
  return ours && all_add(devices, *ours) ? 1 : 0;
}

// ---- without a shim: the functions that TensorFlow exports, which pass tensors that the callee owns ----

struct Buffer {
  explicit Buffer(TF_Tensor* t) : owned(t) {
    for (int i = 0; i < TF_NumDims(t); ++i) shape.push_back(TF_Dim(t, i));
    buffer = {TF_TensorData(t), TF_TensorByteSize(t), TF_TensorType(t), TF_NumDims(t), shape.data()};
  }
  TensorPtr owned;
  Shape shape;
  anvil_buffer buffer;
};

// Their callbacks return no status, so a failure becomes the op's at once.
void fail_if(TF_OpKernelContext* context, const Status& status) {
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.out());
}

void exported_copy(TF_OpKernelContext* context, TF_Tensor* from, TF_Tensor* to) {
  const Buffer source(from), target(to);
  const Status status;
  record_copy(context, &source.buffer, &target.buffer, status.out());
  fail_if(context, status);
}

void exported_update(TF_OpKernelContext* context, TF_Tensor* variable, TF_Tensor* value, int op) {
  const Buffer target(variable), operand(value);
  const Status status;
  record_update(context, op, &target.buffer, &operand.buffer, &target.buffer, status.out());
  fail_if(context, status);
}

template <class Function>
Function* exported(Function*, const char* name) {
  auto* found = reinterpret_cast<Function*>(find_in_tensorflow(name));
  require(found != nullptr, Code::internal, shim_problem());
  return found;
}

void assign(TF_OpKernelContext* context, TF_DataType type, bool validate_shape, TF_Status* status) {
  if (const anvil_shim_api* api = shim()) return api->assign(context, 0, 1, type, validate_shape, record_copy, status);
  static auto* const function = exported(static_cast<decltype(&TF_AssignVariable)>(nullptr), "TF_AssignVariable");
  function(context, 0, 1, validate_shape, exported_copy, status);
}

void update(TF_OpKernelContext* context, Update which, TF_Status* status) {
  const auto op = static_cast<int32_t>(which);
  if (const anvil_shim_api* api = shim()) return api->update(context, 0, 1, op, record_update, status);
  static auto* const function =
      exported(static_cast<decltype(&TF_AssignUpdateVariable)>(nullptr), "TF_AssignUpdateVariable");
  function(context, 0, 1, op, 0, exported_copy, exported_update, status);
}

// ---- the kernels ----

struct Assign {
  TF_DataType type;
  bool validate_shape;
};

void* create_assign(TF_OpKernelConstruction* construction) {
  return create_guarded(construction, [&] {
    const TfAttrs attrs(construction);
    return new Assign{to_tf(attrs.type(attrs.has("dtype") ? "dtype" : "T")),
                      attrs.has("validate_shape") && attrs.flag("validate_shape")};
  });
}

// The callbacks use the thread's status themselves, so this one is an object of its own.  It goes to TensorFlow as it
// is: a missing variable is an error of a class that our own code has no use for.
template <class Body>
void with_status(TF_OpKernelContext* context, Body body) {
  compute_guarded(context, [&] {
    thread_local const StatusPtr status(TF_NewStatus());
    TF_SetStatus(status.get(), TF_OK, "");
    body(status.get());
    if (TF_GetCode(status.get()) == TF_RESOURCE_EXHAUSTED) {
      const Status ask;
      if (SP_Stream_st* stream = TF_GetStream(context, ask.out()))
        TF_SetStatus(status.get(), TF_RESOURCE_EXHAUSTED,
                     str(TF_Message(status.get()), stream->gpu->out_of_memory()).c_str());
    }
    if (TF_GetCode(status.get()) != TF_OK) fail_kernel(context, status.get());
  });
}

void compute_assign(void* kernel, TF_OpKernelContext* context) {
  with_status(context, [&](TF_Status* status) {
    const Use use(kernel);
    const auto& k = *static_cast<const Assign*>(kernel);
    assign(context, k.type, k.validate_shape, status);
  });
}
void destroy_assign(void* kernel) {
  gone(kernel);
  delete static_cast<Assign*>(kernel);
}

template <Update which>
void compute_update(void*, TF_OpKernelContext* context) {
  with_status(context, [&](TF_Status* status) { update(context, which, status); });
}

// A row on its way through the shim, and what went wrong there.
struct RowCall {
  TF_OpKernelContext* context;
  const OpSpec& row;
  const ops::State* state;
  std::exception_ptr error;
};

int32_t run_row(void* closure, const anvil_buffer* variables) {
  auto& c = *static_cast<RowCall*>(closure);
  try {
    TfCall call(c.context, c.row);
    for (size_t i = 0; i < c.row.variables.size(); ++i) call.lend(c.row.variables[i], tensor_of(variables[i]));
    c.row.run(call, c.row, c.state);
    return 1;
  } catch (...) {
    c.error = std::current_exception();
    return 0;
  }
}

}  // namespace

void run_on_variables(TF_OpKernelContext* context, const OpSpec& row, const ops::State* state) {
  const std::vector<int32_t> inputs(row.variables.begin(), row.variables.end());
  RowCall call{context, row, state, nullptr};
  with_status(context, [&](TF_Status* status) {
    shim()->with_variables(context, inputs.data(), static_cast<int32_t>(inputs.size()),
                           row.use == OpSpec::Use::change ? ANVIL_CHANGE : ANVIL_READ, record_copy, run_row, &call,
                           status);
    if (call.error) std::rethrow_exception(call.error);
  });
}

void register_variable_kernels(const std::vector<const Caps*>& caps) {
  // TensorFlow 1's, on references, which only a shim reaches.
  for (size_t i = 0; shim() && i < kDTypes.size(); ++i) {
    const auto type = static_cast<DType>(i);
    if (type == DType::i32) continue;  // host memory
    const TypeConstraints types = {{"T", to_tf(type)}};
    register_kernel("Assign", types, {}, create_assign, compute_assign, destroy_assign);
    if (!all_add(caps, type)) continue;  // those run by proxy
    register_kernel("AssignAdd", types, {}, nullptr, compute_update<Update::add>, nullptr);
    register_kernel("AssignSub", types, {}, nullptr, compute_update<Update::subtract>, nullptr);
  }
  // Every type, also those that we cannot compute in: an update of those then fails with a message, where TensorFlow's
  // kernel would write to device memory from the host.
  for (size_t i = 0; i < kDTypes.size(); ++i) {
    const TypeConstraints types = {{"dtype", to_tf(static_cast<DType>(i))}};
    register_kernel("AssignVariableOp", types, {"resource"}, create_assign, compute_assign, destroy_assign);
    register_kernel("AssignAddVariableOp", types, {"resource"}, nullptr, compute_update<Update::add>, nullptr);
    register_kernel("AssignSubVariableOp", types, {"resource"}, nullptr, compute_update<Update::subtract>, nullptr);
  }
}

void register_container_kernels(const std::vector<const Caps*>& caps) {
  devices = caps;
  static const anvil_container_calls calls = {record_zero, record_sum, record_copy, adds};
  if (const anvil_shim_api* api = shim()) api->register_containers(identity().device_type.c_str(), &calls);
}

}  // namespace anvil::tf
