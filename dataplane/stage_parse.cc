// SPDX-License-Identifier: Apache-2.0
// parse: Ethernet, IPv4 or IPv6, UDP. An address with a VLAN takes frames with that tag only, in the frame or beside it; for one without,
// tags do not matter. What is not for a relay or link port of a local address is the
// kernel's and dropped in silence; what is ours must be whole. Begins the fetch of the port entry.

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/pipeline.h"
#include "dataplane/plain_datagram.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

constexpr uint16_t vlan_mask = 0x0fff;  // the rest of a tag is priority

struct Datagram {
  uint8_t* ip = nullptr;
  uint8_t* udp = nullptr;
  uint8_t family = 0;
  uint32_t ip_payload_bytes = 0;  // as the IP header claims
  uint32_t available_bytes = 0;   // from the UDP header to the frame's end
  bool is_first_fragment = false;
  uint16_t vlan = 0;              // of the only tag in the frame; 0: there is none
  uint8_t tags = 0;
};

// False when it is no UDP datagram to us, or (bad_length set) not one that can be read.
bool find_udp(uint8_t* frame, uint32_t length, Datagram& datagram, bool& bad_length) {
  if (length < sizeof(rte_ether_hdr)) return false;
  uint32_t at = 12;
  uint16_t type = rte_be_to_cpu_16(*reinterpret_cast<unaligned_uint16_t*>(frame + at));
  for (; datagram.tags < 2 && (type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ) && length >= at + 6; ++datagram.tags) {
    datagram.vlan = static_cast<uint16_t>(load_be16(frame + at + 2) & vlan_mask);
    at += 4;
    type = rte_be_to_cpu_16(*reinterpret_cast<unaligned_uint16_t*>(frame + at));
  }
  at += 2;
  datagram.ip = frame + at;
  const uint32_t rest = length - at;
  if (type == RTE_ETHER_TYPE_IPV4) {
    if (rest < sizeof(rte_ipv4_hdr)) return false;
    const auto* ip = reinterpret_cast<const rte_ipv4_hdr*>(datagram.ip);
    const uint32_t header = (ip->version_ihl & 0x0f) * 4u;
    const uint32_t total = rte_be_to_cpu_16(ip->total_length);
    const uint16_t fragment = rte_be_to_cpu_16(ip->fragment_offset);
    if (ip->version_ihl >> 4 != 4 || ip->next_proto_id != IPPROTO_UDP || (fragment & RTE_IPV4_HDR_OFFSET_MASK) != 0) return false;
    datagram.family = 4;
    datagram.is_first_fragment = (fragment & RTE_IPV4_HDR_MF_FLAG) != 0;
    if (header < sizeof(rte_ipv4_hdr) || rest < header + sizeof(rte_udp_hdr)) return false;
    datagram.udp = datagram.ip + header;
    datagram.available_bytes = rest - header;
    bad_length = total < header || total > rest;
    datagram.ip_payload_bytes = total - header;
    return true;
  }
  if (type == RTE_ETHER_TYPE_IPV6) {
    if (rest < sizeof(rte_ipv6_hdr) + sizeof(rte_udp_hdr)) return false;
    const auto* ip = reinterpret_cast<const rte_ipv6_hdr*>(datagram.ip);
    // Extension headers have no place before media; such packets stay with the kernel.
    if ((datagram.ip[0] >> 4) != 6 || ip->proto != IPPROTO_UDP) return false;
    datagram.family = 6;
    datagram.udp = datagram.ip + sizeof(rte_ipv6_hdr);
    datagram.available_bytes = rest - sizeof(rte_ipv6_hdr);
    datagram.ip_payload_bytes = rte_be_to_cpu_16(ip->payload_len);
    bad_length = datagram.ip_payload_bytes > datagram.available_bytes;
    return true;
  }
  return false;
}

