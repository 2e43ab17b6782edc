// Kernels that run the CPU's kernel for an op that this device has none for.
//
// An op that works on a variable must run where the variable lives, and a script may insist on a device: there a
// missing kernel would be an error.  All tensors of a proxy are in host memory, so TensorFlow makes the copies, and
// makes none between two proxies.  What cannot be declared so is copied here: variables, which the CPU's kernel sees as
// stand-ins in host memory that are written back if they changed, and TensorFlow 1's references.
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include "tensorflow/core/framework/device_base.h"
#include "tensorflow/core/framework/kernel_def_builder.h"
#include "tensorflow/core/framework/node_properties.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"
#include "tf/shim/held.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::Allocator;
using tensorflow::AllocatorAttributes;
using tensorflow::DataType;
using tensorflow::DeviceBase;
using tensorflow::OpDef;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::ResourceHandle;
using tensorflow::TensorValue;

anvil_proxy_calls proxy_calls;  // set once, before the first proxy is registered

// The device as the CPU's kernel sees it: the same one by name, so that its resources are found, but with host memory.
class HostSide final : public DeviceBase {
 public:
  explicit HostSide(DeviceBase* device) : DeviceBase(device->env()), device_(device) {
    set_tensorflow_cpu_worker_threads(
        const_cast<DeviceBase::CpuWorkerThreads*>(device->tensorflow_cpu_worker_threads()));
  }
  const Eigen::ThreadPoolDevice* eigen_cpu_device() override { return device_->eigen_cpu_device(); }
  bool has_eigen_cpu_device() const override { return device_->has_eigen_cpu_device(); }
  Allocator* GetAllocator(AllocatorAttributes) override { return tensorflow::cpu_allocator(); }
  const tensorflow::DeviceAttributes& attributes() const override { return device_->attributes(); }
  const std::string& name() const override { return device_->name(); }
  const tensorflow::DeviceNameUtils::ParsedName& parsed_name() const override { return device_->parsed_name(); }
  absl::Status MakeTensorFromProto(const tensorflow::TensorProto& proto, const AllocatorAttributes,
                                   Tensor* tensor) override {
    return tensor->FromProto(tensorflow::cpu_allocator(), proto)
               ? absl::OkStatus()
               : tensorflow::errors::InvalidArgument("Cannot parse tensor from proto");
  }

  // One for each device; they live as long as the process, as kernels may.
  static HostSide* of(DeviceBase* device) {
    static auto& lock = *new tensorflow::mutex;
    static auto& all = *new std::map<std::string, std::unique_ptr<HostSide>>;
    const tensorflow::mutex_lock hold(lock);
    std::unique_ptr<HostSide>& side = all[device->name()];
    if (!side || side->device_ != device) {
      if (side) side.release();  // a device that was made anew under the same name; old kernels may still be there
      side = std::make_unique<HostSide>(device);
    }
    return side.get();
  }

 private:
  DeviceBase* device_;
};

absl::Status copy_between(OpKernelContext* context, anvil_copy copy, const Tensor& from, const Tensor& to) {
  if (from.TotalBytes() == 0) return absl::OkStatus();
  const CallStatus status;
  const Buffer source(from), target(to);
  copy(handle_of(context), &source.view, &target.view, status.status);
  return status.take();
}

