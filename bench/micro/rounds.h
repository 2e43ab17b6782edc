// Interleaved measurement: every case is timed once a round, so that a change of the machine's speed touches all alike.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "case.h"

namespace anvil::bench {

struct Plan {
  int rounds = 10;
  double wake_ms = 500;  // of work before the first round of a group; not on CPU-type devices
  double sample_ms = 5;  // calls are repeated in one sample until it is about this long
};

struct Result {
  std::string name, group;
  Unit unit = Unit::none;
  Limit limit = Limit::none;
  double work = 0;
  int calls = 1;           // in one sample
  std::vector<double> ms;  // of one call, one per round
  double device_ms = 0;    // median; 0 where the device has no timestamps
  double error = -1;       // as Job::error
  std::string problem;     // why it did not run, or empty

  double median() const;
  double quartile_range() const;  // of ms
  double rate() const;            // GFLOP/s or GB/s at the median; 0 without a unit
};

// A job with how often it is called in a sample: warmed up and checked.
struct Ready {
  std::unique_ptr<Job> job;
  int calls = 1;
  double error = -1;
};
Ready make_ready(const Case& c, Device& device, Stream& stream, const Plan& plan);

// Times the cases of each group together with the probes.  A case that throws is reported by `problem`.
std::vector<Result> measure(const std::vector<Case>& cases, const std::vector<Case>& probes, Device& device,
                            const Plan& plan);

// GFLOP/s or GB/s of the best probe for each limit.
std::map<Limit, double> limits(const std::vector<Result>& results);

}  // namespace anvil::bench
