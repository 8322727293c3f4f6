// SPDX-License-Identifier: Apache-2.0
#include "dataplane/link_control.h"

#include <algorithm>
#include <cstring>

#include "dataplane/control_datagram.h"
#include "dataplane/egress.h"
#include "dataplane/latch.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

constexpr uint32_t missed_limit = 3;
constexpr uint8_t control_dscp = 48;  // CS6, network control (RFC 4594)
// Until the first answer a keep-alive goes out more often: the call waits for the link.
constexpr uint64_t first_keepalive_ns = 200'000'000;
// One without an answer is repeated soon: E may hold the link for dead, and waits for a word of C when the network is back.
constexpr uint64_t unanswered_keepalive_ns = 1'000'000'000;

// Grows across restarts of this process, since the clock does; the session changes when the host starts anew.
uint64_t next_counter(Link& link, uint64_t now_ns, uint32_t kind) {
  const uint64_t clock = now_ns << 1;
  const uint64_t above = (link.sent_counter | 1) + 1;
  link.sent_counter = std::max(clock, above) | kind;
  return link.sent_counter;
}

void send_control(Worker& worker, Link& link, uint32_t kind, uint32_t peer, abi::ControlType type, uint32_t id, uint64_t echo) {
  ControlMessage message;
  message.type = type;
  message.worker = static_cast<uint8_t>(worker.id);
  message.workers = static_cast<uint8_t>(worker.count);
  message.multiplex_id = id;
  message.session = link.session;
  message.counter = next_counter(link, worker.now_ns, kind);
  message.echo = echo;
  uint8_t datagram[control_datagram_bytes];
  write_control(worker.mac, link.key, message, datagram);
  const Egress egress{link.local_slot, link.local_port[kind], control_dscp, link.peers.address[kind][peer]};
  send_datagram(worker, egress, link.hop[kind][peer], datagram, sizeof datagram);
}

// What the control plane sees is worker 0's view.
void show(Worker& worker, const Link& link) {
  if (worker.id != 0) return;
  abi::LinkState& state = worker.node.region->link(link.index).state;
  state.rtp_up = link.peers.up[0];
  state.rtcp_up = link.peers.up[1];
  state.peer_workers = link.peers.workers;
  state.rtp_last_ns = link.last_heard_ns[0];
  state.rtcp_last_ns = link.last_heard_ns[1];
  std::copy(std::begin(link.peers.address[0]), std::end(link.peers.address[0]), state.peer_rtp);
  std::copy(std::begin(link.peers.address[1]), std::end(link.peers.address[1]), state.peer_rtcp);
  if (link.role == abi::LinkRole::e_side) worker.node.links[link.index].publish(link.peers);
}

void set_up(Worker& worker, Link& link, uint32_t kind, bool up) {
  if (link.peers.up[kind] == up) return;
  link.peers.up[kind] = up;
  ++worker.links.version;
  if (worker.id == 0) worker.post_link_event(up ? abi::EventType::link_up : abi::EventType::link_down, link, kind);
}

void heard(Worker& worker, Link& link, uint32_t kind) {
  link.last_heard_ns[kind] = worker.now_ns;
  set_up(worker, link, kind, true);
  show(worker, link);
}

void take_keepalive(Worker& worker, Link& link, uint32_t kind, const ControlMessage& message, const abi::Address& source) {
  // Only here, behind the HMAC, does E learn where C is.
  abi::Address& known = link.peers.address[kind][message.worker];
  if (link.peers.workers != message.workers || !(known == source)) ++worker.links.version;
  link.peers.workers = message.workers;
  known = source;
  heard(worker, link, kind);
  send_control(worker, link, kind, message.worker, abi::ControlType::keepalive_answer, 0, message.echo);
}

void take_answer(Worker& worker, Link& link, uint32_t kind, const ControlMessage& message) {
  link.peers.workers = message.workers;
  link.next_keepalive_ns[kind] = worker.now_ns + link.keepalive_ns;
  heard(worker, link, kind);
  if (worker.id != 0 || message.echo > worker.now_ns) return;
  abi::LinkState& state = worker.node.region->link(link.index).state;
  (kind == 0 ? state.rtp_round_trip_ns : state.rtcp_round_trip_ns) = worker.now_ns - message.echo;
}

void take_confirm(Worker& worker, Link& link, uint32_t kind, const ControlMessage& message) {
  const abi::Media media = kind == 1 ? abi::Media::rtcp : abi::Media::rtp;
  const uint32_t index = worker.flows->egress_flow(link.index, message.multiplex_id, media);
  if (index >= worker.flows->flow_capacity()) return;
  FlowEntry& flow = worker.flows->entry(index);
  if (flow.generation == 0 || flow.egress.multiplex_id != abi::without_candidate(message.multiplex_id)) return;
  if (!confirm_candidate(worker, flow, abi::multiplex_candidate(message.multiplex_id))) return;
  ++worker.node.region->link(link.index).state.confirmations_taken;
  send_control(worker, link, kind, message.worker, abi::ControlType::latched, message.multiplex_id, message.echo);
}

