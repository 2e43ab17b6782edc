// What MirrorPad and its gradient share.
#pragma once
#include <memory>

#include "ops/op.h"

namespace anvil::ops {

struct MirrorState final : State {
  int64_t skip = 0;  // elements at the edge that are not repeated: 1 for REFLECT, 0 for SYMMETRIC
};
inline std::unique_ptr<State> prepare_mirror(const Attrs& attrs) {
  auto s = std::make_unique<MirrorState>();
  s->skip = attrs.string("mode") == "REFLECT";
  return s;
}

}  // namespace anvil::ops
