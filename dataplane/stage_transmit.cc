// SPDX-License-Identifier: Apache-2.0
// transmit: out by the port of the egress address, one burst a port; then the flow's counters.

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/capture.h"
#include "dataplane/egress.h"
#include "dataplane/pipeline.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

uint32_t udp_bytes_of(const Packet& packet) { return udp_payload_of(*packet.flow, packet).bytes; }

void send_by(Worker& worker, uint16_t port_index) {
  rte_mbuf* mbufs[burst_size];
  Packet* packets[burst_size];
  uint16_t count = 0;
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || packet.egress_port_index != port_index || packet.stays_here) continue;
    bytes += packet.mbuf->pkt_len;
    packets[count] = &packet;
    mbufs[count++] = packet.mbuf;
  }
  const uint16_t sent = rte_eth_tx_burst(worker.node.ports[port_index]->id(), static_cast<uint16_t>(worker.id), mbufs, count);
  for (uint16_t i = 0; i < sent; ++i) {
    packets[i]->verdict = Verdict::handed_on;
    ++packets[i]->meter->packets;
    packets[i]->meter->bytes += udp_bytes_of(*packets[i]);
  }
  worker.burst.passing -= sent;
  worker.burst.owned -= sent;
  for (uint16_t i = sent; i < count; ++i) {
    bytes -= packets[i]->mbuf->pkt_len;
    worker.drop(*packets[i], abi::DropReason::port_full);
  }
  worker.area->counters.packets_out += sent;
  worker.area->counters.bytes_out += bytes;
}

// Neither a switch nor the kernel brings back what a node sends to its own address: whole, checksums and all, it goes to the ring of the
// worker that owns the relay port, and through the stages from the first on.
void give_to_own(Worker& worker) {
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || !packet.stays_here) continue;
    worker.hand_over(packet, worker.owner_of_port(packet.flow->destination.port));
    if (packet.verdict != Verdict::handed_on) continue;
    ++packet.meter->packets;
    packet.meter->bytes += udp_bytes_of(packet);
  }
}

}  // namespace

void transmit(Worker& worker) {
  if (worker.flows->captured_flows != 0) [[unlikely]] capture_sent(worker);
  for (uint32_t ports = worker.burst.egress_ports; ports != 0; ports &= ports - 1) {
    send_by(worker, static_cast<uint16_t>(__builtin_ctz(ports)));
  }
  if (worker.burst.has_own) give_to_own(worker);
}

}  // namespace sallyport::dataplane::stage
