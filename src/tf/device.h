// The GPUs that TensorFlow sees, and the handles it holds: streams, events and timers.
#pragma once
#include <map>
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
  std::mutex lock;                             // guards all below
  std::vector<std::weak_ptr<Stream>> streams;  // all that live
  uint64_t streams_made = 0;
  std::map<uintptr_t, uint64_t> regions;  // that TensorFlow's allocator holds: bytes by address
  uint64_t largest_asked = 0;             // the largest region that it asked for
  std::shared_ptr<Stream> visitor;        // for copies that come from another GPU

  // For TensorFlow's allocator; allocate() throws as the driver's does.
  void* allocate(uint64_t bytes);
  void free(void* address);
  // Does the address lie in one of the regions?
  bool owns(const void* address);

  std::shared_ptr<Stream> make_stream();
  // The stream for copies to or from other GPUs that no stream of TensorFlow's on this one is named for.
  std::shared_ptr<Stream> for_visitors();
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
  struct Moment {
    anvil::tf::Gpu* gpu = nullptr;
    std::shared_ptr<anvil::Stream> stream;  // shared: an event may outlive its stream; null if nothing was recorded
    uint64_t value = 0;
  };
  void record(Moment moment);
  // What was recorded last.
  Moment moment();

 private:
  std::mutex lock_;
  Moment moment_;
};

struct SP_Timer_st {
  std::shared_ptr<anvil::Stream> stream;
  uint64_t from = 0, to = 0;  // marks
  bool stopped = false;
};