// The value of a variable in host memory while a kernel of the CPU works on it.
class HostCopy {
 public:
  absl::Status fetch(OpKernelContext* context, const Tensor& on_device) {
    before_ = Tensor(tensorflow::cpu_allocator(), on_device.dtype(), on_device.shape());
    value = Tensor(tensorflow::cpu_allocator(), on_device.dtype(), on_device.shape());
    TF_RETURN_IF_ERROR(copy_between(context, proxy_calls.to_host, on_device, before_));
    if (value.TotalBytes() > 0) std::memcpy(value.data(), before_.data(), value.TotalBytes());
    return absl::OkStatus();
  }
  // Is `now` something else than what was fetched?
  bool changed(const Tensor& now) const {
    if (!now.IsInitialized() || !before_.IsInitialized()) return now.IsInitialized();
    return now.dtype() != before_.dtype() || now.shape() != before_.shape() ||
           std::memcmp(now.data(), before_.data(), now.TotalBytes()) != 0;
  }
  // `now` in device memory of its own.
  static absl::Status send(OpKernelContext* context, const Tensor& now, Tensor* on_device) {
    TF_RETURN_IF_ERROR(allocate_like(context, now, on_device));
    return copy_between(context, proxy_calls.to_device, now, *on_device);
  }
  Tensor value;

 private:
  Tensor before_;
};

// A resource variable and the one that stands in for it.
struct StandIn {
  tensorflow::core::RefCountPtr<Var> original;
  Var* host = nullptr;  // held by `handle`
  Tensor handle;
  HostCopy copy;

  absl::Status enter(OpKernelContext* context, const ResourceHandle& like) {
    host = new Var(original->tensor()->dtype());
    handle = Tensor(tensorflow::DT_RESOURCE, tensorflow::TensorShape({}));
    handle.scalar<ResourceHandle>()() =
        ResourceHandle::MakeRefCountingHandle(host, like.device(), like.dtypes_and_shapes());
    host->is_initialized = original->is_initialized;
    if (!original->is_initialized || !original->tensor()->IsInitialized()) return absl::OkStatus();
    TF_RETURN_IF_ERROR(copy.fetch(context, *original->tensor()));
    *host->tensor() = copy.value;
    copy.value = Tensor();  // the kernel may write in place: nobody else holds the buffer
    return absl::OkStatus();
  }
  absl::Status leave(OpKernelContext* context) {
    if (!copy.changed(*host->tensor())) return absl::OkStatus();
    Tensor now;
    TF_RETURN_IF_ERROR(HostCopy::send(context, *host->tensor(), &now));
    *original->tensor() = now;
    original->is_initialized = host->is_initialized;
    return absl::OkStatus();
  }
};

// One call: inputs as the CPU's kernel wants them, and the way back.
class ProxyCall {
 public:
  explicit ProxyCall(OpKernelContext* context) : context_(context) {}

  absl::Status run(OpKernel* kernel, HostSide* device) {
    TF_RETURN_IF_ERROR(find_variables());
    std::vector<tensorflow::mutex*> locks;
    for (const StandIn& s : stand_ins_) locks.push_back(s.original->mu());
    for (int i = 0; i < context_->num_inputs(); ++i)
      if (context_->input_is_ref(i)) locks.push_back(context_->input_ref_mutex(i));
    const Locks hold(std::move(locks), /*shared=*/false);
    TF_RETURN_IF_ERROR(make_inputs());

    OpKernelContext::Params params;
    fill(&params, kernel, device);
    OpKernelContext inner(&params, context_->num_outputs());
    kernel->Compute(&inner);
    const absl::Status status = inner.status();
    if (status.ok()) TF_RETURN_IF_ERROR(take_outputs(&inner));
    else drop_outputs(&inner);
    // A kernel that failed half way leaves behind what it did, as it would on the CPU.
    TF_RETURN_IF_ERROR(write_back());
    return status;
  }

 private:
  static constexpr int kNoStandIn = -1;

  absl::Status find_variables() {
    stand_in_of_.assign(context_->num_inputs(), kNoStandIn);
    std::map<Var*, int> seen;
    for (int i = 0; i < context_->num_inputs(); ++i) {
      if (context_->input_is_ref(i) || context_->input_dtype(i) != tensorflow::DT_RESOURCE) continue;
      if (context_->input(i).NumElements() != 1) continue;
      tensorflow::core::RefCountPtr<Var> found;
      // Something else than a variable, or nothing at all: the kernel will say so itself.
      if (!LookupResource(context_, HandleFromInput(context_, i), &found).ok()) continue;
      const auto [at, fresh] = seen.emplace(found.get(), static_cast<int>(stand_ins_.size()));
      if (fresh) {
        stand_ins_.emplace_back();
        stand_ins_.back().original = std::move(found);
      }
      stand_in_of_[i] = at->second;
    }
    return absl::OkStatus();
  }

