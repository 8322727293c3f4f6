// SPDX-License-Identifier: Apache-2.0
// find_flow: port or multiplexID to flow by direct index, in three passes so that each cache miss is fetched ahead of its use.
// Then what can be judged without keys: link source, RTP or RTCP, size, source and rate.

#include <rte_prefetch.h>

#include "dataplane/latch.h"
#include "dataplane/pipeline.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

using abi::DropReason;

constexpr uint32_t rtp_header_bytes = 12;
constexpr uint32_t rtcp_header_bytes = 8;

void fetch_flow(Worker& worker, uint32_t index) {
  const FlowEntry& entry = worker.flows->entry(index);
  rte_prefetch0(&entry);
  rte_prefetch0(&entry.destination);
  rte_prefetch0(&entry.expected_source);
  const abi::FlowState& state = worker.record(index).state;
  rte_prefetch0(&state);
  rte_prefetch0(&state.latched);
  rte_prefetch0(&state.reception);
}

// On a link port: the control plane of the link, or the ID's place in the index.
void look_at_multiplexed(Worker& worker, Packet& packet) {
  packet.media = (packet.port_entry & FlowTable::link_entry_rtcp) ? abi::Media::rtcp : abi::Media::rtp;
  if (packet.payload_bytes < 4) return worker.drop(packet, DropReason::truncated);
  packet.multiplex_id = load_be32(packet.payload);
  if (packet.multiplex_id == abi::control_multiplex_id) {
    packet.is_control = true;
    return;
  }
  const Link* link = worker.links.find_by_source(packet.slot, packet.local_port, kind_of(packet.media), packet.source);
  if (link == nullptr) return worker.drop(packet, DropReason::wrong_link_source);
  const uint32_t owner = worker.owner_of_id(packet.multiplex_id);
  if (owner != worker.id && !worker.burst.was_handed_over) return worker.hand_over(packet, owner);
  packet.link = link->index;
  packet.arrived_multiplexed = true;
  packet.candidate = static_cast<uint8_t>(abi::multiplex_candidate(packet.multiplex_id));
  packet.payload += 4;
  packet.payload_bytes -= 4;
  rte_prefetch0(worker.flows->arrival_place(packet.link, packet.multiplex_id, packet.media));
}

void look_at_port(Worker& worker, Packet& packet) {
  packet.port_entry = worker.flows->port_entry(packet.slot, packet.local_port);
  if (FlowTable::is_link_entry(packet.port_entry)) return look_at_multiplexed(worker, packet);
  if (packet.port_entry < worker.flows->flow_capacity()) return fetch_flow(worker, packet.port_entry);
  const uint32_t owner = worker.owner_of_port(packet.local_port);
  if (owner != worker.id && !worker.burst.was_handed_over) return worker.hand_over(packet, owner);
  worker.drop(packet, DropReason::no_flow);
}

void look_up_multiplexed(Worker& worker, Packet& packet) {
  packet.port_entry = worker.flows->arrival_flow(packet.link, packet.multiplex_id, packet.media);
  if (packet.port_entry >= worker.flows->flow_capacity()) return worker.drop(packet, DropReason::unknown_multiplex_id);
  fetch_flow(worker, packet.port_entry);
}

// RFC 7983 and RFC 5761: version 2, and a second byte of 192 to 223 is RTCP.
DropReason judge_media(const Packet& packet, bool& is_rtcp) {
  if (packet.payload_bytes < 2) return DropReason::truncated;
  if ((packet.payload[0] >> 6) != 2) return DropReason::not_rtp;
  is_rtcp = packet.payload[1] >= 192 && packet.payload[1] <= 223;
  return packet.payload_bytes < (is_rtcp ? rtcp_header_bytes : rtp_header_bytes) ? DropReason::truncated : DropReason::count;
}

void judge(Worker& worker, Packet& packet) {
  FlowEntry* flow = &worker.flows->entry(packet.port_entry);
  const bool multiplexed = packet.arrived_multiplexed;
  if (flow->generation == 0) return worker.drop(packet, multiplexed ? DropReason::unknown_multiplex_id : DropReason::no_flow);
  if (multiplexed && flow->arrival_multiplex_id != abi::without_candidate(packet.multiplex_id)) {
    return worker.drop(packet, DropReason::unknown_multiplex_id);
  }
  packet.flow = flow;
  packet.state = &worker.record(packet.port_entry).state;
  bool is_rtcp = false;
  const DropReason junk = judge_media(packet, is_rtcp);
  if (junk != DropReason::count) return worker.drop(packet, junk);
  if (is_rtcp && flow->media == abi::Media::rtp) {
    if ((flow->flags & abi::flow_rtcp_mux) == 0 || multiplexed) return worker.drop(packet, DropReason::not_rtp);
    const uint32_t rtcp_flow = flow->rtcp_flow;
    flow = &worker.flows->entry(rtcp_flow);
    if (flow->generation == 0 || flow->media != abi::Media::rtcp) return worker.drop(packet, DropReason::no_flow);
    packet.flow = flow;
    packet.state = &worker.record(rtcp_flow).state;
  } else if (is_rtcp != (flow->media == abi::Media::rtcp)) {
    return worker.drop(packet, DropReason::not_rtp);
  }
  packet.media = flow->media;
  if (packet.payload_bytes > flow->max_packet_bytes) return worker.drop(packet, DropReason::oversized);
  const DropReason refused = admit(worker, packet);
  if (refused != DropReason::count) return worker.drop(packet, refused);
  // First lines of keys and state; the burst engine fetches the rest by them.
  if (flow->verbs & abi::verb_open) {
    rte_prefetch0(&worker.flows->open_context(flow->flow_index));
    rte_prefetch0(&packet.state->open_state);
  }
  if (flow->verbs & abi::verb_seal) {
    rte_prefetch0(&worker.flows->seal_context(flow->flow_index));
    rte_prefetch0(&packet.state->seal_state);
  }
  if (flow->destination_flow != abi::no_flow) rte_prefetch0(&worker.flows->entry(flow->destination_flow));
}

}  // namespace

void find_flow(Worker& worker) {
  Burst& burst = worker.burst;
  for (uint32_t i = 0; i < burst.count; ++i) {
    if (burst.packets[i].verdict == Verdict::pass) look_at_port(worker, burst.packets[i]);
  }
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet& packet = burst.packets[i];
    if (packet.verdict == Verdict::pass && packet.arrived_multiplexed) look_up_multiplexed(worker, packet);
  }
  for (uint32_t i = 0; i < burst.count; ++i) {
    Packet& packet = burst.packets[i];
    if (packet.verdict == Verdict::pass && !packet.is_control) judge(worker, packet);
  }
}

}  // namespace sallyport::dataplane::stage
