// What the parts of the shim share: tensors as the plug-in sees them, statuses, and the locks of variables.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "tensorflow/c/tf_status.h"
#include "tensorflow/core/framework/kernel_def_builder.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/shim/shim.h"

namespace anvil::shim {

inline tensorflow::OpKernelContext* context_of(TF_OpKernelContext* c) {
  return reinterpret_cast<tensorflow::OpKernelContext*>(c);
}
inline TF_OpKernelContext* handle_of(tensorflow::OpKernelContext* c) {
  return reinterpret_cast<TF_OpKernelContext*>(c);
}

inline void set(TF_Status* status, const absl::Status& s) {
  TF_SetStatus(status, static_cast<TF_Code>(s.code()), std::string(s.message()).c_str());
}

// A status that the plug-in's functions report in.
struct CallStatus {
  TF_Status* status = TF_NewStatus();
  ~CallStatus() { TF_DeleteStatus(status); }
  absl::Status take() const {
    return absl::Status(static_cast<absl::StatusCode>(TF_GetCode(status)), TF_Message(status));
  }
};

// A tensor as the plug-in sees it.
struct Buffer {
  explicit Buffer(const tensorflow::Tensor& t) : shape(t.shape().dim_sizes()) {
    view = {t.data(), t.TotalBytes(), static_cast<int32_t>(t.dtype()), t.dims(), shape.data()};
  }
  absl::InlinedVector<int64_t, 4> shape;
  anvil_buffer view;
};

inline absl::Status allocate_like(tensorflow::OpKernelContext* context, const tensorflow::Tensor& t,
                                  tensorflow::Tensor* out) {
  tensorflow::AllocatorAttributes attributes;
  attributes.set_gpu_compatible(true);
  attributes.set_nic_compatible(true);
  return context->allocate_temp(t.dtype(), t.shape(), out, attributes);
}

// anvil_node::type of an AttrSlice.
inline int32_t type_of(const void* attributes, const char* name) {
  const tensorflow::AttrValue* value = static_cast<const tensorflow::AttrSlice*>(attributes)->Find(name);
  return value ? value->type() : 0;
}

// The node as the plug-in sees it; borrows its arguments.
inline anvil_node node_of(const char* op, const char* name, const tensorflow::AttrSlice& attributes,
                          bool takes_from_device) {
  const auto each_type = [](const void* all, void* closure, anvil_type_found found) {
    for (const auto& [attribute, value] : *static_cast<const tensorflow::AttrSlice*>(all))
      if (value.value_case() == tensorflow::AttrValue::kType) found(closure, attribute.c_str(), value.type());
  };
  return {op, name, &attributes, type_of, each_type, takes_from_device};
}

// Registers kernels for devices of a type; they stay registered for the life of the process.
struct Registry {
  const char* device_type;
  const char* part;  // of the shim, for messages

  template <typename Kernel>
  void add(const char* op, const char* attr, tensorflow::DataType type,
           std::initializer_list<const char*> host = {}) const {
    tensorflow::KernelDefBuilder builder(op);
    builder.Device(device_type).TypeConstraint(attr, {type});
    for (const char* name : host) builder.HostMemory(name);
    const auto make = [](tensorflow::OpKernelConstruction* c) -> tensorflow::OpKernel* { return new Kernel(c); };
    new tensorflow::kernel_factory::OpKernelRegistrar(builder.Build(), part, make);  // registers itself as it is made
  }
};

// Locks of variables, each once and in the order of their addresses, as TensorFlow's kernels take them.
class Locks {
 public:
  Locks(std::vector<tensorflow::mutex*> locks, bool shared) : locks_(std::move(locks)), shared_(shared) {
    std::sort(locks_.begin(), locks_.end());
    locks_.erase(std::unique(locks_.begin(), locks_.end()), locks_.end());
    for (tensorflow::mutex* m : locks_) shared_ ? m->lock_shared() : m->lock();
  }
  ~Locks() {
    for (tensorflow::mutex* m : locks_) shared_ ? m->unlock_shared() : m->unlock();
  }
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

 private:
  std::vector<tensorflow::mutex*> locks_;
  bool shared_;
};

}  // namespace anvil::shim
