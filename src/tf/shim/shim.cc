#include "tf/shim/shim.h"

#include "tf/shim/parts.h"

// ANVIL_SHIM_TENSORFLOW is set by the build: TensorFlow's headers do not tell their version since 2.20.
extern "C" __attribute__((visibility("default"))) const anvil_shim_api* anvil_shim(void) {
  static const anvil_shim_api api = {ANVIL_SHIM_REVISION, ANVIL_SHIM_TENSORFLOW,    anvil::shim::assign,
                                     anvil::shim::update, anvil::shim::decline_xla, anvil::shim::watch_placements};
  return &api;
}
