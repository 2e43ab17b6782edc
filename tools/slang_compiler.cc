#include "slang_compiler.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <span>

#include "base/error.h"
#include "slang.h"

namespace anvil {
namespace {

// Slang's objects are counted; this is the owner of one count.
template <class T>
class Owned {
 public:
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { reset(); }
  T** out() { return reset(), &p_; }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  void reset() {
    if (p_) p_->release();
    p_ = nullptr;
  }

 private:
  T* p_ = nullptr;
};

std::string words(ISlangBlob* diagnostics) {
  return diagnostics
             ? std::string(static_cast<const char*>(diagnostics->getBufferPointer()), diagnostics->getBufferSize())
             : std::string("no diagnostics");
}

std::vector<std::byte> bytes(ISlangBlob* blob) {
  const auto* p = static_cast<const std::byte*>(blob->getBufferPointer());
  return {p, p + blob->getBufferSize()};
}

// One instruction of a SPIR-V module, seen in place.
struct Instruction {
  size_t at;  // of its first word
  uint32_t opcode, length;
};
std::vector<Instruction> instructions(const std::vector<uint32_t>& spirv) {
  constexpr size_t kHeaderWords = 5;
  std::vector<Instruction> all;
  for (size_t i = kHeaderWords; i < spirv.size(); i += all.back().length) {
    all.push_back({i, spirv[i] & 0xffff, spirv[i] >> 16});
    require(all.back().length > 0, Code::internal, "malformed SPIR-V from the compiler");
  }
  return all;
}

// Does the kernel compute with doubles?  Metal has none, and Slang's Metal target aborts at the type.
bool uses_doubles(const std::vector<std::byte>& code) {
  constexpr uint32_t kOpCapability = 17, kFloat64 = 10;
  std::vector<uint32_t> spirv(code.size() / 4);
  std::memcpy(spirv.data(), code.data(), code.size());
  const auto all = instructions(spirv);
  return std::any_of(all.begin(), all.end(),
                     [&](const Instruction& i) { return i.opcode == kOpCapability && spirv[i.at + 1] == kFloat64; });
}

// Slang writes its own source-language number (11), which validators older than it refuse: write 0, "unknown".
void forget_source_language(std::vector<uint32_t>& spirv) {
  constexpr uint32_t kOpSource = 3, kSlang = 11, kUnknown = 0;
  for (const Instruction& i : instructions(spirv))
    if (i.opcode == kOpSource && spirv[i.at + 1] == kSlang) spirv[i.at + 1] = kUnknown;
}

// Where Slang keeps a device address in a local variable, SPIR-V wants to be told that the address may alias others.
void declare_aliases(std::vector<uint32_t>& spirv) {
  constexpr uint32_t kOpTypeVoid = 19, kOpTypeArray = 28, kOpTypePointer = 32, kOpTypeForwardPointer = 39;
  constexpr uint32_t kOpVariable = 59, kOpDecorate = 71;
  constexpr uint32_t kFunction = 7, kPhysicalStorageBuffer = 5349, kAliasedPointer = 5356;
  std::set<uint32_t> addresses, locals;  // types: of an address, or an array of them; of a variable that holds one
  std::vector<uint32_t> decorations;
  size_t first_type = 0;
  for (const Instruction& i : instructions(spirv)) {
    const uint32_t* w = &spirv[i.at];
    const bool type = i.opcode >= kOpTypeVoid && i.opcode <= kOpTypeForwardPointer;
    if (type && !first_type) first_type = i.at;  // decorations come before the types
    if (i.opcode == kOpTypePointer && w[2] == kPhysicalStorageBuffer) addresses.insert(w[1]);
    if (i.opcode == kOpTypePointer && w[2] == kFunction && addresses.contains(w[3])) locals.insert(w[1]);
    if (i.opcode == kOpTypeArray && addresses.contains(w[2])) addresses.insert(w[1]);
    if (i.opcode == kOpVariable && locals.contains(w[1]))
      decorations.insert(decorations.end(), {3 << 16 | kOpDecorate, w[2], kAliasedPointer});
  }
  spirv.insert(spirv.begin() + static_cast<std::ptrdiff_t>(first_type), decorations.begin(), decorations.end());
}

std::vector<std::byte> corrected(const std::vector<std::byte>& code) {
  std::vector<uint32_t> spirv(code.size() / 4);
  std::memcpy(spirv.data(), code.data(), code.size());
  forget_source_language(spirv);
  declare_aliases(spirv);
  const auto bytes = std::as_bytes(std::span(spirv));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

struct SlangCompiler::State {
  std::string folder;
  Owned<slang::IGlobalSession> global;
  Owned<slang::ISession> session;
  std::map<std::string, slang::IModule*> modules;  // owned by the session
};

SlangCompiler::SlangCompiler(const std::filesystem::path& kernels) : state_(std::make_unique<State>()) {
  state_->folder = kernels.string();
  require(SLANG_SUCCEEDED(slang::createGlobalSession(state_->global.out())), Code::internal, "Slang does not start");
  new_session();
}
SlangCompiler::~SlangCompiler() = default;

std::string SlangCompiler::version() { return spGetBuildTagString(); }

void SlangCompiler::new_session() {
  using slang::CompilerOptionName;
  state_->modules.clear();
  slang::TargetDesc targets[2];
  targets[0].format = SLANG_SPIRV;
  targets[0].profile = state_->global->findProfile("spirv_1_5");
  targets[0].flags = SLANG_TARGET_FLAG_GENERATE_SPIRV_DIRECTLY;
  targets[1].format = SLANG_METAL;
  // The session's option does not reach the target: the text would name the folder it was built in.
  targets[1].lineDirectiveMode = SLANG_LINE_DIRECTIVE_MODE_NONE;
  const auto option = [](CompilerOptionName name, int value) {
    slang::CompilerOptionEntry e;
    e.name = name;
    e.value.kind = slang::CompilerOptionValueKind::Int;
    e.value.intValue0 = value;
    return e;
  };
  // Slang's default level: with none it loads whole parameter structs (OpCopyLogical), which Mesa 22.3 refuses.
  // Precise floating point, because the kernels' NaN and rounding rules rest on it.
  slang::CompilerOptionEntry options[] = {
      option(CompilerOptionName::Optimization, SLANG_OPTIMIZATION_LEVEL_DEFAULT),
      option(CompilerOptionName::FloatingPointMode, SLANG_FLOATING_POINT_MODE_PRECISE),
      option(CompilerOptionName::MatrixLayoutRow, 1),
  };
  const char* paths[] = {state_->folder.c_str()};
  slang::SessionDesc desc;
  desc.targets = targets;
  desc.targetCount = 2;
  desc.searchPaths = paths;
  desc.searchPathCount = 1;
  desc.compilerOptionEntries = options;
  desc.compilerOptionEntryCount = std::size(options);
  require(SLANG_SUCCEEDED(state_->global->createSession(desc, state_->session.out())), Code::internal,
          "Slang makes no session");
}

CompiledKernel SlangCompiler::compile(const std::string& name) {
  const size_t slash = name.find('/');
  const std::string module_name = name.substr(0, slash), entry_name = name.substr(slash + 1);
  Owned<ISlangBlob> diagnostics;
  slang::IModule*& module = state_->modules[module_name];
  if (!module) module = state_->session->loadModule(module_name.c_str(), diagnostics.out());
  require(module, Code::invalid_argument, words(diagnostics.get()));

  Owned<slang::IEntryPoint> entry;
  require(SLANG_SUCCEEDED(
              module->findAndCheckEntryPoint(entry_name.c_str(), SLANG_STAGE_COMPUTE, entry.out(), diagnostics.out())),
          Code::invalid_argument, words(diagnostics.get()));
  slang::IComponentType* parts[] = {module, entry.get()};
  Owned<slang::IComponentType> composite, linked;
  require(SLANG_SUCCEEDED(state_->session->createCompositeComponentType(parts, 2, composite.out(), diagnostics.out())),
          Code::invalid_argument, words(diagnostics.get()));
  require(SLANG_SUCCEEDED(composite->link(linked.out(), diagnostics.out())), Code::invalid_argument,
          words(diagnostics.get()));

  CompiledKernel k;
  k.name = name;
  const auto code = [&](int target) {
    Owned<ISlangBlob> blob;
    require(SLANG_SUCCEEDED(linked->getEntryPointCode(0, target, blob.out(), diagnostics.out())),
            Code::invalid_argument, words(diagnostics.get()));
    return bytes(blob.get());
  };
  k.spirv = corrected(code(0));
  if (!uses_doubles(k.spirv)) k.msl = code(1);

  slang::EntryPointReflection* reflected = linked->getLayout(0)->getEntryPointByIndex(0);
  SlangUInt group[3] = {1, 1, 1};
  reflected->getComputeThreadGroupSize(3, group);
  for (int i = 0; i < 3; ++i) k.group[i] = static_cast<uint32_t>(group[i]);
  int blocks = 0;
  for (unsigned i = 0; i < reflected->getParameterCount(); ++i) {
    slang::VariableLayoutReflection* p = reflected->getParameterByIndex(i);
    if (p->getSemanticName()) continue;  // a system value such as SV_GroupID
    slang::TypeLayoutReflection* type = p->getTypeLayout();
    k.by_pointer = type->getKind() == slang::TypeReflection::Kind::Pointer;
    if (k.by_pointer) type = type->getElementTypeLayout();
    k.param_bytes = static_cast<uint32_t>(type->getSize());
    ++blocks;
  }
  require(blocks <= 1, Code::invalid_argument, "a kernel takes one uniform parameter struct, this has ", blocks);
  require(k.by_pointer || k.param_bytes <= 128, Code::invalid_argument, "parameter struct of ", k.param_bytes,
          " bytes: over 128 it must be taken by pointer");
  return k;
}

}  // namespace anvil
