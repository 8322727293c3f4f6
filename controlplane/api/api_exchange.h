// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the two servers of the administration interface, the one on the Unix socket and the one over HTTPS, do alike with a request that was
// read: answer it within a time, or stream what its answer is made of (events, packets) until that ends. On the API's executor.

#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <set>

#include "controlplane/api/api_routes.h"

namespace sallyport::api {

// What a streamed answer goes through.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual std::string head_fields() const { return {}; }  // lines of their own, each with its end
  virtual boost::asio::awaitable<bool> write(std::string bytes) = 0;  // false: the peer is gone
  // Until the timer has run out or was cancelled. False: the peer went, spoke out of turn, or may see no more.
  virtual boost::asio::awaitable<bool> rest(boost::asio::steady_timer& wake) = 0;
};

// Those who follow the event log; the server ends them with itself, before the log goes.
class LogWatchers {
 public:
  explicit LogWatchers(EventLog& log) : log_(log) {}
  std::uint64_t add(std::function<void()> watcher);
  void remove(std::uint64_t id);
  void stop();
  bool has_stopped() const { return stopped_; }

 private:
  EventLog& log_;
  std::set<std::uint64_t> ids_;
  bool stopped_ = false;
};

struct AnswerPatience {
  std::uint32_t usual_s = 10;  // what NodeView may take
  std::uint32_t test_s = 60;   // likewise, for POST /v1/traversal/test
};

boost::asio::awaitable<ApiAnswer> answer_in_time(ApiRequest request, ApiParts parts, AnswerPatience patience);

bool is_stream(const ApiRequest& request);  // to be answered by the next
// What to answer instead, if it was refused; else it was streamed, and the connection is done with. Notes it in the audit trail.
boost::asio::awaitable<std::optional<ApiAnswer>> stream_answer(ApiRequest request, ApiParts parts, AnswerSink& sink, LogWatchers& watchers);

}  // namespace sallyport::api
