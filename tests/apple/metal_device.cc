// The device, and what it makes that is no code and no command: buffers, residency, events, fences.
#include <chrono>
#include <cstring>

#include "apple/metal_objects.h"

namespace apple {
namespace {

constexpr UInt kWorkingSet = 8ul << 30, kMostBuffer = 4ul << 30;

struct Control {
  std::mutex lock;
  struct {
    int after = 0, count = 0;
    long code = 0;
  } faults[static_cast<size_t>(Fault::count_)];
};
Control& control() {
  static auto* c = new Control;
  return *c;
}
std::atomic<uint32_t> seed{1};
std::atomic<bool> own_memory{false};
std::atomic<uint64_t> live_bytes{0};

Class the_device_class, buffer_class, event_class, fence_class, set_class, description_class, the_queue_class;

struct SetDescription : Object {};

void register_buffers() {
  buffer_class = define<Buffer>("FakeMTLBuffer", object_class());
  method(buffer_class, "contents", +[](id self, SEL) -> void* { return as<Buffer>(self)->memory.cpu; });
  method(buffer_class, "length", +[](id self, SEL) -> UInt { return as<Buffer>(self)->memory.bytes; });
  method(
      buffer_class, "gpuAddress",
      +[](id self, SEL) -> uint64_t { return reinterpret_cast<uint64_t>(as<Buffer>(self)->memory.gpu); });
  method(
      the_device_class, "newBufferWithLength:options:", +[](id, SEL, UInt bytes, UInt options) -> id {
        if (bytes == 0) misuse("a buffer of 0 bytes");
        if (bytes > kMostBuffer) misuse("a buffer longer than maxBufferLength");
        if ((options >> 4 & 15) != 0) misuse("a buffer that is not in shared storage; the CPU cannot read it");
        if (hit(Fault::allocation) || live_bytes + bytes > kWorkingSet) return nullptr;
        const Memory memory = map_memory(bytes);
        if (!memory.cpu) return nullptr;
        auto* b = make<Buffer>(buffer_class);
        b->memory = memory;
        live_bytes += bytes;
        return b;
      });
}

void register_residency() {
  description_class = define<SetDescription>("MTLResidencySetDescriptor", object_class());
  method(description_class->isa, "alloc", +[](id, SEL) -> id { return make<SetDescription>(description_class); });
  set_class = define<ResidencySet>("FakeMTLResidencySet", object_class());
  method(
      set_class, "addAllocation:", +[](id self, SEL, id buffer) -> void {
        std::lock_guard hold(as<ResidencySet>(self)->lock);
        as<ResidencySet>(self)->next.insert(buffer);
      });
  method(
      set_class, "removeAllocation:", +[](id self, SEL, id buffer) -> void {
        std::lock_guard hold(as<ResidencySet>(self)->lock);
        if (!as<ResidencySet>(self)->next.erase(buffer)) misuse("removal of a buffer that is not in the residency set");
      });
  method(
      set_class, "commit", +[](id self, SEL) -> void {
        std::lock_guard hold(as<ResidencySet>(self)->lock);
        as<ResidencySet>(self)->committed = as<ResidencySet>(self)->next;
      });
  method(
      the_device_class, "newResidencySetWithDescriptor:error:", +[](id, SEL, id, id* error) -> id {
        if (!hit(Fault::residency)) return make<ResidencySet>(set_class);
        set_error(error, "MTLResidencySetDomain", 1, "no residency set (injected)");
        return nullptr;
      });
}

void set_value(Event& e, uint64_t value) {
  {
    std::lock_guard hold(e.lock);
    e.value = value;
  }
  e.changed.notify_all();
}

void register_events() {
  event_class = define<Event>("FakeMTLSharedEvent", object_class());
  method(
      event_class, "signaledValue", +[](id self, SEL) -> uint64_t {
        std::lock_guard hold(as<Event>(self)->lock);
        return as<Event>(self)->value;
      });
  method(
      event_class,
      "setSignaledValue:", +[](id self, SEL, uint64_t value) -> void { set_value(*as<Event>(self), value); });
  method(
      event_class, "waitUntilSignaledValue:timeoutMS:", +[](id self, SEL, uint64_t value, uint64_t ms) -> bool {
        auto* e = as<Event>(self);
        std::unique_lock hold(e->lock);
        return e->changed.wait_for(hold, std::chrono::milliseconds(ms), [&] { return e->value >= value; });
      });
  method(
      the_device_class, "newSharedEvent",
      +[](id, SEL) -> id { return hit(Fault::event) ? nullptr : make<Event>(event_class); });
  fence_class = define<Fence>("FakeMTLFence", object_class());
  method(
      the_device_class, "newFence",
      +[](id, SEL) -> id { return hit(Fault::fence) ? nullptr : make<Fence>(fence_class); });
}

id the_device() {
  static DeviceObject* const one = make<DeviceObject>(the_device_class);
  return one;
}

}  // namespace

Buffer::~Buffer() {
  live_bytes -= memory.bytes;
  unmap_memory(memory);
}

bool hit(Fault fault, long* code) {
  std::lock_guard hold(control().lock);
  auto& f = control().faults[static_cast<size_t>(fault)];
  if (f.count == 0 || --f.after > 0) return false;
  --f.count;
  if (code) *code = f.code;
  return true;
}
void inject(Fault fault, int after, int count, long code) {
  std::lock_guard hold(control().lock);
  control().faults[static_cast<size_t>(fault)] = {after, count, code};
}
void no_faults() {
  std::lock_guard hold(control().lock);
  for (auto& f : control().faults) f = {};
}
void old_system(bool old) {
  hide("newResidencySetWithDescriptor:error:", old);
  hide("setMathMode:", old);
}
void separate_memory(bool separate) { own_memory = separate; }
void shuffle(uint32_t s) { seed = s; }
uint32_t shuffle_seed() { return seed; }
Class device_class() { return the_device_class; }
Class queue_class() { return the_queue_class; }
uint64_t allocated() { return live_bytes; }

void register_device() {
  the_device_class = define<DeviceObject>("FakeMTLDevice", object_class());
  method(the_device_class, "name", +[](id, SEL) -> id { return autorelease(new_string("Fake Apple GPU")); });
  method(the_device_class, "hasUnifiedMemory", +[](id, SEL) -> bool { return !own_memory; });
  method(the_device_class, "maxBufferLength", +[](id, SEL) -> UInt { return kMostBuffer; });
  method(the_device_class, "recommendedMaxWorkingSetSize", +[](id, SEL) -> uint64_t { return kWorkingSet; });
  method(the_device_class, "currentAllocatedSize", +[](id, SEL) -> UInt { return live_bytes; });
  method(the_device_class, "maxThreadgroupMemoryLength", +[](id, SEL) -> UInt { return 32768; });
  method(the_device_class, "maxThreadsPerThreadgroup", +[](id, SEL) -> Size { return {1024, 1024, 1024}; });
  register_buffers();
  register_residency();
  register_events();
  the_queue_class = define<Queue>("FakeMTLCommandQueue", object_class());
  method(
      the_queue_class, "addResidencySet:", +[](id self, SEL, id set) -> void {
        std::lock_guard hold(as<Queue>(self)->runner->lock);
        as<Queue>(self)->runner->sets.push_back(as<ResidencySet>(retain(set)));
      });
  method(
      the_device_class, "newCommandQueueWithMaxCommandBufferCount:", +[](id, SEL, UInt most) -> id {
        if (hit(Fault::queue)) return nullptr;
        auto* q = make<Queue>(the_queue_class);
        q->runner->most = most;
        start(q->runner);
        return q;
      });
}

void register_metal() {
  register_device();
  register_libraries();
  register_commands();
}

}  // namespace apple

extern "C" {

id MTLCopyAllDevices() {
  objc_lookUpClass("NSObject");
  return apple::hit(apple::Fault::devices) ? apple::new_array({}) : apple::new_array({apple::the_device()});
}
id MTLCopyAllDevicesWithObserver(id*, void*) { return nullptr; }
id MTLCreateSystemDefaultDevice() { return nullptr; }
void MTLRemoveDeviceObserver(id) {}

}  // extern "C"
