#include "base/log.h"

#include <cstdio>
#include <deque>
#include <mutex>
#include <unordered_set>

#include "base/options.h"

namespace anvil {
namespace {

struct Ring {
  std::mutex lock;
  std::array<std::deque<std::string>, kLogKinds.size()> lines;
  std::array<std::unordered_set<std::string>, kLogKinds.size()> seen;  // bounded by kSeen
};
constexpr size_t kSeen = 8192;

// Never destroyed: logging goes on while the process exits.
Ring& ring() {
  static Ring& r = *new Ring;
  return r;
}

bool printed(LogKind kind) {
  static const std::array<bool, kLogKinds.size()> on = [] {
    std::array<bool, kLogKinds.size()> a{};
    for (const std::string& word : words_of(options().log))
      for (size_t i = 0; i < a.size(); ++i) a[i] = a[i] || word == "all" || word == kLogKinds[i];
    return a;
  }();
  return on[static_cast<size_t>(kind)];
}

bool kept(LogKind kind) { return kind == LogKind::plan || kind == LogKind::fallback; }

}  // namespace

bool log_wanted(LogKind kind) { return kept(kind) || printed(kind); }

void log_to_stderr(const char* kind, const std::string& line) {
  std::fprintf(stderr, "tensorflow-anvil: %s: %s\n", kind, line.c_str());
}

void log(LogKind kind, const std::string& line) {
  const auto k = static_cast<size_t>(kind);
  if (kept(kind)) {
    std::lock_guard hold(ring().lock);
    auto& lines = ring().lines[k];
    lines.push_back(line);
    if (lines.size() > kLogRing) lines.pop_front();
  }
  if (printed(kind)) log_to_stderr(kLogKinds[k], line);
}

void log_once(LogKind kind, const std::string& line) {
  {
    std::lock_guard hold(ring().lock);
    auto& seen = ring().seen[static_cast<size_t>(kind)];
    if (seen.size() >= kSeen || !seen.insert(line).second) return;
  }
  log(kind, line);
}

std::vector<std::string> recent_log(LogKind kind) {
  std::lock_guard hold(ring().lock);
  const auto& lines = ring().lines[static_cast<size_t>(kind)];
  return {lines.begin(), lines.end()};
}

void clear_log() {
  std::lock_guard hold(ring().lock);
  for (auto& l : ring().lines) l.clear();
  for (auto& s : ring().seen) s.clear();
}

}  // namespace anvil
