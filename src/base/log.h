// One log.  Lines go to stderr when their kind is switched on by ANVIL_LOG; the last lines of kinds `plan` and
// `fallback` are also kept in a ring that the C interface and Python read.  Thread-safe.
#pragma once
#include <array>
#include <string>
#include <vector>

namespace anvil {

enum class LogKind { error, warn, info, plan, fallback };
inline constexpr std::array<const char*, 5> kLogKinds = {"error", "warn", "info", "plan", "fallback"};

// Is a line of this kind wanted by anyone (stderr, or the ring for plan and fallback)?
bool log_wanted(LogKind kind);
void log(LogKind kind, const std::string& line);

// Planner decisions repeat with every step, so each distinct line is kept and printed once.
void log_once(LogKind kind, const std::string& line);

// The newest lines of a kind, oldest first; at most kLogRing of them.
inline constexpr size_t kLogRing = 512;
std::vector<std::string> recent_log(LogKind kind);
void clear_log();

// Unconditional; for messages about the options themselves.
void log_to_stderr(const char* kind, const std::string& line);

}  // namespace anvil
