// Scans along an axis (kernels/scan.slang), for Cumsum and its like and for whatever numbers chosen elements.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace anvil::ops {

// How a line of `length` is cut among threads.  Pure.
struct ScanPlan {
  int64_t chunk = 1, chunks = 1;
};
ScanPlan plan_scan(int64_t lines, int64_t length, const Caps& caps);

struct Scan {
  std::string how = "Sum";  // Sum, Prod or LogSumExp
  int64_t outer = 1, length = 0, inner = 1;
  bool exclusive = false, reverse = false;
};
// y[o, l, i] from x; of one type (a float type, i32 or i64), and y may be x.  Sums of integers wrap.
void launch_scan(Call& call, const Scan& scan, const Tensor& x, const Tensor& y);
void scan_variants(std::vector<std::string>& names, const std::string& how, DType type);

}  // namespace anvil::ops
