// The fake's objects behind Metal's classes.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "apple/address_space.h"
#include "apple/fake_metal.h"
#include "apple/foundation.h"
#include "apple/msl/kernel.h"

namespace apple {

using UInt = unsigned long;  // NSUInteger
struct Size {
  UInt width, height, depth;
  UInt product() const { return width * height * depth; }
};

struct DeviceObject : Object {};
struct Buffer : Object {
  Memory memory;
  ~Buffer();
};
struct Fence : Object {};
struct Event : Object {
  std::mutex lock;
  std::condition_variable changed;
  uint64_t value = 0;
};
struct ResidencySet : Object {
  std::mutex lock;
  std::set<id> next, committed;  // buffers, not retained: the owner has to take them out
};

struct CompileOptions : Object {};
struct Library : Object {
  std::vector<std::shared_ptr<const msl::Kernel>> kernels;
};
struct Function : Object {
  std::shared_ptr<const msl::Kernel> kernel;
};
struct PipelineDescriptor : Object {
  Function* function = nullptr;
  UInt most_threads = 0;
  ~PipelineDescriptor() { release(function); }
};
struct Pipeline : Object {
  std::shared_ptr<const msl::Kernel> kernel;
  UInt most_threads = 0;
};

// What an encoder has recorded: kernels in intervals; those of one interval may run in any order.
struct Dispatch {
  std::shared_ptr<const msl::Kernel> kernel;
  std::map<UInt, std::string> bytes;               // by index of the argument
  std::map<UInt, std::pair<Buffer*, UInt>> bound;  // buffer and offset
  Size groups, threads;
};
struct Pass {
  std::vector<std::vector<Dispatch>> intervals{1};
  std::set<Fence*> waits, updates;
  std::set<const Buffer*> used;  // named with useResource, or bound
};
// One command of a command buffer, run in order.
struct Command {
  std::unique_ptr<Pass> pass;  // or
  Event* event = nullptr;
  uint64_t value = 0;
  bool signal = false;
};

struct Queue;
struct CommandBuffer : Object {
  Queue* queue = nullptr;
  bool after_idle = false;  // committed when the host knew all earlier ones to be done
  std::vector<Command> commands;
  std::vector<id> kept;         // retained until it is done
  std::vector<void*> handlers;  // blocks
  bool encoding = false;
  std::mutex lock;  // guards the rest
  std::condition_variable changed;
  UInt status = 0;  // MTLCommandBufferStatus
  bool handled = false;
  ErrorObject* error = nullptr;
  double start = 0, end = 0;
  ~CommandBuffer();
};
struct Encoder : Object {
  CommandBuffer* commands = nullptr;
  std::unique_ptr<Pass> pass;
  bool concurrent = false, ended = false;
  Pipeline* pipeline = nullptr;
  std::map<UInt, std::string> bytes;
  std::map<UInt, std::pair<Buffer*, UInt>> bound;
  ~Encoder();
};
// What a queue shares with its threads, which may outlive it by a moment.
struct Runner {
  UInt most = 64;
  std::atomic<UInt> out{0};  // command buffers that exist and are not done
  std::mutex lock;           // guards the rest
  std::condition_variable changed;
  std::deque<CommandBuffer*> committed, done;
  std::vector<ResidencySet*> sets;
  UInt running = 0;  // committed and not done
  bool stop = false;
  std::set<Fence*> last_updates;  // of the pass that ran last; only the running thread's
  bool ran_a_pass = false;
  ~Runner();
};
struct Queue : Object {
  std::shared_ptr<Runner> runner = std::make_shared<Runner>();
  ~Queue();
};

enum Status : UInt { kNotEnqueued = 0, kCommitted = 2, kScheduled = 3, kCompleted = 4, kError = 5 };

// True if this call has to fail; the injected code, if any.
bool hit(Fault fault, long* code = nullptr);
uint32_t shuffle_seed();

Class device_class();
Class queue_class();
// Starts the threads that run a queue's command buffers and call their handlers.
void start(const std::shared_ptr<Runner>& runner);

void register_device();
void register_libraries();
void register_commands();

}  // namespace apple
