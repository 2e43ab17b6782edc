// Unique and UniqueWithCounts: the distinct values in the order of their first occurrence.  How many there are is the
// shape of the result, so the host waits for that number.
#include "ops/unique.h"

#include "ops/fetch.h"
#include "ops/map.h"
#include "ops/scan.h"

namespace anvil::ops {
namespace {

enum class LastKey : uint32_t { equal, never_equal, none };  // as in unique.slang

const Tensor kNothing{{0}};
std::string name(const char* entry, int64_t n) { return str("unique/", entry, "<", n, ">"); }
Grid grid(int64_t threads) { return Grid::line(div_up(threads, kMapGroup)); }
const Tensor& places_of(const SortRows& s) { return s.wide() ? s.places : kNothing; }

Heads find_heads(Call& call, const SortRows& s, LastKey last, uint64_t all, const Tensor& first) {
  Heads h;
  if (s.length == 0) {
    h.count = call.scratch(DType::u32, {1});
    call.stream().fill(h.count.data, 0, 4, 4);
    return h;
  }
  h.flags = call.scratch(DType::i32, {s.length});
  h.ranks = call.scratch(DType::i32, {s.length});
  struct {
    uint32_t count, last_key;
    uint64_t all;
  } const params{static_cast<uint32_t>(s.length), static_cast<uint32_t>(last), all};
  call.stream().launch(call.kernel(name("heads", s.wide())), grid(s.length),
                       {read(s.keys), read(places_of(s)), write(h.flags), write(first)}, params);
  launch_scan(call, {"Sum", 1, s.length, 1, false, false}, h.flags, h.ranks);
  h.count = {{1}, DType::u32, static_cast<char*>(h.ranks.data) + 4 * (s.length - 1)};
  return h;
}

}  // namespace

Heads list_heads(Call& call, const SortRows& list) {
  return find_heads(call, list, LastKey::none, UINT32_MAX, kNothing);
}

void number_heads(Call& call, const SortRows& list, const Heads& heads, const Tensor& values) {
  if (list.length == 0) return;
  struct {
    uint32_t count, bytes;
  } const params{static_cast<uint32_t>(list.length), static_cast<uint32_t>(size_of(values.type))};
  call.stream().launch(call.kernel("unique/number"), grid(list.length),
                       {write(list.keys), read(heads.flags), read(heads.ranks), write(values)}, params);
}

void head_variants(std::vector<std::string>& names) {
  names.insert(names.end(), {name("heads", 0), "unique/number"});
  scan_variants(names, "Sum", DType::i32);
}

namespace {

struct IndexState final : State {
  DType type = DType::i32;
};
std::unique_ptr<State> prepare(const Attrs& attrs) {
  auto s = std::make_unique<IndexState>();
  s->type = attrs.type("out_idx");
  return s;
}

void run(Call& call, const OpSpec& op, const State* state) {
  const DType index = static_cast<const IndexState*>(state)->type;
  const bool counted = op.kernel == "counts";
  const Tensor x = call.input(0);
  require(x.rank() == 1, Code::invalid_argument, "unique expects a 1D vector.");
  const int64_t n = x.size();
  if (n == 0) {
    call.output(0, x.type, {0});
    call.output(1, index, {0});
    if (counted) call.output(2, index, {0});
    return;
  }
  const SortRows sorted = sort_keys(call, x, 1, n, false);
  launch_sort(call, sorted);
  const Tensor first = call.scratch(DType::i32, {n}), numbers = call.scratch(DType::i32, {n});
  call.stream().fill(first.data, 0, 4, first.bytes());
  const size_t bits = 8 * size_of(x.type);
  const uint64_t all = bits == 64 ? UINT64_MAX : (uint64_t{1} << bits) - 1;
  const Heads heads = find_heads(call, sorted, is_float(x.type) ? LastKey::never_equal : LastKey::equal, all, first);
  launch_scan(call, {"Sum", 1, n, 1, true, false}, first, numbers);
  const int64_t kinds = fetch_words(call, heads.count)[0];
  const Tensor y = call.output(0, x.type, {kinds}), indices = call.output(1, index, {n});
  const Tensor counts = counted ? call.output(2, index, {kinds}) : kNothing;
  const Tensor starts = call.scratch(DType::u32, {kinds + 1}), firsts = call.scratch(DType::u32, {kinds});
  struct {
    uint32_t count, more;
  } params{static_cast<uint32_t>(n), static_cast<uint32_t>(kinds)};
  call.stream().launch(
      call.kernel(name("spans", sorted.wide())), grid(n),
      {read(sorted.keys), read(places_of(sorted)), read(heads.flags), read(heads.ranks), write(starts), write(firsts)},
      params);
  params.more = static_cast<uint32_t>(size_of(index));
  call.stream().launch(call.kernel(name("assign", static_cast<int64_t>(size_of(x.type)))), grid(n),
                       {read(sorted.keys), read(places_of(sorted)), read(heads.flags), read(heads.ranks), read(starts),
                        read(firsts), read(numbers), read(x), write(y), write(indices), write(counts)},
                       params);
}

void variants(const OpSpec&, std::vector<std::string>& names) {
  sort_variants(names, true, true);
  sort_key_variants(names, {1, 2, 4, 8});
  scan_variants(names, "Sum", DType::i32);
  for (const bool wide : {false, true}) names.insert(names.end(), {name("heads", wide), name("spans", wide)});
  for (const int64_t bytes : {1, 2, 4, 8}) names.push_back(name("assign", bytes));
}

const std::vector<DType> kTypes = join({kFloats, kDeviceInts, {DType::f64, DType::i32, DType::boolean}});
const TypeAxis kIndex{"out_idx", {DType::i32, DType::i64}};
const Family unique{
    {"Unique", kTypes, run, "", variants, prepare, {}, "T", {kIndex}},
    {"UniqueWithCounts", kTypes, run, "counts", variants, prepare, {}, "T", {kIndex}},
};

}  // namespace
}  // namespace anvil::ops
