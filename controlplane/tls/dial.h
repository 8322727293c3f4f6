// SPDX-License-Identifier: Apache-2.0
#pragma once
// dial(): resolves a host name, then connect()s to its addresses in turn until one answers; an IP address goes straight to connect().
// The failure returned is that of the last address tried, or of the resolver. Runs on the engine's thread; cancellable.

#include "controlplane/dns/resolver.h"
#include "controlplane/tls/connect.h"

namespace sallyport::tls {

// options.remote carries nothing; sni and peer_names default to host. Addresses of the family of options.local only, if that is set.
boost::asio::awaitable<ConnectResult> dial(StreamEngine& engine, dns::Resolver& resolver, std::string host, uint16_t port, ConnectOptions options);

}  // namespace sallyport::tls
