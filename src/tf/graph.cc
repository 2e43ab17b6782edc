// TF_InitGraph: what TensorFlow's graph optimizers may do to graphs on our device.
#include "tensorflow/c/experimental/grappler/grappler.h"
#include "tf/installation.h"

namespace {

// We change no graph.  Aborted is how an optimizer says that it did nothing: TensorFlow then keeps its graph, and
// nothing is copied.
void leave_as_it_is(void*, const TF_Buffer*, const TF_GrapplerItem*, TF_Buffer*, TF_Status* status) {
  TF_SetStatus(status, TF_ABORTED, "nothing to do");
}

}  // namespace

extern "C" [[gnu::visibility("default")]] void TF_InitGraph(TP_OptimizerRegistrationParams* params, TF_Status* status) {
  using namespace anvil::tf;
  params->struct_size = TP_OPTIMIZER_REGISTRATION_PARAMS_STRUCT_SIZE;
  params->device_type = identity().device_type.c_str();
  TP_OptimizerConfigs& configs = *params->optimizer_configs;
  configs = {TP_OPTIMIZER_CONFIGS_STRUCT_SIZE};
  if (identity().serves) {
    configs.layout_optimizer = TF_TriState_Off;  // stay NHWC: transposing costs as much as the convolution it serves
    configs.remapping = TF_TriState_On;          // src/ops/fused.cc and layer_norm.cc have what it makes
  }
  TP_Optimizer& optimizer = *params->optimizer;
  optimizer = {TP_OPTIMIZER_STRUCT_SIZE};
  optimizer.optimize_func = leave_as_it_is;
  TF_SetStatus(status, TF_OK, "");
}
