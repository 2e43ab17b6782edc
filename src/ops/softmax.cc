// Softmax, LogSoftmax and the two cross entropies.  The bodies are in kernels/softmax.slang.
#include "ops/packet.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kLaneGroup = 64;  // rows of a group of `lanes`
// Up to here a row is read by one thread: on a GPU, and on a software GPU, where llvmpipe cuts a thread's loops off at
// 65535 turns in all and a row takes up to two turns an element.
constexpr int64_t kShortRow = 64, kSoftwareRow = 24576;
constexpr int64_t kSoftwareDoubles = 20480;  // three turns an element

struct RowParams {
  uint32_t rows, columns, x_row, x_column, labels_row, labels_column;
};

std::string variant(bool lanes, const std::string& finish, DType t) {
  return str("softmax/", lanes ? "lanes<" : "groups<", finish, ",", packed(t), ">");
}
void add_variants(const std::string& finish, DType t, std::vector<std::string>& names) {
  if (t == DType::f64) {
    names.insert(names.end(), {"softmax_f64/groups", "softmax_f64/lanes"});
    return;
  }
  for (bool lanes : {false, true}) names.push_back(variant(lanes, finish, t));
}

// The same in float64, where the finish is a parameter.
void finish_doubles(Call& call, const std::string& finish, Arg x, Arg labels, const Tensor& y, Arg loss, RowParams p) {
  const bool lanes = p.columns <= (call.caps().cpu_type() ? kSoftwareDoubles : kShortRow);
  struct {
    RowParams rows;
    uint32_t finish;
  } params{p, finish == "Softmax" ? 0u : finish == "LogSoftmax" ? 1u : 2u};
  call.stream().launch(call.kernel(lanes ? "softmax_f64/lanes" : "softmax_f64/groups"),
                       Grid::line(lanes ? div_up(p.rows, kLaneGroup) : p.rows), {x, labels, write(y), loss}, params);
}
void finish_rows(Call& call, const std::string& finish, Arg x, Arg labels, const Tensor& y, Arg loss, RowParams p) {
  require(int64_t{p.rows} * p.columns < (int64_t{1} << 31), Code::unimplemented,
          "softmax of 2^31 elements or more is not supported");
  if (y.type == DType::f64) return finish_doubles(call, finish, x, labels, y, loss, p);
  const bool lanes = p.columns <= (call.caps().cpu_type() ? kSoftwareRow : kShortRow);
  call.stream().launch(call.kernel(variant(lanes, finish, y.type)),
                       Grid::line(lanes ? div_up(p.rows, kLaneGroup) : p.rows), {x, labels, write(y), loss}, p);
}
constexpr Arg kNone{nullptr, 0, Access::read};

void run_softmax(Call& call, const OpSpec& op, const State*) {
  const Tensor x = call.input(0);
  require(x.rank() >= 1, Code::invalid_argument, "logits must have >= 1 dimension, got ", text(x.shape));
  const Tensor y = call.output_reusing(0, {0}, x.type, x.shape);
  if (y.size() == 0) return;
  const uint32_t columns = static_cast<uint32_t>(x.shape.back());
  finish_rows(call, op.kernel, read(x), kNone, y, kNone,
              {static_cast<uint32_t>(x.size() / columns), columns, columns, 1, 0, 0});
}
void softmax_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) add_variants(op.kernel, t, names);
}

std::string sparse(DType label) { return label == DType::i32 ? "Sparse<int>" : "Sparse<int64_t>"; }

void run_sparse(Call& call, const OpSpec&, const State*) {
  const Tensor logits = call.input(0), labels = call.input(1);
  require(logits.rank() == 2, Code::invalid_argument, "logits must be 2-D, but got shape ", text(logits.shape));
  require(labels.rank() == 1, Code::invalid_argument, "labels must be 1-D, but got shape ", text(labels.shape));
  require(logits.shape[0] == labels.shape[0], Code::invalid_argument,
          "logits and labels must have the same first dimension, got logits shape ", text(logits.shape),
          " and labels shape ", text(labels.shape));
  require(logits.shape[1] > 0, Code::invalid_argument, "Must have at least one class, but got logits shape ",
          text(logits.shape));
  const Tensor loss = call.output(0, logits.type, labels.shape);
  const Tensor gradient = call.output_reusing(1, {0}, logits.type, logits.shape);
  if (loss.size() == 0) return;
  const uint32_t columns = static_cast<uint32_t>(logits.shape[1]);
  finish_rows(call, sparse(labels.type), read(logits), read(labels), gradient, write(loss),
              {static_cast<uint32_t>(logits.shape[0]), columns, columns, 1, 1, 0});
}
void sparse_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types)
    for (DType l : {DType::i32, DType::i64}) add_variants(sparse(l), t, names);
}

std::string dense(DType t) { return str("Dense<", packed(t), ">"); }

// The shape that both broadcast to; throws as TensorFlow does.
Shape broadcast_matrix(const Shape& logits, const Shape& labels) {
  const size_t rank = std::max(logits.size(), labels.size());
  Shape out(rank);
  bool fits = true;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t a = i < logits.size() ? logits[logits.size() - 1 - i] : 1;
    const int64_t b = i < labels.size() ? labels[labels.size() - 1 - i] : 1;
    fits = fits && (a == b || a == 1 || b == 1);
    out[rank - 1 - i] = a == 1 ? b : a;
  }
  require(fits, Code::invalid_argument, "logits and labels must be broadcastable: logits_size=", text(logits),
          " labels_size=", text(labels));
  require(rank == 2, Code::invalid_argument,
          "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional");
  return out;
}

void run_dense(Call& call, const OpSpec&, const State*) {
  const Tensor logits = call.input(0), labels = call.input(1);
  const Shape full = broadcast_matrix(logits.shape, labels.shape);
  const Tensor loss = call.output(0, logits.type, {full[0]});
  const Tensor gradient = call.output(1, logits.type, full);
  if (loss.size() == 0) return;
  if (gradient.size() == 0) return call.stream().fill(loss.data, 0, 1, loss.bytes());
  const auto steps = [](const Shape& s) {
    const int64_t rows = s.size() == 2 ? s[0] : 1, columns = s.empty() ? 1 : s.back();
    return std::pair(uint32_t(rows == 1 ? 0 : columns), uint32_t(columns == 1 ? 0 : 1));
  };
  const auto [x_row, x_column] = steps(logits.shape);
  const auto [labels_row, labels_column] = steps(labels.shape);
  finish_rows(call, dense(logits.type), read(logits), read(labels), gradient, write(loss),
              {uint32_t(full[0]), uint32_t(full[1]), x_row, x_column, labels_row, labels_column});
}
void dense_variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) add_variants(dense(t), t, names);
}

const Family softmax{
    {"Softmax", kReals, run_softmax, "Softmax", softmax_variants},
    {"LogSoftmax", kReals, run_softmax, "LogSoftmax", softmax_variants},
    {"SparseSoftmaxCrossEntropyWithLogits",
     kFloats,
     run_sparse,
     "",
     sparse_variants,
     nullptr,
     {},
     "T",
     {{"Tlabels", {DType::i32, DType::i64}}}},
    {"SoftmaxCrossEntropyWithLogits", kReals, run_dense, "", dense_variants},
};

}  // namespace
}  // namespace anvil::ops
