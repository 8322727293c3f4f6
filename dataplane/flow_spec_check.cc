// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_spec_check.h"

#include "dataplane/worker.h"

namespace sallyport::dataplane {

namespace {

using abi::CommandStatus;

constexpr uint8_t known_verbs = abi::verb_open | abi::verb_seal | abi::verb_mux;
constexpr uint16_t known_flags = abi::flow_rtcp_mux | abi::flow_paused | abi::flow_confirms | abi::flow_capture | abi::flow_capture_clear;

bool is_local_slot(const Worker& worker, uint16_t slot) { return slot < worker.node.slot_count && worker.node.slots[slot].in_use; }

bool is_relay_port(const Worker& worker, uint16_t port) {
  return port >= worker.node.geometry.relay_port_min && port <= worker.node.geometry.relay_port_max;
}

bool is_flow_of_ours(const Worker& worker, uint32_t index) {
  return index < worker.flows->flow_capacity() && index % worker.count == worker.id;
}

bool is_address(const abi::Address& address) { return address.family == 0 || address.family == 4 || address.family == 6; }

bool is_id_of_ours(const Worker& worker, uint32_t id) {
  return abi::multiplex_index(id) != 0 && abi::multiplex_candidate(id) == 0 && worker.owner_of_id(id) == worker.id;
}

CommandStatus check_kinds(const abi::FlowSpec& spec) {
  if (spec.generation == 0) return CommandStatus::stale_generation;
  if (spec.arrival != abi::Arrival::port && spec.arrival != abi::Arrival::multiplex) return CommandStatus::bad_type;
  if (spec.media != abi::Media::rtp && spec.media != abi::Media::rtcp) return CommandStatus::bad_type;
  if ((spec.verbs & ~known_verbs) != 0 || (spec.flags & ~known_flags) != 0) return CommandStatus::bad_type;
  const bool has_keys = (spec.verbs & (abi::verb_open | abi::verb_seal)) != 0;
  if ((spec.flags & abi::flow_capture_clear) != 0 && (!has_keys || (spec.flags & abi::flow_capture) == 0)) return CommandStatus::bad_type;
  if (spec.latch > abi::Latch::authenticated || spec.dscp > 63) return CommandStatus::bad_type;
  if (!is_address(spec.destination) || !is_address(spec.expected_source)) return CommandStatus::bad_type;
  const bool expects = spec.latch == abi::Latch::exact || spec.latch == abi::Latch::expected_ip;
  if (expects && !spec.expected_source.is_set()) return CommandStatus::bad_reference;
  // A latch that only a tag or only C can move needs the verb that brings the tag or the word.
  if (spec.latch == abi::Latch::authenticated && (spec.verbs & abi::verb_open) == 0) return CommandStatus::bad_type;
  if (spec.latch == abi::Latch::confirmed && (spec.verbs & abi::verb_mux) == 0) return CommandStatus::bad_type;
  // A relay port open to any source would be an open relay.
  if (spec.latch == abi::Latch::none && spec.arrival == abi::Arrival::port) return CommandStatus::bad_type;
  return CommandStatus::done;
}

CommandStatus check_port_arrival(Worker& worker, const abi::FlowSpec& spec) {
  if (spec.media == abi::Media::rtcp && spec.local_port == 0) return CommandStatus::done;
  if (!is_local_slot(worker, spec.local_slot) || !is_relay_port(worker, spec.local_port)) return CommandStatus::bad_port;
  if (worker.owner_of_port(spec.local_port) != worker.id) return CommandStatus::bad_port;
  if (!has_own_port(worker, spec)) return CommandStatus::done;
  const uint32_t holder = worker.flows->port_entry(spec.local_slot, spec.local_port);
  if (holder == FlowTable::no_entry || holder == spec.flow_index) return CommandStatus::done;
  // The RTP flow takes the port from its own RTCP flow that was added first.
  if ((spec.flags & abi::flow_rtcp_mux) != 0 && holder == spec.rtcp_flow) return CommandStatus::done;
  return CommandStatus::in_use;
}

CommandStatus check_multiplex_arrival(Worker& worker, const abi::FlowSpec& spec) {
  if (!worker.links.is_live(spec.arrival_link)) return CommandStatus::bad_link;
  if (!is_id_of_ours(worker, spec.arrival_multiplex_id)) return CommandStatus::bad_index;
  const uint32_t holder = worker.flows->arrival_flow(spec.arrival_link, spec.arrival_multiplex_id, spec.media);
  return holder == FlowTable::no_entry || holder == spec.flow_index ? CommandStatus::done : CommandStatus::in_use;
}

CommandStatus check_egress(Worker& worker, const abi::FlowSpec& spec) {
  if ((spec.verbs & abi::verb_mux) == 0) {
    if (!is_local_slot(worker, spec.egress_slot) || !is_relay_port(worker, spec.egress_port)) return CommandStatus::bad_port;
    const uint8_t family = worker.node.slots[spec.egress_slot].address.family;
    return spec.destination.is_set() && spec.destination.family != family ? CommandStatus::bad_reference : CommandStatus::done;
  }
  if (!worker.links.is_live(spec.egress_link)) return CommandStatus::bad_link;
  if (abi::multiplex_index(spec.egress_multiplex_id) == 0 || abi::multiplex_candidate(spec.egress_multiplex_id) != 0) {
    return CommandStatus::bad_index;
  }
  if (spec.latch != abi::Latch::confirmed) return CommandStatus::done;
  // Confirmations come to the owner of the ID, which must be the owner of the flow.
  if (worker.owner_of_id(spec.egress_multiplex_id) != worker.id) return CommandStatus::bad_index;
  const uint32_t holder = worker.flows->egress_flow(spec.egress_link, spec.egress_multiplex_id, spec.media);
  return holder == FlowTable::no_entry || holder == spec.flow_index ? CommandStatus::done : CommandStatus::in_use;
}

bool is_suite(const abi::KeyMaterial& key) { return find_srtp_suite(static_cast<uint8_t>(key.suite)) != nullptr && key.mki_length <= kMaxMkiBytes; }

CommandStatus check_keys_and_references(Worker& worker, const abi::FlowSpec& spec) {
  if ((spec.verbs & abi::verb_open) && !is_suite(spec.open_key)) return CommandStatus::bad_suite;
  if ((spec.verbs & abi::verb_seal) && !is_suite(spec.seal_key)) return CommandStatus::bad_suite;
  if ((spec.flags & abi::flow_rtcp_mux) && !is_flow_of_ours(worker, spec.rtcp_flow)) return CommandStatus::bad_reference;
  if (spec.reverse_flow != abi::no_flow && !is_flow_of_ours(worker, spec.reverse_flow)) return CommandStatus::bad_reference;
  if (spec.destination_flow != abi::no_flow && !is_flow_of_ours(worker, spec.destination_flow)) return CommandStatus::bad_reference;
  return CommandStatus::done;
}

}  // namespace

bool has_own_port(Worker& worker, const abi::FlowSpec& spec) {
  if (spec.arrival != abi::Arrival::port || spec.local_port == 0) return false;
  if (spec.media != abi::Media::rtcp) return true;
  const uint32_t holder = worker.flows->port_entry(spec.local_slot, spec.local_port);
  if (holder >= worker.flows->flow_capacity()) return true;
  const FlowEntry& rtp = worker.flows->entry(holder);
  return !(rtp.media == abi::Media::rtp && (rtp.flags & abi::flow_rtcp_mux) && rtp.rtcp_flow == spec.flow_index);
}

CommandStatus check_flow(Worker& worker, const abi::FlowSpec& spec, bool live) {
  if (!is_flow_of_ours(worker, spec.flow_index)) return CommandStatus::bad_index;
  if (!live && worker.flows->entry(spec.flow_index).generation != 0) return CommandStatus::in_use;
  CommandStatus status = check_kinds(spec);
  if (status == CommandStatus::done) {
    status = spec.arrival == abi::Arrival::port ? check_port_arrival(worker, spec) : check_multiplex_arrival(worker, spec);
  }
  if (status == CommandStatus::done) status = check_egress(worker, spec);
  if (status == CommandStatus::done) status = check_keys_and_references(worker, spec);
  return status;
}

CommandStatus check_link(Worker& worker, const abi::LinkSpec& spec) {
  if (spec.link >= abi::max_links) return CommandStatus::bad_link;
  if (spec.role != abi::LinkRole::e_side && spec.role != abi::LinkRole::c_side) return CommandStatus::bad_type;
  if (spec.generation == 0) return CommandStatus::stale_generation;
  if (!is_local_slot(worker, spec.local_slot)) return CommandStatus::bad_port;
  if (spec.local_rtp_port == 0 || spec.local_rtcp_port == 0 || spec.keepalive_ms == 0) return CommandStatus::bad_port;
  const uint8_t family = worker.node.slots[spec.local_slot].address.family;
  if (spec.role == abi::LinkRole::c_side) {
    if (spec.remote_rtp.family != family || spec.remote_rtcp.family != family) return CommandStatus::bad_reference;
    if (spec.remote_rtp.port == 0 || spec.remote_rtcp.port == 0) return CommandStatus::bad_reference;
    if (spec.local_rtp_port + 2 * worker.count > 65535) return CommandStatus::bad_port;
  }
  for (uint32_t offset = 0; offset < worker.count; ++offset) {
    const uint32_t step = spec.role == abi::LinkRole::c_side ? 2 * offset : 0;
    for (const uint32_t port : {spec.local_rtp_port + step, spec.local_rtcp_port + step}) {
      const uint32_t holder = worker.flows->port_entry(spec.local_slot, static_cast<uint16_t>(port));
      if (holder != FlowTable::no_entry && !FlowTable::is_link_entry(holder)) return CommandStatus::in_use;
    }
  }
  return CommandStatus::done;
}

}  // namespace sallyport::dataplane
