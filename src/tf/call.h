// One call of an op by TensorFlow, as ops::Call wants it.
#pragma once
#include <array>
#include <forward_list>
#include <utility>
#include <vector>

#include "ops/op.h"
#include "tensorflow/c/kernels.h"
#include "tf/device.h"
#include "tf/guard.h"
#include "tf/handover.h"
#include "tf/owners.h"

namespace anvil::tf {

// Holds no reference to inputs and outputs: TensorFlow's context does for as long as the op runs, and a second one
// would keep TensorFlow from reusing an input's buffer for an output.  What the recorded work touches afterwards stays
// valid because TensorFlow hands freed memory out again in the order of the stream.
class TfCall final : public ops::Call {
 public:
  explicit TfCall(TF_OpKernelContext* context) : context_(context) {}
  TfCall(TF_OpKernelContext* context, const ops::OpSpec& op) : context_(context), on_host_(!op.host.empty()) {}
  ~TfCall() override;
  TfCall(const TfCall&) = delete;
  TfCall& operator=(const TfCall&) = delete;

  int inputs() const override { return TF_NumInputs(context_); }
  // input(i) is this buffer from now on: input i is a variable, and this is what it holds.
  void lend(int i, ops::Tensor buffer) { lent_.emplace_back(i, std::move(buffer)); }

  ops::Tensor input(int i) override;
  ops::Tensor output(int i, DType type, const Shape& shape) override;
  ops::Tensor output_reusing(int i, std::initializer_list<int> inputs, DType type, const Shape& shape) override;
  void output_alias(int i, int input, const Shape& shape) override;
  ops::Tensor scratch(DType type, const Shape& shape) override;
  Stream& stream() override { return *handle().stream; }
  Device& device() override { return *handle().gpu->device; }

 private:
  SP_Stream_st& handle();
  // Carries a failed allocation of `bytes` upward, with what the user can do about it.
  void check_allocation(const Status& status, uint64_t bytes);
  // What the op is given: it may be in host memory, which the op touches itself.
  ops::Tensor handed(ops::Tensor t);
  TF_OpKernelContext* context_;
  bool on_host_ = false;  // some of the op's tensors are
  std::forward_list<Turn> turns_;
  SP_Stream_st* handle_ = nullptr;
  std::vector<std::pair<int, ops::Tensor>> lent_;
  // Scratch tensors, returned to TensorFlow's allocator when the call ends.  Few ops need more than a handful.
  std::array<TF_Tensor*, 6> held_{};
  size_t held_count_ = 0;
  std::vector<TF_Tensor*> more_held_;
};

}  // namespace anvil::tf
