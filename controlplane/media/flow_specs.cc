// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/flow_specs.h"

namespace sallyport::media {
namespace {

bool is_rtcp(FlowRole role) { return role == FlowRole::up_rtcp || role == FlowRole::down_rtcp; }
bool is_up(FlowRole role) { return role == FlowRole::up_rtp || role == FlowRole::up_rtcp; }

uint8_t dscp_of(const Marking& marking, const Stream& stream, FlowRole role) {
  if (is_rtcp(role) && marking.rtcp >= 0) return static_cast<uint8_t>(marking.rtcp);
  return stream.kind == "video" ? marking.video : marking.audio;
}

abi::FlowSpec common_spec(const Stream& stream, uint32_t line, FlowRole role, const FlowPlace& place) {
  const StreamLease& lease = *stream.lease;
  abi::FlowSpec spec;
  spec.flow_index = lease.flow(role).index;
  spec.generation = lease.flow(role).generation;
  spec.call_tag = place.call_tag;
  spec.stream_tag = make_stream_tag(line, lease.serial, role);
  spec.media = is_rtcp(role) ? abi::Media::rtcp : abi::Media::rtp;
  spec.dscp = dscp_of(place.marking, stream, role);
  spec.max_packets_per_s = place.max_packets_per_s;
  spec.clock_rate_hz = stream.clock_rate_hz;
  spec.idle_timeout_s = place.idle_timeout_s;
  spec.flags = place.capture_flags;
  return spec;
}

// From the face's port into the link.
void set_up_path(abi::FlowSpec& spec, const Stream& stream, FlowRole role, const FlowPlace& place) {
  const StreamLease& lease = *stream.lease;
  spec.arrival = abi::Arrival::port;
  spec.local_slot = lease.face_slot;
  spec.local_port = static_cast<uint16_t>(lease.relay_port + (is_rtcp(role) ? 1 : 0));
  spec.verbs = abi::verb_mux;
  spec.egress_link = place.link;
  spec.egress_multiplex_id = lease.multiplex_id;
  if (stream.rtcp_mux && role == FlowRole::up_rtp) {
    spec.flags |= abi::flow_rtcp_mux;
    spec.rtcp_flow = lease.flow(FlowRole::up_rtcp).index;
  }
}

// Out of the link to the face.
void set_down_path(abi::FlowSpec& spec, const Stream& stream, FlowRole role, const FlowPlace& place) {
  const StreamLease& lease = *stream.lease;
  const bool own_rtcp_port = is_rtcp(role) && !stream.rtcp_mux;
  spec.arrival = abi::Arrival::multiplex;
  spec.latch = abi::Latch::none;
  spec.arrival_link = place.link;
  spec.arrival_multiplex_id = lease.multiplex_id;
  spec.egress_slot = lease.face_slot;
  spec.egress_port = static_cast<uint16_t>(lease.relay_port + (own_rtcp_port ? 1 : 0));
}

const abi::Address& face_address(const Stream& stream, FlowRole role) {
  return is_rtcp(role) && !stream.rtcp_mux ? stream.face_rtcp : stream.face_rtp;
}

abi::FlowSpec e_spec(const Stream& stream, uint32_t line, FlowRole role, const FlowPlace& place) {
  abi::FlowSpec spec = common_spec(stream, line, role, place);
  if (is_up(role)) {
    set_up_path(spec, stream, role, place);
    // Without keys the first packet proves nothing: C says which source is genuine.
    spec.latch = abi::Latch::confirmed;
    return spec;
  }
  set_down_path(spec, stream, role, place);
  const bool shares_rtp_port = stream.rtcp_mux || role == FlowRole::down_rtp;
  spec.destination_flow = stream.lease->flow(shares_rtp_port ? FlowRole::up_rtp : FlowRole::up_rtcp).index;
  // An address from the SDP alone would let anybody point our media at a third party.
  if (stream.face_matches_signalling) spec.destination = face_address(stream, role);
  return spec;
}

abi::FlowSpec c_spec(const Stream& stream, uint32_t line, FlowRole role, const FlowPlace& place) {
  abi::FlowSpec spec = common_spec(stream, line, role, place);
  const bool inner_srtp = stream.face_leg.is_secured();
  // RTCP is in clear here: what one side reports on the other tells how far it is away.
  if (is_rtcp(role)) spec.reverse_flow = stream.lease->flow(is_up(role) ? FlowRole::down_rtcp : FlowRole::up_rtcp).index;
  if (is_up(role)) {
    set_up_path(spec, stream, role, place);
    spec.verbs |= abi::verb_seal;
    spec.seal_key = key_material(*stream.link_leg.seal);
    spec.latch = inner_srtp ? abi::Latch::authenticated : abi::Latch::expected_ip;
    spec.expected_source = face_address(stream, role);
    if (inner_srtp) {
      spec.verbs |= abi::verb_open;
      spec.open_key = key_material(*stream.face_leg.open);
    }
    return spec;
  }
  set_down_path(spec, stream, role, place);
  spec.verbs |= abi::verb_open;
  spec.open_key = key_material(*stream.link_leg.open);
  spec.flags |= abi::flow_confirms;
  spec.destination = face_address(stream, role);
  if (inner_srtp) {
    spec.verbs |= abi::verb_seal;
    spec.seal_key = key_material(*stream.face_leg.seal);
  }
  return spec;
}

}  // namespace

uint32_t make_stream_tag(uint32_t line, uint32_t serial, FlowRole role) {
  return line << 16 | (serial & 0xfff) << 4 | static_cast<uint32_t>(role);
}

FlowRole role_of(uint32_t stream_tag) { return static_cast<FlowRole>(stream_tag & 3); }
uint32_t line_of(uint32_t stream_tag) { return stream_tag >> 16; }

bool is_programmable(Role role, const Stream& stream) {
  if (!stream.lease) return false;
  return role == Role::e || (stream.face_rtp.is_set() && stream.link_leg.is_secured());
}

abi::FlowSpec flow_spec(Role role, const Stream& stream, uint32_t line, FlowRole flow, const FlowPlace& place) {
  return role == Role::e ? e_spec(stream, line, flow, place) : c_spec(stream, line, flow, place);
}

}  // namespace sallyport::media
