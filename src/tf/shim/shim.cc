#include "tf/shim/shim.h"

#include "tf/shim/parts.h"

// ANVIL_SHIM_TENSORFLOW is set by the build: TensorFlow's headers do not tell their version since 2.20.
namespace {

void register_containers(const char* device_type, const anvil_container_calls* calls) {
  anvil::shim::register_variants(device_type, calls);
  anvil::shim::register_arrays(device_type, calls);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const anvil_shim_api* anvil_shim(void) {
  using namespace anvil::shim;
  static const anvil_shim_api api = {ANVIL_SHIM_REVISION, ANVIL_SHIM_TENSORFLOW, assign,           update,
                                     with_variables,      decline_xla,           watch_placements, offer_proxies,
                                     register_containers};
  return &api;
}
