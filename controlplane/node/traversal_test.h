// SPDX-License-Identifier: Apache-2.0
#pragma once
// The layered test of a traversal zone: DNS, TCP, TLS, SAN, digest, media RTP and RTCP there and back, each by itself, so that
// the first that fails is the answer (A21). From C it makes a second connection and leaves the running one alone; E, which never
// opens a connection towards C, judges what C opened. ICMP is reported as information only.

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/node_view.h"
#include "controlplane/node/node.h"

namespace sallyport::node {

boost::asio::awaitable<api::TraversalTestView> test_from_c(Node& node, std::string zone);
api::TraversalTestView test_from_e(Node& node, const zones::TraversalServer& server);

}  // namespace sallyport::node
