// What metal-cpp needs of Apple's header of this name; tests/apple/message.S implements it.
#pragma once
#include <objc/runtime.h>

extern "C" {
void objc_msgSend(void);
void objc_msgSend_stret(void);
void objc_msgSend_fpret(void);
}
