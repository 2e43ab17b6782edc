// Keeping XLA off our device.  It has no compiler for it, yet Keras' jit_compile="auto" asks for it wherever there is a
// device that is not a CPU.
#include "tensorflow/compiler/jit/xla_kernel_creator.h"

#include <algorithm>
#include <string>
#include <typeinfo>

#include "tensorflow/core/common_runtime/device_set.h"
#include "tensorflow/core/common_runtime/function.h"
#include "tensorflow/core/common_runtime/optimization_registry.h"
#include "tensorflow/core/framework/device.h"
#include "tensorflow/core/graph/graph.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::FunctionLibraryRuntime;
using tensorflow::NodeProperties;

constexpr char kMark[] = "_XlaMustCompile";

// TensorFlow asks its one custom creator, XLA's, before it makes a kernel the ordinary way.  This one stands before it
// and has its own answer for our device: a function marked for XLA becomes a StatefulPartitionedCall of it.  The marked
// calls that come here are those that a script makes, as the passes below leave none in graphs.  Made the ordinary way
// their kernel would run the function as it stands: without those passes, so that its branches and loops stay
// functional and read int32 tensors on the host that lie in device memory, and only with kernels of our device.
class Decliner final : public tensorflow::CustomKernelCreator {
 public:
  explicit Decliner(std::string device_type) : device_type_(std::move(device_type)) {}

  bool CanCreateKernel(const FunctionLibraryRuntime& runtime,
                       const std::shared_ptr<const NodeProperties>& node) const override {
    if (!xla_.CanCreateKernel(runtime, node)) return false;
    return !ours(runtime) || runtime.GetFunctionLibraryDefinition()->Find(node->node_def.op()) != nullptr;
  }
  absl::Status CreateKernel(FunctionLibraryRuntime* runtime, const std::shared_ptr<const NodeProperties>& node,
                            std::unique_ptr<tensorflow::OpKernel>* kernel) const override {
    if (!ours(*runtime)) return xla_.CreateKernel(runtime, node, kernel);
    std::shared_ptr<const NodeProperties> call;
    absl::Status status = NodeProperties::CreateFromNodeDef(call_of(*node), tensorflow::OpRegistry::Global(), &call);
    if (!status.ok()) return status;
    tensorflow::OpKernel* made = nullptr;
    status = runtime->CreateKernel(call, &made);
    kernel->reset(made);
    return status;
  }

 private:
  bool ours(const FunctionLibraryRuntime& runtime) const {
    return runtime.device() && runtime.device()->device_type() == device_type_;
  }

  static tensorflow::NodeDef call_of(const NodeProperties& node) {
    tensorflow::NodeDef call;
    call.set_name(node.node_def.name());
    call.set_op("StatefulPartitionedCall");
    call.set_device(node.node_def.device());
    auto& attributes = *call.mutable_attr();
    auto& function = *attributes["f"].mutable_func();
    function.set_name(node.node_def.op());
    for (const auto& [name, value] : node.node_def.attr()) {
      if (name == kMark) continue;
      if (name == "config_proto" || name == "executor_type") attributes[name] = value;
      else (*function.mutable_attr())[name] = value;
    }
    const auto set = [&](const char* name, const tensorflow::DataTypeVector& types) {
      auto& list = *attributes[name].mutable_list();  // there even if empty
      for (const tensorflow::DataType type : types) list.add_type(type);
    };
    for (std::size_t i = 0; i < node.input_types.size(); ++i) call.add_input("argument");  // counted, not looked up
    set("Tin", node.input_types);
    set("Tout", node.output_types);
    for (const char* name : {"config", "config_proto", "executor_type"})
      if (!attributes.count(name)) attributes[name].set_s("");
    return call;
  }

  std::string device_type_;
  tensorflow::XlaKernelCreator xla_;  // has no state, so a second one is as good as the first
};

