// A small Objective-C runtime for Linux, strict on purpose: it ends the process with a sentence where Apple's would go
// on, crash later or leak.  Unknown selectors, messages to dead objects, and objects given to a pool that is not there
// are such cases.
#pragma once
#include <objc/runtime.h>

#include <atomic>
#include <string>
#include <unordered_map>

namespace apple {
struct Object;
}

struct objc_class {
  objc_class* isa;  // of a class its metaclass; of a metaclass null
  const char* name;
  objc_class* super;
  std::unordered_map<SEL, void*> methods;
  void (*destroy)(apple::Object*);
  std::atomic<long> live{0};
};

namespace apple {

// What every object begins with.  Not polymorphic: Objective-C wants `isa` at offset 0.
struct Object : objc_object {
  std::atomic<long> retains{1};
};

// Prints "apple: ..." and aborts: the program under test has misused an interface.
[[noreturn]] void misuse(const std::string& what);

Class define(const char* name, Class super, void (*destroy)(Object*));

// A class whose objects are T.
template <class T>
Class define(const char* name, Class super) {
  return define(name, super, [](Object* o) { static_cast<T*>(o)->~T(); });
}

// Adds a method.  The number of arguments must be the number of colons in the selector.
void add_method(Class c, const char* selector, void* code, int arguments);
template <class R, class... A>
void method(Class c, const char* selector, R (*code)(id, SEL, A...)) {
  add_method(c, selector, reinterpret_cast<void*>(code), sizeof...(A));
}

// A new object with one retain.  T's memory is kept for a while after its end, so that late messages are noticed.
template <class T>
T* make(Class c) {
  T* o = new T;
  o->isa = c;
  ++c->live;
  return o;
}
template <class T>
T* as(id object) {
  return static_cast<T*>(static_cast<Object*>(object));
}

id retain(id object);  // null is fine
void release(id object);
id autorelease(id object);

bool responds(id object, SEL selector);
// As if this system's frameworks did not have the method yet.
void hide(const char* selector, bool hidden);
// Objects of the class that have not been destroyed.
long live(const char* class_name);

// A pool for a thread that the fake frameworks started.
class ThreadPool {
 public:
  ThreadPool();
  ~ThreadPool();

 private:
  size_t depth_;
};

// Copies and gives back a block, as Apple's runtime for them does.
void* copy_block(const void* block);
void release_block(const void* block);

void register_foundation();  // NSObject, NSString, ... (foundation.cc)
void register_metal();       // MTLDevice, ...          (metal_*.cc)

}  // namespace apple
