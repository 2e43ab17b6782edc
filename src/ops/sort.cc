#include "ops/sort.h"

#include <algorithm>
#include <bit>

#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kLogBlock = 10;  // as in sort.slang

std::string keys_name(size_t bytes) { return str("sort/keys<", bytes, ">"); }
std::string step_name(bool wide) { return str("sort/step<", wide, ">"); }
std::string local_name(bool wide) { return str("sort/local<", wide, ">"); }

}  // namespace

uint32_t order_of(DType type, bool descending) {
  uint32_t order = descending ? 4 : 0;
  if (is_float(type)) order |= type == DType::bf16 ? 2 | 256 : 2;
  if (type == DType::i8 || type == DType::i16 || type == DType::i32 || type == DType::i64) order |= 1;
  return order;
}

std::vector<SortLaunch> plan_sort(uint32_t log_padded, const Caps& caps) {
  std::vector<SortLaunch> plan;
  const uint32_t log_block = caps.cpu_type() ? 0 : std::min(kLogBlock, log_padded);
  if (log_block > 0) plan.push_back({true, 1, log_block, 0});
  for (uint32_t run = log_block + 1; run <= log_padded; ++run) {
    for (uint32_t k = run; k > log_block; --k) plan.push_back({false, run, run, k - 1});
    if (log_block > 0) plan.push_back({true, run, run, 0});
  }
  return plan;
}

SortRows sort_space(Call& call, int64_t rows, int64_t length, bool wide) {
  SortRows s;
  s.rows = rows;
  s.length = length;
  s.log_padded = static_cast<uint32_t>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(length, 1) - 1)));
  s.keys = call.scratch(DType::u64, {rows, s.padded()});
  require_indexable("sorting", s.keys);
  if (wide) s.places = call.scratch(DType::u32, {rows, s.padded()});
  return s;
}

SortRows sort_keys(Call& call, const Tensor& x, int64_t rows, int64_t length, bool descending) {
  const SortRows s = sort_space(call, rows, length, size_of(x.type) == 8);
  struct {
    uint32_t count, length, log_padded, order;
  } const params{static_cast<uint32_t>(s.keys.size()), static_cast<uint32_t>(length), s.log_padded,
                 order_of(x.type, descending)};
  call.stream().launch(call.kernel(keys_name(size_of(x.type))), Grid::line(div_up(s.keys.size(), kMapGroup)),
                       {read(x), write(s.keys), write(s.wide() ? s.places : Tensor{{0}})}, params);
  return s;
}

void launch_sort(Call& call, const SortRows& s) {
  const uint64_t keys = static_cast<uint64_t>(s.keys.size());
  const std::initializer_list<Arg> args = {write(s.keys), write(s.wide() ? s.places : Tensor{{0}})};
  for (const SortLaunch& l : plan_sort(s.log_padded, call.caps())) {
    if (l.local) {
      const uint32_t log_block = std::min(kLogBlock, s.log_padded);
      struct {
        uint32_t count, first_run, last_run, log_padded, log_block;
      } const params{static_cast<uint32_t>(keys), l.first_run, l.last_run, s.log_padded, log_block};
      call.stream().launch(call.kernel(local_name(s.wide())), Grid::line(keys >> log_block), args, params);
    } else {
      struct {
        uint32_t pairs, log_run, log_apart, log_padded;
      } const params{static_cast<uint32_t>(keys / 2), l.first_run, l.log_apart, s.log_padded};
      call.stream().launch(call.kernel(step_name(s.wide())), Grid::line(div_up(keys / 2, kMapGroup)), args, params);
    }
  }
}

void sort_variants(std::vector<std::string>& names, bool narrow, bool wide) {
  for (const bool w : {false, true})
    if (w ? wide : narrow) names.insert(names.end(), {step_name(w), local_name(w)});
}
void sort_key_variants(std::vector<std::string>& names, std::initializer_list<uint32_t> bytes) {
  for (const uint32_t b : bytes) names.push_back(keys_name(b));
}

}  // namespace anvil::ops
