// The kernel pack: every compiled kernel variant in one compressed file.  Written by tools/build_kernels, read here.
//
// Layout, little-endian: PackHeader; `blocks` PackBlocks; `entries` PackEntries sorted by (name, target); the names,
// each ended by a 0 byte; the blocks.  A block is a zlib stream of several kernels of one target, so that neighbours,
// which are alike, compress together.  Every part carries a CRC-32: a damaged file is refused with a message that says
// how to get a new one, never run.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anvil {

enum class PackTarget : uint32_t { spirv = 0, msl = 1 };

struct PackHeader {
  static constexpr uint32_t kMagic = 0x4b564e41;  // "ANVK"
  static constexpr uint32_t kVersion = 1;
  uint32_t magic, version, blocks, entries, name_bytes;
  uint32_t index_crc;    // of blocks, entries and names
  uint64_t fingerprint;  // of all kernels' contents; keys pipeline caches
};
struct PackBlock {
  uint64_t offset;  // from the start of the file
  uint32_t packed_bytes, plain_bytes, crc, reserved;
};
struct PackEntry {
  uint32_t name, target, block, offset, bytes;  // `name`: offset into the names; `offset`: into the plain block
  uint32_t group[3];                            // threads in a group
  uint32_t param_bytes;                         // size of the parameter struct
  uint32_t by_pointer;                          // 1: the kernel takes a pointer to that struct
};

// One kernel's code.  SPIR-V as 32-bit words in host order, MSL as text.
struct KernelCode {
  std::vector<std::byte> code;
  uint32_t group[3];
  uint32_t param_bytes;
  bool by_pointer;
};

// Thread-safe.  Keeps the file's index in memory (some 40 bytes a kernel) and decompresses blocks on demand.
class Pack {
 public:
  // Throws internal, naming the file and what to do, if it is missing, damaged or of another version.
  explicit Pack(const std::string& path);
  ~Pack();
  Pack(const Pack&) = delete;
  Pack& operator=(const Pack&) = delete;

  bool has(std::string_view name, PackTarget target) const { return find(name, target) != nullptr; }
  // Throws internal if the pack lacks it.
  KernelCode load(std::string_view name, PackTarget target) const;
  uint64_t fingerprint() const;
  std::vector<std::string> names(PackTarget target) const;

 private:
  const PackEntry* find(std::string_view name, PackTarget target) const;
  std::string_view name_of(const PackEntry& e) const;
  struct File;
  std::unique_ptr<File> file_;
  mutable std::mutex lock_;                     // guards the two below
  mutable uint32_t cached_block_ = UINT32_MAX;  // the block used last: neighbours are often wanted together
  mutable std::vector<std::byte> cached_;
};

// The pack beside this library (or ANVIL_KERNEL_PACK), opened once.  Throws as Pack() does, every time it is asked.
const Pack& default_pack();

}  // namespace anvil
