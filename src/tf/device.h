// The GPUs that TensorFlow sees, and the handles it holds: streams, events and timers.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drv/driver.h"
#include "tensorflow/c/experimental/stream_executor/stream_executor.h"

namespace anvil::tf {

// One GPU.  Lives until the process ends: TensorFlow never takes a device back.
struct Gpu {
  explicit Gpu(std::unique_ptr<Device> d) : device(std::move(d)) {}
  std::unique_ptr<Device> device;
  std::mutex lock;                             // guards the two below
  std::vector<std::weak_ptr<Stream>> streams;  // all that live
  uint64_t streams_made = 0;
  std::atomic<uint64_t> allocated{0};      // bytes that TensorFlow's allocator holds
  std::atomic<uint64_t> largest_asked{0};  // the largest region that it asked for

  std::shared_ptr<Stream> make_stream();
  std::vector<std::shared_ptr<Stream>> live_streams();
  // Blocks until everything submitted on every stream is done.  Throws the device's sticky error.
  void sync_all(WaitFor why);
  // For whoever gets no memory: what there is, what is in use, and what to do.  Begins with "; ".
  std::string out_of_memory();
};

// Opens the GPUs and prepares TensorFlow for them (kernels, shim, passes) at the first call; later calls return the
// same list.  Empty if there is none or if this TensorFlow cannot be served; then one sentence says why, on stderr if
// the user can do something about it.  Never throws.  Thread-safe.
const std::vector<std::unique_ptr<Gpu>>& gpus();

// Has gpus() done its work?  For readers that must not start anything.
bool gpus_were_opened();
// Why gpus() is empty; empty where it is not.
const std::string& no_gpu_reason();

}  // namespace anvil::tf

// TensorFlow keeps pointers to these; the names are its own.
struct SP_Stream_st {
  anvil::tf::Gpu* gpu;
  std::shared_ptr<anvil::Stream> stream;
};

// A moment on a stream.  Until it is recorded it counts as reached.
struct SP_Event_st {
  void record(const std::shared_ptr<anvil::Stream>& on, uint64_t value);
  // What was recorded last; the stream is null if nothing was.
  std::pair<std::shared_ptr<anvil::Stream>, uint64_t> moment();

 private:
  std::mutex lock_;
  std::shared_ptr<anvil::Stream> stream_;  // shared: an event may outlive its stream
  uint64_t value_ = 0;
};

struct SP_Timer_st {
  std::shared_ptr<anvil::Stream> stream;
  uint64_t from = 0, to = 0;  // marks
  bool stopped = false;
};
