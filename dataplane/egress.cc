// SPDX-License-Identifier: Apache-2.0
#include "dataplane/egress.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/flow_policer.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

constexpr uint64_t ask_interval_ns = 100'000'000;
constexpr uint8_t hop_limit = 64;

void write_ipv4(const Egress& egress, const abi::Address& source, uint8_t* at) {
  auto* ip = reinterpret_cast<rte_ipv4_hdr*>(at);
  ip->version_ihl = 0x45;
  ip->type_of_service = static_cast<uint8_t>(egress.dscp << 2);
  ip->total_length = 0;
  ip->packet_id = 0;  // RFC 6864: an atomic datagram needs none
  ip->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
  ip->time_to_live = hop_limit;
  ip->next_proto_id = IPPROTO_UDP;
  ip->hdr_checksum = 0;
  std::memcpy(&ip->src_addr, source.ip, 4);
  std::memcpy(&ip->dst_addr, egress.destination.ip, 4);
}

void write_ipv6(const Egress& egress, const abi::Address& source, uint8_t* at) {
  auto* ip = reinterpret_cast<rte_ipv6_hdr*>(at);
  ip->vtc_flow = rte_cpu_to_be_32(0x60000000u | (uint32_t{egress.dscp} << 22));
  ip->payload_len = 0;
  ip->proto = IPPROTO_UDP;
  ip->hop_limits = hop_limit;
  std::memcpy(ip->src_addr, source.ip, 16);
  std::memcpy(ip->dst_addr, egress.destination.ip, 16);
}

constexpr uint64_t resolved_ns = 1'000'000'000;  // the next-hop table wants to hear once a second that it is in use
constexpr uint32_t multiplex_prefix_bytes = 4;

// Ethernet, IP and UDP before `end`, lengths and checksums zero. Returns the bytes written.
uint32_t write_headers(const Worker& worker, const Egress& egress, const drivers::HopLink& link, uint8_t* end) {
  const abi::Address& source = worker.node.slots[egress.slot].address;
  const bool is_v4 = egress.destination.family == 4;
  const uint32_t header_bytes = is_v4 ? headers_v4 : headers_v6;
  uint8_t* frame = end - header_bytes;
  std::memcpy(frame, link.destination_mac, 6);
  std::memcpy(frame + 6, link.source_mac, 6);
  const uint16_t type = rte_cpu_to_be_16(is_v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
  std::memcpy(frame + 12, &type, 2);
  if (is_v4) {
    write_ipv4(egress, source, frame + sizeof(rte_ether_hdr));
  } else {
    write_ipv6(egress, source, frame + sizeof(rte_ether_hdr));
  }
  auto* udp = reinterpret_cast<rte_udp_hdr*>(end - udp_header_bytes);
  udp->src_port = rte_cpu_to_be_16(egress.port);
  udp->dst_port = rte_cpu_to_be_16(egress.destination.port);
  udp->dgram_len = 0;
  udp->dgram_cksum = 0;
  return header_bytes;
}

// `headers_end`: where the UDP payload begins.
uint16_t sum_of_pseudo_header(const uint8_t* headers_end, bool is_v4) {
  const size_t addresses_bytes = is_v4 ? 8 : 32;
  const uint8_t* udp = headers_end - udp_header_bytes;
  return checksum_fold(checksum_add(checksum_add(checksum_word(IPPROTO_UDP), udp - addresses_bytes, addresses_bytes), udp, 4));
}

uint16_t sum_of_ipv4_header(const uint8_t* headers_end) {
  return checksum_fold(checksum_add(0, headers_end - udp_header_bytes - sizeof(rte_ipv4_hdr), sizeof(rte_ipv4_hdr)));
}

void note_headers(const Worker& worker, const Egress& egress, const uint8_t* headers_end, EgressMemo& memo) {
  memo.is_v4 = egress.destination.family == 4;
  memo.udp_sum = sum_of_pseudo_header(headers_end, memo.is_v4);
  memo.ip_sum = memo.is_v4 ? sum_of_ipv4_header(headers_end) : 0;
  memo.port_index = static_cast<uint8_t>(worker.node.slots[egress.slot].port_index);
}

// RFC 8325 and common use: the class selector of the DSCP, so that EF goes as voice (5), AF41 as video (4).
void write_vlan_content(uint16_t vlan, uint8_t dscp, uint8_t* at) { store_be16(at, static_cast<uint16_t>((dscp >> 3) << 13 | vlan)); }

// What stays in the node is judged by the address it goes to when it comes in again.
uint16_t vlan_of(const Node& node, const Egress& egress, bool stays_here) {
  if (!stays_here) return node.slots[egress.slot].vlan;
  for (uint16_t slot = 0; slot < node.slot_count; ++slot)
    if (node.slots[slot].address.same_ip(egress.destination)) return node.slots[slot].vlan;
  return 0;
}

struct Route {
  Egress egress;
  HopMemory* hop = nullptr;
  bool stays_here = false;
};

abi::DropReason route_to_link(Worker& worker, FlowEntry& flow, Route& route) {
  if (!worker.links.is_live(flow.egress_link)) return abi::DropReason::no_link;
  Link& link = worker.links.link(flow.egress_link);
  const uint32_t kind = kind_of(flow.media);
  const uint32_t peer = link.peer_of(flow.egress.multiplex_id);
  const abi::Address& destination = link.peers.address[kind][peer];
  if (!link.peers.up[kind] || !destination.is_set()) return abi::DropReason::no_link;
  route = Route{{link.local_slot, link.local_port[kind], flow.dscp, destination}, &link.hop[kind][peer], false};
  return abi::DropReason::count;
}

abi::DropReason route_to_peer(Worker& worker, FlowEntry& flow, Route& route) {
  const abi::Address* destination = &flow.destination;
  if (flow.destination_flow != abi::no_flow) {
    const FlowEntry& reverse = worker.flows->entry(flow.destination_flow);
    if (reverse.generation != 0 && reverse.held.is_set()) destination = &reverse.held;
  }
  if (!destination->is_set() || destination->port == 0) return abi::DropReason::not_latched;
  const bool stays = flow.stays_here && destination == &flow.destination;
  route = Route{{flow.egress_slot, flow.egress_port, flow.dscp, *destination}, &flow.hop, stays};
  return abi::DropReason::count;
}

}  // namespace

