#include "write_pack.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <span>
#include <thread>

#include "base/error.h"
#include "drv/pack.h"

namespace fs = std::filesystem;

namespace anvil {
namespace {

constexpr size_t kBlockBytes = 256 << 10;  // plain bytes a block: small enough to unpack in about a millisecond

void append(std::vector<std::byte>& to, const void* from, size_t n) {
  const auto* p = static_cast<const std::byte*>(from);
  to.insert(to.end(), p, p + n);
}

uint32_t crc(std::span<const std::byte> s) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(s.data()), static_cast<uInt>(s.size())));
}

std::vector<std::byte> deflate(const std::vector<std::byte>& plain) {
  uLongf n = compressBound(plain.size());
  std::vector<std::byte> packed(n);
  const int rc = compress2(reinterpret_cast<Bytef*>(packed.data()), &n, reinterpret_cast<const Bytef*>(plain.data()),
                           plain.size(), Z_BEST_COMPRESSION);
  require(rc == Z_OK, Code::internal, "zlib fails with ", rc);
  packed.resize(n);
  return packed;
}

void write_atomically(const fs::path& file, const std::vector<std::byte>& content) {
  // Builders run side by side, also on one cache folder: each writes under a name of its own.
  const fs::path part = str(file.string(), ".", std::hash<std::thread::id>{}(std::this_thread::get_id()), ".part");
  {
    std::ofstream f(part, std::ios::binary);
    f.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    require(f.good(), Code::resource_exhausted, "cannot write ", part.string());
  }
  fs::rename(part, file);
}

}  // namespace

uint64_t write_pack(std::vector<CompiledKernel> kernels, const fs::path& out) {
  std::sort(kernels.begin(), kernels.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<PackEntry> entries;
  std::vector<PackBlock> blocks;
  std::vector<std::vector<std::byte>> packed;
  std::vector<std::byte> names, plain;
  const auto close_block = [&] {
    if (plain.empty()) return;
    packed.push_back(deflate(plain));
    blocks.push_back(
        {0, static_cast<uint32_t>(packed.back().size()), static_cast<uint32_t>(plain.size()), crc(packed.back()), 0});
    plain.clear();
  };
  std::vector<uint32_t> name_at;
  for (const auto& k : kernels) {
    name_at.push_back(static_cast<uint32_t>(names.size()));
    append(names, k.name.c_str(), k.name.size() + 1);
  }
  uint64_t fingerprint = 0;
  for (const PackTarget target : {PackTarget::spirv, PackTarget::msl}) {
    for (size_t i = 0; i < kernels.size(); ++i) {
      const auto& k = kernels[i];
      const auto& code = target == PackTarget::spirv ? k.spirv : k.msl;
      if (code.empty()) continue;  // no kernel of this name for this target
      if (plain.size() + code.size() > kBlockBytes) close_block();
      entries.push_back({name_at[i],
                         static_cast<uint32_t>(target),
                         static_cast<uint32_t>(blocks.size()),
                         static_cast<uint32_t>(plain.size()),
                         static_cast<uint32_t>(code.size()),
                         {k.group[0], k.group[1], k.group[2]},
                         k.param_bytes,
                         k.by_pointer});
      append(plain, code.data(), code.size());
      fingerprint = fingerprint * 1099511628211ull + crc(code);
    }
    close_block();
  }
  std::sort(entries.begin(), entries.end(), [](const PackEntry& a, const PackEntry& b) {
    return std::tie(a.name, a.target) < std::tie(b.name, b.target);  // names are laid down in sorted order
  });

  std::vector<std::byte> index;
  uint64_t offset =
      sizeof(PackHeader) + blocks.size() * sizeof(PackBlock) + entries.size() * sizeof(PackEntry) + names.size();
  for (auto& b : blocks) {
    b.offset = offset;
    offset += b.packed_bytes;
  }
  append(index, blocks.data(), blocks.size() * sizeof(PackBlock));
  append(index, entries.data(), entries.size() * sizeof(PackEntry));
  append(index, names.data(), names.size());
  const PackHeader header{PackHeader::kMagic,
                          PackHeader::kVersion,
                          static_cast<uint32_t>(blocks.size()),
                          static_cast<uint32_t>(entries.size()),
                          static_cast<uint32_t>(names.size()),
                          crc(index),
                          fingerprint};
  std::vector<std::byte> file;
  append(file, &header, sizeof header);
  append(file, index.data(), index.size());
  for (const auto& p : packed) append(file, p.data(), p.size());
  write_atomically(out, file);
  return file.size();
}

namespace {
struct CacheHeader {
  uint32_t spirv_bytes, msl_bytes, group[3], param_bytes, by_pointer;
};
}  // namespace

void save(const CompiledKernel& k, const fs::path& file) {
  const CacheHeader h{static_cast<uint32_t>(k.spirv.size()),
                      static_cast<uint32_t>(k.msl.size()),
                      {k.group[0], k.group[1], k.group[2]},
                      k.param_bytes,
                      k.by_pointer};
  std::vector<std::byte> content;
  append(content, &h, sizeof h);
  append(content, k.spirv.data(), k.spirv.size());
  append(content, k.msl.data(), k.msl.size());
  write_atomically(file, content);
}

CompiledKernel load_compiled(const std::string& name, const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  CacheHeader h{};
  in.read(reinterpret_cast<char*>(&h), sizeof h);
  CompiledKernel k;
  k.name = name;
  k.spirv.resize(h.spirv_bytes);
  k.msl.resize(h.msl_bytes);
  in.read(reinterpret_cast<char*>(k.spirv.data()), h.spirv_bytes);
  in.read(reinterpret_cast<char*>(k.msl.data()), h.msl_bytes);
  require(in.good(), Code::internal, "damaged cache file ", file.string(), "; delete it and build again");
  std::copy(std::begin(h.group), std::end(h.group), k.group);
  k.param_bytes = h.param_bytes;
  k.by_pointer = h.by_pointer;
  return k;
}

}  // namespace anvil
