#include "ops/gemm_pack.h"

namespace anvil::ops {

std::string pack_variant(DType from, DType to) {
  return str("gemm_lanes/pack<", slang_name(from), ",", slang_name(to), ">");
}

Tensor pack(Call& call, const Tensor& x, const PackLayout& layout) {
  constexpr uint32_t kGroup = 64;
  const auto [s0, s1, s2, s3] = layout.size;
  const auto [y1, y3] = layout.padded;
  const uint64_t count = s0 * y1 * s2 * y3;
  require(count <= UINT32_MAX && static_cast<uint64_t>(x.size()) <= UINT32_MAX, Code::unimplemented,
          "operands of 2^32 elements or more are not supported");
  const Tensor y = call.scratch(layout.type, {static_cast<int64_t>(count)});
  const auto u = [](uint64_t v) { return static_cast<uint32_t>(v); };
  struct {
    uint32_t pairs, y1, y2, y3, x1, x3, s0, s1, s2, s3;
  } params{u(count / 2),
           u(y1),
           u(s2),
           u(y3),
           u(s1),
           u(s3),
           u(layout.stride[0]),
           u(layout.stride[1]),
           u(layout.stride[2]),
           u(layout.stride[3])};
  call.stream().launch(call.kernel(pack_variant(x.type, layout.type)), Grid::line(div_up(params.pairs, kGroup)),
                       {read(x), write(y)}, params);
  return y;
}

}  // namespace anvil::ops
