// SPDX-License-Identifier: Apache-2.0
#include "dataplane/egress.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include <cstring>

#include "dataplane/checksum.h"
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

// RFC 768: a checksum that comes out as zero is sent as all ones.
uint16_t udp_checksum(const void* addresses, size_t addresses_bytes, const rte_udp_hdr* udp, uint16_t udp_bytes) {
  const auto check = static_cast<uint16_t>(~udp_sum(addresses, addresses_bytes, udp, udp_bytes));
  return check == 0 ? 0xffff : check;
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

uint16_t prepend_headers(const Worker& worker, const Egress& egress, const drivers::HopLink& link, uint8_t* payload) {
  const abi::Address& source = worker.node.slots[egress.slot].address;
  const bool is_v4 = egress.destination.family == 4;
  const uint16_t ip_bytes = is_v4 ? sizeof(rte_ipv4_hdr) : sizeof(rte_ipv6_hdr);
  const uint16_t header_bytes = static_cast<uint16_t>(sizeof(rte_ether_hdr) + ip_bytes + sizeof(rte_udp_hdr));
  uint8_t* frame = payload - header_bytes;
  std::memcpy(frame, link.destination_mac, 6);
  std::memcpy(frame + 6, link.source_mac, 6);
  const uint16_t type = rte_cpu_to_be_16(is_v4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
  std::memcpy(frame + 12, &type, 2);
  if (is_v4) {
    write_ipv4(egress, source, frame + sizeof(rte_ether_hdr));
  } else {
    write_ipv6(egress, source, frame + sizeof(rte_ether_hdr));
  }
  auto* udp = reinterpret_cast<rte_udp_hdr*>(payload - sizeof(rte_udp_hdr));
  udp->src_port = rte_cpu_to_be_16(egress.port);
  udp->dst_port = rte_cpu_to_be_16(egress.destination.port);
  udp->dgram_len = 0;
  udp->dgram_cksum = 0;
  return header_bytes;
}

void finish_headers(rte_mbuf& mbuf, uint8_t* payload, uint16_t header_bytes, uint32_t payload_bytes, bool offload) {
  uint8_t* frame = payload - header_bytes;
  mbuf.data_off = static_cast<uint16_t>(frame - static_cast<uint8_t*>(mbuf.buf_addr));
  mbuf.data_len = static_cast<uint16_t>(header_bytes + payload_bytes);
  mbuf.pkt_len = mbuf.data_len;
  mbuf.nb_segs = 1;
  mbuf.next = nullptr;
  mbuf.ol_flags = 0;
  const uint16_t udp_bytes = static_cast<uint16_t>(payload_bytes + sizeof(rte_udp_hdr));
  auto* udp = reinterpret_cast<rte_udp_hdr*>(payload - sizeof(rte_udp_hdr));
  udp->dgram_len = rte_cpu_to_be_16(udp_bytes);
  mbuf.l2_len = sizeof(rte_ether_hdr);
  mbuf.l3_len = header_bytes - sizeof(rte_ether_hdr) - sizeof(rte_udp_hdr);
  if (mbuf.l3_len == sizeof(rte_ipv4_hdr)) {
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(frame + sizeof(rte_ether_hdr));
    ip->total_length = rte_cpu_to_be_16(static_cast<uint16_t>(udp_bytes + sizeof(rte_ipv4_hdr)));
    if (offload) {
      mbuf.ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
      udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, mbuf.ol_flags);
      return;
    }
    ip->hdr_checksum = static_cast<uint16_t>(~checksum_fold(checksum_add(0, ip, sizeof *ip)));
    udp->dgram_cksum = udp_checksum(&ip->src_addr, 8, udp, udp_bytes);
    return;
  }
  auto* ip = reinterpret_cast<rte_ipv6_hdr*>(frame + sizeof(rte_ether_hdr));
  ip->payload_len = rte_cpu_to_be_16(udp_bytes);
  if (offload) {
    mbuf.ol_flags = RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_UDP_CKSUM;
    udp->dgram_cksum = rte_ipv6_phdr_cksum(ip, mbuf.ol_flags);
    return;
  }
  udp->dgram_cksum = udp_checksum(ip->src_addr, 32, udp, udp_bytes);
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
  uint8_t* at = rte_pktmbuf_mtod(mbuf, uint8_t*);
  std::memcpy(at, payload, bytes);
  const drivers::Port& port = *worker.node.ports[worker.node.slots[egress.slot].port_index];
  const uint16_t header_bytes = prepend_headers(worker, egress, link, at);
  finish_headers(*mbuf, at, header_bytes, static_cast<uint32_t>(bytes), port.offloads_checksum());
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
