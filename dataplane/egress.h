// SPDX-License-Identifier: Apache-2.0
#pragma once
// Egress: headers of what is sent. A flow's are made once (resolve_egress) and copied before each of its packets (place_headers);
// finish_headers fills in what depends on the final length. find_hop answers from the next-hop table and asks the resolver at most
// ten times a second a flow. Owner lcore only.

#include <cstddef>
#include <cstdint>

#include "dataplane/flow_table.h"
#include "dataplane/packet.h"

struct rte_mbuf;

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

// Puts the flow's headers, and with verb_mux the multiplexID, before the packet's payload in place. There must be
// headroom_needed bytes before it.
inline constexpr uint32_t headroom_needed = egress_header_room + 4;
UdpPayload place_headers(const FlowEntry& flow, const Packet& packet);

// Lengths, checksums and the mbuf's bounds, once the payload is final and stands behind its headers. `payload_sum`: of the UDP
// payload, not folded; when unknown the checksum is computed, here or by the port.
void finish_headers(const Worker& worker, const EgressMemo& memo, rte_mbuf& mbuf, const UdpPayload& payload, uint64_t payload_sum);

// A datagram of our own. Dropped and counted when there is no memory, no next hop or no room in the port.
void send_datagram(Worker& worker, const Egress& egress, HopMemory& memory, const uint8_t* payload, size_t bytes);

}  // namespace sallyport::dataplane
