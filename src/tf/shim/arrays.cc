// TensorArrays, as loops of TensorFlow 1 and frozen graphs use them.
//
// TensorFlow registers what makes gradients of arrays, asks their size and closes them for devices of any kind, but
// what makes arrays, reads and writes only for its CUDA build.  The class behind it is in a header and holds tensors of
// any device; the kernels here use it, so that both work on the same arrays.  Elements stay where they are: a write
// keeps a reference, a read gives one, and only joining elements copies, on the kernel's stream.
#include "tensorflow/core/kernels/tensor_array.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "tensorflow/core/framework/tensor_shape.h"
#include "tf/shim/held.h"
#include "tf/shim/parts.h"

namespace anvil::shim {
namespace {

using tensorflow::DataType;
using tensorflow::DataTypeString;
using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::PartialTensorShape;
using tensorflow::Tensor;
using tensorflow::TensorArray;
using tensorflow::TensorShape;
using tensorflow::TensorShapeUtils;
using tensorflow::errors::InvalidArgument;

anvil_container_calls array_calls;  // set once, before the first kernel is registered

// Stands for the device and the type of elements in the templates of tensor_array.h.  Our sums and zeros serve every
// type, so one element type stands for all.
struct Plugin {};
using Any = float;

}  // namespace
}  // namespace anvil::shim

namespace tensorflow::tensor_array {

template <>
inline absl::Status AddToTensor<anvil::shim::Plugin, anvil::shim::Any>(OpKernelContext* context, Tensor* sum,
                                                                       const Tensor* current, const Tensor* add) {
  if (sum->TotalBytes() == 0) return absl::OkStatus();
  const anvil::shim::CallStatus status;
  const anvil::shim::Buffer a(*current), b(*add), to(*sum);
  anvil::shim::array_calls.add(anvil::shim::handle_of(context), &a.view, &b.view, &to.view, status.status);
  return status.take();
}

template <>
inline absl::Status TensorSetZero<anvil::shim::Plugin, anvil::shim::Any>(OpKernelContext* context, Tensor* value) {
  if (value->TotalBytes() == 0) return absl::OkStatus();
  const anvil::shim::CallStatus status;
  const anvil::shim::Buffer to(*value);
  anvil::shim::array_calls.zero(anvil::shim::handle_of(context), &to.view, status.status);
  return status.take();
}

}  // namespace tensorflow::tensor_array

