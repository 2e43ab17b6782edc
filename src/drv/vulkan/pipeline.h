// Compiled kernels of one device, and their cache on disk.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "drv/driver.h"
#include "drv/kernel_table.h"
#include "drv/vulkan/context.h"

namespace anvil::vulkan {

class Pipeline final : public Kernel {
 public:
  Pipeline(Context& context, std::string name, const KernelCode& code, VkPipelineCache cache);
  ~Pipeline() override;

  const Context& context() const { return context_; }
  VkPipeline handle() const { return handle_; }
  uint32_t param_bytes() const { return param_bytes_; }  // addresses and parameters
  bool by_pointer() const { return by_pointer_; }

 private:
  Context& context_;
  VkPipeline handle_ = VK_NULL_HANDLE;
  uint32_t param_bytes_;
  bool by_pointer_;
};

// The driver's compiled code, kept between runs: one file a device, driver version and pack.  A file that is damaged,
// truncated or someone else's is discarded and counted; a folder that cannot be written is no error.
class PipelineCache {
 public:
  explicit PipelineCache(Context& context);
  ~PipelineCache();  // saves
  VkPipelineCache handle() const { return cache_; }
  // A pipeline was built: save soon, from another thread.
  void touched();
  // Path of the file; empty if there is no cache folder.
  const std::string& path() const { return path_; }
  void save();

 private:
  std::vector<std::byte> load() const;
  void run();
  Context& context_;
  std::string path_;
  uint64_t key_ = 0;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  std::mutex lock_;
  std::condition_variable wake_;
  uint64_t counted_ = 0;            // bytes in the counter; only the saver writes
  uint64_t built_ = 0, saved_ = 0;  // counts of pipelines
  bool stop_ = false;
  std::thread saver_;  // started by the first touched()
};

// Thread-safe.
class Pipelines {
 public:
  explicit Pipelines(Context& context) : context_(context), cache_(context) {}
  const Pipeline& get(std::string_view name);
  PipelineCache& cache() { return cache_; }

 private:
  Context& context_;
  PipelineCache cache_;
  KernelTable<Pipeline> table_;
};

}  // namespace anvil::vulkan
