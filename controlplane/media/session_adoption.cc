// SPDX-License-Identifier: Apache-2.0
// Taking a call over from the control plane before: names and ports from its record, keys (on C) from the flows that still run.
#include "controlplane/media/plane_state.h"

namespace sallyport::media {
namespace {

size_t index_of(FlowRole role) { return static_cast<size_t>(role); }

// The specs that run, wiped when done with.
struct RunningFlows {
  abi::FlowSpec specs[flows_per_stream];
  ~RunningFlows() {
    for (abi::FlowSpec& spec : specs) wipe(spec);
  }
  const abi::FlowSpec& operator[](FlowRole role) const { return specs[index_of(role)]; }
};

bool read_flows(const RegionMap& region, const StreamRecord& record, uint64_t call_tag, RunningFlows& flows) {
  for (size_t i = 0; i < flows_per_stream; ++i) {
    auto spec = region.flow_spec(record.flows[i].index, record.flows[i].generation);
    if (!spec) return false;
    flows.specs[i] = *spec;
    wipe(*spec);
    if (flows.specs[i].call_tag != call_tag) return false;
  }
  return flows[FlowRole::up_rtp].local_port == record.relay_port &&
         flows[FlowRole::down_rtp].arrival_multiplex_id == record.multiplex_id;
}

// The legs as the flows have them: up seals towards the link, down opens what comes from it; inside it is the other way round.
void take_keys(const RunningFlows& flows, const StreamRecord& record, Stream& stream) {
  const abi::FlowSpec& up = flows[FlowRole::up_rtp];
  const abi::FlowSpec& down = flows[FlowRole::down_rtp];
  stream.link_leg = {record.link_crypto_tag, from_material(down.open_key), from_material(up.seal_key)};
  if ((up.verbs & abi::verb_open) == 0) return;
  stream.face_leg = {record.face_crypto_tag, from_material(up.open_key), from_material(down.seal_key)};
}

}  // namespace

bool SessionState::adopt_stream(const StreamRecord& record, uint16_t face_slot, Stream& stream) {
  RunningFlows flows;
  if (!read_flows(*plane_.dataplane.region(), record, call_tag_, flows)) return false;
  stream.kind = record.kind;
  stream.codec = record.codec;
  stream.face_protocol = record.face_protocol;
  stream.link_protocol = record.link_protocol;
  stream.clock_rate_hz = record.clock_rate_hz;
  stream.rtcp_mux = record.rtcp_mux;
  stream.face_rtp = record.face_rtp;
  stream.face_rtcp = record.face_rtcp;
  stream.face_matches_signalling = record.face_matches_signalling;
  stream.held_by_face = record.held_by_face;
  stream.held_by_link = record.held_by_link;
  if (plane_.settings.role == Role::c) {
    take_keys(flows, record, stream);
    if (!stream.link_leg.is_secured()) return false;
  }
  stream.lease = plane_.pool->adopt(face_slot, flow_place().link, record);
  if (!stream.lease) return false;
  leases_.push_back(stream.lease);
  for (abi::FlowSpec& spec : flows.specs) {
    plane_.flows.know(spec);
    // Whoever captured went with the control plane before us.
    spec.flags &= static_cast<uint16_t>(~(abi::flow_capture | abi::flow_capture_clear));
    plane_.flows.want(spec);
  }
  return true;
}

bool SessionState::adopt(const CallRecord& record) {
  const auto place = plane_.anchor_place(start_);
  if (!place || record.lines > max_streams_per_session || record.streams.empty()) return false;
  Streams streams(record.lines);
  bool complete = true;
  for (const StreamRecord& kept : record.streams) {
    Stream stream;
    if (kept.line >= record.lines || !adopt_stream(kept, place->face_slot, stream)) {
      complete = false;
      break;
    }
    next_serial_ = std::max(next_serial_, kept.serial + 1);
    programmed_.push_back(stream.lease);
    streams[kept.line] = std::move(stream);
  }
  if (complete) {
    exchanges_.restore(record.branch, std::move(streams));
    plane_.counters.add(MediaCounter::sessions_adopted);
    return true;
  }
  // A call in part is no call: what was taken of it goes again.
  for (const SharedLease& lease : programmed_) drop(*lease);
  programmed_.clear();
  released_ = true;
  return false;
}

}  // namespace sallyport::media
