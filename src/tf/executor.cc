// The functions that TensorFlow's StreamExecutor calls: memory, streams, events, timers and copies of one GPU.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <new>
#include <thread>
#include <vector>

#include "base/log.h"
#include "tf/device.h"
#include "tf/guard.h"
#include "tf/handover.h"
#include "tf/platform.h"

namespace anvil::tf {
namespace {

Gpu& gpu_of(const SP_Device* device) { return *static_cast<Gpu*>(device->device_handle); }
const std::shared_ptr<Stream>& owner_of(SP_Stream stream) {
  const Use use(stream);
  return stream->stream;
}
Stream& stream_of(SP_Stream stream) { return *owner_of(stream); }

// ---- memory ----

void allocate(const SP_Device* device, uint64_t size, int64_t, SP_DeviceMemoryBase* memory) {
  *memory = {SP_DEVICE_MEMORY_BASE_STRUCT_SIZE};
  try {
    memory->opaque = gpu_of(device).allocate(size);
    memory->size = size;
  } catch (const std::exception& error) {
    // TensorFlow's allocator asks again for less, and says so itself when nothing is left.
    log(LogKind::info, str("allocating ", size, " bytes failed: ", error.what()));
  }
}

void deallocate(const SP_Device* device, SP_DeviceMemoryBase* memory) {
  try {
    gpu_of(device).free(memory->opaque);
  } catch (const std::exception& error) {
    log(LogKind::error, str("freeing device memory failed: ", error.what()));
  }
  memory->opaque = nullptr;
  memory->size = 0;
}

// Host memory that TensorFlow copies from and to.  Any memory will do: the driver stages what it has to.
constexpr std::align_val_t kHostAlignment{64};
void* host_allocate(const SP_Device*, uint64_t size) { return operator new(size, kHostAlignment, std::nothrow); }
void host_free(const SP_Device*, void* memory) { operator delete(memory, kHostAlignment); }

// TensorFlow's own allocator keeps the statistics.
TF_Bool allocator_stats(const SP_Device*, SP_AllocatorStats*) { return false; }

TF_Bool memory_usage(const SP_Device* device, int64_t* free, int64_t* total) {
  try {
    const MemoryInfo info = gpu_of(device).device->memory();
    *free = static_cast<int64_t>(info.free);
    *total = static_cast<int64_t>(info.total);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// ---- streams ----

void create_stream(const SP_Device* device, SP_Stream* stream, TF_Status* status) {
  guard(status, [&] {
    *stream = new SP_Stream_st{&gpu_of(device), gpu_of(device).make_stream()};
    made(*stream);
  });
}
void destroy_stream(const SP_Device*, SP_Stream stream) {
  gone(stream);
  delete stream;
}

// Work on two GPUs is ordered by the host: neither can wait for the other.
void wait_for(SP_Stream stream, const SP_Event_st::Moment& moment) {
  if (moment.gpu == stream->gpu) return stream_of(stream).wait({moment.stream.get(), moment.value});
  if (!moment.stream->reached(moment.value)) moment.stream->sync(moment.value, WaitFor::host);
}

void create_stream_dependency(const SP_Device*, SP_Stream dependent, SP_Stream other, TF_Status* status) {
  guard(status, [&] { wait_for(dependent, {other->gpu, owner_of(other), stream_of(other).flush().value}); });
}

// A stream whose status is bad makes TensorFlow abort the process.  The device's error reaches the script as the status
// of the next kernel or copy instead.
void stream_status(const SP_Device*, SP_Stream, TF_Status* status) { TF_SetStatus(status, TF_OK, ""); }

// ---- events ----

void create_event(const SP_Device*, SP_Event* event, TF_Status* status) {
  guard(status, [&] {
    *event = new SP_Event_st;
    made(*event);
  });
}
void destroy_event(const SP_Device*, SP_Event event) {
  gone(event);
  delete event;
}

// Never SE_EVENT_ERROR: TensorFlow answers that with an abort.
SE_EventStatus event_status(const SP_Device*, SP_Event event) {
  const Use use(event);
  const auto moment = event->moment();
  if (moment.stream && !moment.stream->reached(moment.value)) return SE_EVENT_PENDING;
  told_done();
  return SE_EVENT_COMPLETE;
}

void record_event(const SP_Device*, SP_Stream stream, SP_Event event, TF_Status* status) {
  guard(status, [&] {
    const Use use(event);
    const uint64_t value = stream_of(stream).flush().value;
    event->record({stream->gpu, owner_of(stream), value});
  });
}

void wait_for_event(const SP_Device* const, SP_Stream stream, SP_Event event, TF_Status* const status) {
  guard(status, [&] {
    const Use use(event);
    const auto moment = event->moment();
    if (moment.stream) wait_for(stream, moment);
  });
}

void block_host_for_event(const SP_Device*, SP_Event event, TF_Status* status) {
  guard(status, [&] {
    const Use use(event);
    const auto moment = event->moment();
    if (moment.stream && !moment.stream->reached(moment.value)) moment.stream->sync(moment.value, WaitFor::host);
    told_done();
  });
}

// ---- timers ----

void create_timer(const SP_Device*, SP_Timer* timer, TF_Status* status) {
  guard(status, [&] { *timer = new SP_Timer_st; });
}
void destroy_timer(const SP_Device*, SP_Timer timer) { delete timer; }

void start_timer(const SP_Device*, SP_Stream stream, SP_Timer timer, TF_Status* status) {
  guard(status, [&] { *timer = {owner_of(stream), stream_of(stream).mark(), 0, false}; });
}
void stop_timer(const SP_Device*, SP_Stream stream, SP_Timer timer, TF_Status* status) {
  guard(status, [&] {
    timer->to = stream_of(stream).mark();
    timer->stopped = true;
  });
}
uint64_t timer_nanoseconds(SP_Timer timer) {
  try {
    return timer->stopped ? timer->stream->elapsed(timer->from, timer->to) : 0;
  } catch (const std::exception&) {
    return 0;
  }
}

// ---- copies ----

void copy_to_host(const SP_Device*, SP_Stream stream, void* to, const SP_DeviceMemoryBase* from, uint64_t size,
                  TF_Status* status) {
  guard(status, [&] {
    const Turn target(to, size), source(from->opaque, size);
    stream_of(stream).download(to, from->opaque, size);
  });
}
void copy_to_device(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, const void* from, uint64_t size,
                    TF_Status* status) {
  guard(status, [&] {
    const Turn target(to->opaque, size), source(from, size);
    stream_of(stream).upload(to->opaque, from, size);
  });
}

Gpu& gpu_with(const void* address) {
  for (const auto& gpu : gpus())
    if (gpu->owns(address)) return *gpu;
  fail(Code::internal, "address ", address, " belongs to no GPU");
}

// Through the host, and waited for: what TensorFlow does on `stream` next may rely on the copy.
void copy_between(SP_Stream_st& stream, Gpu& source, Gpu& target, std::byte* to, const std::byte* from, uint64_t size) {
  constexpr uint64_t kMost = 32u << 20;  // host memory that a copy may take
  if (stream.gpu != &source) source.sync_all(WaitFor::host);
  const auto out = stream.gpu == &source ? stream.stream : source.for_visitors();
  const auto in = stream.gpu == &target ? stream.stream : target.for_visitors();
  std::vector<std::byte> piece(std::min(size, kMost));
  for (uint64_t at = 0; at < size; at += kMost) {
    const uint64_t bytes = std::min(kMost, size - at);
    out->download(piece.data(), from + at, bytes);
    out->sync(out->flush().value, WaitFor::host);
    in->upload(to + at, piece.data(), bytes);
  }
  in->sync(in->flush().value, WaitFor::host);
}

void copy(SP_Stream stream, void* to, const void* from, uint64_t size) {
  if (size == 0) return;
  if (gpus().size() == 1) return stream_of(stream).copy(to, from, size);
  Gpu &source = gpu_with(from), &target = gpu_with(to);
  if (&source == &target && &source == stream->gpu) return stream_of(stream).copy(to, from, size);
  copy_between(*stream, source, target, static_cast<std::byte*>(to), static_cast<const std::byte*>(from), size);
}

void copy_on_device(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from,
                    uint64_t size, TF_Status* status) {
  guard(status, [&] { copy(stream, to->opaque, from->opaque, size); });
}

// The synchronous forms name no stream, so they come after everything that is under way.
template <class Copy>
void copy_and_wait(const SP_Device* device, WaitFor why, TF_Status* status, Copy copy) {
  guard(status, [&] {
    Gpu& gpu = gpu_of(device);
    auto streams = gpu.live_streams();
    if (streams.empty()) streams.push_back(gpu.make_stream());
    for (size_t i = 1; i < streams.size(); ++i) streams[0]->wait(streams[i]->flush());
    copy(*streams[0]);
    streams[0]->sync(streams[0]->flush().value, why);
    told_done();
  });
}
void sync_copy_to_host(const SP_Device* device, void* to, const SP_DeviceMemoryBase* from, uint64_t size,
                       TF_Status* status) {
  const Turn target(to, size), source(from->opaque, size);
  copy_and_wait(device, WaitFor::script_read, status, [&](Stream& s) { s.download(to, from->opaque, size); });
}
void sync_copy_to_device(const SP_Device* device, SP_DeviceMemoryBase* to, const void* from, uint64_t size,
                         TF_Status* status) {
  const Turn target(to->opaque, size), source(from, size);
  copy_and_wait(device, WaitFor::host, status, [&](Stream& s) { s.upload(to->opaque, from, size); });
}
void sync_copy_on_device(const SP_Device* device, SP_DeviceMemoryBase* to, const SP_DeviceMemoryBase* from,
                         uint64_t size, TF_Status* status) {
  guard(status, [&] {
    for (const auto& gpu : gpus()) gpu->sync_all(WaitFor::host);
    SP_Stream_st stream{&gpu_of(device), gpu_of(device).for_visitors()};
    copy(&stream, to->opaque, from->opaque, size);
    stream.stream->sync(stream.stream->flush().value, WaitFor::host);
  });
}

void block_host_until_done(const SP_Device*, SP_Stream stream, TF_Status* status) {
  guard(status, [&] {
    const uint64_t value = stream_of(stream).flush().value;
    if (!stream_of(stream).reached(value)) stream_of(stream).sync(value, WaitFor::host);
    told_done();
  });
}
// TensorFlow calls this when the script reads a value, or asks for it outright.
void synchronize_all(const SP_Device* device, TF_Status* status) {
  guard(status, [&] {
    gpu_of(device).sync_all(WaitFor::script_read);
    told_done();
  });
}

// ---- fills ----

void mem_zero(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, uint64_t size, TF_Status* status) {
  guard(status, [&] { stream_of(stream).fill(to->opaque, 0, 1, size); });
}
void memset8(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, uint8_t pattern, uint64_t size,
             TF_Status* status) {
  guard(status, [&] { stream_of(stream).fill(to->opaque, pattern, 1, size); });
}
void memset32(const SP_Device*, SP_Stream stream, SP_DeviceMemoryBase* to, uint32_t pattern, uint64_t size,
              TF_Status* status) {
  guard(status, [&] { stream_of(stream).fill(to->opaque, pattern, 4, size); });
}

// ---- host callbacks ----

// Calls functions once the stream has passed a point.  One thread for all, started at the first callback and never
// ended; it polls, because a blocking wait would count as one of the program's.
class Callbacks {
 public:
  struct Job {
    std::shared_ptr<Stream> stream;
    uint64_t value;
    SE_StatusCallbackFn function;
    void* argument;
  };
  void add(Job job) {
    {
      std::lock_guard hold(lock_);
      jobs_.push_back(std::move(job));
      if (!started_) std::thread([this] { run(); }).detach();
      started_ = true;
    }
    wake_.notify_one();
  }

 private:
  void run() {
    std::vector<Job> pending;
    auto pause = kShortest;
    for (;;) {
      {
        std::unique_lock hold(lock_);
        if (pending.empty()) wake_.wait(hold, [this] { return !jobs_.empty(); });
        pending.insert(pending.end(), jobs_.begin(), jobs_.end());
        jobs_.clear();
      }
      const size_t before = pending.size();
      // In the order they were added: a stream may pass a later point while an earlier one is being looked at.
      std::vector<const Stream*> behind;
      std::erase_if(pending, [&behind](const Job& job) {
        if (std::ranges::find(behind, job.stream.get()) != behind.end()) return false;
        if (!job.stream->reached(job.value)) {
          behind.push_back(job.stream.get());
          return false;
        }
        Status status;
        told_done();
        job.function(job.argument, status.out());
        return true;
      });
      pause = pending.size() < before ? kShortest : std::min(pause * 2, kLongest);
      if (!pending.empty()) std::this_thread::sleep_for(pause);
    }
  }
  static constexpr std::chrono::microseconds kShortest{20}, kLongest{1000};
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool started_ = false;
};

TF_Bool host_callback(const SP_Device*, SP_Stream stream, SE_StatusCallbackFn function, void* argument) {
  static Callbacks& callbacks = *new Callbacks;
  try {
    callbacks.add({owner_of(stream), stream_of(stream).flush().value, function, argument});
    return true;
  } catch (const std::exception& error) {
    log(LogKind::error, str("a host callback was refused: ", error.what()));
    return false;
  }
}

}  // namespace

void fill_stream_executor(SP_StreamExecutor& e) {
  e = {SP_STREAMEXECUTOR_STRUCT_SIZE};
  e.allocate = allocate;
  e.deallocate = deallocate;
  e.host_memory_allocate = host_allocate;
  e.host_memory_deallocate = host_free;
  e.unified_memory_allocate = host_allocate;
  e.unified_memory_deallocate = host_free;
  e.get_allocator_stats = allocator_stats;
  e.device_memory_usage = memory_usage;
  e.create_stream = create_stream;
  e.destroy_stream = destroy_stream;
  e.create_stream_dependency = create_stream_dependency;
  e.get_stream_status = stream_status;
  e.create_event = create_event;
  e.destroy_event = destroy_event;
  e.get_event_status = event_status;
  e.record_event = record_event;
  e.wait_for_event = wait_for_event;
  e.create_timer = create_timer;
  e.destroy_timer = destroy_timer;
  e.start_timer = start_timer;
  e.stop_timer = stop_timer;
  e.memcpy_dtoh = copy_to_host;
  e.memcpy_htod = copy_to_device;
  e.memcpy_dtod = copy_on_device;
  e.sync_memcpy_dtoh = sync_copy_to_host;
  e.sync_memcpy_htod = sync_copy_to_device;
  e.sync_memcpy_dtod = sync_copy_on_device;
  e.block_host_for_event = block_host_for_event;
  e.block_host_until_done = block_host_until_done;
  e.synchronize_all_activity = synchronize_all;
  e.mem_zero = mem_zero;
  e.memset = memset8;
  e.memset32 = memset32;
  e.host_callback = host_callback;
}

void fill_timer_functions(SP_TimerFns& t) {
  t = {SP_TIMER_FNS_STRUCT_SIZE};
  t.nanoseconds = timer_nanoseconds;
}

}  // namespace anvil::tf