void take_latched(Worker& worker, Link& link, uint32_t kind, const ControlMessage& message) {
  const abi::Media media = kind == 1 ? abi::Media::rtcp : abi::Media::rtp;
  const uint32_t index = worker.flows->arrival_flow(link.index, message.multiplex_id, media);
  if (index >= worker.flows->flow_capacity()) return;
  FlowEntry& flow = worker.flows->entry(index);
  if (flow.generation == 0 || flow.arrival_multiplex_id != abi::without_candidate(message.multiplex_id)) return;
  if (flow.confirm_candidate == abi::multiplex_candidate(message.multiplex_id)) flow.confirm_waits = false;
}

bool is_for_e(abi::ControlType type) { return type == abi::ControlType::keepalive || type == abi::ControlType::confirm; }

// Keep-alives are worker 0's on E; a confirmation and its answer belong to the owner of the ID; C's answers to the port's worker.
uint32_t owner_of_control(const Worker& worker, const Link& link, const ControlMessage& message) {
  if (message.type == abi::ControlType::keepalive) return 0;
  if (message.type == abi::ControlType::confirm || message.type == abi::ControlType::latched) return worker.owner_of_id(message.multiplex_id);
  (void)link;
  return worker.id;
}

}  // namespace

abi::DropReason take_control(Worker& worker, Packet& packet) {
  const std::span<const uint8_t> datagram(packet.payload, packet.payload_bytes);
  ControlMessage message;
  if (!read_control(datagram, message)) return abi::DropReason::bad_control;
  const uint32_t kind = packet.media == abi::Media::rtcp ? 1 : 0;
  Link* link = worker.links.find_by_session(packet.slot, packet.local_port, kind, message.session);
  if (link == nullptr || (link->role == abi::LinkRole::e_side) != is_for_e(message.type) || (message.counter & 1) != kind) {
    return abi::DropReason::bad_control;
  }
  const uint32_t owner = owner_of_control(worker, *link, message);
  if (owner != worker.id && !worker.burst.was_handed_over) {
    worker.hand_over(packet, owner);
    return abi::DropReason::count;
  }
  if (message.counter <= link->heard_counter[kind][message.worker]) return abi::DropReason::stale_control;
  if (!is_genuine(worker.mac, link->key, datagram)) return abi::DropReason::bad_control;
  link->heard_counter[kind][message.worker] = message.counter;
  worker.node.region->link(link->index).state.heard_counter[kind][message.worker] = message.counter;
  switch (message.type) {
    case abi::ControlType::keepalive: take_keepalive(worker, *link, kind, message, packet.source); break;
    case abi::ControlType::keepalive_answer: take_answer(worker, *link, kind, message); break;
    case abi::ControlType::confirm: take_confirm(worker, *link, kind, message); break;
    case abi::ControlType::latched: take_latched(worker, *link, kind, message); break;
  }
  return abi::DropReason::count;
}

void send_confirmation(Worker& worker, FlowEntry& flow, uint8_t candidate) {
  if (!worker.links.is_live(flow.arrival_link)) return;
  Link& link = worker.links.link(flow.arrival_link);
  ++worker.node.region->link(link.index).state.confirmations_sent;
  send_control(worker, link, kind_of(flow.media), 0, abi::ControlType::confirm, flow.arrival_multiplex_id | candidate, worker.now_ns);
}

void tick_links(Worker& worker) {
  for (uint16_t index = 0; index < abi::max_links; ++index) {
    if (!worker.links.is_live(index)) continue;
    Link& link = worker.links.link(index);
    if (link.role == abi::LinkRole::e_side && worker.id != 0) {
      const LinkPeers before = link.peers;
      const bool taken = worker.node.links[index].take(link.seen_sequence, link.peers);
      if (taken && std::memcmp(&before, &link.peers, sizeof before) != 0) ++worker.links.version;
      continue;
    }
    for (uint32_t kind = 0; kind < media_kinds; ++kind) {
      if (link.peers.up[kind] && worker.now_ns - link.last_heard_ns[kind] > missed_limit * link.keepalive_ns) {
        set_up(worker, link, kind, false);
        show(worker, link);
      }
      if (link.role != abi::LinkRole::c_side || worker.now_ns < link.next_keepalive_ns[kind]) continue;
      send_control(worker, link, kind, 0, abi::ControlType::keepalive, 0, worker.now_ns);
      const uint64_t patience = link.peers.up[kind] ? unanswered_keepalive_ns : first_keepalive_ns;
      link.next_keepalive_ns[kind] = worker.now_ns + std::min(link.keepalive_ns, patience);
    }
  }
}

}  // namespace sallyport::dataplane