  absl::Status make_inputs() {
    for (int i = 0; i < context_->num_inputs(); ++i) {
      if (context_->input_is_ref(i)) {
        const Tensor on_device = context_->mutable_input(i, /*lock_held=*/true);
        Ref& ref = refs_.emplace_back();
        ref.input = i;
        if (on_device.IsInitialized()) TF_RETURN_IF_ERROR(ref.copy.fetch(context_, on_device));
        ref.tensor = on_device.IsInitialized() ? ref.copy.value : on_device;  // unset, it is a shape only
        ref.copy.value = Tensor();
        inputs_.push_back(TensorValue(&ref.lock, &ref.tensor));
        continue;
      }
      Tensor& input = tensors_.emplace_back(context_->has_input(i) ? context_->input(i) : Tensor());
      if (stand_in_of_[i] != kNoStandIn) {
        StandIn& stand_in = stand_ins_[stand_in_of_[i]];
        if (!stand_in.host) TF_RETURN_IF_ERROR(stand_in.enter(context_, HandleFromInput(context_, i)));
        input = stand_in.handle;
      }
      inputs_.push_back(TensorValue(&input));
    }
    return absl::OkStatus();
  }

  void fill(OpKernelContext::Params* p, OpKernel* kernel, HostSide* device) {
    p->step_id = context_->step_id();
    p->start_time_usecs = context_->start_time_usecs();
    p->deadline = context_->deadline();
    p->op_kernel = kernel;
    p->device = device;
    outputs_.assign(context_->num_outputs(), AllocatorAttributes());
    p->output_attr_array = outputs_.data();
    p->resource_manager = context_->resource_manager();
    p->step_container = context_->step_container();
    p->rendezvous = context_->rendezvous();
    p->session_state = context_->session_state();
    p->session_metadata = context_->session_metadata();
    p->tensor_store = context_->tensor_store();
    p->cancellation_manager = context_->cancellation_manager();
    p->inputs = inputs_;
    p->frame_iter = context_->frame_iter();
    p->call_frame = context_->call_frame();
    p->function_library = context_->function_library();
    p->runner = context_->runner();
    p->slice_reader_cache = context_->slice_reader_cache();
    never_forward_.assign(context_->num_outputs(), OpKernelContext::Params::kNoReservation);
    p->forward_from_array = never_forward_.data();
  }

  absl::Status take_outputs(OpKernelContext* inner) {
    for (int o = 0; o < context_->num_outputs(); ++o) {
      const TensorValue value = inner->release_output(o);
      if (!value.tensor) continue;
      if (value.is_ref()) {
        for (const Ref& ref : refs_)
          if (value.tensor == &ref.tensor) context_->forward_ref_input_to_ref_output(ref.input, o);
        continue;
      }
      context_->set_output(o, *value.tensor);
      delete value.tensor;
    }
    return absl::OkStatus();
  }
  void drop_outputs(OpKernelContext* inner) const {
    for (int o = 0; o < context_->num_outputs(); ++o)
      if (const TensorValue value = inner->release_output(o); value.tensor && !value.is_ref()) delete value.tensor;
  }

  absl::Status write_back() {
    for (StandIn& s : stand_ins_)
      if (s.host) TF_RETURN_IF_ERROR(s.leave(context_));
    for (Ref& ref : refs_) {
      if (!ref.copy.changed(ref.tensor)) continue;
      Tensor now;
      TF_RETURN_IF_ERROR(HostCopy::send(context_, ref.tensor, &now));
      context_->replace_ref_input(ref.input, now, /*lock_held=*/true);
    }
    return absl::OkStatus();
  }

