// SPDX-License-Identifier: Apache-2.0
// parse: Ethernet (VLAN tags tolerated), IPv4 or IPv6, UDP. What is not for a relay or link port of a local address is the
// kernel's and dropped in silence; what is ours must be whole. Begins the fetch of the port entry.

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/checksum.h"
#include "dataplane/pipeline.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

struct Datagram {
  uint8_t* ip = nullptr;
  uint8_t* udp = nullptr;
  uint8_t family = 0;
  uint32_t ip_payload_bytes = 0;  // as the IP header claims
  uint32_t available_bytes = 0;   // from the UDP header to the frame's end
  bool is_first_fragment = false;
};

// False when it is no UDP datagram to us, or (bad_length set) not one that can be read.
bool find_udp(uint8_t* frame, uint32_t length, Datagram& datagram, bool& bad_length) {
  if (length < sizeof(rte_ether_hdr)) return false;
  uint32_t at = 12;
  uint16_t type = rte_be_to_cpu_16(*reinterpret_cast<unaligned_uint16_t*>(frame + at));
  for (int tags = 0; tags < 2 && (type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ) && length >= at + 6; ++tags) {
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

// Nearly every packet: no VLAN tag, no IP option, no fragment.
bool is_plain(const uint8_t* frame, uint32_t length, Datagram& datagram, bool& bad_length) {
  constexpr uint32_t v4_bytes = sizeof(rte_ether_hdr) + sizeof(rte_ipv4_hdr) + sizeof(rte_udp_hdr);
  if (length < v4_bytes) return false;
  const auto* ip = reinterpret_cast<const rte_ipv4_hdr*>(frame + sizeof(rte_ether_hdr));
  const uint16_t type = reinterpret_cast<const rte_ether_hdr*>(frame)->ether_type;
  const bool is_whole = (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0;
  if (type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || ip->version_ihl != 0x45 || ip->next_proto_id != IPPROTO_UDP || !is_whole) return false;
  const uint32_t total = rte_be_to_cpu_16(ip->total_length);
  datagram.family = 4;
  datagram.ip = const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(ip));
  datagram.udp = datagram.ip + sizeof(rte_ipv4_hdr);
  datagram.available_bytes = length - (v4_bytes - sizeof(rte_udp_hdr));
  datagram.ip_payload_bytes = total - sizeof(rte_ipv4_hdr);
  bad_length = total < sizeof(rte_ipv4_hdr) || datagram.ip_payload_bytes > datagram.available_bytes;
  return true;
}

uint16_t find_slot(const Node& node, const Datagram& datagram) {
  if (datagram.family == 4) {
    uint32_t destination;
    std::memcpy(&destination, datagram.ip + offsetof(rte_ipv4_hdr, dst_addr), sizeof destination);
    for (uint16_t slot = 0; slot < node.slot_count; ++slot) {
      if (node.slots_v4[slot] == destination && node.slots[slot].address.family == 4) return slot;
    }
    return abi::no_slot;
  }
  const uint8_t* destination = datagram.ip + offsetof(rte_ipv6_hdr, dst_addr);
  for (uint16_t slot = 0; slot < node.slot_count; ++slot) {
    const abi::Address& local = node.slots[slot].address;
    if (local.family == 6 && std::memcmp(local.ip, destination, 16) == 0) return slot;
  }
  return abi::no_slot;
}

// Summed with its own checksum in place, a whole header gives all ones. The UDP checksum is judged when the flow is known, since what
// is relayed unopened goes on with it; but what a port has found wrong, or IPv6 forbids (RFC 8200 8.1), ends here.
bool header_holds(const rte_mbuf& mbuf, const Datagram& datagram, const rte_udp_hdr& udp) {
  if ((mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD) return false;
  if (datagram.family == 6) return udp.dgram_cksum != 0;
  const auto header_bytes = static_cast<size_t>(datagram.udp - datagram.ip);
  if (header_bytes != sizeof(rte_ipv4_hdr)) return checksum_fold(checksum_add(0, datagram.ip, header_bytes)) == 0xffff;
  uint64_t first, second;
  uint32_t third;
  std::memcpy(&first, datagram.ip, 8);
  std::memcpy(&second, datagram.ip + 8, 8);
  std::memcpy(&third, datagram.ip + 16, 4);
  return checksum_fold((first & 0xffffffff) + (first >> 32) + (second & 0xffffffff) + (second >> 32) + third) == 0xffff;
}

void take_source(const Datagram& datagram, const rte_udp_hdr& udp, Packet& packet) {
  abi::Address& source = packet.source;
  source.family = datagram.family;
  source.reserved = 0;
  source.port = rte_be_to_cpu_16(udp.src_port);
  if (datagram.family == 4) {
    packet.addresses = datagram.ip + offsetof(rte_ipv4_hdr, src_addr);
    std::memset(source.ip, 0, sizeof source.ip);
    std::memcpy(source.ip, packet.addresses, 4);
  } else {
    packet.addresses = datagram.ip + offsetof(rte_ipv6_hdr, src_addr);
    std::memcpy(source.ip, packet.addresses, 16);
  }
}

// What of parsing is the same for all packets of a burst.
struct BurstFacts {
  const uint8_t* own_mac = nullptr;  // of a packet socket's port, which also sees what our own kernel sends
  uint16_t relay_port_min;
  uint16_t relay_ports;              // max - min
};

void parse_one(Worker& worker, Packet& packet, const BurstFacts& facts) {
  rte_mbuf* mbuf = packet.mbuf;
  uint8_t* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  Datagram datagram;
  bool bad_length = false;
  if (!is_plain(frame, mbuf->data_len, datagram, bad_length) && !find_udp(frame, mbuf->data_len, datagram, bad_length)) {
    return worker.drop(packet, abi::DropReason::not_ours);
  }
  packet.slot = find_slot(worker.node, datagram);
  if (packet.slot == abi::no_slot) return worker.drop(packet, abi::DropReason::not_ours);
  if (facts.own_mac != nullptr && std::memcmp(frame + 6, facts.own_mac, 6) == 0) return worker.drop(packet, abi::DropReason::not_ours);
  const auto* udp = reinterpret_cast<const rte_udp_hdr*>(datagram.udp);
  packet.local_port = rte_be_to_cpu_16(udp->dst_port);
  const bool in_range = static_cast<uint16_t>(packet.local_port - facts.relay_port_min) <= facts.relay_ports;
  if (!in_range && !FlowTable::is_link_entry(worker.flows->port_entry(packet.slot, packet.local_port))) {
    return worker.drop(packet, abi::DropReason::not_ours);
  }
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

}  // namespace

void parse(Worker& worker) {
  const Geometry& geometry = worker.node.geometry;
  BurstFacts facts;
  facts.relay_port_min = geometry.relay_port_min;
  facts.relay_ports = static_cast<uint16_t>(geometry.relay_port_max - geometry.relay_port_min);
  // What was handed over has passed this at the worker that received it.
  const drivers::Port& port = *worker.node.ports[worker.burst.port_index];
  if (!worker.burst.was_handed_over && port.has_kernel_neighbours()) facts.own_mac = port.mac().data();
  for (uint32_t i = 0; i < worker.burst.count; ++i) parse_one(worker, worker.burst.packets[i], facts);
}

}  // namespace sallyport::dataplane::stage
