// Resource[Sparse]Apply* and TensorFlow 1's [Sparse]Apply*: one step of an optimiser on a variable and its slots.
#include <algorithm>
#include <array>
#include <string_view>

#include "ops/map.h"
#include "ops/scatter.h"

namespace anvil::ops {
namespace {

// Flags of kernels/optimizer.slang.
constexpr uint32_t kNesterov = 1, kKeepSlots = 2, kVariant = 4, kLinearTimesRate = 8;
constexpr size_t kMostSlots = 3, kMostScalars = 6;

// One op: what its inputs are.  Variables come first; "g" is the gradient, "i" the indices, the rest are scalars, by
// the names that TensorFlow's messages have.
struct Rule {
  const char* op;      // without "Resource"
  const char* kernel;  // the rule in optimizer.slang
  uint32_t flags;
  std::vector<const char*> variables;
  std::vector<const char*> rest;
};
const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = {
      {"ApplyGradientDescent", "GradientDescent", 0, {"var"}, {"alpha", "g"}},
      {"ApplyMomentum", "Momentum", 0, {"var", "accum"}, {"lr", "g", "momentum"}},
      {"ApplyKerasMomentum", "Momentum", kVariant, {"var", "accum"}, {"lr", "g", "momentum"}},
      {"ApplyAdagrad", "Adagrad", 0, {"var", "accum"}, {"lr", "g"}},
      {"ApplyAdagradV2", "Adagrad", kVariant, {"var", "accum"}, {"lr", "epsilon", "g"}},
      {"ApplyProximalAdagrad", "ProximalAdagrad", 0, {"var", "accum"}, {"lr", "l1", "l2", "g"}},
      {"ApplyAdadelta", "Adadelta", 0, {"var", "accum", "accum_update"}, {"lr", "rho", "epsilon", "g"}},
      {"ApplyFtrl", "Ftrl", 0, {"var", "accum", "linear"}, {"g", "lr", "l1", "l2", "lr_power"}},
      {"ApplyFtrlV2",
       "Ftrl",
       kVariant,
       {"var", "accum", "linear"},
       {"g", "lr", "l1", "l2", "l2_shrinkage", "lr_power"}},
      {"ApplyAdam",
       "Adam",
       0,
       {"var", "m", "v"},
       {"beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon", "g"}},
      {"ApplyAdamWithAmsgrad",
       "Adam",
       kVariant,
       {"var", "m", "v", "vhat"},
       {"beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon", "g"}},
      {"ApplyAdaMax", "AdaMax", 0, {"var", "m", "v"}, {"beta1_power", "lr", "beta1", "beta2", "epsilon", "g"}},
      {"ApplyRMSProp", "RmsProp", 0, {"var", "ms", "mom"}, {"lr", "rho", "momentum", "epsilon", "g"}},
      {"ApplyCenteredRMSProp",
       "CenteredRmsProp",
       0,
       {"var", "mg", "ms", "mom"},
       {"lr", "rho", "momentum", "epsilon", "g"}},
      {"ApplyAddSign", "Sign", 0, {"var", "m"}, {"lr", "alpha", "sign_decay", "beta", "g"}},
      {"ApplyPowerSign", "Sign", kVariant, {"var", "m"}, {"lr", "logbase", "sign_decay", "beta", "g"}},
      {"SparseApplyKerasMomentum", "Momentum", kVariant, {"var", "accum"}, {"lr", "g", "i", "momentum"}},
      {"SparseApplyAdagrad", "Adagrad", 0, {"var", "accum"}, {"lr", "g", "i"}},
      {"SparseApplyAdagradV2", "Adagrad", kVariant, {"var", "accum"}, {"lr", "epsilon", "g", "i"}},
      {"SparseApplyProximalAdagrad", "ProximalAdagrad", 0, {"var", "accum"}, {"lr", "l1", "l2", "g", "i"}},
      {"SparseApplyAdadelta", "Adadelta", 0, {"var", "accum", "accum_update"}, {"lr", "rho", "epsilon", "g", "i"}},
      {"SparseApplyFtrl", "Ftrl", 0, {"var", "accum", "linear"}, {"g", "i", "lr", "l1", "l2", "lr_power"}},
      {"SparseApplyFtrlV2",
       "Ftrl",
       kVariant,
       {"var", "accum", "linear"},
       {"g", "i", "lr", "l1", "l2", "l2_shrinkage", "lr_power"}},
  };
  return all;
}
bool is_sparse(const Rule& rule) { return rule.op[0] == 'S'; }

// The rules that kernels/optimizer_f64.slang has.
bool has_doubles(const Rule& rule) {
  constexpr std::string_view kRules[] = {"GradientDescent", "Momentum", "Adagrad", "Adam", "RmsProp"};
  return !is_sparse(rule) && std::ranges::count(kRules, std::string_view(rule.kernel)) != 0;
}

std::string kernel_name(const Rule& rule, DType type) {
  if (type == DType::f64) return str("optimizer_f64/dense<", rule.kernel, ">");
  return str("optimizer/", is_sparse(rule) ? "sparse<" : "dense<", rule.kernel, ",", slang_name(type), ">");
}

struct Flags final : State {
  uint32_t flags = 0;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<Flags>();
  if (attrs.has("use_nesterov") && attrs.flag("use_nesterov")) s->flags |= kNesterov;
  if (attrs.has("update_slots") && !attrs.flag("update_slots")) s->flags |= kKeepSlots;
  if (attrs.has("multiply_linear_by_lr") && attrs.flag("multiply_linear_by_lr")) s->flags |= kLinearTimesRate;
  return s;
}

// The inputs sorted by what they are.
struct Inputs {
  std::vector<Tensor> states, scalars;
  Tensor grad, indices;
};
Inputs sorted(Call& call, const Rule& rule) {
  Inputs in;
  int at = 0;
  for (const char* name : rule.variables) {
    in.states.push_back(call.input(at++));
    require(in.states.back().shape == in.states[0].shape, Code::invalid_argument, "var and ", name,
            " do not have the same shape", text(in.states[0].shape), " ", text(in.states.back().shape));
  }
  for (const char* name : rule.rest) {
    const Tensor t = call.input(at++);
    if (name[0] == 'g' && name[1] == 0) in.grad = t;
    else if (name[0] == 'i' && name[1] == 0) in.indices = t;
    else {
      require(t.rank() == 0, Code::invalid_argument, name, " is not a scalar: ", text(t.shape));
      in.scalars.push_back(t);
    }
  }
  return in;
}

constexpr int64_t kRun = 4;  // elements of a thread of the dense kernel (kernels/optimizer.slang)

struct DenseParams {
  uint32_t count, flags, states, scalars;
};
struct SparseParams {
  uint32_t begin, end, width, parts, flags, states, scalars;
};
Arg read_or_null(const std::vector<Tensor>& all, size_t i) {
  return i < all.size() ? read(all[i]) : Arg{nullptr, 0, Access::read};
}
Arg write_or_null(const std::vector<Tensor>& all, size_t i) {
  return i < all.size() ? write(all[i]) : Arg{nullptr, 0, Access::read};
}

void run_dense(Call& call, const Rule& rule, uint32_t flags) {
  const Inputs in = sorted(call, rule);
  const Tensor& var = in.states[0];
  require(in.grad.shape == var.shape, Code::invalid_argument, "var and grad do not have the same shape",
          text(var.shape), " ", text(in.grad.shape));
  if (var.size() == 0) return;
  require_indexable(rule.op, var);
  static_assert(kMostSlots == 3 && kMostScalars == 6);
  const auto scalar = [&](size_t i) { return read_or_null(in.scalars, i); };
  call.stream().launch(
      call.kernel(kernel_name(rule, var.type)), Grid::line(div_up(var.size(), kMapGroup * kRun)),
      {write(var), write_or_null(in.states, 1), write_or_null(in.states, 2), write_or_null(in.states, 3), read(in.grad),
       scalar(0), scalar(1), scalar(2), scalar(3), scalar(4), scalar(5)},
      DenseParams{static_cast<uint32_t>(var.size()), rule.flags | flags, static_cast<uint32_t>(in.states.size()),
                  static_cast<uint32_t>(in.scalars.size())});
}

void run_sparse(Call& call, const Rule& rule, uint32_t flags) {
  const Inputs in = sorted(call, rule);
  const Tensor& var = in.states[0];
  require(var.rank() >= 1, Code::invalid_argument, "var must be at least 1 dimensional");
  require(in.indices.rank() == 1, Code::invalid_argument, "indices must be one-dimensional");
  require(in.grad.rank() >= 1 && in.grad.shape[0] == in.indices.shape[0], Code::invalid_argument,
          "grad must be the same size as indices in the first dimension.");
  require(in.grad.rank() == var.rank(), Code::invalid_argument, "var and grad must have the same rank");
  for (int d = 1; d < var.rank(); ++d)
    require(var.shape[d] == in.grad.shape[d], Code::invalid_argument, "var and grad must match in dimension ", d);
  const ScatterRows rows = first_axis_rows(var.shape, in.indices.shape);
  if (rows.count == 0 || var.size() == 0) return;
  const Tensor list = launch_row_numbers(call, rows, in.indices);
  const uint32_t parts = plan_scatter_parts(rows, call.caps());
  const auto width = static_cast<uint32_t>(rows.width);
  const Kernel& kernel = call.kernel(kernel_name(rule, var.type));
  const auto scalar = [&](size_t i) { return read_or_null(in.scalars, i); };
  const auto words = static_cast<uint64_t>(list.size() / 2);
  for (uint64_t begin = 0; begin < words; begin += kScatterWords)
    call.stream().launch(
        kernel, Grid::line(div_up(uint64_t{parts} * width, kMapGroup)),
        {write(var), write_or_null(in.states, 1), write_or_null(in.states, 2), read(in.grad), read(list), scalar(0),
         scalar(1), scalar(2), scalar(3), scalar(4)},
        SparseParams{static_cast<uint32_t>(begin), static_cast<uint32_t>(std::min(begin + kScatterWords, words)), width,
                     parts, rule.flags | flags, static_cast<uint32_t>(in.states.size()),
                     static_cast<uint32_t>(in.scalars.size())});
}

const Rule& rule_of(const OpSpec& row) { return rules()[static_cast<size_t>(std::stoi(row.kernel))]; }

void run(Call& call, const OpSpec& row, const State* state) {
  const Rule& rule = rule_of(row);
  const uint32_t flags = static_cast<const Flags*>(state)->flags;
  is_sparse(rule) ? run_sparse(call, rule, flags) : run_dense(call, rule, flags);
}
void variants(const OpSpec& row, std::vector<std::string>& names) {
  const Rule& rule = rule_of(row);
  if (is_sparse(rule)) names.emplace_back("scatter/rows");
  for (const DType t : row.types) names.push_back(kernel_name(rule, t));
}

// The ops that have no form with references.
bool resource_only(const Rule& rule) {
  const std::string_view op = rule.op;
  return op.ends_with("KerasMomentum") || op == "ApplyAdamWithAmsgrad";
}

const struct Rows {
  Rows() {
    static const auto& names = *new std::vector<std::string>([] {
      std::vector<std::string> n;
      for (const Rule& rule : rules()) n.push_back(std::string("Resource") + rule.op);
      return n;
    }());
    for (size_t i = 0; i < rules().size(); ++i) {
      const Rule& rule = rules()[i];
      OpSpec row{names[i].c_str(), {DType::f32, DType::f16}, run, std::to_string(i), variants, prepare};
      if (has_doubles(rule)) row.types.push_back(DType::f64);
      if (is_sparse(rule)) row.more = {{"Tindices", {DType::i32, DType::i64}}};
      for (size_t v = 0; v < rule.variables.size(); ++v) row.variables.push_back(static_cast<int>(v));
      row.host = rule.variables;
      catalogue().push_back(row);
      if (resource_only(rule)) continue;
      row.name = rule.op;
      row.host = {};
      catalogue().push_back(row);
    }
  }
} optimizers;

}  // namespace
}  // namespace anvil::ops
