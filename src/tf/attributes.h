// An op's attributes, read while TensorFlow builds the kernel.
#pragma once
#include "ops/op.h"
#include "tensorflow/c/kernels.h"

namespace anvil::tf {

class TfAttrs final : public ops::Attrs {
 public:
  explicit TfAttrs(TF_OpKernelConstruction* construction) : construction_(construction) {}
  bool has(const char* name) const override;
  bool flag(const char* name) const override;
  int64_t integer(const char* name) const override;
  float real(const char* name) const override;
  std::string string(const char* name) const override;
  DType type(const char* name) const override;
  std::vector<int64_t> integers(const char* name) const override;
  std::vector<std::string> strings(const char* name) const override;

 private:
  TF_OpKernelConstruction* construction_;
};

}  // namespace anvil::tf