// IPv4, and no VLAN.
uint16_t find_plain_slot(const Node& node, const uint8_t* destination) {
  uint32_t address;
  std::memcpy(&address, destination, sizeof address);
  return find_slot_v4(node.slots_v4, address);
}

uint16_t find_slot(const Node& node, uint8_t family, const uint8_t* destination) {
  if (family == 4 && !node.has_vlans) return find_plain_slot(node, destination);
  for (uint16_t slot = 0; slot < node.slot_count; ++slot) {
    const abi::Address& local = node.slots[slot].address;
    if (local.family == family && std::memcmp(local.ip, destination, family == 4 ? 4 : 16) == 0) return slot;
  }
  return abi::no_slot;
}

// A port may have taken the tag out of the frame.
bool has_vlan(const rte_mbuf& mbuf, const Datagram& datagram, uint16_t vlan) {
  if (mbuf.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) return datagram.tags == 0 && (mbuf.vlan_tci & vlan_mask) == vlan;
  return datagram.tags == 1 && datagram.vlan == vlan;
}

// The UDP checksum is judged when the flow is known, since what is relayed unopened goes on with it; but what a port has found wrong, or
// IPv6 forbids (RFC 8200 8.1), ends here.
bool header_holds(const rte_mbuf& mbuf, const Datagram& datagram, const rte_udp_hdr& udp) {
  if ((mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD) return false;
  if (datagram.family == 6) return udp.dgram_cksum != 0;
  return checksum_fold(checksum_add(0, datagram.ip, static_cast<size_t>(datagram.udp - datagram.ip))) == 0xffff;
}

void take_source_v4(const uint8_t* addresses, const rte_udp_hdr& udp, abi::Address& source) {
  source.family = 4;
  source.reserved = 0;
  source.port = rte_be_to_cpu_16(udp.src_port);
  std::memset(source.ip, 0, sizeof source.ip);
  std::memcpy(source.ip, addresses, 4);
}

void take_source(const Datagram& datagram, const rte_udp_hdr& udp, Packet& packet) {
  if (datagram.family == 4) {
    packet.addresses = datagram.ip + offsetof(rte_ipv4_hdr, src_addr);
    return take_source_v4(packet.addresses, udp, packet.source);
  }
  packet.addresses = datagram.ip + offsetof(rte_ipv6_hdr, src_addr);
  packet.source.family = 6;
  packet.source.reserved = 0;
  packet.source.port = rte_be_to_cpu_16(udp.src_port);
  std::memcpy(packet.source.ip, packet.addresses, 16);
}

// What of parsing is the same for all packets of a burst.
struct BurstFacts {
  const uint8_t* own_mac = nullptr;  // of a packet socket's port, which also sees what our own kernel sends
  uint16_t relay_port_min;
  uint16_t relay_ports;              // max - min

  bool is_relay_port(uint16_t port) const { return static_cast<uint16_t>(port - relay_port_min) <= relay_ports; }
};

// Any packet, whatever is wrong with it.
void parse_carefully(Worker& worker, Packet& packet, const BurstFacts& facts) {
  rte_mbuf* mbuf = packet.mbuf;
  uint8_t* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  Datagram datagram;
  bool bad_length = false;
  if (!find_udp(frame, mbuf->data_len, datagram, bad_length)) return worker.leave(packet);
  const size_t destination = datagram.family == 4 ? offsetof(rte_ipv4_hdr, dst_addr) : offsetof(rte_ipv6_hdr, dst_addr);
  packet.slot = find_slot(worker.node, datagram.family, datagram.ip + destination);
  if (packet.slot == abi::no_slot) return worker.leave(packet);
  if (facts.own_mac != nullptr && std::memcmp(frame + 6, facts.own_mac, 6) == 0) return worker.leave(packet);
  const auto* udp = reinterpret_cast<const rte_udp_hdr*>(datagram.udp);
  packet.local_port = rte_be_to_cpu_16(udp->dst_port);
  if (!facts.is_relay_port(packet.local_port) && !FlowTable::is_link_entry(worker.flows->port_entry(packet.slot, packet.local_port))) {
    return worker.leave(packet);
  }
  const uint16_t vlan = worker.node.slots[packet.slot].vlan;
  if (vlan != 0 && !has_vlan(*mbuf, datagram, vlan)) return worker.drop(packet, abi::DropReason::wrong_vlan);
  rte_prefetch0(worker.flows->port_place(packet.slot, packet.local_port));
  const uint32_t udp_bytes = rte_be_to_cpu_16(udp->dgram_len);
  if (datagram.is_first_fragment) return worker.drop(packet, abi::DropReason::fragment);
  if (bad_length || mbuf->nb_segs != 1 || udp_bytes < sizeof(rte_udp_hdr) || udp_bytes != datagram.ip_payload_bytes) {
    return worker.drop(packet, abi::DropReason::bad_length);
  }
  if (!header_holds(*mbuf, datagram, *udp)) return worker.drop(packet, abi::DropReason::bad_checksum);
  take_source(datagram, *udp, packet);
  packet.udp = datagram.udp;
  packet.payload = datagram.udp + sizeof(rte_udp_hdr);
  packet.payload_bytes = udp_bytes - static_cast<uint32_t>(sizeof(rte_udp_hdr));
}

// Nearly every packet: plain, and to a relay port. The same conditions as above; false, and nothing changed, when one does not hold.
bool parse_plain(const Worker& worker, Packet& packet, const BurstFacts& facts) {
  uint8_t* frame = rte_pktmbuf_mtod(packet.mbuf, uint8_t*);
  if (!is_plain_datagram(*packet.mbuf, frame) || (facts.own_mac != nullptr && std::memcmp(frame + 6, facts.own_mac, 6) == 0)) return false;
  const uint16_t port = load_be16(frame + plain_udp_at + 2);
  if (!facts.is_relay_port(port)) return false;
  packet.addresses = frame + plain_ip_at + offsetof(rte_ipv4_hdr, src_addr);
  const uint16_t slot = find_plain_slot(worker.node, packet.addresses + 4);
  if (slot == abi::no_slot) return false;
  rte_prefetch0(worker.flows->port_place(slot, port));
  packet.slot = slot;
  packet.local_port = port;
  packet.udp = frame + plain_udp_at;
  packet.payload = frame + plain_payload_at;
  packet.payload_bytes = load_be16(packet.udp + 4) - static_cast<uint32_t>(sizeof(rte_udp_hdr));
  take_source_v4(packet.addresses, *reinterpret_cast<const rte_udp_hdr*>(packet.udp), packet.source);
  return true;
}

void begin(Packet& packet, rte_mbuf* mbuf) {
  packet.mbuf = mbuf;
  packet.verdict = Verdict::pass;
  packet.reason = abi::DropReason{};
  packet.media = abi::Media{};
  packet.candidate = 0;
  packet.is_control = false;
  packet.arrived_multiplexed = false;
  packet.is_tentative = false;
  packet.carries_checksum = false;
  packet.stays_here = false;
  packet.flow = nullptr;
}

}  // namespace

void parse(Worker& worker) {
  const Geometry& geometry = worker.node.geometry;
  BurstFacts facts;
  facts.relay_port_min = geometry.relay_port_min;
  facts.relay_ports = static_cast<uint16_t>(geometry.relay_port_max - geometry.relay_port_min);
  // What was handed over has passed this at the worker that received it.
  const drivers::Port& port = *worker.node.ports[worker.burst.port_index];
  if (!worker.burst.was_handed_over && port.has_kernel_neighbours()) facts.own_mac = port.mac().data();
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    begin(packet, worker.burst.mbufs[i]);
    if (!parse_plain(worker, packet, facts)) [[unlikely]] parse_carefully(worker, packet, facts);
  }
}

}  // namespace sallyport::dataplane::stage
