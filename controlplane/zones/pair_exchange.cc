// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/pair_exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "controlplane/tls/stream_deadline.h"
#include "controlplane/zones/json_line.h"

namespace sallyport::zones {

namespace json = boost::json;

namespace {

constexpr std::size_t list_limit = 1000;
constexpr std::chrono::milliseconds closing_deadline{2'000};
constexpr int format_version = 1;

// The line that came, without its end; empty: the peer ended before.
boost::asio::awaitable<Outcome<std::string>> read_line(tls::StreamPtr stream) {
  std::string line;
  for (;;) {
    const Outcome<std::string_view> bytes = co_await stream->receive();
    if (!bytes) co_return bytes.fault();
    if (bytes->empty()) co_return std::string();
    const std::size_t end = bytes->find('\n');
    line += bytes->substr(0, end);
    if (line.size() > json_line_limit_bytes) co_return Fault{FaultCode::invalid, stream->peer_address().text(), "sent a line of more than 32 kB", ""};
    if (end != std::string_view::npos) co_return line;
  }
}

}  // namespace

std::string format_pair_request(const PairRequest& request) {
  const json::object object{{"version", format_version}, {"token", request.token_id}, {"secret", request.secret}, {"fqdn", request.fqdn}, {"request", request.request_pem}};
  return json::serialize(object) + "\n";
}

Outcome<PairRequest> parse_pair_request(std::string_view line) {
  const auto object = parse_json_line(line, "request to pair");
  if (!object) return object.fault();
  PairRequest request;
  const json::value* version = object->if_contains("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() != format_version) return Fault{FaultCode::invalid, "request to pair", "is of another version of the exchange", "run the same version of Sallyport on both nodes"};
  const bool fine = take_text(*object, "token", json_word_limit_bytes, request.token_id) && take_text(*object, "secret", json_word_limit_bytes, request.secret) &&
                    take_text(*object, "fqdn", json_word_limit_bytes, request.fqdn) && take_text(*object, "request", json_text_limit_bytes, request.request_pem);
  if (!fine || request.fqdn.empty() || request.request_pem.empty()) return Fault{FaultCode::invalid, "request to pair", "lacks a member, or one is no text or too long", "run the same version of Sallyport on both nodes"};
  return request;
}

std::string format_pair_answer(const Outcome<PairAnswer>& answer) {
  json::object object;
  if (answer) {
    object = {{"certificates", answer->certificates_pem}, {"zone", answer->zone}, {"user", answer->user}, {"zone_port", answer->zone_port}, {"sip_domains", json::array(answer->sip_domains.begin(), answer->sip_domains.end())}};
  } else {
    object = fault_object(answer.fault());
  }
  return json::serialize(object) + "\n";
}

Outcome<PairAnswer> parse_pair_answer(std::string_view line) {
  const Fault odd{FaultCode::invalid, "answer of E", "lacks a member, or one is no text or too long", "run the same version of Sallyport on both nodes"};
  const auto object = parse_json_line(line, "answer of E");
  if (!object) return object.fault();
  if (const auto refused = fault_of(*object, odd)) return *refused;
  PairAnswer answer;
  if (!take_text(*object, "certificates", json_text_limit_bytes, answer.certificates_pem) || !take_text(*object, "zone", json_word_limit_bytes, answer.zone) || !take_text(*object, "user", json_word_limit_bytes, answer.user)) return odd;
  const json::value *port = object->if_contains("zone_port"), *domains = object->if_contains("sip_domains");
  if (port == nullptr || !port->is_int64() || port->get_int64() < 1 || port->get_int64() > 65535 || domains == nullptr || !domains->is_array() || domains->get_array().size() > list_limit) return odd;
  answer.zone_port = static_cast<std::uint16_t>(port->get_int64());
  for (const json::value& each : domains->get_array()) {
    if (!each.is_string() || each.get_string().size() > json_word_limit_bytes) return odd;
    answer.sip_domains.emplace_back(each.get_string());
  }
  if (answer.certificates_pem.empty() || answer.zone.empty()) return odd;
  return answer;
}

boost::asio::awaitable<Outcome<PairAnswer>> ask_pair(tls::StreamEngine& engine, dns::Resolver& resolver, std::string host, std::uint16_t port, tls::ConnectOptions options, PairRequest request) {
  tls::ConnectResult result = co_await tls::dial(engine, resolver, host, port, std::move(options));
  if (!result) co_return result.failure->fault();
  const tls::StreamPtr stream = result.stream;
  if (stream->tls_facts().alpn != pair_protocol) {
    stream->close("it does not pair");
    co_return Fault{FaultCode::refused, host, "does not speak " + std::string(pair_protocol), "run the same version of Sallyport on both nodes; its port of the stream multiplex is meant"};
  }
  const auto timer = tls::end_in_time(stream, pair_deadline);
  stream->send(format_pair_request(request));
  const Outcome<std::string> line = co_await read_line(stream);
  timer->cancel();
  stream->close_after_send(closing_deadline);
  if (!line) co_return line.fault();
  if (line->empty()) co_return Fault{FaultCode::unreachable, host, "closed the connection without an answer", "see E's log"};
  co_return parse_pair_answer(*line);
}

void PairServer::on_stream(tls::StreamPtr stream) {
  boost::asio::co_spawn(io_, serve(std::move(stream), std::make_shared<const Answer>(answer_), deadline_), boost::asio::detached);
}

boost::asio::awaitable<void> PairServer::serve(tls::StreamPtr stream, std::shared_ptr<const Answer> answer, std::chrono::milliseconds deadline) {
  const auto timer = tls::end_in_time(stream, deadline);
  const Outcome<std::string> line = co_await read_line(stream);
  timer->cancel();
  if (!line || line->empty()) {
    stream->close("no request to pair");
    co_return;
  }
  const Outcome<PairRequest> request = parse_pair_request(*line);
  const tls::TlsFacts facts = stream->tls_facts();
  const Outcome<PairAnswer> said = request ? (*answer)(*request, facts, stream->peer_address()) : Outcome<PairAnswer>(request.fault());
  stream->send(format_pair_answer(said));
  stream->close_after_send(closing_deadline);
}

}  // namespace sallyport::zones
