// SPDX-License-Identifier: Apache-2.0
// What `calls show` prints of a call: addresses, suites, and the counters of its flows as they are now.
#include "controlplane/media/plane_state.h"

namespace sallyport::media {
namespace {

// RFC 3550 A.3: expected minus received, of the source heard last, on top of what earlier ones lost. Duplicates may make it negative.
uint64_t lost_packets(const abi::ReceptionState& reception) {
  if (reception.received == 0) return reception.lost_before;
  const uint64_t expected = uint64_t{reception.highest_extended_seq} - reception.base_extended_seq + 1;
  return reception.lost_before + (expected > reception.received ? expected - reception.received : 0);
}

double jitter_ms(const abi::ReceptionState& reception, uint32_t clock_rate_hz) {
  return clock_rate_hz == 0 ? 0 : reception.jitter_q4 / 16.0 * 1000.0 / clock_rate_hz;
}

FlowSnapshot flow_snapshot(const RegionMap* region, const Stream& stream, FlowRole role) {
  FlowSnapshot flow;
  flow.role = role;
  flow.flow = stream.lease->flow(role);
  const auto counters = region == nullptr ? std::nullopt : region->flow_counters(flow.flow.index, flow.flow.generation);
  if (!counters) return flow;
  flow.live = true;
  flow.counters = *counters;
  if (role == FlowRole::up_rtp || role == FlowRole::down_rtp) {
    flow.lost = lost_packets(counters->reception);
    flow.jitter_ms = jitter_ms(counters->reception, stream.clock_rate_hz);
  }
  return flow;
}

}  // namespace

StreamSnapshot SessionState::snapshot(size_t line, const Stream& stream) const {
  const RegionMap* region = plane_.dataplane.region();
  StreamSnapshot result;
  result.line = static_cast<uint32_t>(line);
  result.kind = stream.kind;
  result.held = stream.held_by_face || stream.held_by_link;
  result.face_rtp = stream.face_rtp;
  const bool is_e = plane_.settings.role == Role::e;
  constexpr std::string_view opaque = "SRTP (opaque)";
  result.link_suite = is_e ? opaque : suite_name(stream.link_leg.seal);
  result.face_suite = is_e ? opaque : stream.face_leg.is_secured() ? suite_name(stream.face_leg.seal) : "RTP";
  if (!stream.lease) return result;
  result.multiplex_id = stream.lease->multiplex_id;
  if (region != nullptr && stream.lease->face_slot < abi::max_address_slots) {
    result.local_rtp = region->header().slots[stream.lease->face_slot].address;
    result.local_rtp.port = stream.lease->relay_port;
  }
  for (const LinkStatus& link : plane_.links.status()) {
    if (link.peer == start_.peer) result.link_peer = link.peer_rtp;
  }
  for (size_t i = 0; i < flows_per_stream; ++i) {
    result.flows.push_back(flow_snapshot(region, stream, static_cast<FlowRole>(i)));
  }
  return result;
}

SessionSnapshot SessionState::snapshot() const {
  SessionSnapshot result;
  result.call_tag = call_tag_;
  result.call_id = start_.call_id;
  result.from_tag = start_.from_tag;
  result.branch = exchanges_.active_branch();
  result.correlation = start_.correlation;
  result.peer = start_.peer;
  result.started_unix_s = started_unix_s_;
  result.confirmed = exchanges_.is_confirmed();
  const Streams& streams = exchanges_.active_streams();
  for (size_t line = 0; line < streams.size(); ++line) {
    if (streams[line]) result.streams.push_back(snapshot(line, *streams[line]));
  }
  return result;
}

}  // namespace sallyport::media
