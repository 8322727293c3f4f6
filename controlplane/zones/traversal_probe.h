// SPDX-License-Identifier: Apache-2.0
#pragma once
// probe_zone(): what E thinks of C's certificate, name, user and password, asked on a connection of its own. The OPTIONS carries
// test_header, so that E judges them and leaves the running connection and its media link alone. Closes the stream. Thread of the
// stream's engine.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>

#include "controlplane/tls/stream.h"
#include "controlplane/zones/traversal_client.h"

namespace sallyport::zones {

struct ProbeVerdict {
  // The layer that refused: E's TLS (by an alert after our side of the handshake), E's check of our SAN, digest, or none.
  enum class Layer : uint8_t { tls, name, digest, none };
  Layer refused_by = Layer::digest;
  std::string text;  // why, or how it was accepted
};

boost::asio::awaitable<ProbeVerdict> probe_zone(tls::StreamPtr stream, TraversalClientSettings settings, std::chrono::milliseconds deadline);

}  // namespace sallyport::zones
