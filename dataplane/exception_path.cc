// SPDX-License-Identifier: Apache-2.0
#include "dataplane/exception_path.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

void free_unsent(rte_mbuf** mbufs, uint16_t sent, uint16_t count) {
  for (uint16_t i = sent; i < count; ++i) rte_pktmbuf_free(mbufs[i]);
}

}  // namespace

void give_to_kernel(Worker& worker) {
  const drivers::Port& port = *worker.node.ports[worker.burst.port_index];
  if (!port.has_exception_port()) return;
  rte_mbuf* mbufs[burst_size];
  uint16_t count = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::drop || packet.reason != abi::DropReason::not_ours) continue;
    packet.verdict = Verdict::handed_on;  // it was dropped before, so it counts as passing no longer
    --worker.burst.owned;
    mbufs[count++] = packet.mbuf;
  }
  if (count == 0) return;
  free_unsent(mbufs, rte_eth_tx_burst(port.exception_id(), static_cast<uint16_t>(worker.id), mbufs, count), count);
}

uint32_t take_from_kernel(Worker& worker) {
  uint32_t taken = 0;
  for (const auto& port : worker.node.ports) {
    if (!port->has_exception_port()) continue;
    rte_mbuf* mbufs[burst_size];
    const auto queue = static_cast<uint16_t>(worker.id);
    const uint16_t count = rte_eth_rx_burst(port->exception_id(), queue, mbufs, burst_size);
    if (count == 0) continue;
    free_unsent(mbufs, rte_eth_tx_burst(port->id(), queue, mbufs, count), count);
    taken += count;
  }
  return taken;
}

}  // namespace sallyport::dataplane
