// Writes the kernel pack (layout in drv/pack.h) and the builder's cache files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "slang_compiler.h"

namespace anvil {

// A kernel without code for a target has no entry for it.  Writes `out` through a temporary file beside it, so that a
// reader never sees half a pack.  Returns its size.
uint64_t write_pack(std::vector<CompiledKernel> kernels, const std::filesystem::path& out);

void save(const CompiledKernel& kernel, const std::filesystem::path& file);
CompiledKernel load_compiled(const std::string& name, const std::filesystem::path& file);

}  // namespace anvil
