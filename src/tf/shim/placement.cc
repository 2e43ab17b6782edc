// Seeing where ops were placed: graphs after placement, and eager ops as they run.
#include <algorithm>
#include <shared_mutex>
#include <unordered_set>

#include "tensorflow/core/common_runtime/device_set.h"
#include "tensorflow/core/common_runtime/eager/eager_op_rewrite_registry.h"
#include "tensorflow/core/common_runtime/eager/eager_operation.h"
#include "tensorflow/core/common_runtime/optimization_registry.h"
#include "tensorflow/core/framework/memory_types.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/graph/graph.h"
#include "tf/shim/held.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::AttrSlice;
using tensorflow::DeviceNameUtils;

struct Watch {
  std::string device_type;
  anvil_placement_watch calls;
};

bool is_cpu(const DeviceNameUtils::ParsedName& device) { return device.has_type && device.type == "CPU"; }

bool asks_for_cpu(const std::string& device) {
  DeviceNameUtils::ParsedName parsed;
  return DeviceNameUtils::ParseFullName(device, &parsed) && is_cpu(parsed);
}

bool has_kernel(const Watch& watch, const tensorflow::NodeDef& def) {
  const tensorflow::KernelDef* kernel = nullptr;
  const bool found = tensorflow::FindKernelDef(tensorflow::DeviceType(watch.device_type), def, &kernel, nullptr).ok();
  return found && kernel->priority() >= 0;  // those below are proxies for the CPU's
}

void report(const Watch& watch, const tensorflow::NodeDef& def, const char* name, bool takes_from_device) {
  const AttrSlice attributes(def);
  const anvil_node node = node_of(def.op().c_str(), name, attributes, takes_from_device);
  watch.calls.left_out(&node);
}

bool all_numbers(const tensorflow::DataTypeVector& types) {
  return !types.empty() && std::none_of(types.begin(), types.end(), [](tensorflow::DataType t) {
    return tensorflow::IsRefType(t) || t == tensorflow::DT_STRING || t == tensorflow::DT_RESOURCE ||
           t == tensorflow::DT_VARIANT;
  });
}

// Would the op make sense on a device?  Input and output of strings, files, summaries, datasets and the like do not.
bool computes(const tensorflow::NodeDef& def) {
  const tensorflow::OpDef* op = nullptr;
  tensorflow::DataTypeVector inputs, outputs;
  return tensorflow::OpRegistry::Global()->LookUpOpDef(def.op(), &op).ok() && !op->is_stateful() &&
         tensorflow::InOutTypesForNode(def, *op, &inputs, &outputs).ok() && all_numbers(inputs) && all_numbers(outputs);
}

class GraphWatch final : public tensorflow::GraphOptimizationPass {
 public:
  explicit GraphWatch(Watch watch) : watch_(std::move(watch)) {}

  absl::Status Run(const tensorflow::GraphOptimizationPassOptions& options) override {
    if (!options.graph || !*options.graph || !belongs_to_device(options, **options.graph)) return absl::OkStatus();
    for (const tensorflow::Node* node : (*options.graph)->op_nodes()) {
      const bool on_device = of_device(node->assigned_device_name());
      if (!on_device && !on_cpu_without_need(*node)) continue;
      const bool takes = !on_device && takes_from_device(*node);
      if ((takes || watch_.calls.may_matter(node->type_string().c_str())) && !has_kernel(watch_, node->def()))
        report(watch_, node->def(), node->name().c_str(), takes);
    }
    return absl::OkStatus();
  }

 private:
  bool of_device(const std::string& name) const {
    DeviceNameUtils::ParsedName parsed;
    return DeviceNameUtils::ParseFullName(name, &parsed) && parsed.has_type && parsed.type == watch_.device_type;
  }

  // Graphs of input pipelines and others that run on the CPU as a whole are none of our business.
  bool belongs_to_device(const tensorflow::GraphOptimizationPassOptions& options,
                         const tensorflow::Graph& graph) const {
    if (options.default_function_device && options.default_function_device->device_type() == watch_.device_type)
      return true;
    for (const tensorflow::Node* node : graph.op_nodes())
      if (of_device(node->assigned_device_name())) return true;
    return false;
  }

