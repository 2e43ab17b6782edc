// The recording driver: a device that runs anywhere.  Its memory is host memory behind addresses that must not be
// touched; copies and fills are really done, at once; launches are written down and not run.  Tests of ops and of the
// TensorFlow room ask it what was launched; the conformance suite holds it to the same contract as a GPU.
#pragma once
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "drv/driver.h"
#include "drv/faults.h"

namespace anvil {
class Pack;
}

namespace anvil::record {

// One launch, as asked for.
struct Launch {
  std::string kernel;
  Grid grid;
  std::vector<Arg> args;
  std::vector<std::byte> params;

  // The parameters as the plain struct they were passed as.  Throws internal if the size differs.
  template <class Params>
  Params as() const {
    require(params.size() == sizeof(Params), Code::internal, kernel, ": ", params.size(), " bytes of parameters");
    Params p;
    std::memcpy(&p, params.data(), sizeof p);
    return p;
  }
};

struct Config {
  Caps caps;                                         // the planner's facts
  std::function<bool(std::string_view)> has_kernel;  // which names exist; all if empty
  const Pack* pack = nullptr;          // if given, names and parameter sizes are checked against its SPIR-V kernels
  std::string fault;                   // as ANVIL_FAULT
  uint64_t memory_limit = 1ull << 34;  // bytes
};

class RecordingDevice : public Device {
 public:
  // What was launched, in the order of the calls, over all streams.  Thread-safe.
  virtual std::vector<Launch> launches() const = 0;
  // Distinct kernel names asked for with kernel(), sorted.
  virtual std::vector<std::string> kernels() const = 0;
  virtual void clear() = 0;
  // The host's view of device memory, for tests.  Throws internal outside of allocations.
  virtual std::byte* peek(const void* address, uint64_t bytes) = 0;
};

std::unique_ptr<RecordingDevice> open(Config config = {});

}  // namespace anvil::record
