#include "apple/foundation.h"

extern "C" {
void* objc_autoreleasePoolPush();
void objc_autoreleasePoolPop(void* pool);
}

namespace apple {
namespace {

struct PoolObject : Object {
  void* pool = nullptr;
  ~PoolObject() { objc_autoreleasePoolPop(pool); }
};
struct ProcessInfo : Object {};

Class ns_object, ns_string, ns_error, ns_array, ns_pool, ns_process;

void register_object() {
  ns_object = define("NSObject", nullptr, nullptr);
  method(ns_object, "init", +[](id self, SEL) -> id { return self; });
  method(ns_object, "retain", +[](id self, SEL) -> id { return retain(self); });
  method(ns_object, "release", +[](id self, SEL) -> void { release(self); });
  method(ns_object, "autorelease", +[](id self, SEL) -> id { return autorelease(self); });
  method(
      ns_object, "retainCount",
      +[](id self, SEL) -> unsigned long { return static_cast<unsigned long>(as<Object>(self)->retains.load()); });
  method(ns_object, "respondsToSelector:", +[](id self, SEL, SEL asked) -> bool { return responds(self, asked); });
  method(ns_object, "methodSignatureForSelector:", +[](id, SEL, SEL) -> id { return nullptr; });
}

void register_strings() {
  ns_string = define<String>("NSString", ns_object);
  method(
      ns_string->isa, "stringWithCString:encoding:", +[](id, SEL, const char* text, unsigned long) -> id {
        return autorelease(new_string(text));
      });
  method(ns_string, "UTF8String", +[](id self, SEL) -> const char* { return as<String>(self)->text.c_str(); });
  method(ns_string, "length", +[](id self, SEL) -> unsigned long { return as<String>(self)->text.size(); });
  ns_error = define<ErrorObject>("NSError", ns_object);
  method(ns_error, "code", +[](id self, SEL) -> long { return as<ErrorObject>(self)->code; });
  method(ns_error, "domain", +[](id self, SEL) -> id { return as<ErrorObject>(self)->domain; });
  method(ns_error, "localizedDescription", +[](id self, SEL) -> id { return as<ErrorObject>(self)->text; });
}

}  // namespace

ErrorObject::~ErrorObject() {
  release(domain);
  release(text);
}
Array::~Array() {
  for (const id o : items) release(o);
}

Class object_class() { return ns_object; }

String* new_string(const std::string& text) {
  auto* s = make<String>(ns_string);
  s->text = text;
  return s;
}
ErrorObject* new_error(const std::string& domain, long code, const std::string& text) {
  auto* e = make<ErrorObject>(ns_error);
  e->domain = new_string(domain);
  e->text = new_string(text);
  e->code = code;
  return e;
}
Array* new_array(const std::vector<id>& items) {
  auto* a = make<Array>(ns_array);
  for (const id o : items) a->items.push_back(retain(o));
  return a;
}
void set_error(id* out, const std::string& domain, long code, const std::string& text) {
  if (out) *out = autorelease(new_error(domain, code, text));
}

void register_foundation() {
  register_object();
  register_strings();
  ns_array = define<Array>("NSArray", ns_object);
  method(ns_array, "count", +[](id self, SEL) -> unsigned long { return as<Array>(self)->items.size(); });
  method(ns_array, "objectAtIndex:", +[](id self, SEL, unsigned long i) -> id { return as<Array>(self)->items.at(i); });
  ns_pool = define<PoolObject>("NSAutoreleasePool", ns_object);
  method(ns_pool->isa, "alloc", +[](id, SEL) -> id { return make<PoolObject>(ns_pool); });
  method(
      ns_pool, "init", +[](id self, SEL) -> id {
        as<PoolObject>(self)->pool = objc_autoreleasePoolPush();
        return self;
      });
  ns_process = define<ProcessInfo>("NSProcessInfo", ns_object);
  method(
      ns_process->isa, "processInfo", +[](id, SEL) -> id {
        static ProcessInfo* const one = make<ProcessInfo>(ns_process);
        return one;
      });
  method(
      ns_process, "operatingSystemVersionString",
      +[](id, SEL) -> id { return autorelease(new_string("Version 15.0 (none: Linux)")); });
}

}  // namespace apple
