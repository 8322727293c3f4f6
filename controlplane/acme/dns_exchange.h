// SPDX-License-Identifier: Apache-2.0
#pragma once
// exchange_dns(): one DNS message to one server and its answer, over TCP (RFC 7766): nothing can be slipped in from elsewhere, and
// nothing is cut off. A connection each, against one deadline. On the engine's thread; cancellable.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "controlplane/tls/connect.h"
#include "dataplane/abi/fault.h"

namespace sallyport::acme {

struct DnsExchange {
  tls::SocketAddress server;
  std::string wire;
  std::chrono::milliseconds deadline{5000};
};

// The answer's octets; its ID is that of the message.
boost::asio::awaitable<Outcome<std::string>> exchange_dns(tls::StreamEngine& engine, DnsExchange exchange);

}  // namespace sallyport::acme
