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

template <size_t Bytes>
uint16_t find_slot_of(const Node& node, uint8_t family, const uint8_t* destination) {
  for (uint16_t slot = 0; slot < node.slot_count; ++slot) {
    const abi::Address& local = node.slots[slot].address;
    if (local.family == family && std::memcmp(local.ip, destination, Bytes) == 0) return slot;
  }
  return abi::no_slot;
}

uint16_t find_slot(const Node& node, const Datagram& datagram) {
  if (datagram.family == 4) return find_slot_of<4>(node, 4, datagram.ip + offsetof(rte_ipv4_hdr, dst_addr));
  return find_slot_of<16>(node, 6, datagram.ip + offsetof(rte_ipv6_hdr, dst_addr));
}

// Summed with its own checksum in place, a whole header or datagram gives all ones.
bool checksums_hold(const rte_mbuf& mbuf, const Datagram& datagram, const rte_udp_hdr& udp) {
  const bool is_checked = (mbuf.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const auto udp_bytes = static_cast<uint16_t>(datagram.ip_payload_bytes);
  if (datagram.family == 4) {
    const auto header_bytes = static_cast<size_t>(datagram.udp - datagram.ip);
    if (checksum_fold(checksum_add(0, datagram.ip, header_bytes)) != 0xffff) return false;
    return is_checked || udp.dgram_cksum == 0 || udp_sum(datagram.ip + offsetof(rte_ipv4_hdr, src_addr), 8, &udp, udp_bytes) == 0xffff;
  }
  // RFC 8200 8.1: zero is not allowed over IPv6.
  if (udp.dgram_cksum == 0) return false;
  return is_checked || udp_sum(datagram.ip + offsetof(rte_ipv6_hdr, src_addr), 32, &udp, udp_bytes) == 0xffff;
}

void take_source(const Datagram& datagram, const rte_udp_hdr& udp, abi::Address& source) {
  source.family = datagram.family;
  source.reserved = 0;
  source.port = rte_be_to_cpu_16(udp.src_port);
  if (datagram.family == 4) {
    std::memset(source.ip, 0, sizeof source.ip);
    std::memcpy(source.ip, datagram.ip + offsetof(rte_ipv4_hdr, src_addr), 4);
  } else {
    std::memcpy(source.ip, datagram.ip + offsetof(rte_ipv6_hdr, src_addr), 16);
  }
}

void parse_one(Worker& worker, Packet& packet) {
  rte_mbuf* mbuf = packet.mbuf;
  uint8_t* frame = rte_pktmbuf_mtod(mbuf, uint8_t*);
  Datagram datagram;
  bool bad_length = false;
  if (!find_udp(frame, mbuf->data_len, datagram, bad_length)) return worker.drop(packet, abi::DropReason::not_ours);
  packet.slot = find_slot(worker.node, datagram);
  if (packet.slot == abi::no_slot) return worker.drop(packet, abi::DropReason::not_ours);
  const drivers::Port& port = *worker.node.ports[worker.node.slots[packet.slot].port_index];
  // A packet socket also sees what our own kernel sends.
  if (port.has_kernel_neighbours() && std::memcmp(frame + 6, port.mac().data(), 6) == 0) {
    return worker.drop(packet, abi::DropReason::not_ours);
  }
  const auto* udp = reinterpret_cast<const rte_udp_hdr*>(datagram.udp);
  packet.local_port = rte_be_to_cpu_16(udp->dst_port);
  const Geometry& geometry = worker.node.geometry;
  const bool in_range = packet.local_port >= geometry.relay_port_min && packet.local_port <= geometry.relay_port_max;
  if (!in_range && !FlowTable::is_link_entry(worker.flows->port_entry(packet.slot, packet.local_port))) {
    return worker.drop(packet, abi::DropReason::not_ours);
  }
  rte_prefetch0(worker.flows->port_place(packet.slot, packet.local_port));
  const uint32_t udp_bytes = rte_be_to_cpu_16(udp->dgram_len);
  if (datagram.is_first_fragment) return worker.drop(packet, abi::DropReason::fragment);
  if (bad_length || mbuf->nb_segs != 1 || udp_bytes < sizeof(rte_udp_hdr) || udp_bytes != datagram.ip_payload_bytes) {
    return worker.drop(packet, abi::DropReason::bad_length);
  }
  if (!checksums_hold(*mbuf, datagram, *udp)) return worker.drop(packet, abi::DropReason::bad_checksum);
  take_source(datagram, *udp, packet.source);
  packet.payload = datagram.udp + sizeof(rte_udp_hdr);
  packet.payload_bytes = udp_bytes - static_cast<uint32_t>(sizeof(rte_udp_hdr));
}

}  // namespace

void parse(Worker& worker) {
  for (uint32_t i = 0; i < worker.burst.count; ++i) parse_one(worker, worker.burst.packets[i]);
}

}  // namespace sallyport::dataplane::stage