namespace anvil::shim {
namespace {

absl::Status copy_elements(OpKernelContext* context, const Tensor& from, const Tensor& to) {
  if (from.TotalBytes() == 0) return absl::OkStatus();
  const CallStatus status;
  const Buffer source(from), target(to);
  array_calls.copy(handle_of(context), &source.view, &target.view, status.status);
  return status.take();
}

// Rows [from, from + rows) of `value`, as a tensor of this shape: a view where TensorFlow's kernels may be given one.
absl::Status take_rows(OpKernelContext* context, const Tensor& value, int64_t from, int64_t rows,
                       const TensorShape& shape, Tensor* piece) {
  const Tensor view = value.Slice(from, from + rows);
  if (view.IsAligned()) {
    if (!piece->CopyFrom(view, shape))
      return tensorflow::errors::Internal("A piece of ", view.shape().DebugString(), " is not one of ",
                                          shape.DebugString());
    return absl::OkStatus();
  }
  TF_RETURN_IF_ERROR(context->allocate_temp(value.dtype(), shape, piece));
  return copy_elements(context, view, *piece);
}

using ArrayRef = tensorflow::core::RefCountPtr<TensorArray>;

absl::Status find_array(OpKernelContext* context, ArrayRef* array) {
  return tensorflow::LookupResource(context, tensorflow::HandleFromInput(context, 0), array);
}

absl::Status check_type(const TensorArray& array, const char* verb, DataType type) {
  if (array.ElemType() == type) return absl::OkStatus();
  return InvalidArgument("TensorArray dtype is ", DataTypeString(array.ElemType()), " but Op ", verb, " dtype ",
                         DataTypeString(type), ".");
}

// The number that orders the array's ops in a graph: passed on as it is.
absl::Status pass_flow(OpKernelContext* context) {
  const Tensor* flow = nullptr;
  TF_RETURN_IF_ERROR(context->input("flow_in", &flow));
  return context->set_output("flow_out", *flow);
}

absl::Status scalar_index(OpKernelContext* context, int32_t* index) {
  const Tensor& t = context->input(1);
  if (!TensorShapeUtils::IsScalar(t.shape()))
    return InvalidArgument("TensorArray index must be scalar, but had shape: ", t.shape().DebugString());
  *index = t.scalar<int32_t>()();
  return absl::OkStatus();
}

absl::Status index_vector(OpKernelContext* context, std::vector<int32_t>* indices) {
  const Tensor& t = context->input(1);
  if (!TensorShapeUtils::IsVector(t.shape()))
    return InvalidArgument("Expected indices to be a vector, but received shape: ", t.shape().DebugString());
  const auto values = t.vec<int32_t>();
  indices->assign(values.data(), values.data() + values.size());
  return absl::OkStatus();
}

// An output of no elements of `shape`, which must be known.
absl::Status no_elements(OpKernelContext* context, const PartialTensorShape& shape, const char* name,
                         const char* joining) {
  TensorShape whole;
  if (!shape.AsTensorShape(&whole))
    return tensorflow::errors::Unimplemented("TensorArray has size zero, but ", name, " ", shape.DebugString(),
                                             " is not fully defined. Currently only static shapes are supported when ",
                                             joining, " zero-size TensorArrays.");
  whole.InsertDim(0, 0);
  Tensor* none = nullptr;
  return context->allocate_output(0, whole, &none);
}

// A kernel whose work returns a status.
class ArrayKernel : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) final { OP_REQUIRES_OK(context, run(context)); }

 private:
  virtual absl::Status run(OpKernelContext* context) = 0;
};

class MakeArray final : public ArrayKernel {
 public:
  explicit MakeArray(OpKernelConstruction* c) : ArrayKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("dtype", &type_));
    OP_REQUIRES_OK(c, c->GetAttr("element_shape", &element_shape_));
    OP_REQUIRES_OK(c, c->GetAttr("identical_element_shapes", &identical_shapes_));
    OP_REQUIRES_OK(c, c->GetAttr("dynamic_size", &dynamic_));
    OP_REQUIRES_OK(c, c->GetAttr("clear_after_read", &clear_after_read_));
    OP_REQUIRES_OK(c, c->GetAttr("tensor_array_name", &name_));
    if (name_.empty()) name_ = name();
  }

 private:
  absl::Status run(OpKernelContext* context) override {
    const Tensor& size = context->input(0);
    if (!TensorShapeUtils::IsScalar(size.shape()))
      return InvalidArgument("TensorArray size must be scalar, but had shape: ", size.shape().DebugString());
    const int32_t count = size.scalar<int32_t>()();
    if (count < 0) return InvalidArgument("Size should be >= 0.");
    // Beside the arrays that TensorFlow's kernels make in the same container.
    static std::atomic<int64_t> made{0};
    const std::string unique = absl::StrCat(name_, "_anvil_", made.fetch_add(1));
    Tensor handle(tensorflow::DT_STRING, TensorShape({2}));
    handle.vec<tensorflow::tstring>()(0) = "_tensor_arrays";
    handle.vec<tensorflow::tstring>()(1) = unique;
    const std::string key = absl::StrCat("_tensor_arrays", unique);
    auto* array =
        new TensorArray(key, type_, handle, count, element_shape_, identical_shapes_, dynamic_,
                        /*multiple_writes_aggregate=*/false, /*is_grad=*/false, /*marked_size=*/-1, clear_after_read_);
    TF_RETURN_IF_ERROR(
        context->step_container()->Create(context->resource_manager(), key, array));  // takes the reference
    Tensor* out = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, TensorShape({}), &out));
    out->scalar<tensorflow::ResourceHandle>()() = array->resource_handle(context);
    Tensor* flow = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(1, TensorShape({}), &flow));
    const CallStatus status;
    const Buffer zero(*flow);
    array_calls.zero(handle_of(context), &zero.view, status.status);
    return status.take();
  }

  DataType type_ = tensorflow::DT_INVALID;
  PartialTensorShape element_shape_;
  bool identical_shapes_ = false, dynamic_ = false, clear_after_read_ = true;
  std::string name_;
};

