// SPDX-License-Identifier: Apache-2.0
// transmit: lengths, checksums, out by the port of the egress address, one burst a port; then the flow's counters.

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/egress.h"
#include "dataplane/pipeline.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

constexpr uint32_t multiplex_prefix_bytes = 4;

void send_by(Worker& worker, uint16_t port_index) {
  const drivers::Port& port = *worker.node.ports[port_index];
  rte_mbuf* mbufs[burst_size];
  Packet* packets[burst_size];
  uint16_t count = 0;
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || packet.egress_port_index != port_index || packet.stays_here) continue;
    // The multiplexID is payload to UDP.
    if (packet.flow->verbs & abi::verb_mux) {
      packet.payload -= multiplex_prefix_bytes;
      packet.payload_bytes += multiplex_prefix_bytes;
      packet.header_bytes -= multiplex_prefix_bytes;
    }
    finish_headers(*packet.mbuf, packet.payload, packet.header_bytes, packet.payload_bytes, port.offloads_checksum());
    packets[count] = &packet;
    mbufs[count++] = packet.mbuf;
  }
  if (count == 0) return;
  const uint16_t sent = rte_eth_tx_burst(port.id(), static_cast<uint16_t>(worker.id), mbufs, count);
  for (uint16_t i = 0; i < count; ++i) {
    Packet& packet = *packets[i];
    if (i >= sent) {
      worker.drop(packet, abi::DropReason::port_full);
      continue;
    }
    packet.verdict = Verdict::handed_on;
    ++packet.state->packets;
    packet.state->bytes += packet.payload_bytes;
    worker.area->counters.bytes_out += packet.header_bytes + packet.payload_bytes;
  }
  worker.area->counters.packets_out += sent;
}

// Neither a switch nor the kernel brings back what a node sends to its own address: whole, checksums and all, it goes to the ring of the
// worker that owns the relay port, and through the stages from the first on.
void give_to_own(Worker& worker) {
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass || !packet.stays_here) continue;
    finish_headers(*packet.mbuf, packet.payload, packet.header_bytes, packet.payload_bytes, false);
    abi::FlowState& state = *packet.state;
    const uint32_t bytes = packet.payload_bytes;
    worker.hand_over(packet, worker.owner_of_port(packet.flow->destination.port));
    if (packet.verdict != Verdict::handed_on) continue;
    ++state.packets;
    state.bytes += bytes;
  }
}

}  // namespace

void transmit(Worker& worker) {
  for (uint16_t port = 0; port < worker.node.ports.size(); ++port) send_by(worker, port);
  if (worker.burst.has_own) give_to_own(worker);
}

}  // namespace sallyport::dataplane::stage
