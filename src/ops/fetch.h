// Reading values back while an op runs: a counted wait for the GPU, allowed only where the shape of an output or the
// error class is a matter of values.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// The 32-bit words of a tensor, once all recorded work is done.
inline std::vector<uint32_t> fetch_words(Call& call, const Tensor& t) {
  std::vector<uint32_t> words(t.bytes() / 4);
  Stream& stream = call.stream();
  stream.download(words.data(), t.data, t.bytes());
  stream.sync(stream.flush().value, WaitFor::host);
  return words;
}

}  // namespace anvil::ops
