// One engine of an interleaved comparison: does what a conductor asks for on standard input, one line at a time, and
// answers each with one line of JSON.  bench/rounds/ holds the conductor and the same protocol in Python.
//
//   prepare NAME   makes the case ready     {"ok": true, "error": 0.1}
//   time NAME      times one call of it     {"ms": 1.25}
//   release NAME   frees its buffers        {"ok": true}
//   quit           ends the program
// Anything that fails is answered by {"problem": "..."}.  The first line out is {"engine": ..., "versions": ...}.
#pragma once
#include <vector>

#include "case.h"

namespace anvil::bench {

void serve(const std::vector<Case>& cases, Device& device);

}  // namespace anvil::bench
