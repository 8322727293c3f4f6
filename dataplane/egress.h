// SPDX-License-Identifier: Apache-2.0
#pragma once
// Egress: headers of what is sent. A flow's are made once (resolve_egress) and copied before each of its packets (place_headers);
// finish_headers fills in what depends on the final length. find_hop answers from the next-hop table and asks the resolver at most
// ten times a second a flow. Owner lcore only.

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/flow_table.h"
#include "dataplane/packet.h"
#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {

class Worker;

struct Egress {
  uint16_t slot = 0;   // of the local address it leaves from; valid
  uint16_t port = 0;   // UDP source port
  uint8_t dscp = 0;
  abi::Address destination;
};

// What UDP carries: with verb_mux the multiplexID first.
struct UdpPayload {
  uint8_t* at;
  uint32_t bytes;
};

inline constexpr uint64_t unknown_sum = UINT64_MAX;

bool find_hop(Worker& worker, const Egress& egress, HopMemory& memory, drivers::HopLink& link);

// Fills flow.egress and flow.egress_headers, for a second at most. Otherwise the reason why nothing can be sent now.
abi::DropReason resolve_egress(Worker& worker, FlowEntry& flow, uint32_t epoch);

// With verb_mux the four bytes before the RTP or RTCP header count, too.
inline UdpPayload udp_payload_of(const FlowEntry& flow, const Packet& packet) {
  const uint32_t prefix = (flow.verbs & abi::verb_mux) != 0 ? 4 : 0;
  return {packet.payload - prefix, packet.payload_bytes + prefix};
}

inline constexpr uint32_t udp_header_bytes = sizeof(rte_udp_hdr);
inline constexpr uint32_t headers_v4 = sizeof(rte_ether_hdr) + sizeof(rte_ipv4_hdr) + udp_header_bytes;
inline constexpr uint32_t headers_v6 = sizeof(rte_ether_hdr) + sizeof(rte_ipv6_hdr) + udp_header_bytes;
static_assert(headers_v6 <= egress_header_room && headers_v6 <= 48 + 16 && headers_v4 <= 32 + 16);
inline constexpr uint32_t vlan_tag_bytes = 4;
inline constexpr uint32_t headroom_needed = headers_v6 + 4 + vlan_tag_bytes;
static_assert(headers_v6 + sizeof(uint16_t) <= egress_header_room);

// Only a confirmed-latch flow has candidates to tell apart.
inline uint32_t multiplex_id_of(const FlowEntry& flow, const Packet& packet) {
  return flow.egress.multiplex_id | (flow.latch == abi::Latch::confirmed ? packet.candidate : 0);
}

// `payload_at`: where the UDP payload begins; there must be headroom_needed bytes before it.
inline void copy_headers(const FlowEntry& flow, uint8_t* payload_at) {
  // In registers that overlap, and no byte too far in front: that would be one more cache line of the packet.
  const uint8_t* end = flow.egress_headers + egress_header_room;
  if (flow.egress.is_v4) {
    std::memcpy(payload_at - headers_v4, end - headers_v4, 32);
    std::memcpy(payload_at - 16, end - 16, 16);
  } else {
    std::memcpy(payload_at - headers_v6, end - headers_v6, 48);
    std::memcpy(payload_at - 16, end - 16, 16);
  }
}

// Puts the flow's headers, and with verb_mux the multiplexID, before the packet's payload in place. There must be
// headroom_needed bytes before it.
inline UdpPayload place_headers(const FlowEntry& flow, const Packet& packet) {
  const UdpPayload udp = udp_payload_of(flow, packet);
  if (flow.verbs & abi::verb_mux) store_be32(udp.at, multiplex_id_of(flow, packet));
  copy_headers(flow, udp.at);
  return udp;
}

// The checksum by the port, or over the whole payload.
void finish_unknown_sum(const Worker& worker, const EgressMemo& memo, rte_mbuf& mbuf, const UdpPayload& payload, uint64_t without_payload);

// Lengths, checksums and the mbuf's bounds, once the payload is final and stands behind its headers. `payload_sum`: of the UDP
// payload, not folded; when unknown the checksum is computed, here or by the port.
inline void finish_headers(const Worker& worker, const EgressMemo& memo, rte_mbuf& mbuf, const UdpPayload& payload, uint64_t payload_sum) {
  const uint32_t header_bytes = memo.is_v4 ? headers_v4 : headers_v6;
  mbuf.data_off = static_cast<uint16_t>(payload.at - header_bytes - static_cast<uint8_t*>(mbuf.buf_addr));
  mbuf.data_len = static_cast<uint16_t>(header_bytes + payload.bytes);
  mbuf.pkt_len = mbuf.data_len;
  mbuf.ol_flags = 0;
  auto* udp = reinterpret_cast<rte_udp_hdr*>(payload.at - udp_header_bytes);
  const uint16_t datagram_bytes = __builtin_bswap16(static_cast<uint16_t>(payload.bytes + udp_header_bytes));
  udp->dgram_len = datagram_bytes;
  if (memo.is_v4) {
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(payload.at - udp_header_bytes - sizeof(rte_ipv4_hdr));
    const uint16_t total = __builtin_bswap16(static_cast<uint16_t>(payload.bytes + udp_header_bytes + sizeof(rte_ipv4_hdr)));
    ip->total_length = total;
    ip->hdr_checksum = static_cast<uint16_t>(~checksum_fold_small(uint32_t{memo.ip_sum} + total));
  } else {
    reinterpret_cast<rte_ipv6_hdr*>(payload.at - udp_header_bytes - sizeof(rte_ipv6_hdr))->payload_len = datagram_bytes;
  }
  const uint64_t without_payload = memo.udp_sum + 2 * uint64_t{datagram_bytes};  // once in the pseudo-header
  if (payload_sum != unknown_sum) [[likely]] {
    udp->dgram_cksum = checksum_of_sum(without_payload + payload_sum);
  } else {
    finish_unknown_sum(worker, memo, mbuf, payload, without_payload);
  }
}

// Puts an 802.1Q tag into a finished frame: identifier and priority in `content`, network byte order.
void insert_vlan_tag(rte_mbuf& mbuf, const uint8_t* content);

// finish_headers(), and the tag for a port's VLAN.
inline void finish_frame(const Worker& worker, const FlowEntry& flow, rte_mbuf& mbuf, const UdpPayload& payload, uint64_t payload_sum) {
  finish_headers(worker, flow.egress, mbuf, payload, payload_sum);
  if (flow.egress.is_tagged) [[unlikely]] insert_vlan_tag(mbuf, flow.egress_headers);
}

// A datagram of our own. Dropped and counted when there is no memory, no next hop or no room in the port.
void send_datagram(Worker& worker, const Egress& egress, HopMemory& memory, const uint8_t* payload, size_t bytes);

}  // namespace sallyport::dataplane
