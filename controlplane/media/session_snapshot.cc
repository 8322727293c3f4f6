// SPDX-License-Identifier: Apache-2.0
// What `calls show` prints of a call: addresses, suites, and the counters of its flows as they are now.
#include <algorithm>

#include "controlplane/media/plane_state.h"

namespace sallyport::media {
namespace {

FlowSnapshot flow_snapshot(const RegionMap* region, const Stream& stream, FlowRole role) {
  FlowSnapshot flow;
  flow.role = role;
  flow.flow = stream.lease->flow(role);
  const auto counters = region == nullptr ? std::nullopt : region->flow_counters(flow.flow.index, flow.flow.generation);
  if (!counters) return flow;
  flow.live = true;
  flow.counters = *counters;
  if (role == FlowRole::up_rtp || role == FlowRole::down_rtp) {
    flow.lost = counters->lost();
    flow.jitter_ms = counters->jitter_ms(stream.clock_rate_hz);
  } else if (const auto rtcp = region->rtcp_observation(flow.flow.index, flow.flow.generation)) {
    flow.rtcp = *rtcp;
  }
  return flow;
}

}  // namespace

// C sends from a pair of ports for each worker (abi/link.h); E has one pair.
void SessionState::set_link_local(const RegionMap* region, StreamSnapshot& stream, uint32_t worker) const {
  const auto slot = region == nullptr ? std::nullopt : region->slot(plane_.settings.link.slot_name.c_str());
  if (!slot) return;
  const uint16_t step = plane_.settings.role == Role::c ? static_cast<uint16_t>(2 * worker) : 0;
  stream.link_local_rtp = stream.link_local_rtcp = region->header().slots[*slot].address;
  stream.link_local_rtp.port = static_cast<uint16_t>(plane_.settings.link_rtp_port + step);
  stream.link_local_rtcp.port = static_cast<uint16_t>(plane_.settings.link_rtcp_port + step);
}

StreamSnapshot SessionState::snapshot(size_t line, const Stream& stream) const {
  const RegionMap* region = plane_.dataplane.region();
  StreamSnapshot result;
  result.line = static_cast<uint32_t>(line);
  result.kind = stream.kind;
  result.codec = stream.codec;
  result.clock_rate_hz = stream.clock_rate_hz;
  result.held = stream.held_by_face || stream.held_by_link;
  result.rtcp_mux = stream.rtcp_mux;
  const bool is_e = plane_.settings.role == Role::e;
  // E sends nothing to an address that only the SDP vouches for.
  if (!is_e || stream.face_matches_signalling) {
    result.face_rtp = stream.face_rtp;
    result.face_rtcp = stream.rtcp_mux ? stream.face_rtp : stream.face_rtcp;
  }
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
    if (link.peer != start_.peer) continue;
    result.link_peer_rtp = link.peer_rtp;
    result.link_peer_rtcp = link.peer_rtcp;
  }
  set_link_local(region, result, stream.lease->worker);
  for (size_t i = 0; i < flows_per_stream; ++i) {
    result.flows.push_back(flow_snapshot(region, stream, static_cast<FlowRole>(i)));
  }
  return result;
}

uint64_t SessionState::last_packet_ns() const {
  const RegionMap* region = plane_.dataplane.region();
  uint64_t latest = 0;
  for (const SharedLease& lease : programmed_) {
    for (const FlowHandle& flow : lease->flows) {
      const auto counters = region == nullptr ? std::nullopt : region->flow_counters(flow.index, flow.generation);
      if (counters) latest = std::max(latest, counters->last_packet_ns);
    }
  }
  return latest;
}

bool SessionState::is_held() const {
  for (const auto& stream : exchanges_.active_streams())
    if (stream && (stream->held_by_face || stream->held_by_link)) return true;
  return false;
}

SessionSnapshot SessionState::snapshot() const {
  SessionSnapshot result;
  result.call_tag = call_tag_;
  result.start = start_;
  result.branch = exchanges_.active_branch();
  result.started_unix_s = started_unix_s_;
  result.confirmed = exchanges_.is_confirmed();
  const Streams& streams = exchanges_.active_streams();
  for (size_t line = 0; line < streams.size(); ++line) {
    if (streams[line]) result.streams.push_back(snapshot(line, *streams[line]));
  }
  return result;
}

}  // namespace sallyport::media
