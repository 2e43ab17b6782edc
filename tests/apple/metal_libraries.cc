// Compiling: options, libraries, functions, pipelines.
#include "apple/metal_objects.h"

namespace apple {
namespace {

constexpr UInt kMostThreads = 1024;

Class options_class, library_class, function_class, description_class, pipeline_class;

id make_library(const std::string& msl, id* error) {
  if (hit(Fault::compile)) {
    set_error(error, "MTLLibraryErrorDomain", 3, "program_source:1:1: error: injected");
    return nullptr;
  }
  std::string why;
  auto kernels = msl::compile(msl, why);
  if (kernels.empty()) {
    set_error(error, "MTLLibraryErrorDomain", 3, why.empty() ? "no entry point" : why);
    return nullptr;
  }
  auto* l = make<Library>(library_class);
  l->kernels = std::move(kernels);
  return l;
}

id make_function(Library& library, const std::string& name) {
  for (const auto& k : library.kernels)
    if (k->name == name) {
      auto* f = make<Function>(function_class);
      f->kernel = k;
      return f;
    }
  return nullptr;
}

id make_pipeline(PipelineDescriptor& d, id* error) {
  if (!d.function) misuse("a pipeline without a function");
  if (hit(Fault::pipeline)) {
    set_error(error, "AGXMetal", 3, "Compute function exceeds available stack space (injected)");
    return nullptr;
  }
  auto* p = make<Pipeline>(pipeline_class);
  p->kernel = d.function->kernel;
  p->most_threads = d.most_threads ? d.most_threads : kMostThreads;
  return p;
}

void register_descriptions() {
  options_class = define<CompileOptions>("MTLCompileOptions", object_class());
  method(options_class->isa, "alloc", +[](id, SEL) -> id { return make<CompileOptions>(options_class); });
  method(
      options_class, "setLanguageVersion:", +[](id, SEL, UInt version) -> void {
        if (version > 3u << 16) misuse("a version of the language that macOS 13 does not have");
      });
  method(
      options_class, "setFastMathEnabled:", +[](id, SEL, bool fast) -> void {
        if (fast) misuse("fast mathematics");
      });
  method(
      options_class, "setMathMode:", +[](id, SEL, long mode) -> void {
        if (mode != 0) misuse("mathematics that is not safe");
      });
  description_class = define<PipelineDescriptor>("MTLComputePipelineDescriptor", object_class());
  method(description_class->isa, "alloc", +[](id, SEL) -> id { return make<PipelineDescriptor>(description_class); });
  method(description_class, "setLabel:", +[](id, SEL, id) -> void {});
  method(
      description_class, "setComputeFunction:", +[](id self, SEL, id function) -> void {
        as<PipelineDescriptor>(self)->function = as<Function>(retain(function));
      });
  method(
      description_class, "setMaxTotalThreadsPerThreadgroup:", +[](id self, SEL, UInt most) -> void {
        if (most > kMostThreads) misuse("more threads in a group than the device has");
        as<PipelineDescriptor>(self)->most_threads = most;
      });
}

}  // namespace

void register_libraries() {
  register_descriptions();
  library_class = define<Library>("FakeMTLLibrary", object_class());
  method(
      library_class, "functionNames", +[](id self, SEL) -> id {
        auto* names = new_array({});
        for (const auto& k : as<Library>(self)->kernels) names->items.push_back(new_string(k->name));
        return autorelease(names);
      });
  method(
      library_class, "newFunctionWithName:", +[](id self, SEL, id name) -> id {
        return make_function(*as<Library>(self), as<String>(name)->text);
      });
  function_class = define<Function>("FakeMTLFunction", object_class());
  pipeline_class = define<Pipeline>("FakeMTLComputePipelineState", object_class());
  method(
      pipeline_class, "maxTotalThreadsPerThreadgroup",
      +[](id self, SEL) -> UInt { return as<Pipeline>(self)->most_threads; });
  method(pipeline_class, "threadExecutionWidth", +[](id, SEL) -> UInt { return msl::kLanes; });
  Class device = device_class();
  method(
      device, "newLibraryWithSource:options:error:", +[](id, SEL, id text, id, id* error) -> id {
        return make_library(as<String>(text)->text, error);
      });
  method(
      device, "newComputePipelineStateWithDescriptor:options:reflection:error:",
      +[](id, SEL, id description, UInt, id*, id* error) -> id {
        return make_pipeline(*as<PipelineDescriptor>(description), error);
      });
}

}  // namespace apple
