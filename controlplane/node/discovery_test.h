// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a client outside finds of a domain, step by step: the SRV records by which it finds E (RFC 3263, and _collab-edge: B29), whether their
// hosts lead to this node (C03), the name that it then asks for by SNI (C05, C06) and whether a certificate of this node has it (C07). Asked of
// the node's own name servers: where these show the inside another view than the Internet sees, the answers are the inside's.

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "controlplane/api/node_view.h"
#include "controlplane/node/node.h"

namespace sallyport::node {

// C06: the host itself where it lies in the service domain (or is it), else its first label put before the service domain.
std::string sni_of_client(const std::string& host, const std::string& service_domain);

// domain empty: all domains that clients use here. Fault refused on C; missing: there is no domain.
boost::asio::awaitable<Outcome<std::vector<api::DiscoveryView>>> run_discovery_test(Node& node, std::string domain);

}  // namespace sallyport::node
