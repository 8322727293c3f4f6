// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every reason for which the dataplane drops a packet: one list makes the enum, the counter and its help text.
// Counters stand in the region, one array a worker, indexed by DropReason.

#include <cstdint>

namespace sallyport::abi {

#define SALLYPORT_DROP_REASONS(DROP)                                                      \
  DROP(parse, not_ours, "not UDP to a relay or link port of a local address")             \
  DROP(parse, bad_length, "IP or UDP length disagrees with the frame")                    \
  DROP(parse, bad_checksum, "IP or UDP checksum is wrong")                                \
  DROP(parse, fragment, "IP fragment; media is never fragmented")                         \
  DROP(find_flow, no_flow, "no flow on this relay port")                                  \
  DROP(find_flow, unknown_multiplex_id, "no flow with this multiplexID")                  \
  DROP(find_flow, wrong_link_source, "multiplexed packet not from the link's peer")       \
  DROP(find_flow, not_rtp, "neither RTP nor RTCP, for example STUN, DTLS or junk")        \
  DROP(find_flow, oversized, "longer than the flow's limit")                              \
  DROP(find_flow, truncated, "shorter than its header")                                   \
  DROP(find_flow, policed, "above the packet rate of the flow, or of a source no flow is held to") \
  DROP(find_flow, wrong_source, "not from the source this flow is held to")               \
  DROP(find_flow, too_many_candidates, "more than four candidate sources wait for a word from C") \
  DROP(open, auth_failed, "SRTP authentication tag is wrong")                             \
  DROP(open, replay, "sequence number already seen")                                      \
  DROP(open, too_old, "sequence number older than the replay window")                     \
  DROP(open, malformed, "RTP or RTCP header is inconsistent")                             \
  DROP(seal, no_room, "no room in the packet's buffer for its headers or its authentication tag") \
  DROP(seal, duplicate_index, "sequence number was sent before, sealing it twice would reuse a keystream") \
  DROP(seal, key_limit, "the key's packet limit is reached (RFC 3711 9.2)")               \
  DROP(rewrite, not_latched, "the receiver's address is not known yet")                   \
  DROP(rewrite, no_neighbour, "no route or link-layer address for the next hop")          \
  DROP(rewrite, paused, "the flow is paused by the control plane")                        \
  DROP(rewrite, no_link, "the media link to the other node is down")                      \
  DROP(control, bad_control, "link control datagram malformed or its HMAC wrong")         \
  DROP(control, stale_control, "link control datagram repeated or out of date")           \
  DROP(transmit, port_full, "the port took no more packets")                              \
  DROP(rewrite, above_mtu, "longer than the MTU of the port it leaves by, once it has its multiplexID and authentication tag") \
  DROP(parse, wrong_vlan, "without the VLAN tag of the address it is for, or with another") \
  DROP(find_flow, bad_source, "from an address or port that no other host can have")      \
  DROP(exception, kernel_policed, "above what the kernel is given of a port (port.kernel_packets_per_s)") \
  DROP(exception, kernel_full, "the exception port took no more packets")

enum class DropReason : uint8_t {
#define SALLYPORT_DROP_ENUM(stage, name, text) name,
  SALLYPORT_DROP_REASONS(SALLYPORT_DROP_ENUM)
#undef SALLYPORT_DROP_ENUM
  count,
};

struct DropReasonInfo {
  const char* stage;
  const char* name;
  const char* help;
};

inline constexpr DropReasonInfo drop_reason_info[] = {
#define SALLYPORT_DROP_INFO(stage, name, text) {#stage, #name, text},
    SALLYPORT_DROP_REASONS(SALLYPORT_DROP_INFO)
#undef SALLYPORT_DROP_INFO
};

inline constexpr uint32_t drop_reason_capacity = 64;  // array width in the region; room for reasons of later versions
static_assert(static_cast<uint32_t>(DropReason::count) <= drop_reason_capacity);

}  // namespace sallyport::abi
