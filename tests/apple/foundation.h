// Foundation's classes, as far as metal-cpp's users need them.
#pragma once
#include <string>
#include <vector>

#include "apple/objc.h"

namespace apple {

struct String : Object {
  std::string text;
};
struct ErrorObject : Object {
  String* domain;
  String* text;
  long code;
  ~ErrorObject();
};
struct Array : Object {
  std::vector<id> items;  // retained
  ~Array();
};

Class object_class();  // NSObject
// All with one retain.
String* new_string(const std::string& text);
ErrorObject* new_error(const std::string& domain, long code, const std::string& text);
Array* new_array(const std::vector<id>& items);

// Fills a method's "NSError**", which may be null.
void set_error(id* out, const std::string& domain, long code, const std::string& text);

}  // namespace apple