// Makes of calls of functions marked for XLA, where they run on our device, what they are without the mark: inlined,
// with their control flow lowered to Switch and Merge, as Python leaves undone for XLA.  A call with the mark and
// functional control flow get their int32 tensors in device memory, where XLA would want them, while a function that
// runs as an ordinary one reads them on the host.
class Unmark final : public tensorflow::GraphOptimizationPass {
 public:
  explicit Unmark(std::string device_type) : device_type_(std::move(device_type)) {}

  absl::Status Run(const tensorflow::GraphOptimizationPassOptions& options) override {
    if (!options.graph || !*options.graph || !offered(options)) return absl::OkStatus();
    bool compiled = false;  // elsewhere, so that what it calls must stay functional
    for (tensorflow::Node* node : (*options.graph)->op_nodes()) {
      if (branches(node->type_string()) && !node->attrs().Find(kLower)) node->AddAttr(kLower, true);
      const tensorflow::AttrValue* mark = node->attrs().Find(kMark);
      if (!mark || !mark->b()) continue;
      if (of_type(node->assigned_device_name()) || may_come_here(*node)) node->ClearAttr(kMark);
      else compiled = true;
    }
    return options.flib_def && !compiled ? lower(*options.flib_def) : absl::OkStatus();
  }

 private:
  static constexpr char kLower[] = "_lower_using_switch_merge";

  static bool branches(const std::string& op) {
    return op == "If" || op == "StatelessIf" || op == "Case" || op == "StatelessCase" || op == "While" ||
           op == "StatelessWhile";
  }

  // Calls are inlined together with the lowering, so that what is inside of them must be marked for it before.
  static absl::Status lower(tensorflow::FunctionLibraryDefinition& library) {
    for (const std::string& name : library.ListFunctionNames()) {
      const tensorflow::FunctionDef* function = library.Find(name);
      const auto& nodes = function->node_def();
      const auto left = [](const auto& n) { return branches(n.op()) && !n.attr().count(kLower); };
      if (std::none_of(nodes.begin(), nodes.end(), left)) continue;
      tensorflow::FunctionDef lowered = *function;
      for (tensorflow::NodeDef& n : *lowered.mutable_node_def())
        if (left(n)) (*n.mutable_attr())[kLower].set_b(true);
      const absl::Status replaced = library.ReplaceFunction(name, lowered);
      if (!replaced.ok()) return replaced;
    }
    return absl::OkStatus();
  }

  bool offered(const tensorflow::GraphOptimizationPassOptions& options) const {
    if (options.device_set)
      for (const tensorflow::Device* device : options.device_set->devices())
        if (device->device_type() == device_type_) return true;
    return false;
  }

  bool of_type(const std::string& name) const {
    tensorflow::DeviceNameUtils::ParsedName parsed;
    return tensorflow::DeviceNameUtils::ParseFullName(name, &parsed) && parsed.has_type && parsed.type == device_type_;
  }

  // Before it is placed: unless the script asks for another device.
  bool may_come_here(const tensorflow::Node& node) const {
    if (!node.assigned_device_name().empty()) return false;
    return node.requested_device().empty() || of_type(node.requested_device());
  }

  std::string device_type_;
};

}  // namespace

const char* decline_xla(const char* device_type) {
  const tensorflow::CustomKernelCreator* present = tensorflow::GetDefaultCustomKernelCreator();
  if (!present) return nullptr;  // a TensorFlow without XLA
  if (typeid(*present) != typeid(tensorflow::XlaKernelCreator))
    return "another plug-in has replaced TensorFlow's kernel creator, so functions with jit_compile will not run here";
  tensorflow::RegisterDefaultCustomKernelCreator(new Decliner(device_type));  // deletes the present one
  // Before functions are inlined, and again for the calls that were inside of what was.
  using Registry = tensorflow::OptimizationPassRegistry;
  Registry::Global()->Register(Registry::PRE_PLACEMENT, 0, std::make_unique<Unmark>(device_type));
  Registry::Global()->Register(Registry::POST_PLACEMENT, 0, std::make_unique<Unmark>(device_type));
  return nullptr;
}

}  // namespace anvil::shim