  // On the CPU, but neither by the script's wish nor because of a variable that the script put there.
  static bool on_cpu_without_need(const tensorflow::Node& node) {
    if (!asks_for_cpu(node.assigned_device_name()) || asks_for_cpu(node.requested_device())) return false;
    for (const tensorflow::Edge* edge : node.in_edges()) {
      if (edge->IsControlEdge()) continue;
      const tensorflow::Node& source = *edge->src();
      const bool resource = source.output_type(edge->src_output()) == tensorflow::DT_RESOURCE;
      if (resource && (source.IsArg() || asks_for_cpu(source.requested_device())) &&
          asks_for_cpu(source.assigned_device_name()))
        return false;
    }
    return true;
  }

  bool takes_from_device(const tensorflow::Node& node) const {
    for (const tensorflow::Edge* edge : node.in_edges())
      if (!edge->IsControlEdge() && of_device(edge->src()->assigned_device_name()) &&
          in_device_memory(*edge->src(), edge->src_output()))
        return computes(node.def());
    return false;
  }

  bool in_device_memory(const tensorflow::Node& node, int output) const {
    tensorflow::MemoryTypeVector inputs, outputs;
    return tensorflow::MemoryTypesForNode(tensorflow::OpRegistry::Global(), tensorflow::DeviceType(watch_.device_type),
                                          node.def(), &inputs, &outputs)
               .ok() &&
           static_cast<size_t>(output) < outputs.size() && outputs[output] == tensorflow::DEVICE_MEMORY;
  }

  Watch watch_;
};

// Sees an eager op before it is placed: afterwards nothing tells the script's wish from TensorFlow's choice.
class EagerWatch final : public tensorflow::EagerOpRewrite {
 public:
  explicit EagerWatch(Watch watch) : EagerOpRewrite("AnvilPlacement", __FILE__, "0"), watch_(std::move(watch)) {}

  absl::Status Run(tensorflow::EagerOperation* op, std::unique_ptr<tensorflow::EagerOperation>*) override {
    if (op->is_function() || is_cpu(op->GetDeviceParsedName())) return absl::OkStatus();
    // The key that TensorFlow is about to look the kernel up by, which covers the name and all attributes.
    const tensorflow::Fprint128 key = op->MutableAttrs()->CacheKey(op->DeviceName());
    if (known(key) || tied_to_cpu(*op)) return absl::OkStatus();
    const tensorflow::NodeDef& def = op->MutableAttrs()->BuildNodeDef();
    const bool matters = computes(def);
    if ((matters || watch_.calls.may_matter(op->Name().c_str())) && !has_kernel(watch_, def)) {
      report(watch_, def, "", matters && takes_from_device(*op));
      return absl::OkStatus();
    }
    const std::unique_lock<std::shared_mutex> hold(lock_);
    if (harmless_.size() >= kMostKnown) harmless_.clear();
    harmless_.insert(key);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kMostKnown = 1 << 16;

  bool known(const tensorflow::Fprint128& key) const {
    const std::shared_lock<std::shared_mutex> hold(lock_);
    return harmless_.count(key) > 0;
  }

  bool takes_from_device(const tensorflow::EagerOperation& op) const {
    for (const tensorflow::ImmediateExecutionTensorHandle* input : op.Inputs()) {
      absl::Status status;
      const char* device = input->BackingDeviceName(&status);
      DeviceNameUtils::ParsedName parsed;
      if (status.ok() && device && DeviceNameUtils::ParseFullName(device, &parsed) && parsed.has_type &&
          parsed.type == watch_.device_type)
        return true;
    }
    return false;
  }

  // An op follows the variable that it works on.
  static bool tied_to_cpu(const tensorflow::EagerOperation& op) {
    for (const tensorflow::ImmediateExecutionTensorHandle* input : op.Inputs()) {
      absl::Status status;
      if (input->DataType() == tensorflow::DT_RESOURCE && asks_for_cpu(input->DeviceName(&status))) return true;
    }
    return false;
  }

  Watch watch_;
  mutable std::shared_mutex lock_;  // guards the set
  std::unordered_set<tensorflow::Fprint128, tensorflow::Fprint128Hasher> harmless_;
};

}  // namespace

const char* watch_placements(const char* device_type, const anvil_placement_watch* watch) {
  const Watch kept{device_type, *watch};
  // A late number: after everything that may still change the graph.
  tensorflow::OptimizationPassRegistry::Global()->Register(tensorflow::OptimizationPassRegistry::POST_PLACEMENT, 10000,
                                                           std::make_unique<GraphWatch>(kept));
  tensorflow::EagerOpRewriteRegistry::Global()->Register(tensorflow::EagerOpRewriteRegistry::PRE_EXECUTION, 40000,
                                                         std::make_unique<EagerWatch>(kept));
  return nullptr;
}

}  // namespace anvil::shim
