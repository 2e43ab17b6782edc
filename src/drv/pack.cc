#include "drv/pack.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/error.h"
#include "base/options.h"

namespace anvil {

struct Pack::File {
  std::string path;
  const std::byte* data = nullptr;
  size_t size = 0;
  PackHeader header{};
  std::vector<PackBlock> blocks;
  std::vector<PackEntry> entries;
  std::vector<char> names;

  ~File() {
    if (data) munmap(const_cast<std::byte*>(data), size);
  }
  template <class... Parts>
  void check(bool ok, const Parts&... parts) const {
    require(ok, Code::internal, "kernel pack ", path, ": ", parts..., "; reinstall tensorflow-anvil");
  }
  void map() {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    check(fd >= 0, "cannot be opened (", std::strerror(errno), ")");
    struct stat st{};
    const bool sized = fstat(fd, &st) == 0;
    size = sized ? static_cast<size_t>(st.st_size) : 0;
    void* p = size ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    check(p != MAP_FAILED, "cannot be read");
    data = static_cast<const std::byte*>(p);
  }
  void read_index() {
    check(size >= sizeof header, "is truncated");
    std::memcpy(&header, data, sizeof header);
    check(header.magic == PackHeader::kMagic, "is not a kernel pack");
    check(header.version == PackHeader::kVersion, "has version ", header.version, ", expected ", PackHeader::kVersion);
    const size_t block_bytes = size_t{header.blocks} * sizeof(PackBlock);
    const size_t entry_bytes = size_t{header.entries} * sizeof(PackEntry);
    const size_t index_bytes = block_bytes + entry_bytes + header.name_bytes;
    check(size - sizeof header >= index_bytes, "is truncated");
    const std::byte* at = data + sizeof header;
    check(crc32(0, reinterpret_cast<const Bytef*>(at), static_cast<uInt>(index_bytes)) == header.index_crc,
          "has a damaged index");
    blocks.resize(header.blocks);
    entries.resize(header.entries);
    names.resize(header.name_bytes);
    if (block_bytes) std::memcpy(blocks.data(), at, block_bytes);
    if (entry_bytes) std::memcpy(entries.data(), at + block_bytes, entry_bytes);
    if (!names.empty()) std::memcpy(names.data(), at + block_bytes + entry_bytes, names.size());
    check(names.empty() || names.back() == 0, "has a damaged index");
    for (const PackEntry& e : entries) check(e.name < names.size() && e.block < blocks.size(), "has a damaged index");
    for (const PackBlock& b : blocks) check(b.offset <= size && b.packed_bytes <= size - b.offset, "is truncated");
  }
  std::vector<std::byte> unpack(uint32_t i) const {
    const PackBlock& b = blocks[i];
    std::vector<std::byte> plain(b.plain_bytes);
    uLongf n = b.plain_bytes;
    const auto* packed = reinterpret_cast<const Bytef*>(data + b.offset);
    check(crc32(0, packed, b.packed_bytes) == b.crc, "is damaged");
    check(uncompress(reinterpret_cast<Bytef*>(plain.data()), &n, packed, b.packed_bytes) == Z_OK && n == b.plain_bytes,
          "is damaged");
    return plain;
  }
};

Pack::Pack(const std::string& path) : file_(std::make_unique<File>()) {
  file_->path = path;
  file_->map();
  file_->read_index();
}
Pack::~Pack() = default;

std::string_view Pack::name_of(const PackEntry& e) const { return &file_->names[e.name]; }

const PackEntry* Pack::find(std::string_view name, PackTarget target) const {
  const auto key = std::tuple(name, static_cast<uint32_t>(target));
  const auto& all = file_->entries;
  const auto it = std::lower_bound(all.begin(), all.end(), key, [&](const PackEntry& e, const auto& k) {
    return std::tuple(name_of(e), e.target) < k;
  });
  return it != all.end() && std::tuple(name_of(*it), it->target) == key ? &*it : nullptr;
}

KernelCode Pack::load(std::string_view name, PackTarget target) const {
  const PackEntry* e = find(name, target);
  require(e, Code::internal, "kernel ", name, " is not in ", file_->path);
  std::lock_guard hold(lock_);
  if (cached_block_ != e->block) {
    cached_ = file_->unpack(e->block);
    cached_block_ = e->block;
  }
  file_->check(uint64_t{e->offset} + e->bytes <= cached_.size(), "has a damaged index");
  KernelCode k{{cached_.begin() + e->offset, cached_.begin() + e->offset + e->bytes},
               {e->group[0], e->group[1], e->group[2]},
               e->param_bytes,
               e->by_pointer != 0};
  return k;
}

uint64_t Pack::fingerprint() const { return file_->header.fingerprint; }

std::vector<std::string> Pack::names(PackTarget target) const {
  std::vector<std::string> out;
  for (const PackEntry& e : file_->entries)
    if (e.target == static_cast<uint32_t>(target)) out.emplace_back(name_of(e));
  return out;
}

const Pack& default_pack() {
  static const Pack pack = [] {
    if (!options().kernel_pack.empty()) return Pack(options().kernel_pack);
    Dl_info here{};
    require(dladdr(reinterpret_cast<const void*>(&default_pack), &here) && here.dli_fname, Code::internal,
            "cannot find the folder of this library; set ANVIL_KERNEL_PACK");
    const std::string path = here.dli_fname;
    return Pack(path.substr(0, path.rfind('/') + 1) + "kernels.pack");
  }();
  return pack;
}

}  // namespace anvil