bool find_hop(Worker& worker, const Egress& egress, HopMemory& memory, drivers::HopLink& link) {
  drivers::HopKey key;
  key.slot = egress.slot;
  key.family = egress.destination.family;
  std::memcpy(key.ip, egress.destination.ip, sizeof key.ip);
  memory.index = worker.node.hops.find(key, memory.index);
  if (worker.node.hops.read(memory.index, key, worker.now_ns, link)) return true;
  if (memory.asked_ns == 0 || worker.now_ns - memory.asked_ns > ask_interval_ns) {
    memory.asked_ns = worker.now_ns;
    worker.node.resolver->ask(worker.id, key);
  }
  return false;
}

abi::DropReason resolve_egress(Worker& worker, FlowEntry& flow, uint32_t epoch) {
  EgressMemo& memo = flow.egress;
  memo.until_ns = 0;
  Route route;
  const bool is_muxed = (flow.verbs & abi::verb_mux) != 0;
  const abi::DropReason reason = is_muxed ? route_to_link(worker, flow, route) : route_to_peer(worker, flow, route);
  if (reason != abi::DropReason::count) return reason;
  drivers::HopLink link{};
  if (!route.stays_here && !find_hop(worker, route.egress, *route.hop, link)) return abi::DropReason::no_neighbour;
  uint8_t* end = flow.egress_headers + egress_header_room;
  const uint32_t header_bytes = write_headers(worker, route.egress, link, end);
  note_headers(worker, route.egress, end, memo);
  memo.stays_here = route.stays_here;
  const uint16_t vlan = worker.node.has_vlans ? vlan_of(worker.node, route.egress, route.stays_here) : 0;
  memo.is_tagged = vlan != 0;
  if (vlan != 0) write_vlan_content(vlan, flow.dscp, flow.egress_headers);
  uint32_t overhead = header_bytes - sizeof(rte_ether_hdr) + (is_muxed ? multiplex_prefix_bytes : 0);
  if (flow.verbs & abi::verb_seal) overhead += static_cast<uint32_t>(worker.flows->seal_context(flow.flow_index).seal_overhead_bytes());
  memo.payload_limit = static_cast<uint16_t>(worker.node.ports[memo.port_index]->mtu() - overhead);
  learn_familiar(flow, worker.node.region->meter(flow.flow_index).reception);
  memo.epoch = epoch;
  memo.until_ns = worker.now_ns + resolved_ns;
  return abi::DropReason::count;
}

