// SPDX-License-Identifier: Apache-2.0
#include "controlplane/onboarding/onboarding_exchange.h"

#include <openssl/crypto.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>

#include "controlplane/zones/json_line.h"

namespace sallyport::onboarding {

namespace json = boost::json;

namespace {

constexpr const char* same_version = "run the same version of Sallyport on both nodes";

// Closes the channel when it is over, unless it goes before.
boost::asio::awaitable<std::shared_ptr<boost::asio::steady_timer>> end_in_time(multiplex::ChannelPtr channel) {
  const auto executor = co_await boost::asio::this_coro::executor;
  auto timer = std::make_shared<boost::asio::steady_timer>(executor, onboarding_deadline);
  timer->async_wait([timer, channel = std::weak_ptr<multiplex::Channel>(channel)](const boost::system::error_code& error) {
    if (const auto late = channel.lock(); late != nullptr && !error) late->close("the exchange took too long");
  });
  co_return timer;
}

// Without its end; empty: the other side finished before.
boost::asio::awaitable<Outcome<std::string>> read_line(multiplex::ChannelPtr channel) {
  std::string line;
  for (;;) {
    const Outcome<std::string_view> bytes = co_await channel->receive();
    if (!bytes) co_return bytes.fault();
    if (bytes->empty()) co_return std::string();
    const std::size_t end = bytes->find('\n');
    line += bytes->substr(0, end);
    if (line.size() > zones::json_line_limit_bytes) co_return Fault{FaultCode::invalid, "onboarding", "the other node sent a line of more than 32 kB", same_version};
    if (end != std::string_view::npos) co_return line;
  }
}

}  // namespace

std::string format_onboarding_request(const OnboardingRequest& request) {
  const json::object object{{"device", request.device}, {"code", request.code}, {"request", request.request_pem}, {"shown", request.shown_pem}, {"source", request.source}};
  return json::serialize(object) + "\n";
}

Outcome<OnboardingRequest> parse_onboarding_request(std::string_view line) {
  const auto object = zones::parse_json_line(line, "request to onboard");
  if (!object) return object.fault();
  OnboardingRequest request;
  const bool is_fine = zones::take_text(*object, "device", zones::json_word_limit_bytes, request.device) && zones::take_text(*object, "code", zones::json_word_limit_bytes, request.code) &&
                       zones::take_text(*object, "request", zones::json_text_limit_bytes, request.request_pem) && zones::take_text(*object, "shown", zones::json_text_limit_bytes, request.shown_pem) &&
                       zones::take_text(*object, "source", zones::json_word_limit_bytes, request.source);
  if (!is_fine || request.request_pem.empty() || request.device.empty() != request.code.empty()) return Fault{FaultCode::invalid, "request to onboard", "lacks a member, or one is no text or too long", same_version};
  return request;
}

std::string format_onboarding_answer(const Outcome<std::string>& certificates_pem) {
  return json::serialize(certificates_pem ? json::object{{"certificates", *certificates_pem}} : zones::fault_object(certificates_pem.fault())) + "\n";
}

Outcome<std::string> parse_onboarding_answer(std::string_view line) {
  const Fault odd{FaultCode::internal, "answer of C", "lacks a member, or one is no text or too long", same_version};
  const auto object = zones::parse_json_line(line, "answer of C");
  if (!object) return object.fault();
  if (const auto refused = zones::fault_of(*object, odd)) return *refused;
  std::string pem;
  if (!zones::take_text(*object, "certificates", zones::json_text_limit_bytes, pem) || pem.empty()) return odd;
  return pem;
}

boost::asio::awaitable<Outcome<std::string>> ask_over(multiplex::ChannelPtr channel, OnboardingRequest request) {
  const auto timer = co_await end_in_time(channel);
  std::string line = format_onboarding_request(request);
  channel->send(line);
  OPENSSL_cleanse(line.data(), line.size());
  channel->finish();
  const Outcome<std::string> answer = co_await read_line(channel);
  timer->cancel();
  channel->close("answered");
  if (!answer) co_return answer.fault();
  if (answer->empty()) co_return Fault{FaultCode::unreachable, "onboarding", "C ended without an answer", "see C's log"};
  co_return parse_onboarding_answer(*answer);
}

boost::asio::awaitable<void> answer_over(multiplex::ChannelPtr channel, Desk desk) {
  const auto timer = co_await end_in_time(channel);
  const Outcome<std::string> line = co_await read_line(channel);
  timer->cancel();
  if (!line || line->empty()) {
    channel->close("no request to onboard");
    co_return;
  }
  const Outcome<OnboardingRequest> request = parse_onboarding_request(*line);
  const Outcome<std::string> said = request ? desk(*request) : Outcome<std::string>(request.fault());
  channel->send(format_onboarding_answer(said));
  channel->finish();
}

}  // namespace sallyport::onboarding
