// What metal-cpp needs of Apple's header of this name.
#pragma once
typedef struct __IOSurface* IOSurfaceRef;
