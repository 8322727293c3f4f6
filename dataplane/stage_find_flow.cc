// SPDX-License-Identifier: Apache-2.0
// find_flow: port or multiplexID to flow by direct index, in three passes so that each cache miss is fetched ahead of its use.
// Then what can be judged without keys: link source, RTP or RTCP, size, source and rate.

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstring>

#include "dataplane/capture.h"
#include "dataplane/checksum.h"
#include "dataplane/flow_policer.h"
#include "dataplane/latch.h"
#include "dataplane/pipeline.h"
#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_fetch.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane::stage {

namespace {

using abi::DropReason;

constexpr uint32_t rtp_header_bytes = 12;
constexpr uint32_t rtcp_header_bytes = 8;

void fetch_flow(Worker& worker, uint32_t index) {
  const FlowEntry& entry = worker.flows->entry(index);
  rte_prefetch0(&entry);
  rte_prefetch0(&entry.egress_headers);
  rte_prefetch0(&worker.node.region->meter(index));
}

uint16_t udp_checksum_of(const Packet& packet) {
  uint16_t checksum;
  std::memcpy(&checksum, packet.udp + 6, sizeof checksum);
  return checksum;
}

// Over everything, for what is sealed or believed; IPv4 may leave it out. The length was checked against IP's.
bool checksum_holds(const Packet& packet) {
  if ((packet.mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD || udp_checksum_of(packet) == 0) return true;
  const auto udp_bytes = static_cast<uint16_t>(packet.payload + packet.payload_bytes - packet.udp);
  return udp_sum(packet.addresses, packet.source.family == 4 ? 8 : 32, packet.udp, udp_bytes) == 0xffff;
}

// On a link port: the control plane of the link, or the ID's place in the index.
void look_at_multiplexed(Worker& worker, Packet& packet) {
  packet.media = (packet.flow_index & FlowTable::link_entry_rtcp) ? abi::Media::rtcp : abi::Media::rtp;
  if (packet.payload_bytes < 4) return worker.drop(packet, DropReason::truncated);
  packet.multiplex_id = load_be32(packet.payload);
  if (packet.multiplex_id == abi::control_multiplex_id) {
    if (!checksum_holds(packet)) return worker.drop(packet, DropReason::bad_checksum);
    packet.is_control = true;
    worker.burst.has_control = true;
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
  packet.flow_index = worker.flows->port_entry(packet.slot, packet.local_port);
  if (FlowTable::is_link_entry(packet.flow_index)) return look_at_multiplexed(worker, packet);
  if (packet.flow_index < worker.flows->flow_capacity()) return fetch_flow(worker, packet.flow_index);
  const uint32_t owner = worker.owner_of_port(packet.local_port);
  if (owner != worker.id && !worker.burst.was_handed_over) return worker.hand_over(packet, owner);
  worker.drop(packet, DropReason::no_flow);
}

void look_up_multiplexed(Worker& worker, Packet& packet) {
  packet.flow_index = worker.flows->arrival_flow(packet.link, packet.multiplex_id, packet.media);
  if (packet.flow_index >= worker.flows->flow_capacity()) return worker.drop(packet, DropReason::unknown_multiplex_id);
  fetch_flow(worker, packet.flow_index);
}

// RFC 7983 and RFC 5761: version 2, and a second byte of 192 to 223 is RTCP.
DropReason judge_media(const Packet& packet, bool& is_rtcp) {
  if (packet.payload_bytes < 2) return DropReason::truncated;
  if ((packet.payload[0] >> 6) != 2) return DropReason::not_rtp;
  is_rtcp = packet.payload[1] >= 192 && packet.payload[1] <= 223;
  return packet.payload_bytes < (is_rtcp ? rtcp_header_bytes : rtp_header_bytes) ? DropReason::truncated : DropReason::count;
}

// RTCP on the port of RTP belongs to the flow that goes with it (RFC 5761). False when it was dropped.
bool turn_to_rtcp(Worker& worker, Packet& packet) {
  const bool is_allowed = (packet.flow->flags & abi::flow_rtcp_mux) != 0 && !packet.arrived_multiplexed;
  if (!is_allowed) return worker.drop(packet, DropReason::not_rtp), false;
  const uint32_t index = packet.flow->rtcp_flow;
  FlowEntry& flow = worker.flows->entry(index);
  if (flow.generation == 0 || flow.media != abi::Media::rtcp) return worker.drop(packet, DropReason::no_flow), false;
  packet.flow = &flow;
  packet.flow_index = index;
  packet.meter = &worker.node.region->meter(index);
  return true;
}

// A tag says more of the payload than a checksum does; but an address that the flow does not know yet may be the flipped bit.
bool wants_checksum(const FlowEntry& flow, bool is_known) {
  return (flow.verbs & abi::verb_open) != 0 ? !is_known : (flow.verbs & abi::verb_seal) != 0;
}

bool is_let_in(Worker& worker, Packet& packet, FlowEntry& flow) {
  // Nearly every packet comes from the address that the flow is held to; what comes from a link was judged by the link's source.
  const bool is_known = packet.source.first_word() == flow.source_key || flow.latch == abi::Latch::none;
  if (wants_checksum(flow, is_known) && !checksum_holds(packet)) return worker.drop(packet, DropReason::bad_checksum), false;
  DropReason refused;
  if (is_known) [[likely]] {
    if (flow.latch == abi::Latch::confirmed) packet.candidate = flow.held_candidate;
    refused = is_within_rate(flow, packet, worker.now_ns) ? DropReason::count : DropReason::policed;
  } else {
    refused = admit(worker, packet);
  }
  if (refused == DropReason::count) return true;
  worker.drop(packet, refused);
  return false;
}

void judge(Worker& worker, Packet& packet) {
  const DropReason unknown = packet.arrived_multiplexed ? DropReason::unknown_multiplex_id : DropReason::no_flow;
  FlowEntry* flow = &worker.flows->entry(packet.flow_index);
  if (flow->generation == 0) return worker.drop(packet, unknown);
  if (packet.arrived_multiplexed && flow->arrival_multiplex_id != abi::without_candidate(packet.multiplex_id)) {
    return worker.drop(packet, unknown);
  }
  packet.flow = flow;
  packet.meter = &worker.node.region->meter(packet.flow_index);
  bool is_rtcp = false;
  const DropReason junk = judge_media(packet, is_rtcp);
  if (junk != DropReason::count) return worker.drop(packet, junk);
  if (is_rtcp != (flow->media == abi::Media::rtcp)) {
    if (!is_rtcp) return worker.drop(packet, DropReason::not_rtp);
    if (!turn_to_rtcp(worker, packet)) return;
    flow = packet.flow;
  }
  packet.media = flow->media;
  const uint8_t verbs = flow->verbs;
  if (packet.payload_bytes > flow->max_packet_bytes) return worker.drop(packet, DropReason::oversized);
  packet.carries_checksum = (verbs & (abi::verb_open | abi::verb_seal)) == 0 && udp_checksum_of(packet) != 0;
  if (!is_let_in(worker, packet, *flow)) return;
  worker.burst.verbs |= verbs;
  // What sealing needs comes while others are opened, unless there is nothing to open.
  if (verbs & abi::verb_open) {
    fetch_open(worker, packet);
    if (flow->flags & abi::flow_confirms) rte_prefetch0(&flow->confirm_sent_ns);
  } else if (verbs & abi::verb_seal) {
    fetch_seal(worker, packet);
  }
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
  if (worker.flows->captured_flows != 0) [[unlikely]] capture_received(worker);
}

}  // namespace sallyport::dataplane::stage
