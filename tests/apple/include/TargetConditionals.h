// What metal-cpp needs of Apple's header of this name.
#pragma once
#define TARGET_OS_MAC 1
#define TARGET_OS_OSX 1
#define TARGET_OS_IPHONE 0
#define __MAC_OS_X_VERSION_MIN_REQUIRED 130000  // as Apple's Availability.h has it for macOS 13
