// Keeping XLA off our device.  It has no compiler for it, yet Keras' jit_compile="auto" asks for it wherever there is a
// device that is not a CPU.
#include "tensorflow/compiler/jit/xla_kernel_creator.h"

#include <string>
#include <typeinfo>

#include "tensorflow/core/common_runtime/function.h"
#include "tensorflow/core/framework/device.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::FunctionLibraryRuntime;
using tensorflow::NodeProperties;

// TensorFlow asks its one custom creator, XLA's, before it makes a kernel the ordinary way.  This one stands before it
// and says no for our device: a function marked for XLA is then called like any other.
class Decliner final : public tensorflow::CustomKernelCreator {
 public:
  explicit Decliner(std::string device_type) : device_type_(std::move(device_type)) {}

  bool CanCreateKernel(const FunctionLibraryRuntime& runtime,
                       const std::shared_ptr<const NodeProperties>& node) const override {
    const tensorflow::Device* device = runtime.device();
    if (device && device->device_type() == device_type_) return false;
    return xla_.CanCreateKernel(runtime, node);
  }
  absl::Status CreateKernel(FunctionLibraryRuntime* runtime, const std::shared_ptr<const NodeProperties>& node,
                            std::unique_ptr<tensorflow::OpKernel>* kernel) const override {
    return xla_.CreateKernel(runtime, node, kernel);
  }

 private:
  std::string device_type_;
  tensorflow::XlaKernelCreator xla_;  // has no state, so a second one is as good as the first
};

}  // namespace

const char* decline_xla(const char* device_type) {
  const tensorflow::CustomKernelCreator* present = tensorflow::GetDefaultCustomKernelCreator();
  if (!present) return nullptr;  // a TensorFlow without XLA
  if (typeid(*present) != typeid(tensorflow::XlaKernelCreator))
    return "another plug-in has replaced TensorFlow's kernel creator, so functions with jit_compile will not run here";
  tensorflow::RegisterDefaultCustomKernelCreator(new Decliner(device_type));  // deletes the present one
  return nullptr;
}

}  // namespace anvil::shim
