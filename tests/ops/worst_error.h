// What the largest error of a run was, for those who report it.
#pragma once
#include <string>

namespace anvil::ops::test {

// The largest finite number that worst_ulp() (kernel_check.h) returned, and in which test.
struct WorstError {
  double ulp = 0;
  std::string test;
};
WorstError& worst_error();

}  // namespace anvil::ops::test
