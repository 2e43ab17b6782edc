#include "base/checked_shape.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace anvil {
namespace {

constexpr int64_t kLarge = int64_t{1} << 62;

TEST(Shape, WhatTensorFlowHoldsIsLetThrough) {
  for (const Shape& s : {Shape{}, Shape{0}, Shape{kLarge, 1, 0}, Shape{0, kLarge, kLarge}, Shape(254, 1)})
    EXPECT_NO_THROW(check_shape(s)) << text(s);
}

TEST(Shape, WhatWouldEndTheProcessIsRefused) {
  for (const Shape& s : {Shape{-1}, Shape{kLarge, 2}, Shape{kLarge, 4, 0}, Shape{0, -3}, Shape(255, 1)}) {
    try {
      check_shape(s);
      ADD_FAILURE() << text(s);
    } catch (const Error& error) {
      EXPECT_EQ(error.code, Code::invalid_argument) << text(s);
    }
  }
}

TEST(Shape, SizesFromDataDoNotWrap) {
  EXPECT_EQ(checked_sum(INT64_MAX, 0), INT64_MAX);
  EXPECT_EQ(checked_product(kLarge, 1), kLarge);
  EXPECT_THROW(checked_sum(INT64_MAX, 1), Error);
  EXPECT_THROW(checked_product(kLarge, 4), Error);  // 0 in 64 bits
}

}  // namespace
}  // namespace anvil
