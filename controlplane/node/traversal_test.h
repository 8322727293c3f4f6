// SPDX-License-Identifier: Apache-2.0
#pragma once
// The layered test of a traversal zone: DNS, TCP, TLS, SAN, digest, media RTP and RTCP there and back, each by itself, so that
// the first that fails is the answer (A21). From C it makes a second connection to every peer at once and leaves the running ones
// alone; E, which never opens a connection towards C, judges what C opened and asks C over it. ICMP is information only.

#include <boost/asio/awaitable.hpp>

#include "controlplane/api/node_view.h"
#include "controlplane/node/node.h"

namespace sallyport::node {

boost::asio::awaitable<api::TraversalTestView> run_traversal_test(Node& node, std::string zone);

}  // namespace sallyport::node
