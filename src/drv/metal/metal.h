// Metal as the driver sees it: metal-cpp, and the few things around it that every file needs.
#pragma once
#include <Foundation/Foundation.hpp>
#include <Metal/Metal.hpp>
#include <string>

#include "base/error.h"

namespace anvil::metal {

template <class T>
using Ref = NS::SharedPtr<T>;  // owns one retain count

// Objects that Metal returns without "new", "copy" or "alloc" in the method's name die with the innermost pool, and
// TensorFlow's threads have none: every entry point of the driver that may get such objects opens one.
class Pool {
 public:
  Pool() : pool_(NS::AutoreleasePool::alloc()->init()) {}
  ~Pool() { pool_->release(); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

 private:
  NS::AutoreleasePool* pool_;
};

// In the innermost pool.
NS::String* to_ns(const std::string& text);
// Empty for null.
std::string to_text(const NS::String* text);

// Has this system's Metal the method?  The way to use what is newer than the oldest macOS we run on.
bool answers(const void* object, const char* selector);

// What Metal reported, in Apple's own words, as one of our errors that says what to do.  `error` may be null.
Error to_error(const NS::Error* error, const std::string& doing);
// The same for a code of MTLCommandBufferErrorDomain.
Error to_error(MTL::CommandBufferError code, const std::string& words, const std::string& doing);

}  // namespace anvil::metal
