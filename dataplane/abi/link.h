// SPDX-License-Identifier: Apache-2.0
#pragma once
// A media link: the UDP pair (36000 RTP, 36001 RTCP) between one C and one E, opened and kept open by C. The 32-byte key
// is handed from E to C over the SIP traversal connection; it authenticates control datagrams only and is no media key.
// LinkSpec is written by command to every worker, LinkState by the dataplane.

#include <cstdint>

#include "dataplane/abi/address.h"

namespace sallyport::abi {

inline constexpr uint32_t max_links = 64;
inline constexpr uint32_t max_link_workers = 16;  // of the other node, each with a source port of its own

enum class LinkRole : uint8_t { none = 0, e_side = 1, c_side = 2 };

struct LinkSpec {
  uint16_t link = 0xffff;          // slot, < max_links
  LinkRole role = LinkRole::none;
  uint8_t reserved = 0;
  uint32_t generation = 0;         // never 0 for a live link
  uint64_t session = 0;            // random, chosen by E with the key; stands in every control datagram
  uint16_t local_slot = 0xffff;    // address slot of this node's side
  uint16_t local_rtp_port = 0;     // E: 36000. C: worker w uses local_rtp_port + 2 * w, RTCP on the next
  uint16_t local_rtcp_port = 0;
  uint16_t keepalive_ms = 5000;    // C sends one a port in this interval; both call the link down after three
  Address remote_rtp;              // C: where E listens. E: not set, learnt from authenticated keep-alives only
  Address remote_rtcp;
  uint8_t key[32] = {};
};

struct LinkState {
  uint32_t generation_live = 0;    // as in FlowRecord
  uint8_t rtp_up = 0;              // an authenticated datagram of the peer came within three intervals
  uint8_t rtcp_up = 0;
  uint16_t peer_workers = 0;
  uint64_t rtp_last_ns = 0;        // CLOCK_MONOTONIC of the last authenticated control datagram
  uint64_t rtcp_last_ns = 0;
  uint64_t rtp_round_trip_ns = 0;  // C: keep-alive to its answer
  uint64_t rtcp_round_trip_ns = 0;
  uint64_t confirmations_sent = 0;
  uint64_t confirmations_taken = 0;
  Address peer_rtp[max_link_workers];
  Address peer_rtcp[max_link_workers];
  // Newest counter taken from each of the peer's workers, on the RTP and the RTCP port: a restarted dataplane takes no replay.
  uint64_t heard_counter[2][max_link_workers] = {};
};

struct alignas(64) LinkRecord {
  LinkSpec spec;
  LinkState state;
};

// Control datagram: multiplexID 0, then this, network byte order, then HMAC-SHA256 over ID and body, cut to 16 bytes.
// keepalive (C to E) and its answer, confirm (C to E: the candidate that authenticated) and its answer latched (E to C).
enum class ControlType : uint8_t { keepalive = 1, keepalive_answer = 2, confirm = 3, latched = 4 };

struct [[gnu::packed]] ControlBody {
  ControlType type;
  uint8_t version;           // 1
  uint8_t worker;            // of the sender
  uint8_t workers;           // how many the sender has
  uint32_t multiplex_id_be;  // confirm, latched: with the candidate bits
  uint64_t session_be;
  uint64_t counter_be;       // grows with every datagram of the sender's worker and port; older ones are refused
  uint64_t echo_be;          // keepalive: sender's clock in ns; answer: the same
};
inline constexpr uint32_t control_tag_bytes = 16;

}  // namespace sallyport::abi
