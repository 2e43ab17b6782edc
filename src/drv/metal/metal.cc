#define NS_PRIVATE_IMPLEMENTATION
#define MTL_PRIVATE_IMPLEMENTATION
#include "drv/metal/metal.h"

namespace anvil::metal {
namespace {

struct Selectors : NS::Object {
  static bool on(const void* object, const char* name) { return respondsToSelector(object, sel_registerName(name)); }
};

// Compilers write pages; the first lines say what is wrong.
constexpr size_t kMostWords = 2000;

std::string shortened(std::string words) {
  if (words.size() > kMostWords) words.replace(kMostWords, std::string::npos, "...");
  return words;
}

const char* name_of(MTL::CommandBufferError code) {
  switch (code) {
    case MTL::CommandBufferErrorInternal: return "Internal";
    case MTL::CommandBufferErrorTimeout: return "Timeout";
    case MTL::CommandBufferErrorPageFault: return "PageFault";
    case MTL::CommandBufferErrorAccessRevoked: return "AccessRevoked";
    case MTL::CommandBufferErrorNotPermitted: return "NotPermitted";
    case MTL::CommandBufferErrorOutOfMemory: return "OutOfMemory";
    case MTL::CommandBufferErrorInvalidResource: return "InvalidResource";
    case MTL::CommandBufferErrorDeviceRemoved: return "DeviceRemoved";
    case MTL::CommandBufferErrorStackOverflow: return "StackOverflow";
    default: return "unlisted";
  }
}

}  // namespace

NS::String* to_ns(const std::string& text) { return NS::String::string(text.c_str(), NS::UTF8StringEncoding); }

std::string to_text(const NS::String* text) {
  const char* bytes = text ? text->utf8String() : nullptr;
  return bytes ? bytes : "";
}

bool answers(const void* object, const char* selector) { return Selectors::on(object, selector); }

Error to_error(MTL::CommandBufferError code, const std::string& words, const std::string& doing) {
  const std::string what =
      str("Metal: ", doing, " failed: ", words, " (MTLCommandBufferError", name_of(code), ", ", code, ")");
  switch (code) {
    case MTL::CommandBufferErrorOutOfMemory:
      return {Code::resource_exhausted, what + "; use a smaller batch or model, or close other programs"};
    case MTL::CommandBufferErrorTimeout:
      return {Code::unavailable, what +
                                     "; one piece of work ran too long. Restart the program; if it comes again, run "
                                     "with ANVIL_SAFE=1 to find the kernel"};
    case MTL::CommandBufferErrorAccessRevoked:
      return {Code::unavailable, what + "; macOS refuses this process the GPU after earlier failures. Restart it"};
    case MTL::CommandBufferErrorNotPermitted:
      return {Code::unavailable, what + "; macOS does not let this process use the GPU now, e.g. in the background"};
    case MTL::CommandBufferErrorDeviceRemoved:
      return {Code::unavailable, what + "; the GPU was reset or removed. Restart the program"};
    default: return {Code::internal, what + "; run with ANVIL_SAFE=1 to find the kernel, and report it"};
  }
}

Error to_error(const NS::Error* error, const std::string& doing) {
  if (!error) return {Code::internal, str("Metal: ", doing, " failed without a reason")};
  const std::string words = shortened(to_text(error->localizedDescription())), domain = to_text(error->domain());
  if (domain == "MTLCommandBufferErrorDomain")
    return to_error(static_cast<MTL::CommandBufferError>(error->code()), words, doing);
  return {Code::internal, str("Metal: ", doing, " failed: ", words, " (", domain, ", ", error->code(), ")")};
}

}  // namespace anvil::metal
