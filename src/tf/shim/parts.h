// The parts of the shim; shim.cc puts them together.
#pragma once
#include "tensorflow/core/framework/op_kernel.h"
#include "tf/shim/shim.h"

namespace anvil::shim {

void assign(TF_OpKernelContext* context, int32_t handle, int32_t value, int32_t type, int32_t validate_shape,
            anvil_copy copy, TF_Status* status);
void update(TF_OpKernelContext* context, int32_t handle, int32_t value, int32_t op, anvil_update update,
            TF_Status* status);
void with_variables(TF_OpKernelContext* context, const int32_t* inputs, int32_t count, int32_t access, anvil_copy copy,
                    anvil_use use, void* closure, TF_Status* status);
const char* decline_xla(const char* device_type);
const char* watch_placements(const char* device_type, const anvil_placement_watch* watch);
int32_t offer_proxies(const char* device_type, const anvil_proxy_calls* calls);
void register_variants(const char* device_type, const anvil_container_calls* calls);
void register_arrays(const char* device_type, const anvil_container_calls* calls);

}  // namespace anvil::shim
