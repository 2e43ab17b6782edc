#include "ops/scatter.h"

#include <algorithm>
#include <bit>

#include "ops/map.h"

namespace anvil::ops {
namespace {

constexpr uint32_t kUnit = 8;  // bytes of the widest unit moved

std::string arithmetic(DType t) { return str("scatter/apply<", is_float(t) ? "Float<" : "Int<", slang_name(t), ">>"); }
std::string move(uint32_t bytes) { return str("scatter/move<", bytes, ">"); }

struct RowsParams {
  uint32_t count, padded, depth, bytes;
  uint32_t size[kScatterAxes];
};
struct MoveParams {
  uint32_t count, width, repeated;
};
struct ApplyParams {
  uint32_t begin, end, width, parts, op, repeated;
};

int64_t rows_of(const ScatterRows& r) { return count(r.space); }

void launch_update(Call& call, const ScatterRows& rows, const Tensor& list, const Tensor& updates, const Tensor& y) {
  Stream& stream = call.stream();
  const Tensor last = call.scratch(DType::u32, {rows_of(rows)});
  stream.fill(last.data, 0, 4, last.bytes());
  stream.launch(call.kernel("scatter/claim"), Grid::line(div_up(rows.count, kMapGroup)), {read(list), write(last)},
                static_cast<uint32_t>(rows.count));
  const bool repeated = updates.size() == 1 && rows.count * rows.width != 1;
  uint32_t bytes = static_cast<uint32_t>(size_of(y.type));
  int64_t width = rows.width;
  if (bytes > kUnit) {
    require(!repeated, Code::unimplemented, "one ", facts(y.type).tensorflow, " for all rows cannot be scattered");
    width *= bytes / kUnit;
    bytes = kUnit;
  }
  const auto n = static_cast<uint64_t>(rows.count * width);
  stream.launch(call.kernel(move(bytes)), Grid::line(div_up(n, kMapGroup)),
                {read(list), read(last), read(updates), write(y)},
                MoveParams{static_cast<uint32_t>(n), static_cast<uint32_t>(width), repeated ? 1U : 0U});
}

}  // namespace

ScatterRows nd_rows(const Shape& y, const Shape& indices) {
  const int64_t depth = indices.empty() ? 1 : indices.back();
  ScatterRows r;
  r.space.assign(y.begin(), y.begin() + depth);
  r.count = 1;
  for (size_t d = 0; d + 1 < indices.size(); ++d) r.count *= indices[d];
  for (auto d = static_cast<size_t>(depth); d < y.size(); ++d) r.width *= y[d];
  return r;
}

ScatterRows first_axis_rows(const Shape& y, const Shape& indices) {
  ScatterRows r{{y.at(0)}, count(indices)};
  for (size_t d = 1; d < y.size(); ++d) r.width *= y[d];
  return r;
}

void require_nd(const Shape& y, const Shape& indices, const Shape& updates) {
  const auto must = [&](bool ok) {
    require(ok, Code::invalid_argument,
            "Must have updates.shape = indices.shape[:batch_dim] + params_shape[slice_dim:], got updates.shape: ",
            text(updates), ", indices.shape: ", text(indices), ", params_shape: ", text(y));
  };
  const int64_t depth = indices.empty() ? 1 : indices.back();
  const size_t batch = indices.empty() ? 0 : indices.size() - 1;
  must(depth <= static_cast<int64_t>(y.size()) && updates.size() >= batch);
  Shape wanted(indices.begin(), indices.begin() + static_cast<ptrdiff_t>(batch));
  wanted.insert(wanted.end(), y.begin() + depth, y.end());
  must(updates == wanted);
}

uint32_t plan_scatter_parts(const ScatterRows& rows, const Caps& caps) {
  // Every lane looks at every index, so there should be no more lanes than keep the device busy.
  const uint64_t lanes = caps.cpu_type() ? 64 : 16384;
  const uint64_t wanted = lanes / static_cast<uint64_t>(std::max<int64_t>(rows.width, 1));
  const auto rows_there = static_cast<uint64_t>(std::max<int64_t>(rows_of(rows), 1));
  return static_cast<uint32_t>(std::bit_floor(std::clamp<uint64_t>(wanted, 1, rows_there)));
}

Tensor launch_row_numbers(Call& call, const ScatterRows& rows, const Tensor& indices) {
  require(rows.space.size() <= kScatterAxes, Code::unimplemented, "index vectors of more than ", kScatterAxes,
          " elements");
  const uint64_t padded = div_up(rows.count, 2) * 2;
  const Tensor list = call.scratch(DType::u32, {static_cast<int64_t>(padded)});
  RowsParams params{static_cast<uint32_t>(rows.count),
                    static_cast<uint32_t>(padded),
                    static_cast<uint32_t>(rows.space.size()),
                    static_cast<uint32_t>(size_of(indices.type)),
                    {}};
  for (size_t d = 0; d < rows.space.size(); ++d) params.size[d] = static_cast<uint32_t>(rows.space[d]);
  call.stream().launch(call.kernel("scatter/rows"), Grid::line(div_up(padded, kMapGroup)), {read(indices), write(list)},
                       params);
  return list;
}

void launch_scatter(Call& call, ScatterOp op, const ScatterRows& rows, const Tensor& indices, const Tensor& updates,
                    const Tensor& y) {
  if (rows.count == 0 || rows.width == 0 || y.size() == 0) return;
  for (const Tensor& t : {indices, updates, y}) require_indexable("a scatter", t);
  const Tensor list = launch_row_numbers(call, rows, indices);
  if (op == ScatterOp::update) return launch_update(call, rows, list, updates, y);

  const uint32_t parts = plan_scatter_parts(rows, call.caps());
  const auto width = static_cast<uint32_t>(rows.width);
  const bool repeated = updates.size() == 1 && rows.count * rows.width != 1;
  const Kernel& kernel = call.kernel(arithmetic(y.type));
  const Grid grid = Grid::line(div_up(uint64_t{parts} * width, kMapGroup));
  const auto words = static_cast<uint64_t>(list.size() / 2);
  for (uint64_t begin = 0; begin < words; begin += kScatterWords)
    call.stream().launch(
        kernel, grid, {read(list), read(updates), write(y)},
        ApplyParams{static_cast<uint32_t>(begin), static_cast<uint32_t>(std::min(begin + kScatterWords, words)), width,
                    parts, static_cast<uint32_t>(op), repeated ? 1U : 0U});
}

void scatter_variants(ScatterOp op, DType type, std::vector<std::string>& names) {
  names.insert(names.end(), {"scatter/rows"});
  if (op == ScatterOp::update) {
    names.insert(names.end(), {"scatter/claim"});
    for (const uint32_t bytes : {1, 2, 4, 8}) names.push_back(move(bytes));
  } else {
    names.push_back(arithmetic(type));
  }
}

}  // namespace anvil::ops
