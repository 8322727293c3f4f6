// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/http01_solver.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

#include "controlplane/http/http_message.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;

constexpr std::string_view well_known = "/.well-known/acme-challenge/";
constexpr uint32_t request_header_bytes = 4096;

std::string answer_text(unsigned status, std::string_view reason, std::string_view body) {
  // RFC 8555 8.3 lets the client choose; nothing that a browser would take for a page.
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) + "\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" + std::string(body);
}

}  // namespace

struct Http01Solver::State {
  Http01Options options;
  std::map<std::string, std::string, std::less<>> answers;  // token to key authorization
  Http01Counters counters;
  std::shared_ptr<tls::SourceLimits> limits;

  std::string answer(const http::HttpMessage& request) {
    const std::string_view target(request.target);
    const auto found = target.starts_with(well_known) ? answers.find(target.substr(well_known.size())) : answers.end();
    if (found == answers.end() || request.method != "GET") {
      ++counters.unknown;
      return answer_text(404, "Not Found", "");
    }
    ++counters.answered;
    return answer_text(200, "OK", found->second);
  }

  // One request a connection; a peer that is slow is cut off by close() from the timer.
  static asio::awaitable<void> serve(std::shared_ptr<State> state, tls::StreamPtr stream) {
    asio::steady_timer timer(stream->engine().context(), state->options.request_deadline);
    timer.async_wait([weak = std::weak_ptr<tls::Stream>(stream)](const boost::system::error_code& error) {
      const tls::StreamPtr late = error ? nullptr : weak.lock();
      if (late != nullptr) late->close("no whole request in time");
    });
    http::HttpLimits bounds;
    bounds.header_bytes = request_header_bytes;
    bounds.body_bytes = 0;
    http::HttpReader reader(http::HttpReader::Kind::request, bounds);
    for (bool done = false; !done;) {
      const auto bytes = co_await stream->receive();
      if (!bytes || bytes->empty()) co_return;
      const auto put = reader.put(*bytes);
      if (!put) {
        ++state->counters.broken;
        stream->close("not a request");
        co_return;
      }
      done = *put;
    }
    const std::string text = state->answer(reader.take());
    stream->send(text);
    stream->close_after_send();
  }
};

Http01Solver::Http01Solver(tls::StreamEngine& engine, Http01Options options) : engine_(engine), state_(std::make_shared<State>()) {
  tls::SourceLimitOptions limits;
  limits.connections_total = options.connections;
  limits.connections_per_source = options.connections_per_source;
  state_->limits = std::make_shared<tls::SourceLimits>(limits);
  state_->options = std::move(options);
}

Http01Solver::~Http01Solver() { state_->answers.clear(); }

bool Http01Solver::is_open() const { return !listeners_.empty(); }
const Http01Counters& Http01Solver::counters() const { return state_->counters; }

std::vector<tls::SocketAddress> Http01Solver::listening() const {
  std::vector<tls::SocketAddress> addresses;
  for (const auto& listener : listeners_) addresses.push_back(listener->address());
  return addresses;
}

Outcome<> Http01Solver::open() {
  if (state_->options.addresses.empty()) return Fault{FaultCode::invalid, "http-01 challenge", "no address of this node is given for it", "name the address whose port 80 the authority reaches"};
  std::vector<std::unique_ptr<tls::Listener>> opened;
  for (const tls::SocketAddress& address : state_->options.addresses) {
    tls::ListenerOptions options;
    options.name = "http-01 challenge";
    options.address = address;
    options.freebind = state_->options.freebind;
    options.backlog = 64;
    options.idle_deadline = state_->options.request_deadline;
    options.limits = state_->limits;
    options.stream_limits.queue_limit_bytes = 4096;
    options.stream_limits.receive_limit_bytes = request_header_bytes;
    auto listener = tls::Listener::open(engine_, std::move(options), [state = state_](tls::StreamPtr stream) {
      asio::co_spawn(stream->engine().context(), State::serve(state, stream), asio::detached);
    });
    if (!listener) return listener.fault();
    opened.push_back(std::move(*listener));
  }
  listeners_ = std::move(opened);
  return Done{};
}

asio::awaitable<Outcome<>> Http01Solver::present(ChallengeTask task) {
  if (listeners_.empty()) {
    const auto opened = open();
    if (!opened) co_return opened.fault();
  }
  state_->answers[task.token] = task.key_authorization;
  co_return Done{};
}

asio::awaitable<Outcome<>> Http01Solver::cleanup(ChallengeTask task) {
  state_->answers.erase(task.token);
  if (state_->answers.empty()) listeners_.clear();
  co_return Done{};
}

}  // namespace sallyport::acme
