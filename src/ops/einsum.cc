// Einsum: each operand is seen through its labels' strides, summed over the labels that only it has, brought to the
// order of a batch of matrices where it is not so already, and multiplied.
#include <algorithm>

#include "ops/copy.h"
#include "ops/gemm.h"
#include "ops/reduce.h"

namespace anvil::ops {
namespace {

// A character, or kEllipsis + the place from the right of an axis that "..." stands for.
using Label = int;
constexpr Label kEllipsis = 256;
using Labels = std::vector<Label>;

bool has(const Labels& labels, Label l) { return std::ranges::find(labels, l) != labels.end(); }
void append(Labels& to, const Labels& more) { to.insert(to.end(), more.begin(), more.end()); }

// ---- the equation ----
struct Equation : State {
  std::vector<std::string> inputs;
  std::string output;
};
void check_term(const std::string& term) {
  const auto dots = std::ranges::count(term, '.');
  const bool one_ellipsis = dots == 0 || (dots == 3 && term.find("...") != std::string::npos);
  require(one_ellipsis, Code::invalid_argument, "Periods found outside of ellipsis in einsum equation");
}
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto e = std::make_unique<Equation>();
  const std::string text = attrs.string("equation");
  const size_t arrow = text.find("->");
  require(arrow != std::string::npos, Code::invalid_argument, "Expecting exactly one '->' in einsum equation: ", text);
  e->output = text.substr(arrow + 2);
  const std::string left = text.substr(0, arrow);
  for (size_t from = 0; from <= left.size();) {
    const size_t comma = std::min(left.find(',', from), left.size());
    e->inputs.push_back(left.substr(from, comma - from));
    from = comma + 1;
  }
  require(e->inputs.size() <= 2, Code::invalid_argument, "Expecting 1 or 2 input subscripts in equation '", text,
          "' but got: ", e->inputs.size());
  for (const std::string& term : e->inputs) check_term(term);
  check_term(e->output);
  const auto n = static_cast<size_t>(attrs.integer("N"));
  require(e->inputs.size() == n, Code::invalid_argument, "Expecting ", n, " input subscripts in equation '", text,
          "' but got: ", e->inputs.size());
  for (const char c : e->output) {
    const bool known = std::ranges::any_of(e->inputs, [c](const std::string& s) { return s.find(c) != s.npos; });
    require(known || c == '.', Code::invalid_argument, "Einsum output label '", std::string(1, c),
            "' is not among the inputs' labels");
  }
  return e;
}

// The term's labels, with `axes` of them in the place of "...".
Labels labels_of(const std::string& term, int64_t axes) {
  Labels labels;
  for (size_t i = 0; i < term.size(); ++i) {
    if (term[i] != '.') {
      labels.push_back(static_cast<unsigned char>(term[i]));
      continue;
    }
    for (int64_t k = axes; k-- > 0;) labels.push_back(kEllipsis + static_cast<Label>(k));
    i += 2;
  }
  return labels;
}

// ---- views ----
// A tensor by label: each once, with the size and the stride of all the axes that carry it (a diagonal, where several).
struct View {
  Tensor tensor;
  Labels labels;
  std::vector<int64_t> size, stride;

