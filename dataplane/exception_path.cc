// SPDX-License-Identifier: Apache-2.0
#include "dataplane/exception_path.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstring>

#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

// What the port did not take is lost, and counted.
void free_unsent(Worker& worker, rte_mbuf** mbufs, uint16_t sent, uint16_t count, abi::DropReason reason) {
  worker.area->counters.drops[static_cast<size_t>(reason)] += count - sent;
  for (uint16_t i = sent; i < count; ++i) rte_pktmbuf_free(mbufs[i]);
}

// A frame of our own that a switch or the port itself brought back: the kernel would take it for another host with its addresses.
bool is_own(const drivers::Port& port, const rte_mbuf& mbuf) {
  return mbuf.data_len >= sizeof(rte_ether_hdr) && std::memcmp(rte_pktmbuf_mtod_offset(&mbuf, const uint8_t*, 6), port.mac().data(), 6) == 0;
}

}  // namespace

void give_to_kernel(Worker& worker) {
  const drivers::Port& port = *worker.node.ports[worker.burst.port_index];
  if (!port.has_exception_port()) return;
  abi::WorkerCounters& counters = worker.area->counters;
  ExceptionPolicer& policer = worker.exceptions[worker.burst.port_index];
  rte_mbuf* mbufs[burst_size];
  uint16_t count = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::drop || packet.reason != abi::DropReason::not_ours) continue;
    if (is_own(port, *packet.mbuf)) {
      ++counters.drops[static_cast<size_t>(packet.reason)];
      continue;
    }
    if (!policer.take(rte_pktmbuf_mtod(packet.mbuf, const uint8_t*), packet.mbuf->data_len, worker.now_ns, port.spec().kernel_packets_per_s)) {
      packet.reason = abi::DropReason::kernel_policed;
      ++counters.drops[static_cast<size_t>(packet.reason)];
      continue;
    }
    packet.verdict = Verdict::handed_on;  // it was dropped before, so it counts as passing no longer
    --worker.burst.owned;
    // The kernel tells VLANs by the frame alone.
    if ((packet.mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && rte_vlan_insert(&packet.mbuf) != 0) {
      free_unsent(worker, &packet.mbuf, 0, 1, abi::DropReason::no_room);
      continue;
    }
    mbufs[count++] = packet.mbuf;
  }
  if (count == 0) return;
  const uint16_t sent = rte_eth_tx_burst(port.exception_id(), static_cast<uint16_t>(worker.id), mbufs, count);
  counters.to_kernel += sent;
  free_unsent(worker, mbufs, sent, count, abi::DropReason::kernel_full);
}

uint32_t take_from_kernel(Worker& worker) {
  abi::WorkerCounters& counters = worker.area->counters;
  uint32_t taken = 0;
  for (const auto& port : worker.node.ports) {
    if (!port->has_exception_port()) continue;
    rte_mbuf* mbufs[burst_size];
    const auto queue = static_cast<uint16_t>(worker.id);
    const uint16_t count = rte_eth_rx_burst(port->exception_id(), queue, mbufs, burst_size);
    if (count == 0) continue;
    uint64_t bytes = 0;
    for (uint16_t i = 0; i < count; ++i) bytes += mbufs[i]->pkt_len;
    const uint16_t sent = rte_eth_tx_burst(port->id(), queue, mbufs, count);
    for (uint16_t i = sent; i < count; ++i) bytes -= mbufs[i]->pkt_len;
    counters.from_kernel += sent;
    counters.packets_out += sent;
    counters.bytes_out += bytes;
    free_unsent(worker, mbufs, sent, count, abi::DropReason::port_full);
    taken += count;
  }
  return taken;
}

}  // namespace sallyport::dataplane
