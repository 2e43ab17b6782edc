// Running what was committed: one thread a queue runs command buffers in order, another calls their handlers, as late
// as Metal does: after everyone who waits for the events has been woken.
#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <thread>

#include "apple/metal_objects.h"

namespace apple {
namespace {

constexpr auto kEventTimeout = std::chrono::seconds(60);
constexpr long kTimeout = 2, kPageFault = 3, kInternal = 1;

struct Failure {
  long code = 0;
  std::string what;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

const char* words_of(long code) {
  switch (code) {
    case 2: return "Caused GPU Timeout Error";
    case 3: return "Caused GPU Address Fault Error";
    case 4: return "Ignored (for causing prior/excessive GPU errors)";
    case 7: return "Insufficient Permission (to submit GPU work from background)";
    case 8: return "Insufficient Memory";
    case 9: return "Invalid Resource";
    case 11: return "Device Removed";
    default: return "Internal Error";
  }
}

bool wait_event(Event& e, uint64_t value) {
  std::unique_lock hold(e.lock);
  return e.changed.wait_for(hold, kEventTimeout, [&] { return e.value >= value; });
}

void signal_event(Event& e, uint64_t value) {
  {
    std::lock_guard hold(e.lock);
    if (value <= e.value) misuse("an event is signalled with a value that it has already passed");
    e.value = value;
  }
  e.changed.notify_all();
}

// May a kernel of this pass touch that memory?
bool resident(Runner& q, const Pass& pass, const Memory& m) {
  for (const Buffer* b : pass.used)
    if (b->memory.gpu == m.gpu) return true;
  std::lock_guard hold(q.lock);
  for (ResidencySet* set : q.sets) {
    std::lock_guard hold_set(set->lock);
    for (const id b : set->committed)
      if (as<Buffer>(b)->memory.gpu == m.gpu) return true;
  }
  return false;
}

void run_dispatch(const Dispatch& d, uint32_t seed, std::string& why) {
  std::array<void*, 32> arguments{};  // not on the heap: a page fault leaves this function by a jump
  for (const auto& [i, bytes] : d.bytes) arguments[i] = const_cast<char*>(bytes.data());
  for (const auto& [i, b] : d.bound) arguments[i] = b.first->memory.gpu + b.second;
  const auto grid = [](const Size& s) {
    return msl::Extent{static_cast<uint32_t>(s.width), static_cast<uint32_t>(s.height), static_cast<uint32_t>(s.depth)};
  };
  why = msl::run(*d.kernel, arguments.data(), grid(d.groups), grid(d.threads), seed);
}

// All our resources are untracked: nothing but a fence orders one pass behind another.
void check_order(Runner& q, const Pass& pass) {
  const bool ordered =
      std::any_of(pass.waits.begin(), pass.waits.end(), [&](Fence* f) { return q.last_updates.count(f); });
  if (q.ran_a_pass && !ordered)
    misuse("an encoder waits for no fence of the one before: untracked resources would race");
  q.last_updates = pass.updates;
  q.ran_a_pass = true;
}

Failure run_pass(Runner& q, Pass& pass, uint32_t seed) {
  check_order(q, pass);
  std::mt19937 random(seed);
  std::string why;
  const auto may = [&](const Memory& m) { return resident(q, pass, m); };
  for (auto& interval : pass.intervals) {
    if (seed != 0) std::shuffle(interval.begin(), interval.end(), random);
    for (const Dispatch& d : interval) {
      std::string fault;
      if (!run_guarded(may, [&] { run_dispatch(d, seed, why); }, fault))
        return {kPageFault, d.kernel->name + ": " + fault};
      if (!why.empty()) return {kInternal, d.kernel->name + ": " + why};
    }
  }
  return {};
}

Failure run(Runner& q, CommandBuffer& c, uint32_t seed) {
  Failure injected;
  if (hit(Fault::execution, &injected.code)) {
    injected.what = "injected";
    return injected;
  }
  for (Command& command : c.commands) {
    if (command.pass) {
      if (c.after_idle) q.ran_a_pass = false;
      c.after_idle = false;
      if (const Failure f = run_pass(q, *command.pass, seed); f.code) return f;
    } else if (command.signal) {
      signal_event(*command.event, command.value);
    } else if (!wait_event(*command.event, command.value)) {
      return {kTimeout, "an event was waited for that nobody signals"};
    }
  }
  return {};
}

void run_committed(const std::shared_ptr<Runner>& q) {
  uint32_t round = 0;
  while (true) {
    CommandBuffer* c = nullptr;
    {
      std::unique_lock hold(q->lock);
      q->changed.wait(hold, [&] { return q->stop || !q->committed.empty(); });
      if (q->committed.empty()) return;
      c = q->committed.front();
      q->committed.pop_front();
    }
    const ThreadPool pool;
    c->start = now();
    const Failure f = run(*q, *c, shuffle_seed() == 0 ? 0 : shuffle_seed() + round++);
    {
      std::lock_guard hold(c->lock);
      c->end = now();
      c->status = f.code ? kError : kCompleted;
      const std::string words = std::string(words_of(f.code)) + " (" + f.what + ")";
      if (f.code) c->error = new_error("MTLCommandBufferErrorDomain", f.code, words);
    }
    std::lock_guard hold(q->lock);
    --q->running;
    q->done.push_back(c);
    q->changed.notify_all();
  }
}

void call_handlers(const std::shared_ptr<Runner>& q) {
  while (true) {
    CommandBuffer* c = nullptr;
    {
      std::unique_lock hold(q->lock);
      q->changed.wait(hold, [&] { return q->stop || !q->done.empty(); });
      if (q->done.empty()) return;
      c = q->done.front();
      q->done.pop_front();
    }
    const ThreadPool pool;
    --q->out;
    for (void* block : c->handlers) {
      struct Literal {
        void* isa;
        int flags, reserved;
        void (*code)(void*, id);
      };
      static_cast<Literal*>(block)->code(block, c);
    }
    {
      std::lock_guard hold(c->lock);
      c->handled = true;
      c->changed.notify_all();
    }
    release(c);
  }
}

}  // namespace

Runner::~Runner() {
  for (ResidencySet* s : sets) release(s);
}

// Its command buffers hold a queue, so nothing is running.  The last reference may go on one of its own threads.
Queue::~Queue() {
  std::lock_guard hold(runner->lock);
  runner->stop = true;
  runner->changed.notify_all();
}

void start(const std::shared_ptr<Runner>& runner) {
  std::thread([runner] { run_committed(runner); }).detach();
  std::thread([runner] { call_handlers(runner); }).detach();
}

}  // namespace apple
