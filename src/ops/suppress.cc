// NonMaxSuppressionV2, V3 and V4.  How many boxes are chosen is the shape of the result, so the host waits for that
// number, except where the result is padded.
#include <algorithm>
#include <cmath>

#include "ops/fetch.h"
#include "ops/host.h"
#include "ops/sort.h"
#include "ops/threads.h"

namespace anvil::ops {
namespace {

constexpr const char *kMask = "boxes/mask", *kChoose = "boxes/choose";
constexpr int64_t kCandidates = 1024;  // in a launch: software drivers end longer loops

struct PadState final : State {
  bool pad = false;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<PadState>();
  s->pad = attrs.flag("pad_to_max_output_size");
  return s;
}

struct Limits {
  float overlap = 0, score = 0;
};
struct Chosen {
  Tensor boxes, count;
};

Chosen suppress(Call& call, const Tensor& boxes, const Tensor& scores, int64_t most, Limits limits) {
  const int64_t n = boxes.shape[0], words = static_cast<int64_t>(div_up(n, 32));
  const Chosen chosen{call.scratch(DType::i32, {most}), call.scratch(DType::u32, {1})};
  Stream& stream = call.stream();
  stream.fill(chosen.boxes.data, 0, 4, chosen.boxes.bytes());
  stream.fill(chosen.count.data, 0, 4, 4);
  if (n == 0) return chosen;
  const SortRows order = sort_keys(call, scores, 1, n, true);
  launch_sort(call, order);
  const Tensor removed = call.scratch(DType::u32, {words});
  const Tensor mask = call.scratch(DType::u32, {std::min(n, kCandidates), words});
  stream.fill(removed.data, 0, 4, removed.bytes());
  for (int64_t first = 0; first < n; first += kCandidates) {
    const int64_t candidates = std::min(kCandidates, n - first);
    struct {
      uint32_t threads, words, boxes, first;
      float threshold;
    } const bits{uint32_t(candidates * words), uint32_t(words), uint32_t(n), uint32_t(first), limits.overlap};
    launch_threads(call, kMask, candidates * words, {read(boxes), read(order.keys), write(mask)}, bits);
    struct {
      uint32_t first, candidates, words, most;
      float least;
    } const params{uint32_t(first), uint32_t(candidates), uint32_t(words), uint32_t(most), limits.score};
    stream.launch(
        call.kernel(kChoose), Grid{},
        {read(scores), read(order.keys), read(mask), write(removed), write(chosen.boxes), write(chosen.count)}, params);
  }
  return chosen;
}

float scalar(const Tensor& t, const char* name) {
  require(t.rank() == 0, Code::invalid_argument, name, " must be 0-D, got shape ", text(t.shape));
  return *t.host<float>();
}

// (boxes, scores, max_output_size, iou_threshold[, score_threshold])
void run(Call& call, const OpSpec&, const State* state) {
  const Tensor boxes = call.input(0), scores = call.input(1), size = call.input(2);
  require(size.rank() == 0, Code::invalid_argument, "max_output_size must be 0-D, got shape ", text(size.shape));
  const int64_t wanted = *size.host<int32_t>();
  require(wanted >= 0, Code::invalid_argument, "max_output_size must be non-negative, got ", wanted);
  const float overlap = scalar(call.input(3), "iou_threshold");
  require(overlap >= 0 && overlap <= 1, Code::invalid_argument, "iou_threshold must be in [0, 1]");
  const float score = call.inputs() > 4 ? scalar(call.input(4), "score_threshold") : -INFINITY;
  require(boxes.rank() == 2, Code::invalid_argument, "boxes must be 2-D", text(boxes.shape));
  require(boxes.shape[1] == 4, Code::invalid_argument, "boxes must have 4 columns");
  require(scores.rank() == 1, Code::invalid_argument, "scores must be 1-D", text(scores.shape));
  require(scores.shape[0] == boxes.shape[0], Code::invalid_argument, "scores has incompatible shape");
  const bool pad = state && static_cast<const PadState*>(state)->pad;
  const int64_t most = std::min(wanted, boxes.shape[0]);
  const Chosen chosen = suppress(call, boxes, scores, most, {overlap, score});
  const int64_t count = pad || most == 0 ? most : fetch_words(call, chosen.count)[0];
  const Tensor y = call.output(0, DType::i32, {pad ? wanted : count});
  if (count < y.size()) call.stream().fill(y.data, 0, 4, y.bytes());
  if (count) call.stream().copy(y.data, chosen.boxes.data, static_cast<uint64_t>(count) * 4);
  if (state) call.stream().copy(call.output(1, DType::i32, {}).data, chosen.count.data, 4);
}
void variants(const OpSpec&, std::vector<std::string>& names) {
  sort_variants(names, true, false);
  sort_key_variants(names, {4});
  names.insert(names.end(), {kMask, kChoose});
}

OpSpec row(const char* name, Prepare prepare_row, std::vector<const char*> host) {
  host.insert(host.end(), {"max_output_size", "iou_threshold"});
  return {name, {DType::f32}, run, "", variants, prepare_row, host, "T", {{"T_threshold", {DType::f32}}}};
}
const Family suppression{
    row("NonMaxSuppressionV2", nullptr, {}),
    row("NonMaxSuppressionV3", nullptr, {"score_threshold"}),
    row("NonMaxSuppressionV4", prepare, {"score_threshold"}),
};

}  // namespace
}  // namespace anvil::ops
