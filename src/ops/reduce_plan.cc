// How a reduction is cut into launches.
#include <algorithm>

#include "ops/reduce.h"

namespace anvil::ops {
namespace {

using Extent = ReduceAxes::Extent;

// Fewer elements than this in a part cost more in launches than they gain in parallelism.
constexpr int64_t kLaneShare = 256, kGroupShare = 4096, kColumnShare = 32;
constexpr int64_t kShareMultiple = 16;  // parts start on a packet boundary whenever their row does
constexpr int64_t kShortRow = 64;       // rows up to here are read by one thread each, also on a GPU
constexpr int64_t kMaxParts = 1024;
// llvmpipe cuts a thread's loops off at 65535 turns in all, so no thread of a software GPU gets more than this.  A turn
// of `lanes` takes four elements at least, one of `columns` a row.
constexpr int64_t kSoftwareLaneShare = 131072, kSoftwareColumnShare = 32768;

int64_t product(std::span<const Extent> runs) {
  int64_t n = 1;
  for (const Extent& r : runs) n *= r.size;
  return n;
}

// Merges neighbours of one kind and drops runs of one element.
std::vector<Extent> merged(std::span<const Extent> runs) {
  std::vector<Extent> out;
  for (const Extent& r : runs) {
    if (r.size == 1) continue;
    if (!out.empty() && out.back().reduced == r.reduced) out.back().size *= r.size;
    else out.push_back(r);
  }
  return out;
}

ReduceStage plan_stage(int64_t outer, int64_t reduced, int64_t inner, const Caps& caps) {
  ReduceStage s{ReduceStage::Shape::columns, uint32_t(outer), uint32_t(reduced), uint32_t(inner), 1, uint32_t(reduced)};
  int64_t busy = 0, wanted = 0, least = 0;  // threads or groups there are, that fill the device, elements worth a part
  if (inner > 1) {
    busy = outer * inner / 2, wanted = caps.cores * (caps.cpu_type() ? 128 : 1024), least = kColumnShare;
  } else if (caps.cpu_type() || reduced <= kShortRow) {
    s.shape = ReduceStage::Shape::lanes;
    busy = outer, wanted = caps.cores * 128, least = kLaneShare;
  } else {
    s.shape = ReduceStage::Shape::groups;
    busy = outer, wanted = caps.cores * 2, least = kGroupShare;
  }
  const int64_t most = !caps.cpu_type() ? reduced : inner > 1 ? kSoftwareColumnShare : kSoftwareLaneShare;
  const bool idle = busy < wanted && reduced >= 2 * least;
  if (!idle && reduced <= most) return s;
  int64_t parts = 1;
  if (idle) parts = std::min({int64_t(div_up(wanted, std::max<int64_t>(busy, 1))), reduced / least, kMaxParts});
  parts = std::max(parts, int64_t(div_up(reduced, most)));
  s.share = uint32_t(div_up(div_up(reduced, parts), kShareMultiple) * kShareMultiple);
  s.parts = uint32_t(div_up(reduced, s.share));
  return s;
}

}  // namespace

ReduceAxes collapse_axes(const Shape& in, std::span<const int64_t> axes, bool keep_dims) {
  const int64_t rank = static_cast<int64_t>(in.size());
  std::vector<bool> gone(in.size());
  for (int64_t a : axes) {
    require(a >= -rank && a < rank, Code::invalid_argument, "Invalid reduction dimension (", a, " for input with ",
            rank, " dimension(s)");
    const int64_t i = (a + rank) % rank;
    require(!gone[i], Code::invalid_argument, "Invalid reduction arguments: Axes contains duplicate dimension: ", i);
    gone[i] = true;
  }
  ReduceAxes out;
  for (int64_t i = 0; i < rank; ++i) {
    out.runs.push_back({in[i], gone[i]});
    if (gone[i]) out.count *= in[i];
    if (!gone[i]) out.result.push_back(in[i]);
    else if (keep_dims) out.result.push_back(1);
  }
  out.runs = merged(out.runs);
  return out;
}

std::vector<ReduceStage> plan_reduce(const ReduceAxes& axes, const Caps& caps) {
  require(product(axes.runs) < (int64_t{1} << 31), Code::unimplemented,
          "a reduction of 2^31 elements or more is not supported");
  const int64_t results = count(axes.result);
  if (axes.count == 0 || axes.runs.empty() || results == 0) return {plan_stage(results, axes.count, 1, caps)};
  std::vector<ReduceStage> stages;
  std::vector<Extent> runs = axes.runs;
  for (;;) {
    const auto last = std::find_if(runs.rbegin(), runs.rend(), [](const Extent& r) { return r.reduced; });
    if (last == runs.rend()) break;
    const size_t at = runs.size() - 1 - (last - runs.rbegin());
    const std::span<const Extent> all(runs);
    const ReduceStage s = plan_stage(product(all.first(at)), runs[at].size, product(all.subspan(at + 1)), caps);
    stages.push_back(s);
    runs[at].size = s.parts;
    runs = merged(runs);
  }
  // Nothing is reduced (axes of size 1 only): one pass still applies the reduction's own function, e.g. |x|.
  if (stages.empty()) stages.push_back(plan_stage(results, 1, 1, caps));
  return stages;
}

std::string text(const ReduceStage& s) {
  static constexpr const char* kNames[] = {"lanes", "groups", "columns"};
  return str(kNames[static_cast<int>(s.shape)], " ", s.outer, "x", s.reduced, "x", s.inner, " in ", s.parts,
             " parts of ", s.share);
}

}  // namespace anvil::ops
