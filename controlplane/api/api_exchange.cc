// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_exchange.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>
#include <cstdio>

#include "controlplane/api/api_audit.h"
#include "controlplane/api/api_capture.h"
#include "controlplane/api/api_json.h"

namespace sallyport::api {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t log_chunk_lines = 200;
// A word that comes between looking and waiting is made good by then.
constexpr std::chrono::milliseconds feed_look_interval{200};
constexpr const char* last_chunk = "0\r\n\r\n";

std::string head_of(const char* content_type, const AnswerSink& sink) {
  return std::string("HTTP/1.1 200 OK\r\nContent-Type: ") + content_type + "\r\nCache-Control: no-store\r\n" + sink.head_fields() + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
}

std::string chunk_of(const std::string& bytes) {
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

// A JSON object a line, as they come.
asio::awaitable<bool> send_log_lines(EventLog& log, AnswerSink& sink, std::uint64_t& sent) {
  for (;;) {
    const std::vector<LogLine> lines = log.lines_after(sent, log_chunk_lines);
    if (lines.empty()) co_return true;
    std::string text;
    for (const LogLine& line : lines) text += boost::json::serialize(to_json(line)) + "\n";
    sent = lines.back().sequence;
    std::string chunk = chunk_of(text);
    const bool is_sent = co_await sink.write(std::move(chunk));
    if (!is_sent) co_return false;
  }
}

asio::awaitable<void> stream_logs(EventLog& log, std::size_t lines, AnswerSink& sink, LogWatchers& watchers) {
  const auto executor = co_await asio::this_coro::executor;
  std::string head = head_of("application/x-ndjson", sink);
  const bool begun = co_await sink.write(std::move(head));
  if (!begun) co_return;
  // Shared with the watcher, which may fire on another thread while this coroutine ends.
  auto wake = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  const std::uint64_t watcher = watchers.add([wake, executor] { asio::post(executor, [wake] { wake->cancel(); }); });
  const std::uint64_t newest = log.newest_sequence();
  std::uint64_t sent = newest > lines ? newest - lines : 0;
  while (!watchers.has_stopped()) {
    const bool is_sent = co_await send_log_lines(log, sink, sent);
    if (!is_sent || watchers.has_stopped()) break;
    // No line came between sending and waiting: otherwise its wake-up would be lost.
    if (log.newest_sequence() > sent) continue;
    const bool may_go_on = co_await sink.rest(*wake);
    if (!may_go_on) break;
  }
  watchers.remove(watcher);
}

// All that waits; false when nothing more will come, or cannot be sent.
asio::awaitable<bool> send_feed(CaptureFeed& feed, AnswerSink& sink) {
  while (feed.has_waiting()) {
    std::string chunk = chunk_of(feed.take());
    const bool is_sent = co_await sink.write(std::move(chunk));
    if (!is_sent) co_return false;
  }
  if (!feed.has_ended()) co_return true;
  std::string end = last_chunk;
  co_await sink.write(std::move(end));
  co_return false;
}

// A pcapng file in parts, until it has ended or the peer goes.
asio::awaitable<void> stream_feed(CaptureFeed& feed, AnswerSink& sink, const LogWatchers& watchers) {
  const auto executor = co_await asio::this_coro::executor;
  std::string head = head_of("application/x-pcapng", sink);
  const bool begun = co_await sink.write(std::move(head));
  if (!begun) co_return;
  auto wake = std::make_shared<asio::steady_timer>(executor);
  feed.on_ready([wake, executor] { asio::post(executor, [wake] { wake->cancel(); }); });
  while (!watchers.has_stopped()) {
    const bool may_go_on = co_await send_feed(feed, sink);
    if (!may_go_on || watchers.has_stopped()) break;
    wake->expires_after(feed_look_interval);
    const bool is_there = co_await sink.rest(*wake);
    if (!is_there) break;
  }
  feed.on_ready({});
}

}  // namespace

std::uint64_t LogWatchers::add(std::function<void()> watcher) {
  const std::uint64_t id = log_.add_watcher(std::move(watcher));
  ids_.insert(id);
  return id;
}

void LogWatchers::remove(std::uint64_t id) {
  if (ids_.erase(id) != 0) log_.remove_watcher(id);
}

void LogWatchers::stop() {
  stopped_ = true;
  for (const std::uint64_t id : std::exchange(ids_, {})) log_.remove_watcher(id);
}

asio::awaitable<ApiAnswer> answer_in_time(ApiRequest request, ApiParts parts, AnswerPatience patience) {
  const std::uint32_t patience_s = may_take_long(request) ? patience.test_s : patience.usual_s;
  const std::string path = request.path;
  asio::steady_timer deadline(co_await asio::this_coro::executor, std::chrono::seconds(patience_s));
  asio::awaitable<ApiAnswer> answering = answer_request(std::move(request), parts);
  auto first = co_await (std::move(answering) || deadline.async_wait(as_result));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return answer_fault({FaultCode::timeout, path, "the node took longer than " + std::to_string(patience_s) + " s", "look at its log"});
}

bool is_stream(const ApiRequest& request) { return is_log_stream(request) || is_capture(request); }

asio::awaitable<std::optional<ApiAnswer>> stream_answer(ApiRequest request, ApiParts parts, AnswerSink& sink, LogWatchers& watchers) {
  if (is_log_stream(request)) {
    co_await stream_logs(parts.log, log_lines_wanted(request), sink, watchers);
    co_return std::nullopt;
  }
  auto begun = co_await begin_capture(request, parts);
  if (!begun) {
    ApiAnswer answer = answer_fault(begun.fault());
    parts.audit.note(request, answer.status);
    co_return answer;
  }
  parts.audit.note(request, 200);
  const std::unique_ptr<CaptureFeed> feed = std::move(*begun);
  co_await stream_feed(*feed, sink, watchers);
  note_capture_end(request, parts, *feed);
  co_return std::nullopt;
}

}  // namespace sallyport::api
