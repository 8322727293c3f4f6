// SPDX-License-Identifier: Apache-2.0
// receive: take a burst from a port's queue, or from the ring of packets that workers, this one too, handed over.

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "dataplane/pipeline.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

uint32_t begin(Worker& worker, uint32_t count, bool was_handed_over) {
  Burst& burst = worker.burst;
  burst.count = count;
  burst.passing = count;
  burst.owned = count;
  burst.was_handed_over = was_handed_over;
  burst.has_own = false;
  burst.has_control = false;
  burst.verbs = 0;
  burst.egress_ports = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(burst.mbufs[i], void*));
    bytes += burst.mbufs[i]->pkt_len;
  }
  if (!was_handed_over) {
    worker.area->counters.packets_in += count;
    worker.area->counters.bytes_in += bytes;
  }
  return count;
}

}  // namespace

uint32_t receive(Worker& worker, uint16_t port_index) {
  worker.burst.port_index = port_index;
  const uint16_t count = rte_eth_rx_burst(worker.node.ports[port_index]->id(), static_cast<uint16_t>(worker.id), worker.burst.mbufs, burst_size);
  return count == 0 ? 0 : begin(worker, count, false);
}

uint32_t receive_handed_over(Worker& worker) {
  const unsigned count =
      rte_ring_sc_dequeue_burst(worker.node.hand_over[worker.id], reinterpret_cast<void**>(worker.burst.mbufs), burst_size, nullptr);
  return count == 0 ? 0 : begin(worker, count, true);
}

}  // namespace sallyport::dataplane::stage
