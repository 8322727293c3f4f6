// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_commands.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>

#include "dataplane/flow_spec_check.h"
#include "dataplane/latch.h"
#include "dataplane/reception.h"
#include "dataplane/srtp_keys.h"
#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

using abi::CommandStatus;

constexpr uint32_t default_packets_per_s = 3000;
constexpr uint32_t default_clock_rate_hz = 8000;
constexpr uint32_t largest_packets_per_s = 1'000'000;

bool same_key(const abi::KeyMaterial& a, const abi::KeyMaterial& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

void expand(Worker& worker, SrtpContext& context, const abi::KeyMaterial& key, abi::Media media) {
  const auto suite = static_cast<SrtpSuite>(key.suite);
  const SrtpSuiteInfo& info = srtp_suite_info(suite);
  auto keys = SrtpKeys::from_bytes(suite, {key.key, info.key_length_bytes}, {key.salt, info.salt_length_bytes});
  if (keys) context.expand(worker.engine, *keys, media == abi::Media::rtcp ? SrtpUse::rtcp : SrtpUse::rtp, key.mki_length);
}

// Which flows send to the source that another has latched, so that they are told when it moves (latch.cc). A list belongs to the
// index, not to the flow there, since either may be added first. Links are index + 1, so that fresh zero pages mean none.
void join_senders(FlowTable& flows, FlowEntry& flow) {
  if (flow.destination_flow == abi::no_flow) return;
  FlowEntry& destination = flows.entry(flow.destination_flow);
  flow.next_sender = destination.first_sender;
  destination.first_sender = flow.flow_index + 1;
}

void leave_senders(FlowTable& flows, FlowEntry& flow) {
  if (flow.destination_flow == abi::no_flow) return;
  uint32_t* link = &flows.entry(flow.destination_flow).first_sender;
  while (*link != 0 && *link != flow.flow_index + 1) link = &flows.entry(*link - 1).next_sender;
  if (*link != 0) *link = flow.next_sender;
  flow.next_sender = 0;
}

void bind(Worker& worker, const abi::FlowSpec& spec) {
  FlowTable& flows = *worker.flows;
  if (spec.arrival == abi::Arrival::multiplex) {
    flows.set_arrival_flow(spec.arrival_link, spec.arrival_multiplex_id, spec.media, spec.flow_index);
  } else if (has_own_port(worker, spec)) {
    flows.set_port_entry(spec.local_slot, spec.local_port, spec.flow_index);
  }
  if (spec.latch == abi::Latch::confirmed) {
    flows.set_egress_flow(spec.egress_link, spec.egress_multiplex_id, spec.media, spec.flow_index);
  }
}

void unbind(Worker& worker, const FlowEntry& flow) {
  FlowTable& flows = *worker.flows;
  if (flow.arrival == abi::Arrival::multiplex) {
    flows.set_arrival_flow(flow.arrival_link, flow.arrival_multiplex_id, flow.media, FlowTable::no_entry);
  } else if (flow.local_port != 0 && flows.port_entry(flow.local_slot, flow.local_port) == flow.flow_index) {
    flows.set_port_entry(flow.local_slot, flow.local_port, FlowTable::no_entry);
  }
  if (flow.latch == abi::Latch::confirmed) {
    flows.set_egress_flow(flow.egress_link, flow.egress.multiplex_id, flow.media, FlowTable::no_entry);
  }
}

// Both parties of a call outside: what one leg sends arrives on a relay port of the other. Only what comes from a link, so that no
// packet can go round twice.
bool stays_here(const Node& node, const abi::FlowSpec& spec) {
  const uint16_t port = spec.destination.port;
  if (spec.arrival != abi::Arrival::multiplex || port < node.geometry.relay_port_min || port > node.geometry.relay_port_max) return false;
  for (uint16_t slot = 0; slot < node.slot_count; ++slot)
    if (node.slots[slot].address.same_ip(spec.destination)) return true;
  return false;
}

// The spec's part of the entry; what the path learnt (latch, policer, next hop) stays.
void take_spec(const Node& node, const abi::FlowSpec& spec, FlowEntry& flow) {
  flow.flow_index = spec.flow_index;
  flow.generation = spec.generation;
  flow.arrival = spec.arrival;
  flow.media = spec.media;
  flow.verbs = spec.verbs;
  flow.latch = spec.latch;
  flow.flags = spec.flags;
  flow.open_suite = spec.open_key.suite;
  flow.seal_suite = spec.seal_key.suite;
  flow.arrival_link = spec.arrival_link;
  flow.arrival_multiplex_id = spec.arrival_multiplex_id;
  flow.rtcp_flow = spec.rtcp_flow;
  flow.reverse_flow = spec.reverse_flow;
  flow.max_packet_bytes = spec.max_packet_bytes != 0 ? spec.max_packet_bytes : UINT16_MAX;
  const uint32_t rate = spec.max_packets_per_s != 0 ? std::min(spec.max_packets_per_s, largest_packets_per_s) : default_packets_per_s;
  flow.interval_ns = static_cast<uint32_t>(interval_of_rate(rate));
  flow.ticks_per_ns_q32 = ticks_per_ns_q32(spec.clock_rate_hz != 0 ? spec.clock_rate_hz : default_clock_rate_hz);
  flow.egress.until_ns = 0;
  flow.destination = spec.destination;
  flow.stays_here = stays_here(node, spec);
  flow.destination_flow = spec.destination_flow;
  flow.egress.multiplex_id = spec.egress_multiplex_id;
  flow.egress_link = spec.egress_link;
  flow.egress_slot = spec.egress_slot;
  flow.egress_port = spec.egress_port;
  flow.dscp = spec.dscp;
  flow.expected_source = spec.expected_source;
  flow.local_slot = spec.local_slot;
  flow.local_port = spec.local_port;
  flow.call_tag = spec.call_tag;
  flow.idle_timeout_s = spec.idle_timeout_s;
  flow.refresh_source_key();
}

void publish(abi::FlowRecord& record, uint32_t generation) {
  std::atomic_ref<uint32_t>(record.generation_live).store(generation, std::memory_order_release);
}

void expand_keys(Worker& worker, const abi::FlowSpec& spec) {
  if (spec.verbs & abi::verb_open) expand(worker, worker.flows->open_context(spec.flow_index), spec.open_key, spec.media);
  if (spec.verbs & abi::verb_seal) expand(worker, worker.flows->seal_context(spec.flow_index), spec.seal_key, spec.media);
}

void start_entry(Worker& worker, const abi::FlowSpec& spec) {
  FlowEntry& place = worker.flows->entry(spec.flow_index);
  const uint32_t first_sender = place.first_sender;
  FlowEntry& flow = *new (&place) FlowEntry;
  flow.first_sender = first_sender;
  worker.flows->candidates(spec.flow_index) = CandidateMemory{};
  take_spec(worker.node, spec, flow);
  flow.added_ns = worker.now_ns;
  bind(worker, spec);
  join_senders(*worker.flows, flow);
  invalidate_senders(worker, flow);
  expand_keys(worker, spec);
  ++worker.flows->live_flows;
  worker.flows->opaque_flows += flow.is_opaque();
  worker.flows->captured_flows += flow.is_captured();
}

CommandStatus add_flow(Worker& worker, const abi::FlowSpec& spec) {
  const CommandStatus status = check_flow(worker, spec, false);
  if (status != CommandStatus::done) return status;
  abi::FlowRecord& record = worker.record(spec.flow_index);
  publish(record, 0);
  record.spec = spec;
  record.state = abi::FlowState{};
  worker.node.region->meter(spec.flow_index) = abi::FlowMeter{};
  start_entry(worker, spec);
  publish(record, spec.generation);
  return CommandStatus::done;
}

// A new key starts with an empty state. The same key never does: its keystream would be used twice, its packets replayed.
void change_key(SrtpContext& context, abi::SrtpStreamState& state, bool verb, bool reset, bool changed) {
  if (verb && changed && reset) state = abi::SrtpStreamState{};
  if (!verb) context.wipe();
}

CommandStatus modify_flow(Worker& worker, const abi::Command& command) {
  const abi::FlowSpec& spec = command.flow;
  if (command.flow_index != spec.flow_index || spec.flow_index >= worker.flows->flow_capacity()) return CommandStatus::bad_index;
  FlowEntry& flow = worker.flows->entry(spec.flow_index);
  if (flow.generation == 0 || flow.generation != command.generation || spec.generation != command.generation) {
    return CommandStatus::stale_generation;
  }
  const CommandStatus status = check_flow(worker, spec, true);
  if (status != CommandStatus::done) return status;
  abi::FlowRecord& record = worker.record(spec.flow_index);
  const bool open_changed = !same_key(record.spec.open_key, spec.open_key);
  const bool seal_changed = !same_key(record.spec.seal_key, spec.seal_key);
  unbind(worker, flow);
  leave_senders(*worker.flows, flow);
  worker.flows->opaque_flows -= flow.is_opaque();
  worker.flows->captured_flows -= flow.is_captured();
  if (flow.latch != spec.latch || (command.modify_flags & abi::modify_reset_latch)) forget_latch(worker, flow);
  take_spec(worker.node, spec, flow);
  worker.flows->opaque_flows += flow.is_opaque();
  worker.flows->captured_flows += flow.is_captured();
  bind(worker, spec);
  join_senders(*worker.flows, flow);
  change_key(worker.flows->open_context(spec.flow_index), record.state.open_state, spec.verbs & abi::verb_open,
             command.modify_flags & abi::modify_reset_open, open_changed);
  change_key(worker.flows->seal_context(spec.flow_index), record.state.seal_state, spec.verbs & abi::verb_seal,
             command.modify_flags & abi::modify_reset_seal, seal_changed);
  expand_keys(worker, spec);
  record.spec = spec;
  return CommandStatus::done;
}

void erase_flow(Worker& worker, FlowEntry& flow) {
  abi::FlowRecord& record = worker.record(flow.flow_index);
  publish(record, 0);
  unbind(worker, flow);
  leave_senders(*worker.flows, flow);
  invalidate_senders(worker, flow);
  worker.flows->open_context(flow.flow_index).wipe();
  worker.flows->seal_context(flow.flow_index).wipe();
  explicit_bzero(&record.spec.open_key, sizeof record.spec.open_key);
  explicit_bzero(&record.spec.seal_key, sizeof record.spec.seal_key);
  flow.generation = 0;
  --worker.flows->live_flows;
  worker.flows->opaque_flows -= flow.is_opaque();
  worker.flows->captured_flows -= flow.is_captured();
}

CommandStatus remove_flow(Worker& worker, const abi::Command& command) {
  if (command.flow_index >= worker.flows->flow_capacity() || command.flow_index % worker.count != worker.id) return CommandStatus::bad_index;
  FlowEntry& flow = worker.flows->entry(command.flow_index);
  if (flow.generation == 0 || flow.generation != command.generation) return CommandStatus::stale_generation;
  erase_flow(worker, flow);
  return CommandStatus::done;
}

// On C each worker has a pair of its own; every worker knows all of them, to hand over what arrives at the wrong one.
void bind_link_ports(Worker& worker, const Link& link, uint16_t base_rtp, uint16_t base_rtcp, bool live) {
  const uint32_t pairs = link.role == abi::LinkRole::c_side ? worker.count : 1;
  for (uint32_t pair = 0; pair < pairs; ++pair) {
    const uint16_t rtp = static_cast<uint16_t>(base_rtp + 2 * pair);
    const uint16_t rtcp = static_cast<uint16_t>(base_rtcp + 2 * pair);
    if (!live && worker.links.port_in_use(link.local_slot, rtp, link.index)) continue;
    worker.flows->set_port_entry(link.local_slot, rtp, live ? FlowTable::link_entry | pair : FlowTable::no_entry);
    worker.flows->set_port_entry(link.local_slot, rtcp, live ? FlowTable::link_entry | FlowTable::link_entry_rtcp | pair : FlowTable::no_entry);
  }
}

void forget_link(Worker& worker, Link& link) {
  const uint16_t own = link.role == abi::LinkRole::c_side ? static_cast<uint16_t>(2 * worker.id) : 0;
  bind_link_ports(worker, link, static_cast<uint16_t>(link.local_port[0] - own), static_cast<uint16_t>(link.local_port[1] - own), false);
  explicit_bzero(link.key, sizeof link.key);
  const uint16_t index = link.index;
  link = Link{};
  worker.links.note_life(index);
  ++worker.links.version;
}

void take_link(Worker& worker, const abi::LinkSpec& spec) {
  ++worker.links.version;
  Link& link = worker.links.link(spec.link);
  const bool same_session = link.is_live() && link.session == spec.session && std::memcmp(link.key, spec.key, sizeof link.key) == 0;
  const Link before = link;
  if (link.is_live()) forget_link(worker, link);
  link.index = spec.link;
  link.generation = spec.generation;
  worker.links.note_life(spec.link);
  link.role = spec.role;
  link.session = spec.session;
  link.local_slot = spec.local_slot;
  const uint16_t own = spec.role == abi::LinkRole::c_side ? static_cast<uint16_t>(2 * worker.id) : 0;
  link.local_port[0] = static_cast<uint16_t>(spec.local_rtp_port + own);
  link.local_port[1] = static_cast<uint16_t>(spec.local_rtcp_port + own);
  link.keepalive_ns = uint64_t{spec.keepalive_ms} * 1'000'000;
  std::memcpy(link.key, spec.key, sizeof link.key);
  if (spec.role == abi::LinkRole::c_side) {
    link.peers.address[0][0] = spec.remote_rtp;
    link.peers.address[1][0] = spec.remote_rtcp;
  }
  if (same_session) {
    // Told again what we know (the control plane restarted): media goes on, and no old datagram becomes new.
    if (spec.role == abi::LinkRole::e_side) link.peers = before.peers;
    std::copy(std::begin(before.peers.up), std::end(before.peers.up), link.peers.up);
    std::memcpy(link.heard_counter, before.heard_counter, sizeof link.heard_counter);
    std::copy(std::begin(before.last_heard_ns), std::end(before.last_heard_ns), link.last_heard_ns);
    link.sent_counter = before.sent_counter;
  }
  bind_link_ports(worker, link, spec.local_rtp_port, spec.local_rtcp_port, true);
}

CommandStatus add_link(Worker& worker, const abi::LinkSpec& spec) {
  const CommandStatus status = check_link(worker, spec);
  if (status != CommandStatus::done) return status;
  const bool kept = worker.links.is_live(spec.link) && worker.links.link(spec.link).session == spec.session;
  take_link(worker, spec);
  if (worker.id != 0) return status;
  abi::LinkRecord& record = worker.node.region->link(spec.link);
  std::atomic_ref<uint32_t>(record.state.generation_live).store(0, std::memory_order_release);
  record.spec = spec;
  if (!kept) record.state = abi::LinkState{};
  if (!kept) worker.node.links[spec.link].publish(LinkPeers{});
  std::atomic_ref<uint32_t>(record.state.generation_live).store(spec.generation, std::memory_order_release);
  return status;
}

CommandStatus remove_link(Worker& worker, const abi::Command& command) {
  if (!worker.links.is_live(command.link)) return CommandStatus::bad_link;
  for (uint32_t index = worker.id; index < worker.flows->flow_capacity(); index += worker.count) {
    FlowEntry& flow = worker.flows->entry(index);
    if (flow.generation == 0) continue;
    const bool uses = (flow.arrival == abi::Arrival::multiplex && flow.arrival_link == command.link) ||
                      ((flow.verbs & abi::verb_mux) && flow.egress_link == command.link);
    if (uses) return CommandStatus::in_use;
  }
  forget_link(worker, worker.links.link(command.link));
  if (worker.id != 0) return CommandStatus::done;
  abi::LinkRecord& record = worker.node.region->link(command.link);
  std::atomic_ref<uint32_t>(record.state.generation_live).store(0, std::memory_order_release);
  explicit_bzero(record.spec.key, sizeof record.spec.key);
  worker.node.links[command.link].publish(LinkPeers{});
  return CommandStatus::done;
}

void restore_link(Worker& worker, uint16_t index) {
  abi::LinkRecord& record = worker.node.region->link(index);
  if (record.state.generation_live == 0) return;
  const abi::LinkSpec spec = record.spec;
  if (spec.link != index || check_link(worker, spec) != CommandStatus::done) {
    record.state.generation_live = 0;
    explicit_bzero(record.spec.key, sizeof record.spec.key);
    return;
  }
  take_link(worker, spec);
  Link& link = worker.links.link(index);
  const abi::LinkState state = record.state;
  std::memcpy(link.heard_counter, state.heard_counter, sizeof link.heard_counter);
  link.peers.up[0] = state.rtp_up != 0;
  link.peers.up[1] = state.rtcp_up != 0;
  link.last_heard_ns[0] = std::min(state.rtp_last_ns, worker.now_ns);
  link.last_heard_ns[1] = std::min(state.rtcp_last_ns, worker.now_ns);
  if (spec.role != abi::LinkRole::e_side) return;
  ++worker.links.version;
  link.peers.workers = std::min<uint16_t>(state.peer_workers, abi::max_link_workers);
  std::copy(std::begin(state.peer_rtp), std::end(state.peer_rtp), link.peers.address[0]);
  std::copy(std::begin(state.peer_rtcp), std::end(state.peer_rtcp), link.peers.address[1]);
  if (worker.id == 0) worker.node.links[index].publish(link.peers);
}

void restore_flow(Worker& worker, uint32_t index) {
  abi::FlowRecord& record = worker.record(index);
  if (record.generation_live == 0) {
    // A former dataplane may have died within a removal.
    explicit_bzero(&record.spec.open_key, sizeof record.spec.open_key);
    explicit_bzero(&record.spec.seal_key, sizeof record.spec.seal_key);
    return;
  }
  abi::FlowSpec spec = record.spec;
  if (spec.flow_index != index || spec.generation != record.generation_live || check_flow(worker, spec, false) != CommandStatus::done) {
    publish(record, 0);
    explicit_bzero(&record.spec, sizeof record.spec);
    explicit_bzero(&spec, sizeof spec);
    return;
  }
  start_entry(worker, spec);
  explicit_bzero(&spec, sizeof spec);
  FlowEntry& flow = worker.flows->entry(index);
  flow.held = record.state.latched;
  flow.held_candidate = record.state.confirmed_candidate & 3;
  flow.refresh_source_key();
  flow.confirm_candidate = record.state.confirmed_candidate;
}

// Somebody may have written nonsense into the region, and whoever believes it is refused for ever: what it says of this flow is put right.
void correct_record(Worker& worker, uint32_t index) {
  if (index >= worker.flows->flow_capacity() || index % worker.count != worker.id) return;
  const FlowEntry& flow = worker.flows->entry(index);
  abi::FlowRecord& record = worker.record(index);
  if (record.generation_live == flow.generation) return;
  if (flow.generation == 0) {
    publish(record, 0);
    explicit_bzero(&record.spec, sizeof record.spec);
    return;
  }
  record.spec.flow_index = index;
  record.spec.generation = flow.generation;
  record.spec.call_tag = flow.call_tag;
  publish(record, flow.generation);
}

CommandStatus obey(Worker& worker, const abi::Command& command) {
  switch (command.type) {
    case abi::CommandType::add_flow: return add_flow(worker, command.flow);
    case abi::CommandType::modify_flow: return modify_flow(worker, command);
    case abi::CommandType::remove_flow: return remove_flow(worker, command);
    case abi::CommandType::add_link: return add_link(worker, command.link_spec);
    case abi::CommandType::remove_link: return remove_link(worker, command);
    case abi::CommandType::none: break;
  }
  return CommandStatus::bad_type;
}

}  // namespace

CommandStatus execute(Worker& worker, const abi::Command& command) {
  const CommandStatus status = obey(worker, command);
  if (status != CommandStatus::done) correct_record(worker, command.type == abi::CommandType::add_flow ? command.flow.flow_index : command.flow_index);
  return status;
}

void restore(Worker& worker) {
  for (uint16_t link = 0; link < abi::max_links; ++link) restore_link(worker, link);
  for (uint32_t index = worker.id; index < worker.flows->flow_capacity(); index += worker.count) restore_flow(worker, index);
}

}  // namespace sallyport::dataplane