  size_t at(Label l) const { return static_cast<size_t>(std::ranges::find(labels, l) - labels.begin()); }
  int64_t size_of(Label l) const { return has(labels, l) ? size[at(l)] : 1; }
  int64_t stride_of(Label l) const { return has(labels, l) ? stride[at(l)] : 0; }
};
View view(const Tensor& t, const Labels& labels) {
  View v{t, {}, {}, {}};
  const std::vector<int64_t> strides = contiguous_strides(t.shape);
  for (size_t d = 0; d < labels.size(); ++d) {
    const size_t known = v.at(labels[d]);
    if (known == v.labels.size()) {
      v.labels.push_back(labels[d]);
      v.size.push_back(t.shape[d]);
      v.stride.push_back(strides[d]);
      continue;
    }
    require(v.size[known] == t.shape[d], Code::invalid_argument, "Expected dimension ", v.size[known], " at axis ", d,
            " of the input shaped ", text(t.shape), " but got dimension ", t.shape[d]);
    v.stride[known] += strides[d];
  }
  return v;
}
View dense(const Tensor& t, const Labels& labels, const View& like) {
  Shape shape;
  for (Label l : labels) shape.push_back(like.size_of(l));
  return view({shape, t.type, t.data}, labels);
}
int64_t elements(const View& v, const Labels& labels) {
  int64_t n = 1;
  for (Label l : labels) n *= v.size_of(l);
  return n;
}
// Do the elements lie one behind the other in this order?
bool lies_as(const View& v, const Labels& order) {
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    const int64_t n = v.size_of(order[i]);
    if (n != 1 && v.stride_of(order[i]) != step) return false;
    step *= n;
  }
  return step == v.tensor.size();
}
void copy_view(Call& call, const View& from, const View& to) {
  Walk walk;
  for (size_t i = to.labels.size(); i-- > 0;)
    walk.axes.push_back({to.size[i], {from.stride_of(to.labels[i]), to.stride[i]}});
  if (walk.axes.empty()) walk.axes.push_back({1, {1, 1}});
  launch_copy(call, walk, from.tensor, to.tensor);
}
View in_order(Call& call, const View& v, const Labels& order) {
  const int64_t n = elements(v, order);
  if (lies_as(v, order)) return dense(v.tensor, order, v);
  const View y = dense(call.scratch(v.tensor.type, {n}), order, v);
  if (n > 0) copy_view(call, v, y);
  return y;
}

// Sums v over the labels that are not in `kept`.
View summed(Call& call, const View& v, const Labels& kept) {
  Labels stay, go;
  for (Label l : v.labels) (has(kept, l) ? stay : go).push_back(l);
  if (go.empty()) return v;
  Labels order = stay;
  append(order, go);
  const View x = in_order(call, v, order);
  const int64_t rows = elements(v, stay), columns = elements(v, go);
  const Tensor y = call.scratch(v.tensor.type, {rows});
  if (rows > 0)
    reduce(call, Reduction::sum, x.tensor, y, collapse_axes({rows, columns}, std::initializer_list<int64_t>{1}, false));
  return dense(y, stay, v);
}

// ---- products ----
// An operand as a batch of matrices: either order of its two sides is fine.
struct Matrices {
  View view;
  bool turned;
};
Matrices as_matrices(Call& call, const View& v, const Labels& batch, const Labels& rows, const Labels& columns) {
  Labels straight = batch, turned = batch;
  append(straight, rows);
  append(straight, columns);
  append(turned, columns);
  append(turned, rows);
  if (!lies_as(v, straight) && lies_as(v, turned)) return {dense(v.tensor, turned, v), true};
  return {in_order(call, v, straight), false};
}

struct Sides {
  Labels batch, a, b, inner;
};
// c's labels are batch, a, b.
void multiply(Call& call, const View& x, const View& y, const Sides& s, const Tensor& c) {
  const Matrices a = as_matrices(call, x, s.batch, s.a, s.inner), b = as_matrices(call, y, s.batch, s.inner, s.b);
  GemmProblem p;
  p.type = c.type;
  p.m = static_cast<uint64_t>(elements(x, s.a));
  p.n = static_cast<uint64_t>(elements(y, s.b));
  p.k = static_cast<uint64_t>(elements(x, s.inner));
  p.turned_a = a.turned;
  p.turned_b = b.turned;
  for (Label l : s.batch) {
    const int64_t nx = x.size_of(l), ny = y.size_of(l), n = nx == 1 ? ny : nx;
    p.batch.push_back({static_cast<uint64_t>(n), nx == 1 ? 0 : static_cast<uint64_t>(a.view.stride_of(l)),
                       ny == 1 ? 0 : static_cast<uint64_t>(b.view.stride_of(l))});
  }
  gemm(call, p, a.view.tensor, b.view.tensor, c);
}

void check_sizes(const View& x, const View& y) {
  for (Label l : x.labels) {
    if (!has(y.labels, l)) continue;
    const int64_t a = x.size_of(l), b = y.size_of(l);
    const bool fits = a == b || (l >= kEllipsis && (a == 1 || b == 1));
    require(fits, Code::invalid_argument, "Expected dimension ", a, " of a label but got dimension ", b,
            " in the other input of the einsum");
  }
}