  struct Ref {
    int input = 0;
    tensorflow::mutex lock;
    Tensor tensor;
    HostCopy copy;
  };
  OpKernelContext* context_;
  std::deque<StandIn> stand_ins_;
  std::vector<int> stand_in_of_;
  std::deque<Ref> refs_;
  std::deque<Tensor> tensors_;  // the inputs; held here too, so that the kernel never takes one for its output
  std::vector<TensorValue> inputs_;
  std::vector<AllocatorAttributes> outputs_;
  std::vector<int> never_forward_;
};

class Proxy final : public OpKernel {
 public:
  explicit Proxy(OpKernelConstruction* construction) : OpKernel(construction) {
    device_ = HostSide::of(construction->device());
    std::shared_ptr<const tensorflow::NodeProperties> properties;
    OP_REQUIRES_OK(construction, tensorflow::NodeProperties::CreateFromNodeDef(
                                     construction->def(), tensorflow::OpRegistry::Global(), &properties));
    OpKernel* made = nullptr;
    OP_REQUIRES_OK(construction,
                   tensorflow::CreateOpKernel(tensorflow::DeviceType(tensorflow::DEVICE_CPU), device_,
                                              tensorflow::cpu_allocator(), construction->function_library(), properties,
                                              construction->graph_def_version(), &made));
    kernel_.reset(made);
  }

  void Compute(OpKernelContext* context) override {
    const tensorflow::AttrSlice attributes(def());
    const anvil_node node = node_of(type_string().c_str(), name().c_str(), attributes, false);
    proxy_calls.ran(&node);
    const absl::Status status = ProxyCall(context).run(kernel_.get(), device_);
    if (!status.ok()) context->SetStatus(status);
  }
  bool IsExpensive() override { return true; }  // it waits, so not in the thread that drives the graph

 private:
  HostSide* device_;
  std::unique_ptr<OpKernel> kernel_;
};

OpKernel* make_proxy(OpKernelConstruction* construction) { return new Proxy(construction); }

bool takes_reference(const OpDef& op) {
  for (const OpDef::ArgDef& arg : op.input_arg())
    if (arg.is_ref()) return true;
  return false;
}
// TensorFlow 1's queues and readers, whose handles are references to strings.
bool has_reference_to_string(const OpDef& op) {
  for (const auto* args : {&op.input_arg(), &op.output_arg()})
    for (const OpDef::ArgDef& arg : *args)
      if (arg.is_ref() && arg.type() == tensorflow::DT_STRING) return true;
  return false;
}

// Does it read or change a variable?  Resources of other kinds are made on the CPU and keep their ops there.
bool works_on_variables(const OpDef& op) {
  if (takes_reference(op)) return true;
  static const char* const kFamilies[] = {"ResourceApply",   "ResourceSparseApply", "ResourceScatter", "ResourceGather",
                                          "ResourceStrided", "ResourceCountUpTo",   "Stateful",        "Rng"};
  for (const char* family : kFamilies)
    if (op.name().rfind(family, 0) == 0)
      return op.input_arg_size() > 0 && op.input_arg(0).type() == tensorflow::DT_RESOURCE;
  return false;
}

// TensorFlow 1's arrays of tensors.  TensorFlow's CPU build has GPU kernels for the size and the gradient of an array
// and none for the rest; all must run where the array was made.  A proxy makes it in host memory.
bool works_on_arrays(const OpDef& op) {
  if (op.name().rfind("TensorArray", 0) != 0) return false;
  for (const auto* args : {&op.input_arg(), &op.output_arg()})
    for (const OpDef::ArgDef& arg : *args)
      if (arg.type() == tensorflow::DT_RESOURCE) return true;
  return false;
}

