#include "tf/fallbacks.h"

#include <bitset>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/counters.h"
#include "base/error.h"
#include "base/log.h"
#include "tensorflow/c/tf_datatype.h"
#include "tf/call.h"
#include "tf/guard.h"
#include "tf/handover.h"
#include "tf/installation.h"

namespace anvil::tf {
namespace {

constexpr std::string_view kCudaKernels =
#include "cuda_kernels.inc"  // data/cuda_kernels.txt as a string; made by CMake
    ;

using Types = std::bitset<64>;  // by TF_DataType
using Constraints = std::vector<std::pair<std::string, Types>>;

const std::map<std::string_view, int>& type_numbers() {
  static const std::map<std::string_view, int> names = {
      {"float32", TF_FLOAT},   {"float64", TF_DOUBLE},      {"int32", TF_INT32},
      {"uint8", TF_UINT8},     {"int16", TF_INT16},         {"int8", TF_INT8},
      {"string", TF_STRING},   {"complex64", TF_COMPLEX64}, {"int64", TF_INT64},
      {"bool", TF_BOOL},       {"qint8", TF_QINT8},         {"quint8", TF_QUINT8},
      {"qint32", TF_QINT32},   {"bfloat16", TF_BFLOAT16},   {"qint16", TF_QINT16},
      {"quint16", TF_QUINT16}, {"uint16", TF_UINT16},       {"complex128", TF_COMPLEX128},
      {"float16", TF_HALF},    {"resource", TF_RESOURCE},   {"variant", TF_VARIANT},
      {"uint32", TF_UINT32},   {"uint64", TF_UINT64}};
  return names;
}

// Cuts the next piece off `rest`, up to `separator`.
std::string_view next(std::string_view& rest, char separator) {
  const size_t end = rest.find(separator);
  const std::string_view piece = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  return piece;
}

Types parse_types(std::string_view list) {
  Types types;
  while (!list.empty())
    // Types that we do not know (8-bit floats and the like) are in no program that could come here.
    if (const auto it = type_numbers().find(next(list, ',')); it != type_numbers().end())
      types.set(static_cast<size_t>(it->second));
  return types;
}

using Table = std::unordered_map<std::string, std::vector<Constraints>>;

const Table& cuda_kernels() {
  static const Table& table = *[] {
    auto* t = new Table;
    std::string_view text = kCudaKernels;
    while (!text.empty()) {
      std::string_view line = next(text, '\n');
      if (line.empty() || line[0] == '#') continue;
      Constraints& row = (*t)[std::string(next(line, ' '))].emplace_back();
      while (!line.empty()) {
        std::string_view column = next(line, ' ');
        const std::string attr(next(column, '='));
        row.emplace_back(attr, parse_types(column));
      }
    }
    return t;
  }();
  return table;
}

int32_t may_matter(const char* op) { return cuda_kernels().contains(op); }

bool cuda_has(const anvil_node& node) {
  const auto found = cuda_kernels().find(node.op);
  if (found == cuda_kernels().end()) return false;
  for (const Constraints& row : found->second) {
    bool all = true;
    for (const auto& [attr, types] : row) {
      const int32_t type = node.type(node.attributes, attr.c_str());
      all = all && type > 0 && type < 64 && types.test(static_cast<size_t>(type));
    }
    if (all) return true;
  }
  return false;
}

std::string type_name(int32_t number) {
  for (const auto& [name, n] : type_numbers())
    if (n == number) return std::string(name);
  return str("type ", number);
}

// The types that tell this node from others of its op, for the log: " SrcT=float64 DstT=int8".  Those are what CUDA's
// kernels are told apart by, or all types of an op that CUDA does not have.
std::string types_of(const anvil_node& node) {
  std::map<std::string, int32_t> types;
  const auto found = cuda_kernels().find(node.op);
  if (found == cuda_kernels().end()) {
    node.each_type(node.attributes, &types, [](void* all, const char* name, int32_t type) {
      static_cast<std::map<std::string, int32_t>*>(all)->emplace(name, type);
    });
  } else {
    for (const Constraints& row : found->second)
      for (const auto& [attr, ignored] : row) types.emplace(attr, node.type(node.attributes, attr.c_str()));
  }
  std::string text;
  for (const auto& [attr, type] : types)
    if (type > 0) text += str(" ", attr, "=", type_name(type));
  return text;
}

void left_out(const anvil_node* node) {
  try {
    if (cuda_has(*node)) {
      add(Counter::fallback_nodes);
      add_named("fallback", node->op);
      log_once(LogKind::fallback, str(node->op, types_of(*node), " runs on the CPU: this device has no kernel for it"));
    } else if (node->takes_from_device) {
      add(Counter::cpu_nodes);
      add_named("cpu_op", node->op);
      log_once(LogKind::fallback,
               str(node->op, types_of(*node),
                   " runs on the CPU, with copies to the host and back: no GPU has a kernel for it"));
    }
  } catch (const std::exception& error) {
    log(LogKind::error, str("an op on the CPU could not be counted: ", error.what()));
  }
}

void ran_by_proxy(const anvil_node* node) {
  try {
    add(Counter::proxy_runs);
    add_named("proxy", node->op);
    // What CUDA has a kernel for was counted when it was placed; the rest is no less computed on the CPU.
    if (!cuda_has(*node)) {
      add(Counter::fallback_nodes);
      add_named("fallback", node->op);
    }
    log_once(LogKind::fallback,
             str(node->op, types_of(*node),
                 " runs on the CPU, with copies to the host and back each time: it must run where its "
                 "variable is, and this device has no kernel for it"));
  } catch (const std::exception& error) {
    log(LogKind::error, str("a proxy could not be counted: ", error.what()));
  }
}

void copy_to_host(TF_OpKernelContext* context, const anvil_buffer* from, const anvil_buffer* to, TF_Status* status) {
  guard(status, [&] {
    const Turn target(to->data, to->bytes), source(from->data, from->bytes);
    Stream& stream = TfCall(context).stream();
    stream.download(to->data, from->data, from->bytes);
    stream.sync(stream.flush().value, WaitFor::host);
    told_done();
  });
}
void copy_to_device(TF_OpKernelContext* context, const anvil_buffer* from, const anvil_buffer* to, TF_Status* status) {
  guard(status, [&] {
    const Turn target(to->data, to->bytes), source(from->data, from->bytes);
    TfCall(context).stream().upload(to->data, from->data, from->bytes);
  });
}

}  // namespace

void prepare_proxies() {
  const anvil_shim_api* api = shim();
  if (!api) return;
  static const anvil_proxy_calls calls = {may_matter, ran_by_proxy, copy_to_host, copy_to_device};
  const int32_t ops = api->offer_proxies(identity().device_type.c_str(), &calls);
  log(LogKind::info, str(ops, " ops have a proxy on the CPU where a kernel is missing"));
}

void prepare_placement() {
  const anvil_shim_api* api = shim();
  if (!api) {
    log(LogKind::warn, shim_problem() +
                           ". Until then functions with jit_compile fail, and ops that fall back to the "
                           "CPU are not counted");
    return;
  }
  static const anvil_placement_watch watch = {may_matter, left_out};
  const char* type = identity().device_type.c_str();
  for (const char* problem : {api->decline_xla(type), api->watch_placements(type, &watch)})
    if (problem) log(LogKind::warn, problem);
}

}  // namespace anvil::tf
