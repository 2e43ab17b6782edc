// Launches of kernels that run one thread per element, in groups of 64 (numthreads in their modules).
#pragma once
#include <initializer_list>
#include <string_view>

#include "ops/op.h"

namespace anvil::ops {

inline constexpr uint32_t kThreadGroup = 64;
inline constexpr Arg kNoArg{nullptr, 0, Access::read};  // a null address

// Records nothing for a count of 0.  Throws unimplemented where a 32-bit index would not reach.
template <class Params>
void launch_threads(Call& call, std::string_view kernel, int64_t count, std::initializer_list<Arg> args,
                    const Params& params) {
  if (count == 0) return;
  require(count < (int64_t{1} << 31), Code::unimplemented, kernel, ": 2^31 elements or more are not supported");
  call.stream().launch(call.kernel(kernel), Grid::line(div_up(static_cast<uint64_t>(count), kThreadGroup)), args,
                       params);
}

}  // namespace anvil::ops
