#include "tf/attributes.h"

#include <algorithm>

#include "tf/guard.h"
#include "tf/types.h"

namespace anvil::tf {
namespace {

struct Size {
  int32_t elements, bytes;  // -1 where it does not apply
};

Size size_of_attr(TF_OpKernelConstruction* c, const char* name) {
  const Status status;
  Size size{};
  TF_OpKernelConstruction_GetAttrSize(c, name, &size.elements, &size.bytes, status.out());
  status.check();
  return size;
}

}  // namespace

bool TfAttrs::has(const char* name) const {
  const Status status;
  const bool found = TF_OpKernelConstruction_HasAttr(construction_, name, status.out());
  return found && status.ok();
}

bool TfAttrs::flag(const char* name) const {
  const Status status;
  TF_Bool value = 0;
  TF_OpKernelConstruction_GetAttrBool(construction_, name, &value, status.out());
  status.check();
  return value != 0;
}

int64_t TfAttrs::integer(const char* name) const {
  const Status status;
  int64_t value = 0;
  TF_OpKernelConstruction_GetAttrInt64(construction_, name, &value, status.out());
  status.check();
  return value;
}

float TfAttrs::real(const char* name) const {
  const Status status;
  float value = 0;
  TF_OpKernelConstruction_GetAttrFloat(construction_, name, &value, status.out());
  status.check();
  return value;
}

std::string TfAttrs::string(const char* name) const {
  std::string value(static_cast<size_t>(std::max(0, size_of_attr(construction_, name).bytes)), '\0');
  const Status status;
  TF_OpKernelConstruction_GetAttrString(construction_, name, value.data(), value.size(), status.out());
  status.check();
  return value;
}

DType TfAttrs::type(const char* name) const {
  const Status status;
  TF_DataType value{};
  TF_OpKernelConstruction_GetAttrType(construction_, name, &value, status.out());
  status.check();
  return dtype_of(value);
}

std::vector<int64_t> TfAttrs::integers(const char* name) const {
  std::vector<int64_t> values(static_cast<size_t>(std::max(0, size_of_attr(construction_, name).elements)));
  if (values.empty()) return values;
  const Status status;
  TF_OpKernelConstruction_GetAttrInt64List(construction_, name, values.data(), static_cast<int>(values.size()),
                                           status.out());
  status.check();
  return values;
}

std::vector<std::string> TfAttrs::strings(const char* name) const {
  const Size size = size_of_attr(construction_, name);
  const auto count = static_cast<size_t>(std::max(0, size.elements));
  if (count == 0) return {};
  // TensorFlow copies all of them into one buffer and says where each lies.
  std::vector<char> buffer(static_cast<size_t>(std::max(0, size.bytes)));
  std::vector<char*> values(count);
  std::vector<size_t> lengths(count);
  const Status status;
  TF_OpKernelConstruction_GetAttrStringList(construction_, name, values.data(), lengths.data(), static_cast<int>(count),
                                            buffer.data(), buffer.size(), status.out());
  status.check();
  std::vector<std::string> found;
  for (size_t i = 0; i < count; ++i) found.emplace_back(values[i], lengths[i]);
  return found;
}

}  // namespace anvil::tf
