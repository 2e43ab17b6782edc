#include "drv/record/record.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <unordered_map>

#include "base/counters.h"
#include "drv/pack.h"
#include "drv/regions.h"

namespace anvil::record {
namespace {

class RecordedKernel final : public Kernel {
 public:
  RecordedKernel(std::string name, const Device& device, int64_t bytes)
      : Kernel(std::move(name)), device(device), param_bytes(bytes) {}
  const Device& device;
  const int64_t param_bytes;  // -1: unknown
};

// What the streams of one device share.
struct Shared {
  explicit Shared(const std::string& fault) : faults(fault) {}
  RegionTable table;
  Faults faults;
  mutable std::mutex lock;
  std::string failure;  // sticky
  std::vector<Launch> launches;

  void check() const {
    std::lock_guard hold(lock);
    require(failure.empty(), Code::unavailable, failure);
  }
};

// Work is done while it is recorded, so every point is reached as soon as it exists.
class RecordedStream final : public Stream {
 public:
  RecordedStream(Shared& shared, const Device& device) : shared_(shared), device_(device) {}

  using Stream::launch;
  void launch(const Kernel& kernel, Grid grid, std::span<const Arg> args, std::span<const std::byte> params) override {
    shared_.check();
    const auto& k = static_cast<const RecordedKernel&>(kernel);
    require(&k.device == &device_, Code::internal, "kernel ", kernel.name(), " belongs to another device");
    const uint64_t bytes = div_up(args.size() * 8 + params.size(), 8) * 8;
    require(k.param_bytes < 0 || div_up(static_cast<uint64_t>(k.param_bytes), 8) * 8 == bytes, Code::internal,
            "kernel ", kernel.name(), " takes ", k.param_bytes, " bytes of parameters, the launch has ", bytes);
    std::vector<uint64_t> addresses(args.size());
    shared_.table.translate(args, addresses.data());
    if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
    work();
    add(Counter::launches);
    std::lock_guard hold(shared_.lock);
    shared_.launches.push_back({kernel.name(), grid, {args.begin(), args.end()}, {params.begin(), params.end()}});
  }
  void copy(void* to, const void* from, uint64_t bytes) override {
    shared_.check();
    if (!bytes || to == from) return;
    const Span target = shared_.table.find(to, bytes), source = shared_.table.find(from, bytes);
    work();
    std::memmove(target.host, source.host, bytes);
    add(Counter::bytes_on_device, bytes);
  }
  void upload(void* to, const void* from, uint64_t bytes) override {
    shared_.check();
    if (!bytes) return;
    const Span target = shared_.table.find(to, bytes);
    work();
    std::memcpy(target.host, from, bytes);
    add(Counter::bytes_to_device, bytes);
  }
  void download(void* to, const void* from, uint64_t bytes) override {
    shared_.check();
    if (!bytes) return;
    const Span source = shared_.table.find(from, bytes);
    work();
    std::memcpy(to, source.host, bytes);
    add(Counter::bytes_to_host, bytes);
  }
  void fill(void* to, uint32_t pattern, uint32_t pattern_bytes, uint64_t bytes) override {
    shared_.check();
    require(pattern_bytes == 1 || pattern_bytes == 4, Code::internal, "a fill pattern of ", pattern_bytes, " bytes");
    require(pattern_bytes == 1 || (reinterpret_cast<uintptr_t>(to) % 4 == 0 && bytes % 4 == 0), Code::internal,
            "a fill with 4-byte patterns must be 4-byte aligned");
    if (!bytes) return;
    const Span target = shared_.table.find(to, bytes);
    work();
    if (pattern_bytes == 1) std::memset(target.host, static_cast<int>(pattern & 0xff), bytes);
    else
      for (uint64_t i = 0; i < bytes; i += 4) std::memcpy(target.host + i, &pattern, 4);
    add(Counter::fills);
  }
  Point flush() override {
    uint64_t expected = 1;
    if (pending_.exchange(0) >= expected) {
      value_.fetch_add(1);
      submit();
    }
    return {this, value_.load()};
  }
  void wait(Point) override { shared_.check(); }
  bool reached(uint64_t) override { return true; }
  void sync(uint64_t, WaitFor) override { shared_.check(); }
  uint64_t mark() override { return 0; }
  uint64_t elapsed(uint64_t, uint64_t) override { return 0; }