bool can_be_proxied(const OpDef& op) {
  for (const OpDef::AttrDef& attr : op.attr())
    if (attr.type() == "func" || attr.type() == "list(func)") return false;
  if (op.name()[0] == '_' || has_reference_to_string(op)) return false;
  return works_on_variables(op) || works_on_arrays(op) ||
         (!op.is_stateful() && proxy_calls.wanted(op.name().c_str()) != 0);
}

// A type attribute and the types that a proxy is for; an empty name: all.
struct ForTypes {
  std::string attr;
  std::vector<DataType> types;
};

void register_proxy(const OpDef& op, const std::string& device_type, const ForTypes& only) {
  tensorflow::KernelDefBuilder builder(op.name().c_str());
  builder.Device(device_type.c_str()).Priority(-1);
  if (!only.attr.empty()) builder.TypeConstraint(only.attr.c_str(), only.types);
  for (const auto* args : {&op.input_arg(), &op.output_arg()})
    for (const OpDef::ArgDef& arg : *args)
      if (!arg.is_ref()) builder.HostMemory(arg.name().c_str());
  // It registers itself when it is made, and stays.
  new tensorflow::kernel_factory::OpKernelRegistrar(builder.Build(), "AnvilProxy", make_proxy);
}

// TensorFlow's kernels for devices of any kind serve some types of an op, and a kernel for this kind would hide them:
// the types that are left.  False if none are.
bool types_left(const std::vector<tensorflow::KernelDef>& kernels, ForTypes* left) {
  std::set<int> on_cpu, taken;
  for (const tensorflow::KernelDef& kernel : kernels)
    if (kernel.device_type() == tensorflow::DEVICE_DEFAULT) {
      if (kernel.constraint_size() == 0) return false;
      left->attr = kernel.constraint(0).name();
    }
  // Strings are the CPU's: TensorFlow may rewrite an op on the device that has them into another that is not there.
  for (const tensorflow::KernelDef& kernel : kernels)
    for (const auto& constraint : kernel.constraint())
      for (const int type : constraint.allowed_values().list().type())
        if (left->attr.empty() && type == tensorflow::DT_STRING) left->attr = constraint.name();
  if (left->attr.empty()) return true;
  for (const tensorflow::KernelDef& kernel : kernels)
    for (const auto& constraint : kernel.constraint()) {
      if (constraint.name() != left->attr) continue;
      const auto& types = constraint.allowed_values().list().type();
      (kernel.device_type() == tensorflow::DEVICE_CPU ? on_cpu : taken).insert(types.begin(), types.end());
    }
  for (const int type : on_cpu)
    if (type != tensorflow::DT_STRING && !taken.count(type)) left->types.push_back(static_cast<DataType>(type));
  return !left->types.empty();
}

}  // namespace

int32_t offer_proxies(const char* device_type, const anvil_proxy_calls* calls) {
  proxy_calls = *calls;
  std::map<std::string, std::vector<tensorflow::KernelDef>> kernels;
  std::set<std::string> on_cpu;
  const tensorflow::KernelList all = tensorflow::GetAllRegisteredKernels();
  for (const tensorflow::KernelDef& kernel : all.kernel()) {
    if (!kernel.label().empty()) continue;
    if (kernel.device_type() == tensorflow::DEVICE_CPU) on_cpu.insert(kernel.op());
    else if (kernel.device_type() != tensorflow::DEVICE_DEFAULT) continue;
    kernels[kernel.op()].push_back(kernel);
  }
  int32_t count = 0;
  for (const std::string& name : on_cpu) {
    const tensorflow::OpRegistrationData* op = nullptr;
    ForTypes types;
    if (!tensorflow::OpRegistry::Global()->LookUp(name, &op).ok() || !can_be_proxied(op->op_def)) continue;
    if (!types_left(kernels[name], &types)) continue;
    register_proxy(op->op_def, device_type, types);
    ++count;
  }
  return count;
}

}  // namespace anvil::shim
