// What metal-cpp needs of Apple's header of this name.
#pragma once
#include <math.h>  // Apple's includes it, and metal-cpp uses INFINITY
#include <stdint.h>
typedef double CFTimeInterval;
