// What metal-cpp needs of Apple's header of this name.
#pragma once
typedef double CGFloat;
typedef struct {
  CGFloat width, height;
} CGSize;
