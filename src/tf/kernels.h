// What every kernel of this library shares: how it is registered, and the one catch around what it does.
#pragma once
#include <exception>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "drv/driver.h"
#include "ops/op.h"
#include "tensorflow/c/kernels.h"
#include "tf/handover.h"

namespace anvil::tf {

using CreateKernel = void* (*)(TF_OpKernelConstruction*);
using ComputeKernel = void (*)(void*, TF_OpKernelContext*);
using DeleteKernel = void (*)(void*);
using TypeConstraints = std::vector<std::pair<const char*, TF_DataType>>;

// Throws if TensorFlow refuses it.
void register_kernel(const char* op, const TypeConstraints& types, const std::vector<const char*>& host,
                     CreateKernel create, ComputeKernel compute, DeleteKernel destroy);
// Runs a row that has variables among its inputs.
void run_on_variables(TF_OpKernelContext* context, const ops::OpSpec& row, const ops::State* state);
void register_variable_kernels(const std::vector<const Caps*>& caps);
// Lists of tensors of more types than TensorFlow has for every device, zeros and sums of variants, TensorArrays; with a
// shim only.
void register_container_kernels(const std::vector<const Caps*>& caps);

// Can all of these devices compute in this type?
bool all_can(const std::vector<const Caps*>& caps, DType type);

// Makes the error the op's status, and counts it.
void fail_kernel(TF_OpKernelContext* context, TF_Status* status);
void fail_kernel(TF_OpKernelContext* context, const std::exception& error);
void fail_kernel(TF_OpKernelConstruction* construction, const std::exception& error);

template <class Body>
void compute_guarded(TF_OpKernelContext* context, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
  } catch (const std::exception& error) {
    fail_kernel(context, error);
  }
}

// `body` returns the kernel; nullptr after a failure, which TensorFlow then does not use.
template <class Body>
void* create_guarded(TF_OpKernelConstruction* construction, Body&& body) noexcept {
  try {
    void* kernel = std::forward<Body>(body)();
    made(kernel);
    return kernel;
  } catch (const std::exception& error) {
    fail_kernel(construction, error);
    return nullptr;
  }
}

}  // namespace anvil::tf