class WriteArray final : public ArrayKernel {
 public:
  using ArrayKernel::ArrayKernel;

 private:
  absl::Status run(OpKernelContext* context) override {
    TF_RETURN_IF_ERROR(pass_flow(context));
    int32_t index = 0;
    TF_RETURN_IF_ERROR(scalar_index(context, &index));
    ArrayRef array;
    TF_RETURN_IF_ERROR(find_array(context, &array));
    const Tensor& value = context->input(2);
    TF_RETURN_IF_ERROR(check_type(*array, "is trying to write", value.dtype()));
    return array->WriteOrAggregate<Plugin, Any>(context, index, &value);
  }
};

class ReadArray final : public ArrayKernel {
 public:
  explicit ReadArray(OpKernelConstruction* c) : ArrayKernel(c) { OP_REQUIRES_OK(c, c->GetAttr("dtype", &type_)); }

 private:
  absl::Status run(OpKernelContext* context) override {
    int32_t index = 0;
    TF_RETURN_IF_ERROR(scalar_index(context, &index));
    ArrayRef array;
    TF_RETURN_IF_ERROR(find_array(context, &array));
    TF_RETURN_IF_ERROR(check_type(*array, "requested", type_));
    Tensor value;
    TF_RETURN_IF_ERROR(array->Read<Plugin, Any>(context, index, &value));
    context->set_output(0, value);
    return absl::OkStatus();
  }

  DataType type_ = tensorflow::DT_INVALID;
};

// Elements of one shape behind each other in a new first axis.
class GatherArray final : public ArrayKernel {
 public:
  explicit GatherArray(OpKernelConstruction* c) : ArrayKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("dtype", &type_));
    OP_REQUIRES_OK(c, c->GetAttr("element_shape", &element_shape_));
  }

 private:
  absl::Status run(OpKernelContext* context) override {
    ArrayRef array;
    TF_RETURN_IF_ERROR(find_array(context, &array));
    TF_RETURN_IF_ERROR(check_type(*array, "requested", type_));
    TF_RETURN_IF_ERROR(array->SetElemShape(element_shape_));
    std::vector<int32_t> indices;
    TF_RETURN_IF_ERROR(index_vector(context, &indices));
    if (indices.empty()) return no_elements(context, element_shape_, "element shape", "packing");
    std::vector<Tensor> values;
    TF_RETURN_IF_ERROR((array->ReadMany<Plugin, Any>(context, indices, &values)));
    const TensorShape& first = values[0].shape();
    if (!element_shape_.IsCompatibleWith(first))
      return InvalidArgument("TensorArray was passed element_shape ", element_shape_.DebugString(),
                             " which does not match the Tensor at index 0: ", first.DebugString());
    for (size_t i = 1; i < values.size(); ++i)
      if (values[i].shape() != first)
        return InvalidArgument("TensorArray has inconsistent shapes.  Index 0 has shape: ", first.DebugString(),
                               " but index ", i, " has shape: ", values[i].shape().DebugString());
    TensorShape shape = first;
    shape.InsertDim(0, static_cast<int64_t>(values.size()));
    Tensor* all = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, shape, &all));
    for (size_t i = 0; i < values.size(); ++i)
      TF_RETURN_IF_ERROR(
          copy_elements(context, values[i], all->Slice(static_cast<int64_t>(i), static_cast<int64_t>(i) + 1)));
    return absl::OkStatus();
  }

  DataType type_ = tensorflow::DT_INVALID;
  PartialTensorShape element_shape_;
};

// All elements behind each other in their first axis, and how long each is there.
class ConcatArray final : public ArrayKernel {
 public:
  explicit ConcatArray(OpKernelConstruction* c) : ArrayKernel(c) {
    OP_REQUIRES_OK(c, c->GetAttr("dtype", &type_));
    OP_REQUIRES_OK(c, c->GetAttr("element_shape_except0", &row_shape_));
  }

