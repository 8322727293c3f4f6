// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/event_log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

namespace sallyport::api {
namespace {

constexpr std::size_t max_text_bytes = 2048;
constexpr std::size_t max_kinds = 1000;

constexpr const char* level_names[] = {"debug", "info", "warn", "error"};

std::string utc_now() {
  auto now = std::chrono::system_clock::now();
  std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                parts.tm_sec, static_cast<int>(millis));
  return text;
}

// What a peer sent must neither break the line nor move the operator's cursor.
std::string one_line(std::string_view text) {
  std::string line(text.substr(0, max_text_bytes));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '.';
  }
  if (text.size() > max_text_bytes) line += "...";
  return line;
}

Outcome<std::shared_ptr<spdlog::logger>> make_logger(const std::string& file) {
  try {
    spdlog::sink_ptr sink;
    if (file == "-") sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    auto logger = std::make_shared<spdlog::logger>("events", sink);
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
    logger->flush_on(spdlog::level::trace);
    return logger;
  } catch (const spdlog::spdlog_ex& error) {
    return Fault{FaultCode::refused, "log file " + file, error.what(), "let the service user write there, or log to \"-\""};
  }
}

}  // namespace

const char* name_of(LogLevel level) { return level_names[static_cast<std::size_t>(level)]; }

Outcome<LogLevel> log_level_from(std::string_view name) {
  auto found = std::find(std::begin(level_names), std::end(level_names), name);
  if (found == std::end(level_names)) return Fault{FaultCode::invalid, "log level " + std::string(name), "is unknown", "use debug, info, warn or error"};
  return static_cast<LogLevel>(found - std::begin(level_names));
}

std::string LogLine::line() const { return at + " " + name_of(level) + " " + kind + " " + text; }

EventLog::EventLog(EventLogOptions options, Clock clock) : options_(std::move(options)), clock_(std::move(clock)) {
  if (!clock_) clock_ = [] { return std::chrono::steady_clock::now(); };
}

EventLog::~EventLog() = default;

Outcome<std::unique_ptr<EventLog>> EventLog::open(const EventLogOptions& options, Clock clock) {
  auto logger = make_logger(options.file);
  if (!logger) return logger.fault();
  std::unique_ptr<EventLog> log(new EventLog(options, std::move(clock)));
  log->logger_ = *logger;
  return log;
}

bool EventLog::admit(std::string_view kind, std::uint64_t& suppressed_before) {
  auto now = clock_();
  std::string key(kind);
  if (!buckets_.contains(key) && buckets_.size() >= max_kinds) key = "other";
  auto [entry, is_new] = buckets_.try_emplace(key, Bucket{static_cast<double>(options_.burst), now, 0});
  Bucket& bucket = entry->second;
  double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  bucket.tokens = std::min<double>(options_.burst, bucket.tokens + seconds * options_.per_second);
  bucket.filled = now;
  if (bucket.tokens < 1) {
    ++bucket.suppressed;
    ++suppressed_;
    return false;
  }
  bucket.tokens -= 1;
  suppressed_before = std::exchange(bucket.suppressed, 0);
  return true;
}

void EventLog::append(LogLevel level, std::string_view kind, std::string text) {
  LogLine line{next_sequence_++, utc_now(), level, one_line(kind), std::move(text)};
  logger_->info("{}", line.line());
  ring_.push_back(std::move(line));
  if (ring_.size() > options_.kept_lines) ring_.pop_front();
}

void EventLog::write(LogLevel level, std::string_view kind, std::string_view text) {
  std::vector<std::function<void()>> watchers;
  {
    std::lock_guard lock(mutex_);
    std::uint64_t suppressed_before = 0;
    if (level < options_.level || !admit(kind, suppressed_before)) return;
    if (suppressed_before > 0) append(LogLevel::warn, kind, std::to_string(suppressed_before) + " more of these were not logged");
    append(level, kind, one_line(text));
    for (auto& [id, watcher] : watchers_) watchers.push_back(watcher);
  }
  for (auto& watcher : watchers) watcher();
}

void EventLog::set_level(LogLevel level) {
  std::lock_guard lock(mutex_);
  options_.level = level;
}

Outcome<> EventLog::reopen() {
  auto logger = make_logger(options_.file);
  if (!logger) return logger.fault();
  std::lock_guard lock(mutex_);
  logger_ = *logger;
  return Done{};
}

std::uint64_t EventLog::suppressed() const {
  std::lock_guard lock(mutex_);
  return suppressed_;
}

std::vector<LogLine> EventLog::lines_after(std::uint64_t sequence, std::size_t limit) const {
  std::lock_guard lock(mutex_);
  auto first = std::find_if(ring_.begin(), ring_.end(), [&](const LogLine& line) { return line.sequence > sequence; });
  auto available = static_cast<std::size_t>(ring_.end() - first);
  return {first, first + static_cast<std::ptrdiff_t>(std::min(limit, available))};
}

std::uint64_t EventLog::newest_sequence() const {
  std::lock_guard lock(mutex_);
  return next_sequence_ - 1;
}

std::uint64_t EventLog::add_watcher(std::function<void()> watcher) {
  std::lock_guard lock(mutex_);
  watchers_.emplace_back(next_watcher_, std::move(watcher));
  return next_watcher_++;
}

void EventLog::remove_watcher(std::uint64_t id) {
  std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [&](const auto& entry) { return entry.first == id; });
}

}  // namespace sallyport::api
