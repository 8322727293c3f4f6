// SPDX-License-Identifier: Apache-2.0
#pragma once
// What both ends of a UC traversal zone share: the state of one peer as it is shown, and the media link that E hands to C in
// the answer that authenticates it. Plain values; any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::zones {

enum class PeerState : uint8_t { idle, resolving, tcp, tls, authentication, active, failed };
const char* name_of(PeerState state);

struct PeerStatus {
  std::string peer;            // as configured (C) or as it named itself (E)
  std::string address;         // ip:port, once known
  PeerState state = PeerState::idle;
  std::string reason;          // why it failed: names issuer, serial, missing SAN, port or credential
  std::string warning;         // works, but should not stay so (A30)
  uint64_t changed_ms = 0;     // CLOCK_MONOTONIC
  uint64_t attempts = 0;
  uint64_t keepalives_answered = 0;
  std::string tls_version, cipher;
  std::string certificate_names;  // of the peer
};

// Media link parameters, in the X-Sallyport-Link header of the 200 that authenticates C: over TLS, never logged.
struct LinkOffer {
  uint64_t session = 0;
  std::array<uint8_t, 32> key{};
  uint16_t rtp_port = 0;
  uint16_t rtcp_port = 0;
};

inline constexpr std::string_view link_header = "X-Sallyport-Link";
std::string format_link(const LinkOffer& offer);
std::optional<LinkOffer> parse_link(std::string_view value);

// The peer's name in tokens: stable over reconnects and restarts.
uint64_t link_id_of(std::string_view zone, std::string_view peer);

}  // namespace sallyport::zones
