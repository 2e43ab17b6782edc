#include "op_runner.h"

#include <algorithm>

namespace anvil::bench {
namespace {

const ops::OpSpec& find(const char* op, DType type) {
  for (const ops::OpSpec& row : ops::catalogue())
    if (std::string_view(row.name) == op && (row.types.empty() || std::ranges::count(row.types, type))) return row;
  fail(Code::unimplemented, op, " is not in the catalogue for ", facts(type).tensorflow);
}

}  // namespace

OpRunner::OpRunner(Device& device, Stream& stream, const char* op, DType type, const ops::Attrs& attributes,
                   std::vector<ops::Tensor> inputs)
    : device_(device), stream_(stream), spec_(&find(op, type)), memory_(device), inputs_(std::move(inputs)) {
  if (spec_->prepare) state_ = spec_->prepare(attributes);
}

void OpRunner::run() {
  scratch_used_ = 0;
  spec_->run(*this, *spec_, state_.get());
}

ops::Tensor OpRunner::output(int i, DType type, const Shape& shape) {
  if (outputs_.size() <= static_cast<size_t>(i)) outputs_.resize(i + 1);
  ops::Tensor& slot = outputs_[i];
  if (!slot.data || slot.shape != shape || slot.type != type) {
    slot = {shape, type, nullptr};
    if (slot.bytes() > 0) slot.data = memory_.allocate(slot.bytes());
  }
  return slot;
}

void OpRunner::output_alias(int i, int input, const Shape& shape) {
  if (outputs_.size() <= static_cast<size_t>(i)) outputs_.resize(i + 1);
  outputs_[i] = {shape, inputs_.at(input).type, inputs_.at(input).data};
}

ops::Tensor OpRunner::scratch(DType type, const Shape& shape) {
  const ops::Tensor wanted{shape, type, nullptr};
  if (scratch_used_ == scratch_.size()) scratch_.push_back({});
  ops::Tensor& slot = scratch_[scratch_used_++];
  if (!slot.data || slot.bytes() < wanted.bytes()) {
    slot = wanted;
    if (slot.bytes() > 0) slot.data = memory_.allocate(slot.bytes());
  }
  return {shape, type, slot.data};
}

}  // namespace anvil::bench
