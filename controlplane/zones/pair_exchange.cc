// SPDX-License-Identifier: Apache-2.0
#include "controlplane/zones/pair_exchange.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

namespace sallyport::zones {

namespace json = boost::json;

namespace {

constexpr std::size_t line_limit_bytes = 32 << 10, word_limit_bytes = 255, text_limit_bytes = 16 << 10, fault_limit_bytes = 1024, list_limit = 1000;
constexpr std::chrono::milliseconds closing_deadline{2'000};
constexpr int format_version = 1;

constexpr std::pair<FaultCode, std::string_view> code_names[] = {
    {FaultCode::invalid, "invalid"}, {FaultCode::missing, "missing"},     {FaultCode::refused, "refused"},   {FaultCode::unreachable, "unreachable"},
    {FaultCode::timeout, "timeout"}, {FaultCode::exhausted, "exhausted"}, {FaultCode::conflict, "conflict"}, {FaultCode::internal, "internal"}};

Outcome<json::object> parse_object(std::string_view line, const char* subject) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 4;
  json::value value = json::parse(json::string_view(line.data(), line.size()), error, {}, options);
  if (error || !value.is_object()) return Fault{FaultCode::invalid, subject, "is no JSON object", "run the same version of Sallyport on both nodes"};
  return std::move(value.get_object());
}

bool take_text(const json::object& object, std::string_view name, std::size_t limit_bytes, std::string& text) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return true;
  if (!value->is_string() || value->get_string().size() > limit_bytes) return false;
  text = std::string(value->get_string());
  return true;
}

// Closes the stream when it is over: a peer that sends a byte now and then is not idle, and would never end.
std::shared_ptr<boost::asio::steady_timer> end_in_time(const tls::StreamPtr& stream, std::chrono::milliseconds deadline) {
  auto timer = std::make_shared<boost::asio::steady_timer>(stream->engine().context(), deadline);
  timer->async_wait([timer, stream = std::weak_ptr<tls::Stream>(stream)](const boost::system::error_code& error) {
    if (const auto late = stream.lock(); late != nullptr && !error) late->close("the exchange took too long");
  });
  return timer;
}

// The line that came, without its end; empty: the peer ended before.
boost::asio::awaitable<Outcome<std::string>> read_line(tls::StreamPtr stream) {
  std::string line;
  for (;;) {
    const Outcome<std::string_view> bytes = co_await stream->receive();
    if (!bytes) co_return bytes.fault();
    if (bytes->empty()) co_return std::string();
    const std::size_t end = bytes->find('\n');
    line += bytes->substr(0, end);
    if (line.size() > line_limit_bytes) co_return Fault{FaultCode::invalid, stream->peer_address().text(), "sent a line of more than 32 kB", ""};
    if (end != std::string_view::npos) co_return line;
  }
}

}  // namespace

std::string format_pair_request(const PairRequest& request) {
  const json::object object{{"version", format_version}, {"token", request.token_id}, {"secret", request.secret}, {"fqdn", request.fqdn}, {"request", request.request_pem}};
  return json::serialize(object) + "\n";
}

Outcome<PairRequest> parse_pair_request(std::string_view line) {
  const auto object = parse_object(line, "request to pair");
  if (!object) return object.fault();
  PairRequest request;
  const json::value* version = object->if_contains("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() != format_version) return Fault{FaultCode::invalid, "request to pair", "is of another version of the exchange", "run the same version of Sallyport on both nodes"};
  const bool fine = take_text(*object, "token", word_limit_bytes, request.token_id) && take_text(*object, "secret", word_limit_bytes, request.secret) &&
                    take_text(*object, "fqdn", word_limit_bytes, request.fqdn) && take_text(*object, "request", text_limit_bytes, request.request_pem);
  if (!fine || request.fqdn.empty() || request.request_pem.empty()) return Fault{FaultCode::invalid, "request to pair", "lacks a member, or one is no text or too long", "run the same version of Sallyport on both nodes"};
  return request;
}

std::string format_pair_answer(const Outcome<PairAnswer>& answer) {
  json::object object;
  if (answer) {
    object = {{"certificates", answer->certificates_pem}, {"zone", answer->zone}, {"user", answer->user}, {"zone_port", answer->zone_port}, {"sip_domains", json::array(answer->sip_domains.begin(), answer->sip_domains.end())}};
  } else {
    std::string_view code = "internal";
    for (const auto& [value, name] : code_names)
      if (value == answer.fault().code) code = name;
    object = {{"error", json::object{{"code", code}, {"subject", answer.fault().subject}, {"cause", answer.fault().cause}, {"remedy", answer.fault().remedy}}}};
  }
  return json::serialize(object) + "\n";
}

Outcome<PairAnswer> parse_pair_answer(std::string_view line) {
  const Fault odd{FaultCode::invalid, "answer of E", "lacks a member, or one is no text or too long", "run the same version of Sallyport on both nodes"};
  const auto object = parse_object(line, "answer of E");
  if (!object) return object.fault();
  if (const json::value* error = object->if_contains("error")) {
    if (!error->is_object()) return odd;
    Fault fault;
    std::string code;
    if (!take_text(error->get_object(), "code", word_limit_bytes, code) || !take_text(error->get_object(), "subject", fault_limit_bytes, fault.subject) ||
        !take_text(error->get_object(), "cause", fault_limit_bytes, fault.cause) || !take_text(error->get_object(), "remedy", fault_limit_bytes, fault.remedy)) return odd;
    for (const auto& [value, name] : code_names)
      if (name == code) fault.code = value;
    return fault;
  }
  PairAnswer answer;
  if (!take_text(*object, "certificates", text_limit_bytes, answer.certificates_pem) || !take_text(*object, "zone", word_limit_bytes, answer.zone) || !take_text(*object, "user", word_limit_bytes, answer.user)) return odd;
  const json::value *port = object->if_contains("zone_port"), *domains = object->if_contains("sip_domains");
  if (port == nullptr || !port->is_int64() || port->get_int64() < 1 || port->get_int64() > 65535 || domains == nullptr || !domains->is_array() || domains->get_array().size() > list_limit) return odd;
  answer.zone_port = static_cast<std::uint16_t>(port->get_int64());
  for (const json::value& each : domains->get_array()) {
    if (!each.is_string() || each.get_string().size() > word_limit_bytes) return odd;
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
  const auto timer = end_in_time(stream, pair_deadline);
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
  const auto timer = end_in_time(stream, deadline);
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
