#include "apple/objc.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace apple {
namespace {

constexpr size_t kMostZombies = 20'000;

struct Runtime {
  std::mutex lock;  // guards all of it; methods are only added before the first message
  std::unordered_map<std::string, Class> classes;
  std::set<std::string> selectors;
  std::set<SEL> hidden;
  std::deque<Object*> zombies;
};
// Never destroyed: objects outlive main().
Runtime& runtime() {
  static auto* r = new Runtime;
  return *r;
}

objc_class zombie{};  // the class of the dead

// Of this thread.  A plain pointer: a program's exit handlers still make pools after its main thread's variables have
// been destroyed.
using Pools = std::vector<std::vector<id>>;
thread_local Pools* own_pools = nullptr;
struct DropPools {
  ~DropPools() { delete std::exchange(own_pools, nullptr); }
};
Pools& pools() {
  if (own_pools) return *own_pools;
  thread_local const DropPools when_the_thread_ends;
  return *(own_pools = new Pools);
}

void pop_to(size_t depth) {
  while (pools().size() > depth) {
    const std::vector<id> objects = std::move(pools().back());
    pools().pop_back();
    for (const id o : objects) release(o);
  }
}

bool is_class(id object) { return object->isa->isa == nullptr; }

void* find_method(id object, SEL selector) {
  for (Class c = object->isa; c; c = c->super)
    if (const auto it = c->methods.find(selector); it != c->methods.end()) return it->second;
  return nullptr;
}

bool is_hidden(SEL selector) {
  std::lock_guard hold(runtime().lock);
  return runtime().hidden.count(selector) != 0;
}

void ensure_classes() {
  static std::once_flag once;
  std::call_once(once, [] {
    register_foundation();
    register_metal();
  });
}

void bury(Object* o) {
  Runtime& r = runtime();
  std::lock_guard hold(r.lock);
  r.zombies.push_back(o);
  if (r.zombies.size() <= kMostZombies) return;
  operator delete(static_cast<void*>(r.zombies.front()));
  r.zombies.pop_front();
}

}  // namespace

void misuse(const std::string& what) {
  std::fprintf(stderr, "apple: %s\n", what.c_str());
  std::fflush(stderr);
  std::abort();
}

Class define(const char* name, Class super, void (*destroy)(Object*)) {
  auto* meta = new objc_class{nullptr, name, super ? super->isa : nullptr, {}, nullptr};
  auto* c = new objc_class{meta, name, super, {}, destroy};
  std::lock_guard hold(runtime().lock);
  runtime().classes[name] = c;
  return c;
}

void add_method(Class c, const char* selector, void* code, int arguments) {
  const auto colons = std::count(selector, selector + std::strlen(selector), ':');
  if (colons != arguments) misuse(std::string(selector) + " does not take " + std::to_string(arguments) + " arguments");
  c->methods[sel_registerName(selector)] = code;
}

id retain(id object) {
  if (object && object->isa == &zombie) misuse("retain of a dead object");
  if (object && !is_class(object)) ++static_cast<Object*>(object)->retains;
  return object;
}

void release(id object) {
  if (object && object->isa == &zombie) misuse("release of a dead object");
  if (!object || is_class(object)) return;
  auto* o = static_cast<Object*>(object);
  if (--o->retains != 0) return;
  Class c = o->isa;
  --c->live;
  for (Class k = c; k; k = k->super)
    if (k->destroy) {
      k->destroy(o);
      break;
    }
  o->isa = &zombie;
  new (&o->retains) std::atomic<long>(0);
  bury(o);
}

id autorelease(id object) {
  if (!object) return object;
  if (pools().empty()) misuse(std::string(object->isa->name) + " autoreleased with no pool in place: it would leak");
  pools().back().push_back(object);
  return object;
}

bool responds(id object, SEL selector) { return find_method(object, selector) && !is_hidden(selector); }

void hide(const char* selector, bool hidden) {
  const SEL s = sel_registerName(selector);
  std::lock_guard hold(runtime().lock);
  if (hidden) runtime().hidden.insert(s);
  else runtime().hidden.erase(s);
}

long live(const char* class_name) {
  ensure_classes();
  std::lock_guard hold(runtime().lock);
  const auto it = runtime().classes.find(class_name);
  return it == runtime().classes.end() ? 0 : it->second->live.load();
}

ThreadPool::ThreadPool() : depth_(pools().size()) { pools().emplace_back(); }
ThreadPool::~ThreadPool() { pop_to(depth_); }

}  // namespace apple

using namespace apple;

extern "C" {

// What objc_msgSend jumps to (message.S).
void* apple_find_method(id object, SEL selector) {
  const std::string name = sel_getName(selector);
  if (object->isa == &zombie) misuse("-" + name + " sent to a dead object");
  if (void* code = find_method(object, selector); code && !is_hidden(selector)) return code;
  misuse((is_class(object) ? "+[" : "-[") + std::string(object->isa->name) + " " + name + "]: unrecognized selector");
}

Class objc_lookUpClass(const char* name) {
  ensure_classes();
  std::lock_guard hold(runtime().lock);
  const auto it = runtime().classes.find(name);
  return it == runtime().classes.end() ? nullptr : it->second;
}
Class objc_getClass(const char* name) { return objc_lookUpClass(name); }
Protocol* objc_getProtocol(const char*) { return nullptr; }

SEL sel_registerName(const char* name) {
  std::lock_guard hold(runtime().lock);
  return reinterpret_cast<SEL>(const_cast<char*>(runtime().selectors.insert(name).first->c_str()));
}
const char* sel_getName(SEL selector) { return reinterpret_cast<const char*>(selector); }

void* objc_autoreleasePoolPush() {
  pools().emplace_back();
  return reinterpret_cast<void*>(pools().size());
}
void objc_autoreleasePoolPop(void* pool) { pop_to(reinterpret_cast<size_t>(pool) - 1); }

}  // extern "C"
