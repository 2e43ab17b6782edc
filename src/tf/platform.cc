// SE_InitPlugin: what TensorFlow calls first.  It must not fail, since a failure here aborts `import tensorflow`, and
// it must be quick: nothing of the GPU is touched before TensorFlow asks how many devices there are.
#include "tf/platform.h"

#include "tf/device.h"
#include "tf/guard.h"
#include "tf/installation.h"

namespace anvil::tf {
namespace {

void device_count(const SP_Platform*, int* count, TF_Status* status) {
  *count = static_cast<int>(gpus().size());
  TF_SetStatus(status, TF_OK, "");
}

void no_devices(const SP_Platform*, int* count, TF_Status* status) {
  *count = 0;
  TF_SetStatus(status, TF_OK, "");
}

void create_device(const SP_Platform*, SE_CreateDeviceParams* params, TF_Status* status) {
  guard(status, [&] {
    const auto ordinal = static_cast<size_t>(params->ordinal);
    require(ordinal < gpus().size(), Code::invalid_argument, "there is no GPU ", ordinal);
    Gpu& gpu = *gpus()[ordinal];
    SP_Device& d = *params->device;
    d = {SP_DEVICE_STRUCT_SIZE};
    d.ordinal = params->ordinal;
    d.device_handle = &gpu;
    d.hardware_name = gpu.device->caps().name.c_str();
    d.device_vendor = gpu.device->caps().driver.c_str();
    d.pci_bus_id = "";
  });
}

// Devices stay open for the life of the process; see Gpu.
void destroy_device(const SP_Platform*, SP_Device*) {}

int32_t numa_node(const SP_Device*) { return -1; }
int64_t memory_bandwidth(const SP_Device*) { return -1; }
double gflops(const SP_Device*) { return -1; }

void create_device_functions(const SP_Platform*, SE_CreateDeviceFnsParams* params, TF_Status* status) {
  SP_DeviceFns& f = *params->device_fns;
  f = {SP_DEVICE_FNS_STRUCT_SIZE};
  f.get_numa_node = numa_node;
  f.get_memory_bandwidth = memory_bandwidth;
  f.get_gflops = gflops;
  TF_SetStatus(status, TF_OK, "");
}
void destroy_device_functions(const SP_Platform*, SP_DeviceFns*) {}

void create_stream_executor(const SP_Platform*, SE_CreateStreamExecutorParams* params, TF_Status* status) {
  fill_stream_executor(*params->stream_executor);
  TF_SetStatus(status, TF_OK, "");
}
void destroy_stream_executor(const SP_Platform*, SP_StreamExecutor*) {}

void create_timer_functions(const SP_Platform*, SP_TimerFns* timers, TF_Status* status) {
  fill_timer_functions(*timers);
  TF_SetStatus(status, TF_OK, "");
}
void destroy_timer_functions(const SP_Platform*, SP_TimerFns*) {}

void destroy_platform(SP_Platform*) {}
void destroy_platform_functions(SP_PlatformFns*) {}

}  // namespace
}  // namespace anvil::tf

extern "C" [[gnu::visibility("default")]] void SE_InitPlugin(SE_PlatformRegistrationParams* params, TF_Status* status) {
  using namespace anvil::tf;
  const Identity& identity = new_identity();
  SP_Platform& p = *params->platform;
  p = {SP_PLATFORM_STRUCT_SIZE};
  p.name = identity.platform.c_str();
  p.type = identity.device_type.c_str();
  p.supports_unified_memory = false;
  p.use_bfc_allocator = true;
  p.force_memory_growth = true;
  SP_PlatformFns& f = *params->platform_fns;
  f = {SP_PLATFORM_FNS_STRUCT_SIZE};
  f.get_device_count = identity.serves ? device_count : no_devices;
  f.create_device = create_device;
  f.destroy_device = destroy_device;
  f.create_device_fns = create_device_functions;
  f.destroy_device_fns = destroy_device_functions;
  f.create_stream_executor = create_stream_executor;
  f.destroy_stream_executor = destroy_stream_executor;
  f.create_timer_fns = create_timer_functions;
  f.destroy_timer_fns = destroy_timer_functions;
  params->destroy_platform = destroy_platform;
  params->destroy_platform_fns = destroy_platform_functions;
  TF_SetStatus(status, TF_OK, "");
}
