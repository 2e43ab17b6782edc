// Groups run one after another on the calling thread.  Threads that meet have stacks of their own and are switched by
// hand: at a barrier, and where lanes exchange values.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "apple/msl/kernel.h"

extern "C" void apple_switch(void** save, void* to);

namespace apple::msl {
namespace {

constexpr size_t kStack = 256u << 10;

enum class State : uint8_t { ready, at_barrier, at_exchange, done };

struct Fiber {
  Thread self;
  void* stack_at = nullptr;
  State state = State::ready;
  int site = 0;  // where in the text it waits
  const void* given = nullptr;
  void* taken = nullptr;
  unsigned bytes = 0;
  uint32_t mask = 0;  // lanes that took part
};

// One group whose threads meet.
struct Meeting {
  const Kernel* kernel;
  std::vector<Fiber> fibers;
  Fiber* current = nullptr;
  void* back = nullptr;
};
thread_local Meeting* meeting = nullptr;

void leave(State state) {
  Fiber* me = meeting->current;
  me->state = state;
  apple_switch(&me->stack_at, meeting->back);
}

void begin_fiber() {
  meeting->kernel->entry(&meeting->current->self);
  leave(State::done);
}

// Stacks of all threads of a group; kept for the thread that runs groups.
class Stacks {
 public:
  ~Stacks() {
    if (at_) munmap(at_, bytes_);
  }
  char* of(size_t i, size_t count) {
    if (count * kStack > bytes_) {
      if (at_) munmap(at_, bytes_);
      bytes_ = count * kStack;
      at_ = static_cast<char*>(
          mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    }
    return at_ + i * kStack;
  }

 private:
  char* at_ = nullptr;
  size_t bytes_ = 0;
};

void prepare(Fiber& f, char* stack) {
  auto** top = reinterpret_cast<void**>(stack + kStack);
  *--top = nullptr;  // as if called from nowhere: the stack is then aligned as the ABI wants it
  *--top = reinterpret_cast<void*>(begin_fiber);
  for (int i = 0; i < 6; ++i) *--top = nullptr;  // the registers apple_switch takes from it
  f.stack_at = top;
  f.state = State::ready;
}

// Lanes of one SIMD-group that wait at the same place, the first in the text, exchange their values.
bool exchange(Fiber* first, Fiber* end) {
  const auto waits = [](const Fiber& f) { return f.state == State::at_exchange; };
  int site = INT32_MAX;
  for (Fiber* f = first; f != end; ++f)
    if (waits(*f)) site = std::min(site, f->site);
  uint32_t mask = 0;
  for (Fiber* f = first; f != end; ++f)
    if (waits(*f) && f->site == site) mask |= 1u << (f - first);
  if (!mask) return false;
  for (Fiber* to = first; to != end; ++to) {
    if (!(mask >> (to - first) & 1)) continue;
    for (Fiber* from = first; from != end; ++from)
      if (mask >> (from - first) & 1)
        std::memcpy(static_cast<char*>(to->taken) + (from - first) * from->bytes, from->given, from->bytes);
    to->mask = mask;
  }
  for (Fiber* f = first; f != end; ++f)
    if (mask >> (f - first) & 1) f->state = State::ready;
  return true;
}

// Everyone has to be at the same barrier.
std::string open_barrier(std::vector<Fiber>& fibers) {
  const auto waiting =
      std::count_if(fibers.begin(), fibers.end(), [](const Fiber& f) { return f.state == State::at_barrier; });
  const bool same = std::all_of(fibers.begin(), fibers.end(), [&](const Fiber& f) { return f.site == fibers[0].site; });
  if (static_cast<size_t>(waiting) != fibers.size())
    return "a barrier that only " + std::to_string(waiting) + " of " + std::to_string(fibers.size()) + " threads reach";
  if (!same) return "threads of one group wait at different barriers";
  for (Fiber& f : fibers) f.state = State::ready;
  return "";
}

std::string run_meeting(Meeting& m, std::mt19937* random) {
  std::vector<size_t> order(m.fibers.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<size_t> simds((m.fibers.size() + kLanes - 1) / kLanes);
  std::iota(simds.begin(), simds.end(), 0);
  while (true) {
    if (random) std::shuffle(order.begin(), order.end(), *random);
    for (const size_t i : order) {
      if (m.fibers[i].state != State::ready) continue;
      m.current = &m.fibers[i];
      apple_switch(&m.back, m.current->stack_at);
    }
    // SIMD-groups run as far ahead of one another as they can: only barriers keep them together.
    bool moved = false;
    if (random) std::shuffle(simds.begin(), simds.end(), *random);
    for (size_t k = 0; k < simds.size() && !(moved && random); ++k) {
      const size_t first = simds[k] * kLanes;
      moved |= exchange(&m.fibers[first], m.fibers.data() + std::min(m.fibers.size(), first + kLanes));
    }
    if (moved) continue;
    const bool over =
        std::all_of(m.fibers.begin(), m.fibers.end(), [](const Fiber& f) { return f.state == State::done; });
    if (over) return "";
    if (const std::string why = open_barrier(m.fibers); !why.empty()) return why;
  }
}

Extent nth(uint64_t n, Extent e) {
  return {static_cast<unsigned>(n % e.x), static_cast<unsigned>(n / e.x % e.y), static_cast<unsigned>(n / e.x / e.y)};
}

// Calls `each(i)` with `self` set to each thread of the group in turn.
template <class Each>
void for_threads(Thread& self, const Each& each) {
  self.thread = {0, 0, 0};
  const uint32_t count = self.threads.x * self.threads.y * self.threads.z;
  for (uint32_t i = 0; i < count; ++i) {
    self.index = i;
    self.lane = i % kLanes;
    self.simd = i / kLanes;
    each(i);
    if (++self.thread.x < self.threads.x) continue;
    self.thread.x = 0;
    if (++self.thread.y < self.threads.y) continue;
    self.thread.y = 0;
    ++self.thread.z;
  }
}

}  // namespace

std::string run(const Kernel& kernel, void* const* arguments, Extent groups, Extent threads, uint32_t seed) {
  thread_local Stacks stacks;
  const uint32_t in_group = threads.x * threads.y * threads.z;
  const uint64_t count = uint64_t{groups.x} * groups.y * groups.z;
  std::mt19937 random(seed);
  Meeting m{&kernel, std::vector<Fiber>(kernel.cooperative ? in_group : 0)};
  Thread self{arguments, {}, groups, {}, threads, 0, 0, 0};
  for (uint64_t n = 0; n < count; ++n) {
    self.group = nth(seed % 2 ? count - 1 - n : n, groups);
    if (!kernel.cooperative) {
      for_threads(self, [&](uint32_t) { kernel.entry(&self); });
      continue;
    }
    for_threads(self, [&](uint32_t i) {
      m.fibers[i].self = self;
      prepare(m.fibers[i], stacks.of(i, in_group));
    });
    meeting = &m;
    const std::string why = run_meeting(m, seed ? &random : nullptr);
    meeting = nullptr;
    if (!why.empty()) return why;
  }
  return "";
}

}  // namespace apple::msl

// What kernels call (include/metal_stdlib).
extern "C" {

__attribute__((visibility("default"))) void msl_barrier(int site) {
  using namespace apple::msl;
  meeting->current->site = site;
  leave(State::at_barrier);
}

// Gives `given` to the other lanes and takes theirs, `bytes` each, in lane order.  Returns the lanes that took part.
__attribute__((visibility("default"))) unsigned msl_exchange(int site, const void* given, unsigned bytes, void* taken) {
  using namespace apple::msl;
  Fiber* me = meeting->current;
  me->site = site;
  me->given = given;
  me->taken = taken;
  me->bytes = bytes;
  leave(State::at_exchange);
  return me->mask;
}

__attribute__((visibility("default"))) unsigned msl_lane() { return apple::msl::meeting->current->self.lane; }

}  // extern "C"
