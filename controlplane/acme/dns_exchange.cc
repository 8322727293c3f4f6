// SPDX-License-Identifier: Apache-2.0
#include "controlplane/acme/dns_exchange.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/acme/dns_message.h"

namespace sallyport::acme {
namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

size_t length_of(std::string_view received) { return 2 + (static_cast<size_t>(static_cast<unsigned char>(received[0])) << 8 | static_cast<unsigned char>(received[1])); }

asio::awaitable<Outcome<std::string>> ask(tls::StreamEngine& engine, const DnsExchange& exchange) {
  const std::string subject = "name server " + exchange.server.text();
  tls::ConnectOptions options;
  options.remote = exchange.server;
  options.connect_deadline = exchange.deadline;
  const auto connected = co_await tls::connect(engine, options);
  if (!connected) {
    const Fault fault = connected.failure->fault();
    co_return Fault{fault.code, subject, fault.text(), "let this node reach port 53 by TCP"};
  }
  const tls::StreamPtr stream = connected.stream;
  const std::string message = put_16(static_cast<uint16_t>(exchange.wire.size())) + exchange.wire;
  const auto written = co_await stream->write(message);
  if (!written) co_return Fault{written.fault().code, subject, written.fault().text(), ""};
  std::string received;
  while (received.size() < 2 || received.size() < length_of(received)) {
    const auto bytes = co_await stream->receive();
    if (!bytes) co_return Fault{bytes.fault().code, subject, bytes.fault().text(), ""};
    if (bytes->empty()) co_return Fault{FaultCode::refused, subject, "ended the connection without an answer", "see its log: it may not allow this node"};
    received += *bytes;
  }
  stream->close_after_send();
  std::string answer = received.substr(2, length_of(received) - 2);
  if (answer.size() < 2 || answer.substr(0, 2) != exchange.wire.substr(0, 2)) co_return Fault{FaultCode::invalid, subject, "answers what was not asked", ""};
  co_return answer;
}

}  // namespace

asio::awaitable<Outcome<std::string>> exchange_dns(tls::StreamEngine& engine, DnsExchange exchange) {
  asio::steady_timer timer(engine.context(), exchange.deadline);
  asio::awaitable<Outcome<std::string>> asking = ask(engine, exchange);
  auto first = co_await (std::move(asking) || timer.async_wait(as_result));
  if (first.index() == 0) co_return std::get<0>(std::move(first));
  co_return Fault{FaultCode::timeout, "name server " + exchange.server.text(), "did not answer within " + std::to_string(exchange.deadline.count()) + " ms", "check its address, and that it answers by TCP"};
}

}  // namespace sallyport::acme
