// A benchmark case: what is timed, how much work it is, and how its result is checked.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "drv/driver.h"

namespace anvil::bench {

// What the work of a case is counted in.
enum class Unit : uint8_t { flop, byte, none };  // GFLOP/s, GB/s, or only the time

// The limit that a case is held against; measured in the same run.
enum class Limit : uint8_t { none, f32, f16, bandwidth };

struct Sample {
  double ms = 0;         // host time of one call, its share of the final wait included
  double device_ms = 0;  // by the device's timestamps; 0 where it has none
};

// A case made ready: its buffers exist while it does.
class Job {
 public:
  virtual ~Job() = default;
  // Times `calls` calls in a row and waits for them; the sample is for one.
  virtual Sample time(int calls) = 0;
  // The largest error over its allowance, on sampled results: right if at most 1.  Negative: nothing to check.
  virtual double error() { return -1; }
};

struct Case {
  std::string name;
  std::string group;
  Unit unit = Unit::none;
  double work = 0;  // of one call, in `unit`
  Limit limit = Limit::none;
  std::function<std::unique_ptr<Job>(Device&, Stream&)> make;
  bool large = false;  // too long for a CPU-type device
  bool probe = false;  // one of the device's limits
};

// A job that records work on a stream.
class StreamJob : public Job {
 public:
  explicit StreamJob(Stream& stream) : stream_(stream) {}
  Sample time(int calls) final;

 protected:
  virtual void run() = 0;
  Stream& stream_;
};

std::vector<Case> gemm_cases();
std::vector<Case> conv_cases();
std::vector<Case> element_cases();
std::vector<Case> reduce_cases();
std::vector<Case> driver_cases();
std::vector<Case> probe_cases(const Caps& caps);

}  // namespace anvil::bench