 private:
  absl::Status run(OpKernelContext* context) override {
    ArrayRef array;
    TF_RETURN_IF_ERROR(find_array(context, &array));
    TF_RETURN_IF_ERROR(check_type(*array, "requested", type_));
    int32_t size = 0;
    TF_RETURN_IF_ERROR(array->PackOrConcatSize(&size));
    Tensor* lengths = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(1, TensorShape({size}), &lengths));
    if (size == 0) return no_elements(context, row_shape_, "element_shape_except0", "concatenating");
    std::vector<int32_t> indices(size);
    std::iota(indices.begin(), indices.end(), 0);
    std::vector<Tensor> values;
    TF_RETURN_IF_ERROR((array->ReadMany<Plugin, Any>(context, indices, &values)));
    TensorShape shape;
    TF_RETURN_IF_ERROR(joined_shape(values, &shape));
    Tensor* all = nullptr;
    TF_RETURN_IF_ERROR(context->allocate_output(0, shape, &all));
    int64_t at = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t rows = values[i].dim_size(0);
      lengths->vec<int64_t>()(static_cast<int64_t>(i)) = rows;
      TF_RETURN_IF_ERROR(copy_elements(context, values[i], all->Slice(at, at + rows)));
      at += rows;
    }
    return absl::OkStatus();
  }

  absl::Status joined_shape(const std::vector<Tensor>& values, TensorShape* shape) const {
    TensorShape first;
    int64_t rows = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      TensorShape row = values[i].shape();
      if (!TensorShapeUtils::IsVectorOrHigher(row))
        return InvalidArgument("Concat saw a scalar shape at index ", i,
                               " but requires at least vectors.  Did you mean to call pack?");
      rows += row.dim_size(0);
      row.RemoveDim(0);
      if (i == 0) first = row;
      if (i == 0 && !row_shape_.IsCompatibleWith(row))
        return InvalidArgument("TensorArray was passed element_shape_except0 ", row_shape_.DebugString(),
                               " but index 0 has (excluding dimension 0) shape: ", row.DebugString(),
                               " which does not match.");
      if (row != first)
        return InvalidArgument(
            "TensorArray has inconsistent shapes.  Index 0 has (excepting dimension 0) shape: ", first.DebugString(),
            " but index ", i, " has (excepting dimension 0) shape: ", row.DebugString());
    }
    *shape = first;
    shape->InsertDim(0, rows);
    return absl::OkStatus();
  }

  DataType type_ = tensorflow::DT_INVALID;
  PartialTensorShape row_shape_;
};

// The rows of a tensor into elements.
class ScatterArray final : public ArrayKernel {
 public:
  using ArrayKernel::ArrayKernel;

 private:
  absl::Status run(OpKernelContext* context) override {
    TF_RETURN_IF_ERROR(pass_flow(context));
    std::vector<int32_t> indices;
    TF_RETURN_IF_ERROR(index_vector(context, &indices));
    const Tensor& value = context->input(2);
    if (!TensorShapeUtils::IsVectorOrHigher(value.shape()))
      return InvalidArgument("Input value for unpack must be at least a vector but received shape: ",
                             value.shape().DebugString());
    if (static_cast<int64_t>(indices.size()) != value.dim_size(0))
      return InvalidArgument("Expected len(indices) == values.shape[0], but saw: ", indices.size(), " vs. ",
                             value.dim_size(0));
    ArrayRef array;
    TF_RETURN_IF_ERROR(find_array(context, &array));
    TF_RETURN_IF_ERROR(check_type(*array, "is trying to write", value.dtype()));
    int32_t size = 0;
    TF_RETURN_IF_ERROR(array->Size(&size));
    const auto last = std::max_element(indices.begin(), indices.end());
    if (!array->HasDynamicSize() && last != indices.end() && *last >= size)
      return InvalidArgument("Max scatter index must be < array size (", *last, " vs. ", size, ")");
    TensorShape element = value.shape();
    element.RemoveDim(0);
    TF_RETURN_IF_ERROR(array->SetElemShape(PartialTensorShape(element.dim_sizes())));
    std::vector<Tensor> pieces(indices.size());
    for (size_t i = 0; i < pieces.size(); ++i)
      TF_RETURN_IF_ERROR(take_rows(context, value, static_cast<int64_t>(i), 1, element, &pieces[i]));
    return array->WriteOrAggregateMany<Plugin, Any>(context, indices, &pieces);
  }
};

