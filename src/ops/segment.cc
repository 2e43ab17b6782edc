#include "ops/segment.h"

#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr int64_t kChunk = 64;  // as in segment.slang

std::string functor(const std::string& how, DType t) {
  return str("<", how, ",", t == DType::i32 ? std::string("Int") : str("Float<", slang_name(t), ">"), ">");
}
uint32_t bytes_of(const Tensor& t) { return static_cast<uint32_t>(size_of(t.type)); }

struct ListParams {
  uint32_t count, padded, id_bytes, row_bytes, ids_limit, rows_limit, id_stride, per_row, row_ids;
};
struct ReduceParams {
  uint32_t count, width, row_stride, column_stride, rows_limit, segments, finish, empty, column_bytes;
};
static_assert(64 + sizeof(ReduceParams) <= 128);

}  // namespace

SortRows segment_list(Call& call, const SegmentList& given, bool sort) {
  require(given.ids_limit < UINT32_MAX && given.rows_limit < UINT32_MAX, Code::unimplemented,
          "segments of 2^32 rows or more are not supported");
  require_indexable("a list of segments", given.ids);
  const SortRows s = sort_space(call, 1, given.count, false);
  const ListParams params{static_cast<uint32_t>(given.count),
                          static_cast<uint32_t>(s.padded()),
                          bytes_of(given.ids),
                          bytes_of(given.rows),
                          static_cast<uint32_t>(given.ids_limit),
                          static_cast<uint32_t>(given.rows_limit),
                          static_cast<uint32_t>(given.id_stride),
                          static_cast<uint32_t>(given.per_row),
                          static_cast<uint32_t>(given.row_ids)};
  call.stream().launch(call.kernel("segment/list"), Grid::line(div_up(s.padded(), kMapGroup)),
                       {read(given.ids), read(given.rows), write(s.keys)}, params);
  if (sort) launch_sort(call, s);
  return s;
}

Tensor segment_bounds(Call& call, const SortRows& list, int64_t segments) {
  require(segments < INT32_MAX, Code::unimplemented, "2^31 segments or more are not supported");
  const Tensor bounds = call.scratch(DType::u32, {segments + 1});
  struct {
    uint32_t count, segments;
  } const params{static_cast<uint32_t>(list.length), static_cast<uint32_t>(segments)};
  call.stream().launch(call.kernel("segment/bounds"), Grid::line(div_up(segments + 1, kMapGroup)),
                       {read(list.keys), write(bounds)}, params);
  return bounds;
}

void launch_segments(Call& call, const Reduction& how, const SortRows& list, const Tensor& bounds, const Tensor& data,
                     const Tensor& y) {
  if (y.size() == 0) return;
  require_indexable("a reduction by segment", data);
  require_indexable("a reduction by segment", y);
  const ReduceParams params{static_cast<uint32_t>(list.length),
                            static_cast<uint32_t>(how.width),
                            static_cast<uint32_t>(how.row_stride),
                            static_cast<uint32_t>(how.column_stride),
                            static_cast<uint32_t>(how.rows_limit),
                            static_cast<uint32_t>(bounds.size() - 1),
                            how.finish,
                            how.empty,
                            bytes_of(how.columns) | how.column << 16};
  Tensor partial{{0}};
  const auto launch = [&](const char* entry, int64_t threads, const Arg& part, const Tensor& out) {
    call.stream().launch(call.kernel(str("segment/", entry, functor(how.how, y.type))),
                         Grid::line(div_up(threads, kMapGroup)),
                         {read(list.keys), read(bounds), part, read(data), read(how.columns), read(how.weights),
                          read(how.counts), write(out)},
                         params);
  };
  if (const int64_t chunks = list.length / kChunk; chunks > 0) {
    partial = call.scratch(DType::f32, {chunks, how.width});
    require_indexable("a reduction by segment", partial);
    launch("partials", partial.size(), write(partial), Tensor{{0}});
  }
  launch("reduce", y.size(), read(partial), y);
}

void segment_variants(std::vector<std::string>& names, const std::string& how, DType type) {
  sort_variants(names, true, false);
  names.insert(names.end(), {"segment/list", "segment/bounds", "segment/partials" + functor(how, type),
                             "segment/reduce" + functor(how, type)});
}

}  // namespace anvil::ops
