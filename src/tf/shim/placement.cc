// Seeing where ops were placed: graphs after placement, and eager ops as they run.
#include <shared_mutex>
#include <unordered_set>

#include "tensorflow/core/common_runtime/device_set.h"
#include "tensorflow/core/common_runtime/eager/eager_op_rewrite_registry.h"
#include "tensorflow/core/common_runtime/eager/eager_operation.h"
#include "tensorflow/core/common_runtime/optimization_registry.h"
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

// Reports the op if the device lacks a kernel for it; did it?
bool report_if_missing(const Watch& watch, const tensorflow::NodeDef& def, const char* name) {
  const tensorflow::KernelDef* kernel = nullptr;
  const bool found = tensorflow::FindKernelDef(tensorflow::DeviceType(watch.device_type), def, &kernel, nullptr).ok();
  if (found && kernel->priority() >= 0) return false;  // those below are proxies for the CPU's
  const AttrSlice attributes(def);
  const anvil_node node{def.op().c_str(), name, &attributes, type_of};
  watch.calls.left_out(&node);
  return true;
}

class GraphWatch final : public tensorflow::GraphOptimizationPass {
 public:
  explicit GraphWatch(Watch watch) : watch_(std::move(watch)) {}

  absl::Status Run(const tensorflow::GraphOptimizationPassOptions& options) override {
    if (!options.graph || !*options.graph || !belongs_to_device(options, **options.graph)) return absl::OkStatus();
    for (const tensorflow::Node* node : (*options.graph)->op_nodes())
      if (watch_.calls.may_matter(node->type_string().c_str()) &&
          (of_device(node->assigned_device_name()) || on_cpu_without_need(*node)))
        report_if_missing(watch_, node->def(), node->name().c_str());
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

  Watch watch_;
};

// Sees an eager op before it is placed: afterwards nothing tells the script's wish from TensorFlow's choice.
class EagerWatch final : public tensorflow::EagerOpRewrite {
 public:
  explicit EagerWatch(Watch watch) : EagerOpRewrite("AnvilPlacement", __FILE__, "0"), watch_(std::move(watch)) {}

  absl::Status Run(tensorflow::EagerOperation* op, std::unique_ptr<tensorflow::EagerOperation>*) override {
    if (op->is_function() || is_cpu(op->GetDeviceParsedName()) || !watch_.calls.may_matter(op->Name().c_str()))
      return absl::OkStatus();
    // The key that TensorFlow is about to look the kernel up by, which covers the name and all attributes.
    const tensorflow::Fprint128 key = op->MutableAttrs()->CacheKey(op->DeviceName());
    if (known(key) || tied_to_cpu(*op)) return absl::OkStatus();
    if (report_if_missing(watch_, op->MutableAttrs()->BuildNodeDef(), "")) return absl::OkStatus();
    const std::unique_lock<std::shared_mutex> hold(lock_);
    if (have_kernel_.size() >= kMostKnown) have_kernel_.clear();
    have_kernel_.insert(key);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kMostKnown = 1 << 16;

  bool known(const tensorflow::Fprint128& key) const {
    const std::shared_lock<std::shared_mutex> hold(lock_);
    return have_kernel_.count(key) > 0;
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
  std::unordered_set<tensorflow::Fprint128, tensorflow::Fprint128Hasher> have_kernel_;
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