// A tensor cut along its first axis into elements of the given lengths.
class SplitArray final : public ArrayKernel {
 public:
  using ArrayKernel::ArrayKernel;

 private:
  absl::Status run(OpKernelContext* context) override {
    TF_RETURN_IF_ERROR(pass_flow(context));
    const Tensor &value = context->input(1), &lengths = context->input(2);
    if (!TensorShapeUtils::IsVector(lengths.shape()))
      return InvalidArgument("Expected lengths to be a vector, received shape: ", lengths.shape().DebugString());
    if (!TensorShapeUtils::IsVectorOrHigher(value.shape()))
      return InvalidArgument("Expected value to be at least a vector, but received shape: ",
                             value.shape().DebugString());
    const auto rows = lengths.vec<int64_t>();
    const auto count = static_cast<int32_t>(rows.size());
    int64_t sum = 0;
    for (int32_t i = 0; i < count; ++i) {
      if (rows(i) < 0 || rows(i) > value.dim_size(0))
        return InvalidArgument("Expected lengths to be between 0 and values.shape[0] = ", value.dim_size(0),
                               ", but saw: ", rows(i));
      sum += rows(i);
    }
    if (sum != value.dim_size(0))
      return InvalidArgument("Expected sum of lengths to be equal to values.shape[0], but sum of lengths is ", sum,
                             " and value's shape is: ", value.shape().DebugString());
    ArrayRef array;
    TF_RETURN_IF_ERROR(find_array(context, &array));
    TF_RETURN_IF_ERROR(check_type(*array, "is trying to write", value.dtype()));
    int32_t size = 0;
    TF_RETURN_IF_ERROR(array->Size(&size));
    if (array->HasDynamicSize()) size = std::max(size, count);
    if (size != count)
      return InvalidArgument("TensorArray's size is not equal to the size of lengths (", size, " vs. ", count,
                             "), and the TensorArray is not marked as dynamically resizeable");
    std::vector<Tensor> pieces(count);
    std::vector<int32_t> indices(count);
    std::iota(indices.begin(), indices.end(), 0);
    int64_t at = 0;
    for (int32_t i = 0; i < count; ++i) {
      TensorShape shape = value.shape();
      shape.set_dim(0, rows(i));
      TF_RETURN_IF_ERROR(take_rows(context, value, at, rows(i), shape, &pieces[i]));
      at += rows(i);
    }
    TF_RETURN_IF_ERROR(array->SetMarkedSize(size));
    return array->WriteOrAggregateMany<Plugin, Any>(context, indices, &pieces);
  }
};

}  // namespace

void register_arrays(const char* device_type, const anvil_container_calls* calls) {
  using namespace tensorflow;
  array_calls = *calls;
  for (const DataType type : {DT_HALF, DT_BFLOAT16, DT_FLOAT, DT_DOUBLE, DT_COMPLEX64, DT_COMPLEX128, DT_INT64}) {
    if (!array_calls.adds(type)) continue;
    const Registry registry{device_type, "AnvilArray"};
    registry.add<MakeArray>("TensorArrayV3", "dtype", type, {"size", "handle"});
    registry.add<WriteArray>("TensorArrayWriteV3", "T", type, {"handle", "index"});
    registry.add<ReadArray>("TensorArrayReadV3", "dtype", type, {"handle", "index"});
    registry.add<GatherArray>("TensorArrayGatherV3", "dtype", type, {"handle", "indices"});
    registry.add<ScatterArray>("TensorArrayScatterV3", "T", type, {"handle", "indices"});
    registry.add<ConcatArray>("TensorArrayConcatV3", "dtype", type, {"handle", "lengths"});
    registry.add<SplitArray>("TensorArraySplitV3", "T", type, {"handle", "lengths"});
  }
}

}  // namespace anvil::shim
