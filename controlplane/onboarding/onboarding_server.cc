// SPDX-License-Identifier: Apache-2.0
#include "controlplane/onboarding/onboarding_server.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "controlplane/tls/stream_deadline.h"

namespace sallyport::onboarding {
namespace {

constexpr http::HttpLimits limits{.header_bytes = 8 << 10, .body_bytes = 16 << 10};
constexpr std::chrono::milliseconds request_deadline{15'000}, answer_deadline{20'000}, closing_deadline{2'000};

// The request, or what is wrong with it; nullopt: the phone ended before it had said anything.
boost::asio::awaitable<std::optional<Outcome<http::HttpMessage>>> read_message(tls::StreamPtr stream) {
  http::HttpReader reader(http::HttpReader::Kind::request, limits);
  bool has_begun = false;
  for (;;) {
    const Outcome<std::string_view> bytes = co_await stream->receive();
    if (!bytes || (bytes->empty() && !has_begun)) co_return std::nullopt;
    if (bytes->empty()) co_return Outcome<http::HttpMessage>(Fault{FaultCode::invalid, "request to onboard", "ends in the middle", ""});
    has_begun = true;
    const Outcome<bool> put = reader.put(*bytes);
    if (!put) co_return Outcome<http::HttpMessage>(put.fault());
    if (*put) co_return Outcome<http::HttpMessage>(reader.take());
  }
}

}  // namespace

struct OnboardingServer::State {
  Ask ask;
  Authorities authorities;
  std::function<void(const std::string&)> log;
  OnboardingCounters counters;
};

OnboardingServer::OnboardingServer(boost::asio::io_context& io, Ask ask, Authorities authorities, std::function<void(const std::string&)> log) : io_(io), state_(std::make_shared<State>(State{std::move(ask), std::move(authorities), std::move(log), {}})) {}
OnboardingServer::~OnboardingServer() = default;

const OnboardingCounters& OnboardingServer::counters() const { return state_->counters; }

void OnboardingServer::on_stream(tls::StreamPtr stream) { boost::asio::co_spawn(io_, serve(state_, std::move(stream)), boost::asio::detached); }

boost::asio::awaitable<void> OnboardingServer::serve(std::shared_ptr<State> state, tls::StreamPtr stream) {
  auto timer = tls::end_in_time(stream, request_deadline);
  std::optional<Outcome<http::HttpMessage>> message = co_await read_message(stream);
  timer->cancel();
  if (!message) {
    stream->close("no request to onboard");
    co_return;
  }
  timer = tls::end_in_time(stream, answer_deadline);
  std::string text;
  EstVerdict verdict;
  if (!*message) verdict.refusal = {400, {message->fault().code, message->fault().subject, message->fault().cause, "send one request of at most 8 kB of header and 16 kB of body"}};
  else verdict = read_est_request(**message);
  if (verdict.request) {
    text = co_await answer(state, stream, std::move(*verdict.request));
  } else {
    ++(verdict.refusal.status == 401 ? state->counters.refused : state->counters.invalid);
    text = est_answer(verdict.refusal);
  }
  timer->cancel();
  stream->send(text);
  stream->close_after_send(closing_deadline);
}

boost::asio::awaitable<std::string> OnboardingServer::answer(std::shared_ptr<State> state, tls::StreamPtr stream, EstRequest request) {
  OnboardingCounters& counters = state->counters;
  if (request.operation == EstOperation::authorities) {
    ++counters.told;
    co_return est_answer(request.operation, state->authorities());
  }
  const auto shown = stream->peer_chain();
  const std::string source = stream->peer_address().text();
  OnboardingRequest question{std::move(request.device), std::move(request.code), std::move(request.request_pem), shown.empty() ? std::string() : certificates::pem_of(shown.front().get()), source};
  const std::string who = question.device.empty() ? "a phone" : "phone " + question.device;
  std::string sni = stream->tls_facts().sni;
  Outcome<std::string> said = co_await state->ask(std::move(question), std::move(sni));
  if (!said) {
    ++(status_of(said.fault().code) >= 500 ? counters.failed : counters.refused);
    state->log(fmt::format("onboarding: {} at {}: {}", who, source, said.fault().text()));
    co_return est_answer(EstRefusal{status_of(said.fault().code), said.fault()});
  }
  // Of both, the phone is given its own: the authority is told by cacerts (RFC 7030 4.2.3).
  auto certificates = certificates::read_certificates(*said, "answer of C", 2);
  if (!certificates || certificates->empty()) {
    ++counters.failed;
    const Fault odd{FaultCode::internal, "answer of C", "holds no certificate", "run the same version of Sallyport on both nodes"};
    state->log("onboarding: " + odd.text());
    co_return est_answer(EstRefusal{500, odd});
  }
  ++(request.operation == EstOperation::enrol ? counters.enrolled : counters.renewed);
  state->log(fmt::format("onboarding: {} at {} was given certificate {}", who, source, tls::describe_certificate(certificates->front().get()).serial));
  certificates->resize(1);
  co_return est_answer(request.operation, *certificates);
}

}  // namespace sallyport::onboarding
