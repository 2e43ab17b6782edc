// Turns the rows of the catalogue into TensorFlow kernels.
#include "tf/registry.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/counters.h"
#include "base/log.h"
#include "ops/op.h"
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

struct Kernel {
  const OpSpec& op;
  std::unique_ptr<ops::State> state;
};

void* create(const OpSpec& op, TF_OpKernelConstruction* construction) {
  return create_guarded(construction,
                        [&] { return new Kernel{op, op.prepare ? op.prepare(TfAttrs(construction)) : nullptr}; });
}

void compute(void* kernel, TF_OpKernelContext* context) {
  compute_guarded(context, [&] {
    const Use use(kernel);
    const auto& k = *static_cast<const Kernel*>(kernel);
    if (!k.op.variables.empty()) return run_on_variables(context, k.op, k.state.get());
    TfCall call(context, k.op);
    k.op.run(call, k.op, k.state.get());
  });
}

void destroy(void* kernel) {
  gone(kernel);
  delete static_cast<Kernel*>(kernel);
}

// TensorFlow's create callback carries no data of ours, so every row of the catalogue has a function of its own: slot
// N's function makes kernels of row N.  compute() and destroy() need none, they get the kernel.
constexpr size_t kSlots = 1024;
template <size_t Slot>
void* create_slot(TF_OpKernelConstruction* construction) {
  return create(ops::catalogue()[Slot], construction);
}
template <size_t... Slot>
constexpr auto slots(std::index_sequence<Slot...>) {
  return std::array<CreateKernel, sizeof...(Slot)>{&create_slot<Slot>...};
}
constexpr auto kCreate = slots(std::make_index_sequence<kSlots>());

// All combinations of the row's types with its further axes that every device can do.
std::vector<TypeConstraints> combinations(const OpSpec& op, const std::vector<const Caps*>& caps) {
  std::vector<TypeConstraints> all{{}};
  const auto multiply = [&](const char* attr, const std::vector<DType>& types) {
    std::vector<TypeConstraints> wider;
    for (const TypeConstraints& c : all)
      for (DType t : types) {
        if (!all_can(caps, t)) continue;
        wider.push_back(c);
        wider.back().emplace_back(attr, to_tf(t));
      }
    all = std::move(wider);
  };
  if (!op.types.empty()) multiply(op.type_attr, op.types);
  for (const ops::TypeAxis& axis : op.more) multiply(axis.attr, axis.types);
  return all;
}

}  // namespace

bool all_can(const std::vector<const Caps*>& caps, DType type) {
  const bool wants_f64 = type == DType::f64 || type == DType::c128;
  return !wants_f64 || std::all_of(caps.begin(), caps.end(), [](const Caps* c) { return c->f64; });
}

void register_kernel(const char* op, const TypeConstraints& types, const std::vector<const char*>& host,
                     CreateKernel create, ComputeKernel compute, DeleteKernel destroy) {
  const Status status;
  TF_KernelBuilder* builder = TF_NewKernelBuilder(op, identity().device_type.c_str(), create, compute, destroy);
  for (const auto& [attr, type] : types) {
    TF_KernelBuilder_TypeConstraint(builder, attr, type, status.out());
    if (!status.ok()) {
      TF_DeleteKernelBuilder(builder);
      status.check();
    }
  }
  for (const char* argument : host) TF_KernelBuilder_HostMemory(builder, argument);
  TF_RegisterKernelBuilder(op, builder, status.out());  // takes the builder
  status.check();
}

void fail_kernel(TF_OpKernelContext* context, TF_Status* status) {
  add(Counter::op_errors);
  TF_OpKernelContext_Failure(context, status);
}

void fail_kernel(TF_OpKernelContext* context, const std::exception& error) {
  const Status status;
  set(status.out(), error);
  fail_kernel(context, status.out());
}

void fail_kernel(TF_OpKernelConstruction* construction, const std::exception& error) {
  const Status status;
  set(status.out(), error);
  TF_OpKernelConstruction_Failure(construction, status.out());
}

void register_kernels(const std::vector<const Caps*>& caps) {
  const auto& rows = ops::catalogue();
  require(rows.size() <= kSlots, Code::internal, "the catalogue has ", rows.size(), " rows; raise kSlots");
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].variables.empty() && !shim()) continue;  // out of reach; obstacle() has said what to do
    for (const TypeConstraints& types : combinations(rows[i], caps))
      register_kernel(rows[i].name, types, rows[i].host, kCreate[i], &compute, &destroy);
  }
  register_variable_kernels(caps);
  register_container_kernels(caps);
}

}  // namespace anvil::tf