void finish_unknown_sum(const Worker& worker, const EgressMemo& memo, rte_mbuf& mbuf, const UdpPayload& payload, uint64_t without_payload) {
  auto* udp = reinterpret_cast<rte_udp_hdr*>(payload.at - udp_header_bytes);
  if (memo.stays_here || !worker.node.ports[memo.port_index]->offloads_checksum()) {
    udp->dgram_cksum = checksum_of_sum(checksum_add(without_payload, payload.at, payload.bytes));
    return;
  }
  mbuf.ol_flags = (memo.is_v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) | RTE_MBUF_F_TX_UDP_CKSUM;
  mbuf.l2_len = sizeof(rte_ether_hdr);
  mbuf.l3_len = memo.is_v4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  // The port adds the datagram; it wants the sum of the pseudo-header alone.
  uint32_t ports;
  std::memcpy(&ports, udp, sizeof ports);
  udp->dgram_cksum = checksum_fold(uint64_t{memo.udp_sum} + static_cast<uint32_t>(~ports) + udp->dgram_len);
}

void insert_vlan_tag(rte_mbuf& mbuf, const uint8_t* content) {
  constexpr size_t macs_bytes = 2 * sizeof(rte_ether_addr);
  mbuf.data_off -= vlan_tag_bytes;
  mbuf.data_len += vlan_tag_bytes;
  mbuf.pkt_len += vlan_tag_bytes;
  if (mbuf.ol_flags != 0) mbuf.l2_len += vlan_tag_bytes;
  uint8_t* frame = rte_pktmbuf_mtod(&mbuf, uint8_t*);
  std::memmove(frame, frame + vlan_tag_bytes, macs_bytes);
  store_be16(frame + macs_bytes, RTE_ETHER_TYPE_VLAN);
  std::memcpy(frame + macs_bytes + 2, content, 2);
}

void send_datagram(Worker& worker, const Egress& egress, HopMemory& memory, const uint8_t* payload, size_t bytes) {
  abi::WorkerCounters& counters = worker.area->counters;
  drivers::HopLink link;
  if (!find_hop(worker, egress, memory, link)) {
    ++counters.drops[static_cast<size_t>(abi::DropReason::no_neighbour)];
    return;
  }
  rte_mbuf* mbuf = rte_pktmbuf_alloc(worker.node.pool);
  if (mbuf == nullptr) {
    ++counters.drops[static_cast<size_t>(abi::DropReason::port_full)];
    return;
  }
  uint8_t* end = rte_pktmbuf_mtod(mbuf, uint8_t*);
  std::memcpy(end, payload, bytes);
  const drivers::Port& port = *worker.node.ports[worker.node.slots[egress.slot].port_index];
  write_headers(worker, egress, link, end);
  EgressMemo memo;
  note_headers(worker, egress, end, memo);
  finish_headers(worker, memo, *mbuf, {end, static_cast<uint32_t>(bytes)}, unknown_sum);
  if (const uint16_t vlan = worker.node.slots[egress.slot].vlan; vlan != 0) {
    uint8_t content[2];
    write_vlan_content(vlan, egress.dscp, content);
    insert_vlan_tag(*mbuf, content);
  }
  const uint64_t frame_bytes = mbuf->pkt_len;
  if (rte_eth_tx_burst(port.id(), static_cast<uint16_t>(worker.id), &mbuf, 1) == 1) {
    ++counters.packets_out;
    counters.bytes_out += frame_bytes;
    return;
  }
  ++counters.drops[static_cast<size_t>(abi::DropReason::port_full)];
  rte_pktmbuf_free(mbuf);
}

}  // namespace sallyport::dataplane
