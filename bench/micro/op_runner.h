// Runs one op of the catalogue again and again on buffers of its own, without TensorFlow.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "drv/driver.h"
#include "ops/op.h"

namespace anvil::bench {

// Device memory that goes back when the owner does.  The device must outlive it.
class Buffers {
 public:
  explicit Buffers(Device& device) : device_(device) {}
  ~Buffers() {
    for (void* p : held_) device_.free(p);
  }
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  void* allocate(uint64_t bytes) {
    held_.push_back(device_.allocate(bytes));
    return held_.back();
  }

 private:
  Device& device_;
  std::vector<void*> held_;
};

using AttrValue =
    std::variant<bool, int64_t, float, std::string, DType, std::vector<int64_t>, std::vector<std::string>>;

class Attributes final : public ops::Attrs {
 public:
  Attributes(std::initializer_list<std::pair<const std::string, AttrValue>> values) : values_(values) {}
  bool has(const char* name) const override { return values_.contains(name); }
  bool flag(const char* name) const override { return get<bool>(name); }
  int64_t integer(const char* name) const override { return get<int64_t>(name); }
  float real(const char* name) const override { return get<float>(name); }
  std::string string(const char* name) const override { return get<std::string>(name); }
  DType type(const char* name) const override { return get<DType>(name); }
  std::vector<int64_t> integers(const char* name) const override { return get<std::vector<int64_t>>(name); }
  std::vector<std::string> strings(const char* name) const override { return get<std::vector<std::string>>(name); }

 private:
  template <class T>
  T get(const char* name) const {
    const auto it = values_.find(name);
    require(it != values_.end(), Code::invalid_argument, "no attribute ", name);
    return std::get<T>(it->second);
  }
  std::map<std::string, AttrValue> values_;
};

// Outputs and scratch memory are allocated at the first run and used again: what is timed is planning and launching.
// Inputs must stay valid for as long as the runner lives.  Not thread-safe.
class OpRunner final : public ops::Call {
 public:
  // Throws unimplemented if the catalogue has no such op for `type`.
  OpRunner(Device& device, Stream& stream, const char* op, DType type, const ops::Attrs& attributes,
           std::vector<ops::Tensor> inputs);
  void run();  // records one call of the op
  const ops::Tensor& result() const { return outputs_.at(0); }

  int inputs() const override { return static_cast<int>(inputs_.size()); }
  ops::Tensor input(int i) override { return inputs_.at(i); }
  ops::Tensor output(int i, DType type, const Shape& shape) override;
  // Never the input's buffer, which the next run reads again.
  ops::Tensor output_reusing(int i, std::initializer_list<int>, DType type, const Shape& shape) override {
    return output(i, type, shape);
  }
  void output_alias(int i, int input, const Shape& shape) override;
  ops::Tensor scratch(DType type, const Shape& shape) override;
  Stream& stream() override { return stream_; }
  Device& device() override { return device_; }

 private:
  Device& device_;
  Stream& stream_;
  const ops::OpSpec* spec_;
  std::unique_ptr<ops::State> state_;
  Buffers memory_;
  std::vector<ops::Tensor> inputs_, outputs_, scratch_;
  size_t scratch_used_ = 0;
};

}  // namespace anvil::bench
