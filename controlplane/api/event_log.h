// SPDX-License-Identifier: Apache-2.0
#pragma once
// EventLog: one line an event, to a file or standard error through spdlog, and to a ring of the newest lines for `logs --follow`.
// Each kind of event may write `burst` lines at once and `per_second` afterwards; what exceeds that is counted and reported in one
// line. Kinds are literals from a finite set ("zone_failed"). Any thread; never on the packet path. Messages are cut at 2,048 bytes
// and control characters are replaced, so a peer's text cannot forge a line.

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "dataplane/abi/fault.h"

namespace spdlog {
class logger;
}

namespace sallyport::api {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
const char* name_of(LogLevel level);

struct LogLine {
  std::uint64_t sequence = 0;  // from 1, no gaps
  std::string at;              // UTC with milliseconds
  LogLevel level = LogLevel::info;
  std::string kind;
  std::string text;

  std::string line() const;  // "2026-01-02T03:04:05.678Z warn zone_failed zone edge-1: ..."
};

struct EventLogOptions {
  std::string file = "-";  // "-": standard error
  LogLevel level = LogLevel::info;
  std::size_t kept_lines = 2000;
  std::uint32_t per_second = 10;
  std::uint32_t burst = 50;
};

class EventLog {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;
  // clock: for tests; empty takes the steady clock.
  static Outcome<std::unique_ptr<EventLog>> open(const EventLogOptions& options, Clock clock = {});
  ~EventLog();

  void write(LogLevel level, std::string_view kind, std::string_view text);
  void debug(std::string_view kind, std::string_view text) { write(LogLevel::debug, kind, text); }
  void info(std::string_view kind, std::string_view text) { write(LogLevel::info, kind, text); }
  void warn(std::string_view kind, std::string_view text) { write(LogLevel::warn, kind, text); }
  void error(std::string_view kind, std::string_view text) { write(LogLevel::error, kind, text); }
  void fault(std::string_view kind, const Fault& fault) { write(LogLevel::error, kind, fault.text()); }

  void set_level(LogLevel level);  // live, by reload
  Outcome<> reopen();              // after logrotate
  std::uint64_t suppressed() const;

  // Lines after `sequence`, at most `limit`, oldest first.
  std::vector<LogLine> lines_after(std::uint64_t sequence, std::size_t limit) const;
  std::uint64_t newest_sequence() const;
  // Called after each line, on the writing thread; must be short and must not write to the log. Returns an id.
  std::uint64_t add_watcher(std::function<void()> watcher);
  void remove_watcher(std::uint64_t id);

 private:
  struct Bucket {
    double tokens = 0;
    std::chrono::steady_clock::time_point filled{};
    std::uint64_t suppressed = 0;
  };
  EventLog(EventLogOptions options, Clock clock);
  bool admit(std::string_view kind, std::uint64_t& suppressed_before);
  void append(LogLevel level, std::string_view kind, std::string text);

  EventLogOptions options_;
  Clock clock_;
  mutable std::mutex mutex_;
  std::shared_ptr<spdlog::logger> logger_;
  std::deque<LogLine> ring_;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t suppressed_ = 0;
  std::unordered_map<std::string, Bucket> buckets_;
  std::vector<std::pair<std::uint64_t, std::function<void()>>> watchers_;
  std::uint64_t next_watcher_ = 1;
};

Outcome<LogLevel> log_level_from(std::string_view name);

}  // namespace sallyport::api
