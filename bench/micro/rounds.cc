#include "rounds.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "data.h"

namespace anvil::bench {
namespace {

// The value below which `share` of the sorted values lie, between neighbours by proportion.
double quantile(std::vector<double> v, double share) {
  if (v.empty()) return 0;
  std::ranges::sort(v);
  const double at = share * (v.size() - 1);
  const size_t low = static_cast<size_t>(at);
  return low + 1 < v.size() ? std::lerp(v[low], v[low + 1], at - low) : v[low];
}

struct Running {
  Ready ready;
  Result* result;
  std::vector<double> device_ms;
};

void prepare(const Case& c, Device& device, Stream& stream, const Plan& plan, Result& result,
             std::vector<Running>& running) {
  result.name = c.name;
  result.group = c.group;
  result.unit = c.unit;
  result.limit = c.limit;
  result.work = c.work;
  if (!result.problem.empty()) return;
  try {
    Ready ready = make_ready(c, device, stream, plan);
    result.calls = ready.calls;
    result.error = ready.error;
    running.push_back({std::move(ready), &result, {}});
  } catch (const Error& e) {
    result.problem = e.what();
  }
}

// A GPU that has idled runs at a fraction of its clock for a while: work, untimed, until that is over.
void wake(std::vector<Running>& running, const Plan& plan) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double, std::milli>(plan.wake_ms);
  for (size_t i = 0; Clock::now() < until && !running.empty(); ++i)
    running[i % running.size()].ready.job->time(running[i % running.size()].ready.calls);
}

void take_round(std::vector<Running>& running, int round) {
  for (size_t i = 0; i < running.size(); ++i) {
    Running& r = running[(i + round) % running.size()];  // another order every round
    if (!r.result->problem.empty()) continue;
    try {
      const Sample sample = r.ready.job->time(r.ready.calls);
      r.result->ms.push_back(sample.ms);
      r.device_ms.push_back(sample.device_ms);
    } catch (const Error& e) {
      r.result->problem = e.what();
    }
  }
}

}  // namespace

Sample StreamJob::time(int calls) {
  using Clock = std::chrono::steady_clock;
  const auto from = Clock::now();
  const uint64_t begin = stream_.mark();
  for (int i = 0; i < calls; ++i) run();
  const uint64_t end = stream_.mark();
  finish(stream_);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - from).count();
  return {.ms = ms / calls, .device_ms = stream_.elapsed(begin, end) / 1e6 / calls};
}

double Result::median() const { return quantile(ms, 0.5); }
double Result::quartile_range() const { return quantile(ms, 0.75) - quantile(ms, 0.25); }
double Result::rate() const { return unit == Unit::none || ms.empty() ? 0 : work / median() / 1e6; }

Ready make_ready(const Case& c, Device& device, Stream& stream, const Plan& plan) {
  Ready ready{.job = c.make(device, stream)};
  ready.job->time(1);  // builds the kernels
  ready.error = ready.job->error();
  const double ms = ready.job->time(1).ms;
  ready.calls = static_cast<int>(std::clamp(plan.sample_ms / std::max(ms, 1e-4), 1.0, 500.0));
  return ready;
}

std::vector<Result> measure(const std::vector<Case>& cases, const std::vector<Case>& probes, Device& device,
                            const Plan& plan) {
  const std::unique_ptr<Stream> stream = device.stream(StreamKind::compute);
  std::vector<Result> results(probes.size() + cases.size());
  for (size_t begin = 0, end; begin < cases.size(); begin = end) {
    end = begin;
    while (end < cases.size() && cases[end].group == cases[begin].group) ++end;
    std::fprintf(stderr, "%s: %zu cases, %d rounds\n", cases[begin].group.c_str(), end - begin, plan.rounds);
    std::vector<Running> running;
    for (size_t p = 0; p < probes.size(); ++p) prepare(probes[p], device, *stream, plan, results[p], running);
    for (size_t c = begin; c < end; ++c) prepare(cases[c], device, *stream, plan, results[probes.size() + c], running);
    if (!device.caps().cpu_type()) wake(running, plan);
    for (int round = 0; round < plan.rounds; ++round) take_round(running, round);
    for (Running& r : running) r.result->device_ms = quantile(r.device_ms, 0.5);
  }
  return results;
}

std::map<Limit, double> limits(const std::vector<Result>& results) {
  std::map<Limit, double> best;
  for (const Result& r : results)
    if (r.group == "probe" && r.limit != Limit::none) best[r.limit] = std::max(best[r.limit], r.rate());
  return best;
}

}  // namespace anvil::bench
