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
  std::string refused_by;      // on E, of a failure: "tls", "san" or "digest"
  bool has_certificate = false;  // on E: it presented one, so it is not any scanner
  int64_t clock_skew_s = 0;    // of the stream multiplex: how far the peer's clock is ahead of ours
  std::string warning;         // works, but should not stay so (A30)
  uint64_t changed_ms = 0;     // CLOCK_MONOTONIC
  uint64_t attempts = 0;
  uint64_t failures = 0;
  uint64_t keepalives_answered = 0;
  std::string tls_version, cipher;
  std::string authority;       // TlsFacts::authority
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
// In the OPTIONS of the layered test: E judges certificate name and digest, and neither admits the connection nor makes a link.
inline constexpr std::string_view test_header = "X-Sallyport-Test";
std::string format_link(const LinkOffer& offer);
std::optional<LinkOffer> parse_link(std::string_view value);

// In C's answer to an OPTIONS of E: round trips on the media link in microseconds, 0: E's answers do not arrive there.
struct MediaReport {
  uint32_t rtp_us = 0, rtcp_us = 0;
};
inline constexpr std::string_view media_header = "X-Sallyport-Media";
std::string format_media_report(const MediaReport& report);
std::optional<MediaReport> parse_media_report(std::string_view value);

// The text of a Warning value (RFC 3261 20.43): 399 agent "text". Empty when there is none.
std::string warning_text(std::string_view value);

// The pause before the next attempt: doubled after each failure up to the cap, then between half of it and all of it by the
// random draw, so that many C nodes do not come back as one.
uint32_t backoff_ms(uint32_t failures_in_row, uint32_t min_ms, uint32_t max_ms, uint32_t draw);

// The peer's name in tokens: stable over reconnects and restarts.
uint64_t link_id_of(std::string_view zone, std::string_view peer);

}  // namespace sallyport::zones
