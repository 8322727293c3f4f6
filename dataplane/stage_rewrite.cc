// SPDX-License-Identifier: Apache-2.0
// rewrite: the packet is believed now; count it, decide where it goes, and put the new headers (and multiplexID) before it.
// Lengths and checksums follow in transmit, after seal has changed the length.

#include <rte_mbuf.h>

#include "dataplane/egress.h"
#include "dataplane/pipeline.h"
#include "dataplane/reception.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

using abi::DropReason;

void note_arrival(Worker& worker, Packet& packet) {
  abi::FlowState& state = *packet.state;
  // What comes from a source that nobody vouches for must not colour the statistics of the genuine one.
  if (packet.is_tentative && packet.flow->held.is_set()) return;
  if (state.first_packet_ns == 0) {
    state.first_packet_ns = worker.now_ns;
    worker.post_flow_event(abi::EventType::first_packet, *packet.flow, packet.source, 0);
  }
  state.last_packet_ns = worker.now_ns;
  if (packet.media == abi::Media::rtp) note_reception(state.reception, packet.payload, worker.now_ns, packet.flow->clock_rate_hz);
}

bool has_headroom(const Packet& packet, uint32_t bytes) {
  return packet.payload - static_cast<uint8_t*>(packet.mbuf->buf_addr) >= static_cast<ptrdiff_t>(bytes);
}

constexpr uint32_t header_limit = 14 + 40 + 8 + 4;

void to_link(Worker& worker, Packet& packet) {
  FlowEntry& flow = *packet.flow;
  if (!worker.links.is_live(flow.egress_link)) return worker.drop(packet, DropReason::no_link);
  Link& link = worker.links.link(flow.egress_link);
  const uint32_t kind = kind_of(packet.media);
  const uint32_t peer = link.peer_of(flow.egress_multiplex_id);
  const abi::Address& destination = link.peers.address[kind][peer];
  if (!link.peers.up[kind] || !destination.is_set()) return worker.drop(packet, DropReason::no_link);
  const Egress egress{link.local_slot, link.local_port[kind], flow.dscp, destination};
  drivers::HopLink hop;
  if (!find_hop(worker, egress, link.hop[kind][peer], hop)) return worker.drop(packet, DropReason::no_neighbour);
  // Only a confirmed-latch flow has candidates to tell apart.
  const uint32_t candidate = flow.latch == abi::Latch::confirmed ? packet.candidate : 0;
  store_be32(packet.payload - 4, flow.egress_multiplex_id | candidate);
  packet.header_bytes = static_cast<uint16_t>(prepend_headers(worker, egress, hop, packet.payload - 4) + 4);
  packet.egress_port_index = worker.node.slots[link.local_slot].port_index;
}

void to_peer(Worker& worker, Packet& packet) {
  FlowEntry& flow = *packet.flow;
  const abi::Address* destination = &flow.destination;
  if (flow.destination_flow != abi::no_flow) {
    const FlowEntry& reverse = worker.flows->entry(flow.destination_flow);
    if (reverse.generation != 0 && reverse.held.is_set()) destination = &reverse.held;
  }
  if (!destination->is_set() || destination->port == 0) return worker.drop(packet, DropReason::not_latched);
  const Egress egress{flow.egress_slot, flow.egress_port, flow.dscp, *destination};
  const bool stays = flow.stays_here && destination == &flow.destination;
  drivers::HopLink hop{};
  if (!stays && !find_hop(worker, egress, flow.hop, hop)) return worker.drop(packet, DropReason::no_neighbour);
  packet.header_bytes = prepend_headers(worker, egress, hop, packet.payload);
  packet.egress_port_index = worker.node.slots[flow.egress_slot].port_index;
  packet.stays_here = stays;
  worker.burst.has_own |= stays;
}

}  // namespace

void rewrite(Worker& worker) {
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    const Packet& packet = worker.burst.packets[i];
    if (packet.verdict == Verdict::pass) worker.node.hops.prefetch(packet.flow->hop.index);
  }
  for (uint32_t i = 0; i < worker.burst.count; ++i) {
    Packet& packet = worker.burst.packets[i];
    if (packet.verdict != Verdict::pass) continue;
    note_arrival(worker, packet);
    if (packet.flow->flags & abi::flow_paused) {
      worker.drop(packet, DropReason::paused);
    } else if (!has_headroom(packet, header_limit)) {
      worker.drop(packet, DropReason::no_room);
    } else if (packet.flow->verbs & abi::verb_mux) {
      to_link(worker, packet);
    } else {
      to_peer(worker, packet);
    }
  }
}

}  // namespace sallyport::dataplane::stage