// Those of `order` that are in all of `in` and in none of `out`.
Labels pick(const Labels& order, std::initializer_list<const Labels*> in, std::initializer_list<const Labels*> out) {
  Labels labels;
  for (Label l : order) {
    const auto holds = [l](const Labels* s) { return has(*s, l); };
    if (std::ranges::all_of(in, holds) && std::ranges::none_of(out, holds) && !has(labels, l)) labels.push_back(l);
  }
  return labels;
}

View product(Call& call, const View& x, const View& y, const Labels& wanted, const View& out) {
  const auto& order = out.labels;
  Sides s{pick(order, {&x.labels, &y.labels}, {}), pick(order, {&x.labels}, {&y.labels}),
          pick(order, {&y.labels}, {&x.labels}), pick(x.labels, {&y.labels}, {&order})};
  for (Label l : s.inner)
    require(x.size_of(l) == y.size_of(l), Code::unimplemented,
            "einsum: an ellipsis that is broadcast but not in the output is not supported on this device");
  Labels result = s.batch, exchanged = s.batch;
  append(result, s.a);
  append(result, s.b);
  append(exchanged, s.b);
  append(exchanged, s.a);
  const bool direct = wanted.size() == order.size();  // no label twice in the output
  if (direct && !lies_as(out, result) && lies_as(out, exchanged)) {
    multiply(call, y, x, {s.batch, s.b, s.a, s.inner}, out.tensor);
    return out;
  }
  const bool lies = direct && lies_as(out, result);
  const Tensor c = lies ? out.tensor : call.scratch(out.tensor.type, {elements(out, result)});
  multiply(call, x, y, s, c);
  return dense(c, result, out);
}

void run(Call& call, const OpSpec&, const State* state) {
  const auto& e = static_cast<const Equation&>(*state);
  const size_t n = e.inputs.size();
  std::vector<Tensor> tensors;
  std::vector<Labels> labels;
  int64_t most = 0;
  for (size_t i = 0; i < n; ++i) {
    tensors.push_back(call.input(static_cast<int>(i)));
    const Tensor& t = tensors.back();
    const auto named = static_cast<int>(labels_of(e.inputs[i], 0).size());
    const bool open = e.inputs[i].find('.') != std::string::npos;
    require(open ? t.rank() >= named : t.rank() == named, Code::invalid_argument, "Expected input ", i,
            " to have rank ", open ? "at least " : "", named, " but got: ", t.rank());
    labels.push_back(labels_of(e.inputs[i], t.rank() - named));
    most = std::max<int64_t>(most, t.rank() - named);
  }
  const Labels wanted = labels_of(e.output, most);
  std::vector<View> views;
  for (size_t i = 0; i < n; ++i) views.push_back(view(tensors[i], labels[i]));
  if (n == 2) check_sizes(views[0], views[1]);
  Shape shape;
  for (Label l : wanted) {
    int64_t size = 1;
    for (const View& v : views)
      if (has(v.labels, l) && (size == 1 || v.size_of(l) != 1)) size = v.size_of(l);
    shape.push_back(size);
  }
  const Tensor out = call.output(0, tensors[0].type, shape);
  if (out.size() == 0) return;
  const View target = view(out, wanted);
  for (size_t i = 0; i < n; ++i) {
    Labels kept = wanted;
    if (n == 2) append(kept, labels[1 - i]);
    views[i] = summed(call, views[i], kept);
  }
  const View result = n == 2 ? product(call, views[0], views[1], wanted, target) : views[0];
  if (result.tensor.data == out.data) return;
  if (target.labels.size() != wanted.size()) call.stream().fill(out.data, 0, 1, out.bytes());
  copy_view(call, result, target);
}

void variants(const OpSpec& op, std::vector<std::string>& names) {
  for (DType t : op.types) {
    gemm_variants(t, names);
    reduce_variants(Reduction::sum, t, names);
  }
  copy_variants(op, names);
}

const Family einsum{{"Einsum", kFloats, run, "", variants, prepare}};

}  // namespace
}  // namespace anvil::ops
