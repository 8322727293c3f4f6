// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaSettings: what the node file says about media, resolved by the caller. Plain data, copied once into MediaPlane.
// Address slots are named as in [[address]]; their numbers come from the region when the dataplane answers.

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/sip/crypto_attribute.h"

namespace sallyport::media {

enum class Role : uint8_t { e, c };

// A local address that peers of the face (clients on E, call control on C) or the other node are told.
struct FaceAddress {
  std::string slot_name;   // "outside", "inside"
  std::string advertised;  // numeric address behind static NAT; empty: the slot's own
};

// DSCP of what the dataplane sends, by what it carries.
struct Marking {
  uint8_t audio = 46;  // EF
  uint8_t video = 34;  // AF41
  int8_t rtcp = -1;    // -1: as its media
  bool operator==(const Marking&) const = default;
};

struct MediaSettings {
  Role role = Role::e;
  std::string dataplane_socket;
  std::vector<FaceAddress> faces;  // the first is the default of a call
  FaceAddress link;
  uint16_t link_rtp_port = 36000;
  uint16_t link_rtcp_port = 36001;
  uint16_t keepalive_ms = 5000;
  std::vector<sip::CryptoSuite> suites{sip::crypto_suites.begin(), sip::crypto_suites.end()};  // C; strongest first
  bool inner_srtp = false;         // C: RTP/SAVP with SDES towards call control instead of RTP/AVP
  uint32_t max_packets_per_s = 1000;  // per flow
  uint16_t idle_timeout_s = 30;
  Marking marking;
  uint32_t max_sessions = 20000;
  uint32_t port_quarantine_ms = 5000;
  uint32_t multiplex_quarantine_ms = 60000;  // wire.md 2.3: never reused within a minute
  std::string journal_path;        // call records across a restart; empty: none are kept
};

inline constexpr uint32_t max_streams_per_session = 64;

}  // namespace sallyport::media
