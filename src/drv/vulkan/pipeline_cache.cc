#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/counters.h"
#include "base/log.h"
#include "drv/vulkan/pipeline.h"

namespace anvil::vulkan {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostBytes = 256u << 20;  // a larger cache is not written
// Pipelines come in bursts, while a model runs for the first time.  Saving this long after one began loses little if
// the process is killed, and costs one write for many pipelines.
constexpr auto kDelay = std::chrono::seconds(2);

// Before the driver's own data, whose header says nothing about damage.
struct FileHeader {
  static constexpr uint32_t kMagic = 0x50564e41;  // "ANVP"
  uint32_t magic = kMagic, version = 1;
  uint64_t key = 0, bytes = 0;
  uint32_t crc = 0, reserved = 0;
};

uint32_t crc_of(const std::vector<std::byte>& data) {
  return static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
}

// Everything that makes one cache useless for another device, driver or set of kernels.
uint64_t key_of(const Context& c) {
  VkPhysicalDeviceProperties p;
  vkGetPhysicalDeviceProperties(c.adapter.gpu, &p);
  uint64_t h = 14695981039346656037ull;  // FNV-1a
  const auto mix = [&h](const void* data, size_t n) {
    for (size_t i = 0; i < n; ++i) h = (h ^ static_cast<const uint8_t*>(data)[i]) * 1099511628211ull;
  };
  mix(p.pipelineCacheUUID, VK_UUID_SIZE);
  mix(&p.vendorID, sizeof p.vendorID);
  mix(&p.deviceID, sizeof p.deviceID);
  mix(&p.driverVersion, sizeof p.driverVersion);
  mix(c.adapter.caps.uuid.data(), c.adapter.caps.uuid.size());
  try {
    const uint64_t pack = c.pack().fingerprint();
    mix(&pack, sizeof pack);
  } catch (const Error&) {
    // No pack: no kernel can be built either, and asking for one says why.
  }
  return h;
}

// One name a device, so that a new driver or pack replaces the file instead of adding one.
std::string file_of(const Context& c) {
  const std::string& folder = c.config.options.cache_dir;
  return folder.empty() ? "" : folder + "/pipelines-" + c.adapter.caps.uuid.substr(0, 32) + ".bin";
}

}  // namespace

PipelineCache::PipelineCache(Context& context) : context_(context), path_(file_of(context)), key_(key_of(context)) {
  const std::vector<std::byte> data = load();
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  check(context_.vk.vkCreatePipelineCache(context_.device, &info, nullptr, &cache_), "making a pipeline cache");
}

PipelineCache::~PipelineCache() {
  if (saver_.joinable()) {
    {
      std::lock_guard hold(lock_);
      stop_ = true;
    }
    wake_.notify_all();
    saver_.join();
  }
  subtract(Counter::pipeline_cache_bytes, counted_);
  context_.vk.vkDestroyPipelineCache(context_.device, cache_, nullptr);
}

std::vector<std::byte> PipelineCache::load() const {
  std::error_code none;
  if (path_.empty() || !fs::exists(path_, none)) return {};
  const auto bytes = fs::file_size(path_, none);
  std::ifstream in(path_, std::ios::binary);
  FileHeader h;
  const bool read = !none && bytes <= kMostBytes + sizeof h && in.read(reinterpret_cast<char*>(&h), sizeof h);
  if (read && h.magic == FileHeader::kMagic && h.version == 1 && h.bytes == bytes - sizeof h) {
    if (h.key != key_) return {};  // another driver or pack: simply old
    std::vector<std::byte> data(h.bytes);
    if (in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(h.bytes)) && crc_of(data) == h.crc)
      return data;
  }
  in.close();
  add(Counter::pipeline_cache_discarded);
  log(LogKind::warn, str("pipeline cache ", path_, " is damaged; it is discarded and will be rebuilt"));
  fs::remove(path_, none);
  return {};
}

void PipelineCache::touched() {
  std::lock_guard hold(lock_);
  ++built_;
  if (path_.empty()) return;
  if (!saver_.joinable()) saver_ = std::thread([this] { run(); });
  wake_.notify_all();
}

void PipelineCache::run() {
  std::unique_lock hold(lock_);
  while (true) {
    wake_.wait(hold, [&] { return stop_ || built_ != saved_; });
    if (!stop_) wake_.wait_for(hold, kDelay, [&] { return stop_; });
    const bool stopping = stop_, due = built_ != saved_;
    saved_ = built_;
    hold.unlock();
    if (due) save();
    hold.lock();
    if (stopping) return;
  }
}

void PipelineCache::save() {
  size_t n = 0;
  if (context_.vk.vkGetPipelineCacheData(context_.device, cache_, &n, nullptr) != VK_SUCCESS || n > kMostBytes) return;
  std::vector<std::byte> data(n);
  if (context_.vk.vkGetPipelineCacheData(context_.device, cache_, &n, data.data()) != VK_SUCCESS) return;
  data.resize(n);
  const FileHeader h{FileHeader::kMagic, 1, key_, n, crc_of(data), 0};
  std::error_code none;
  fs::create_directories(fs::path(path_).parent_path(), none);
  // Written aside and renamed, so that another process never reads half a file.
  const std::string aside = str(path_, ".", getpid(), ".", reinterpret_cast<uintptr_t>(this));
  {
    std::ofstream out(aside, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(&h), sizeof h);
    out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(n));
    out.close();
    if (!out) {
      log_once(LogKind::info, str("pipeline cache ", path_, " cannot be written; kernels are built anew in each run"));
      fs::remove(aside, none);
      return;
    }
  }
  fs::rename(aside, path_, none);
  if (none) fs::remove(aside, none);
  add(Counter::pipeline_cache_bytes, n);
  subtract(Counter::pipeline_cache_bytes, counted_);
  counted_ = n;
}

}  // namespace anvil::vulkan