 private:
  void work() { pending_.store(1); }
  void submit() {
    add(Counter::submissions);
    const bool refused = shared_.faults.hit(FaultKind::submit), lost = shared_.faults.hit(FaultKind::lost);
    if (!refused && !lost) return;
    std::lock_guard hold(shared_.lock);
    if (shared_.failure.empty()) shared_.failure = lost ? "the recording device is lost" : "a submission failed";
    throw Error(Code::unavailable, shared_.failure);
  }
  Shared& shared_;
  const Device& device_;
  std::atomic<uint64_t> pending_{0}, value_{0};
};

class Recorder final : public RecordingDevice {
 public:
  explicit Recorder(Config config) : config_(std::move(config)), shared_(config_.fault) {
    if (config_.caps.name.empty()) config_.caps.name = "recording device";
    if (config_.caps.memory == 0) config_.caps.memory = config_.memory_limit;
    if (config_.caps.max_allocation == 0) config_.caps.max_allocation = config_.memory_limit;
  }
  ~Recorder() override {
    while (!memory_.empty()) free(reinterpret_cast<void*>(memory_.begin()->first));
  }
  const Caps& caps() const override { return config_.caps; }
  MemoryInfo memory() override {
    std::lock_guard hold(lock_);
    return {config_.memory_limit, config_.memory_limit - live_};
  }
  void* allocate(uint64_t bytes) override;
  void free(void* address) override;
  std::unique_ptr<Stream> stream(StreamKind) override {
    shared_.check();
    return std::make_unique<RecordedStream>(shared_, *this);
  }
  const Kernel& kernel(std::string_view name) override;
  std::string error() override {
    std::lock_guard hold(shared_.lock);
    return shared_.failure;
  }
  std::vector<Launch> launches() const override {
    std::lock_guard hold(shared_.lock);
    return shared_.launches;
  }
  std::vector<std::string> kernels() const override {
    std::lock_guard hold(lock_);
    std::vector<std::string> names;
    for (const auto& [name, kernel] : kernels_) names.push_back(name);
    return names;
  }
  void clear() override {
    std::lock_guard hold(shared_.lock);
    shared_.launches.clear();
  }
  std::byte* peek(const void* address, uint64_t bytes) override { return shared_.table.find(address, bytes).host; }

 private:
  Config config_;
  Shared shared_;
  mutable std::mutex lock_;
  uint64_t live_ = 0;
  std::unordered_map<uintptr_t, std::unique_ptr<std::byte[]>> memory_;
  std::unordered_map<uintptr_t, uint64_t> reserved_;  // inaccessible address ranges
  std::map<std::string, std::unique_ptr<RecordedKernel>, std::less<>> kernels_;
};

void* Recorder::allocate(uint64_t bytes) {
  shared_.check();
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  bytes = div_up(std::max<uint64_t>(bytes, 1), 256) * 256;
  const uint64_t span = div_up(bytes, page) * page;
  std::lock_guard hold(lock_);
  require(!shared_.faults.hit(FaultKind::alloc) && bytes <= config_.memory_limit - live_, Code::resource_exhausted,
          "out of device memory: ", bytes, " bytes asked for, ", live_, " in use of ", config_.memory_limit);
  void* at = mmap(nullptr, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  require(at != MAP_FAILED, Code::resource_exhausted, "cannot reserve ", span, " bytes of address space");
  const auto begin = reinterpret_cast<uintptr_t>(at);
  auto memory = std::make_unique<std::byte[]>(bytes);
  shared_.table.insert({begin, bytes, begin, memory.get(), 0, 0});
  memory_[begin] = std::move(memory);
  reserved_[begin] = span;
  live_ += bytes;
  add(Counter::allocations);
  add(Counter::device_bytes, bytes);
  raise(Counter::device_bytes_peak, value(Counter::device_bytes));
  return at;
}

void Recorder::free(void* address) {
  if (!address) return;
  const auto region = shared_.table.remove(reinterpret_cast<uintptr_t>(address));
  require(region.has_value(), Code::internal, "free of ", address, ", which is not an allocation of this device");
  std::lock_guard hold(lock_);
  memory_.erase(region->begin);
  munmap(address, reserved_[region->begin]);
  reserved_.erase(region->begin);
  live_ -= region->bytes;
  add(Counter::frees);
  subtract(Counter::device_bytes, region->bytes);
}

const Kernel& Recorder::kernel(std::string_view name) {
  shared_.check();
  std::lock_guard hold(lock_);
  if (const auto it = kernels_.find(name); it != kernels_.end()) return *it->second;
  require(!shared_.faults.hit(FaultKind::pipeline), Code::resource_exhausted, "building kernel ", name, " failed");
  require(!config_.has_kernel || config_.has_kernel(name), Code::internal, "kernel ", name, " is not in the pack");
  int64_t bytes = -1;
  if (config_.pack) bytes = config_.pack->load(name, PackTarget::spirv).param_bytes;
  auto made = std::make_unique<RecordedKernel>(std::string(name), *this, bytes);
  return *kernels_.emplace(std::string(name), std::move(made)).first->second;
}

}  // namespace

std::unique_ptr<RecordingDevice> open(Config config) { return std::make_unique<Recorder>(std::move(config)); }

}  // namespace anvil::record
