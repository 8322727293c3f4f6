// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/call_legs.h"

#include <fmt/format.h>

#include <unordered_map>

#include "controlplane/media/sdp_anchor.h"
#include "controlplane/media/stream_keys.h"
#include "controlplane/media/voice_quality.h"

namespace sallyport::node {

using api::StreamView;
using media::FlowRole;

namespace {

constexpr const char* opaque = "opaque";  // it passes sealed, no key here

std::string text_of(const abi::Address& address) {
  if (!address.is_set()) return {};
  const std::string ip = media::address_text(address);
  return address.family == 6 ? fmt::format("[{}]:{}", ip, address.port) : fmt::format("{}:{}", ip, address.port);
}

bool is_up(FlowRole role) { return role == FlowRole::up_rtp || role == FlowRole::up_rtcp; }
bool is_rtcp(FlowRole role) { return role == FlowRole::up_rtcp || role == FlowRole::down_rtcp; }

const media::FlowSnapshot* flow_of(const media::StreamSnapshot& stream, FlowRole role) {
  for (const media::FlowSnapshot& flow : stream.flows)
    if (flow.role == role) return &flow;
  return nullptr;
}

// Where the client or phone is: the source that was learnt, or where its SDP may be believed.
abi::Address face_remote(const media::StreamSnapshot& stream, bool rtcp) {
  const bool own_port = rtcp && !stream.rtcp_mux;
  const media::FlowSnapshot* up = flow_of(stream, own_port ? FlowRole::up_rtcp : FlowRole::up_rtp);
  if (up != nullptr && up->counters.latched.is_set()) return up->counters.latched;
  return own_port ? stream.face_rtcp : stream.face_rtp;
}

abi::Address face_local(const media::StreamSnapshot& stream, bool rtcp) {
  abi::Address local = stream.local_rtp;
  if (rtcp && !stream.rtcp_mux && local.is_set()) ++local.port;
  return local;
}

StreamView stream_view(const media::StreamSnapshot& stream, const media::FlowSnapshot& flow, bool is_e) {
  StreamView view;
  view.kind = stream.kind;
  view.component = is_rtcp(flow.role) ? "rtcp" : "rtp";
  view.flow = flow.flow.index;
  view.multiplex_id = stream.multiplex_id;
  view.packets = flow.counters.packets;
  view.bytes = flow.counters.bytes;
  view.dropped = flow.counters.dropped;
  if (is_e && is_up(flow.role)) view.latch = flow.counters.latched.is_set() ? "confirmed" : flow.counters.packets != 0 ? "tentative" : "waiting";
  return view;
}

// RTP in one direction of a leg. What arrives is counted from the first packet; the rest wants some more.
void tell_quality(StreamView& view, const media::DirectionQuality& quality, const media::FlowSnapshot* arriving) {
  view.round_trip_ms = quality.round_trip_ms;
  if (arriving != nullptr) {
    view.lost = arriving->lost;
    view.jitter_ms = arriving->jitter_ms;
  }
  if (quality.source == media::QualitySource::unknown) return;
  view.told_by = media::name_of(quality.source);
  view.loss_percent = quality.loss_percent;
  view.jitter_ms = quality.jitter_ms;
  view.mos = quality.mos;
}

// What arrives on a leg is counted by the flow that takes it there; what leaves, by the flow of the other direction.
StreamView face_view(const media::StreamSnapshot& stream, const media::FlowSnapshot& flow, const media::LegQuality& quality, bool is_e) {
  StreamView view = stream_view(stream, flow, is_e);
  if (flow.role == FlowRole::up_rtp) tell_quality(view, quality.from, &flow);
  if (flow.role == FlowRole::down_rtp) tell_quality(view, quality.to, nullptr);
  view.direction = is_up(flow.role) ? (is_e ? "from_client" : "from_inside") : (is_e ? "to_client" : "to_inside");
  view.suite = is_e ? opaque : stream.face_suite == "RTP" ? "none" : stream.face_suite;
  view.local = text_of(face_local(stream, is_rtcp(flow.role)));
  view.remote = text_of(face_remote(stream, is_rtcp(flow.role)));
  return view;
}

StreamView link_view(const media::StreamSnapshot& stream, const media::FlowSnapshot& flow, const media::LegQuality& quality, bool is_e) {
  StreamView view = stream_view(stream, flow, is_e);
  if (flow.role == FlowRole::up_rtp) tell_quality(view, quality.to, nullptr);
  if (flow.role == FlowRole::down_rtp) tell_quality(view, quality.from, &flow);
  view.direction = is_up(flow.role) ? "to_peer" : "from_peer";
  view.suite = is_e ? opaque : stream.link_suite;
  view.local = text_of(is_rtcp(flow.role) ? stream.link_local_rtcp : stream.link_local_rtp);
  view.remote = text_of(is_rtcp(flow.role) ? stream.link_peer_rtcp : stream.link_peer_rtp);
  view.latch.clear();
  return view;
}

const char* verbs_text(const abi::FlowSpec& spec) {
  const bool open = spec.verbs & abi::verb_open, seal = spec.verbs & abi::verb_seal, mux = spec.verbs & abi::verb_mux;
  if (open && seal) return mux ? "rekey+mux" : "demux+rekey";
  if (open) return "demux+open";
  if (seal) return mux ? "seal+mux" : "seal";
  return mux ? "relay+mux" : "demux+relay";
}

std::string local_text(const media::RegionMap& region, uint16_t slot, uint16_t port) {
  if (slot >= abi::max_address_slots) return {};
  abi::Address address = region.header().slots[slot].address;
  address.port = port;
  return text_of(address);
}

api::FlowView flow_view(const media::RegionMap& region, const abi::FlowSpec& spec, const media::FlowCounters& counters, bool is_e) {
  const bool up = spec.arrival == abi::Arrival::port;
  api::FlowView view;
  view.index = view.stream.flow = spec.flow_index;
  view.generation = spec.generation;
  view.worker = spec.flow_index % region.worker_count();
  view.call = fmt::format("{:08x}", static_cast<uint32_t>(spec.call_tag));
  view.verbs = verbs_text(spec);
  view.stream.component = spec.media == abi::Media::rtp ? "rtp" : "rtcp";
  view.stream.direction = up ? (is_e ? "from_client" : "from_inside") : (is_e ? "to_client" : "to_inside");
  view.stream.suite = is_e ? opaque : media::suite_name(media::from_material(up ? spec.seal_key : spec.open_key));
  view.stream.local = up ? local_text(region, spec.local_slot, spec.local_port) : local_text(region, spec.egress_slot, spec.egress_port);
  view.stream.remote = text_of(counters.latched.is_set() ? counters.latched : up ? abi::Address{} : spec.destination);
  if (spec.latch == abi::Latch::confirmed) view.stream.latch = counters.latched.is_set() ? "confirmed" : counters.packets != 0 ? "tentative" : "waiting";
  view.stream.multiplex_id = up ? spec.egress_multiplex_id : spec.arrival_multiplex_id;
  view.stream.packets = counters.packets;
  view.stream.bytes = counters.bytes;
  view.stream.dropped = counters.dropped;
  if (spec.media != abi::Media::rtp) return view;
  view.stream.lost = counters.lost();
  view.stream.jitter_ms = counters.jitter_ms(spec.clock_rate_hz);
  return view;
}

}  // namespace

std::vector<api::LegView> legs_of(const calls::Call& call, const media::SessionSnapshot& media, bool is_e) {
  api::LegView face, link;
  face.side = is_e ? "client" : "inside";
  link.side = "traversal";
  face.remote_party = call.began_near ? call.from : call.to;
  link.remote_party = call.began_near ? call.to : call.from;
  for (const media::StreamSnapshot& stream : media.streams) {
    const media::StreamQuality quality = media::quality_of(stream);
    if (!stream.codec.empty() && stream.kind == "audio" && face.mos_basis.empty()) face.mos_basis = media::codec_impairment(stream.codec).source;
    if (!stream.codec.empty()) face.codec += (face.codec.empty() ? "" : ", ") + stream.codec;
    for (const FlowRole role : {FlowRole::up_rtp, FlowRole::down_rtp, FlowRole::up_rtcp, FlowRole::down_rtcp}) {
      const media::FlowSnapshot* flow = flow_of(stream, role);
      if (flow == nullptr) continue;
      face.streams.push_back(face_view(stream, *flow, quality.face, is_e));
      link.streams.push_back(link_view(stream, *flow, quality.link, is_e));
    }
  }
  link.codec = face.codec;
  link.mos_basis = face.mos_basis;
  if (!media.streams.empty()) face.rtcp = link.rtcp = is_e ? "sealed, not seen here" : "seen in clear";
  return {std::move(face), std::move(link)};
}

std::vector<api::FlowView> flows_of(const media::RegionMap& region, bool is_e, std::size_t limit) {
  std::vector<api::FlowView> views;
  for (const media::LiveFlow& live : region.live_flows()) {
    if (views.size() >= limit) break;
    auto spec = region.flow_spec(live.flow_index, live.generation);
    const auto counters = region.flow_counters(live.flow_index, live.generation);
    if (spec && counters) views.push_back(flow_view(region, *spec, *counters, is_e));
    if (spec) media::wipe(*spec);
  }
  return views;
}

void add_quality(std::vector<api::FlowView>& flows, const calls::CallTable& calls) {
  std::unordered_map<std::string, std::vector<api::FlowView*>> by_call;
  for (api::FlowView& flow : flows)
    if (flow.stream.component == "rtp") by_call[flow.call].push_back(&flow);
  for (const calls::Call* call : calls.list()) {
    const auto found = by_call.find(call->id);
    if (found == by_call.end() || call->session == nullptr) continue;
    for (const media::StreamSnapshot& stream : call->session->snapshot().streams) {
      const media::StreamQuality quality = media::quality_of(stream);
      for (api::FlowView* flow : found->second) {
        for (const FlowRole role : {FlowRole::up_rtp, FlowRole::down_rtp}) {
          const media::FlowSnapshot* known = flow_of(stream, role);
          if (known == nullptr || known->flow.index != flow->index) continue;
          flow->stream.kind = stream.kind;
          tell_quality(flow->stream, role == FlowRole::up_rtp ? quality.face.from : quality.link.from, known);
        }
      }
    }
  }
}

}  // namespace sallyport::node
