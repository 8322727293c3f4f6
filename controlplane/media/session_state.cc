// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/session_state.h"

#include <algorithm>
#include <utility>

#include "controlplane/media/plane_state.h"

namespace sallyport::media {
namespace {

constexpr FlowRole flow_roles[] = {FlowRole::up_rtp, FlowRole::up_rtcp, FlowRole::down_rtp, FlowRole::down_rtcp};

}  // namespace

SessionState::SessionState(PlaneState& plane, SessionStart start, uint64_t call_tag, uint64_t started_unix_s)
    : plane_(plane), start_(std::move(start)), call_tag_(call_tag), started_unix_s_(started_unix_s) {}

SdpResult SessionState::refuse(const Refusal& refusal) {
  plane_.note_exhausted(refusal);
  SdpResult result;
  result.status = refusal.status;
  result.warn_code = refusal.warn_code;
  result.warning = refusal.warning;
  return result;
}

SdpResult SessionState::rewrite(const SdpMessage& message) {
  const auto place = plane_.anchor_place(start_);
  if (released_ || !place) {
    plane_.counters.add(MediaCounter::refused_no_dataplane);
    return refuse(refusal(MediaCounter::refused_no_dataplane, 503, 399, "Media relay is not running"));
  }
  LeaseSource leases{plane_.dataplane, plane_.pool.get(), plane_.links.find(start_.peer), next_serial_, leases_};
  EdgeLines edge(*place, leases);
  CoreLines core(*place, leases, plane_.settings);
  LineRewriter& lines = plane_.settings.role == Role::e ? static_cast<LineRewriter&>(edge) : core;
  SdpRewriter rewriter(lines, *place, plane_.counters);
  return rewrite_placed(message, exchanges_.place(message), rewriter);
}

SdpResult SessionState::rewrite_placed(const SdpMessage& message, OfferAnswer::Place place, SdpRewriter& rewriter) {
  if (!place.is_offer && place.exchange == nullptr) {
    plane_.counters.add(MediaCounter::refused_answer_shape);
    return refuse(refusal(MediaCounter::refused_answer_shape, 400, 399, "Session description answers no offer"));
  }
  // A repeated offer starts from what it proposed before: same ports, same IDs, same keys.
  const Streams& base = place.exchange != nullptr ? place.exchange->offered : exchanges_.agreed(message.branch);
  Rewritten rewritten = place.is_offer ? rewriter.offer(message.from, message.sdp, base, message.source)
                                       : rewriter.answer(message.from, message.sdp, base, message.source);
  if (rewritten.refusal) return refuse(*rewritten.refusal);
  plane_.note_leased();
  plane_.counters.add(place.is_offer ? MediaCounter::offers : MediaCounter::answers);
  if (!place.is_offer) {
    if (exchanges_.answer(*place.exchange, message.branch, std::move(rewritten.streams))) program();
  } else if (place.exchange != nullptr) {
    plane_.counters.add(MediaCounter::repeats);
    place.exchange->offered = std::move(rewritten.streams);
  } else {
    exchanges_.open(message, std::move(rewritten.streams));
  }
  SdpResult result;
  result.sdp = std::move(rewritten.sdp);
  result.streams_refused = rewritten.streams_refused;
  return result;
}

void SessionState::on_final(Side request_from, uint32_t cseq, std::string_view method, std::string_view branch,
                            uint16_t status) {
  if (released_ || status < 200) return;
  const bool was_confirmed = exchanges_.is_confirmed();
  if (status < 300) {
    if (exchanges_.settle(request_from, cseq, method, branch)) program();
    if (!was_confirmed && exchanges_.is_confirmed()) keep_record();
    return;
  }
  if (!exchanges_.roll_back(request_from, cseq, branch)) return;
  plane_.counters.add(MediaCounter::rolled_back);
  program();
}

bool SessionState::end_branch(std::string_view branch) {
  if (released_) return true;
  if (exchanges_.end(branch)) program();
  return exchanges_.has_ended();
}

FlowPlace SessionState::flow_place() const {
  return {call_tag_, plane_.links.slot_of(start_.peer).value_or(abi::no_link), plane_.settings.max_packets_per_s,
          plane_.settings.idle_timeout_s, plane_.settings.marking, capture_flags_};
}

void SessionState::refresh() {
  if (!released_) program();
}

bool SessionState::capture(uint16_t flags) {
  if (released_) return false;
  capture_flags_ = flags;
  program();
  return true;
}

// Makes the dataplane run what holds on the active branch, and nothing else of this call.
void SessionState::program() {
  const Streams& streams = exchanges_.active_streams();
  const std::vector<SharedLease> before = std::exchange(programmed_, {});
  for (size_t line = 0; line < streams.size(); ++line) {
    if (!streams[line] || !is_programmable(plane_.settings.role, *streams[line])) continue;
    if (!program_stream(line, *streams[line])) continue;
    programmed_.push_back(streams[line]->lease);
  }
  for (const SharedLease& lease : before) {
    if (std::find(programmed_.begin(), programmed_.end(), lease) == programmed_.end()) drop(*lease);
  }
  if (exchanges_.is_confirmed()) keep_record();
}

bool SessionState::program_stream(size_t line, const Stream& stream) {
  StreamLease& lease = *stream.lease;
  if (!lease.has_flows && !lease.pool->allot_flows(lease)) {
    plane_.counters.add(MediaCounter::refused_no_flows);
    plane_.fail(call_tag_, {FaultCode::exhausted, "media", "flows are exhausted", "raise [dataplane] flows"});
    return false;
  }
  const bool moved = lease.is_programmed &&
                     !(lease.programmed_rtp == stream.face_rtp && lease.programmed_rtcp == stream.face_rtcp);
  for (const FlowRole role : flow_roles) {
    abi::FlowSpec spec = flow_spec(plane_.settings.role, stream, static_cast<uint32_t>(line), role, flow_place());
    const bool latches = spec.arrival == abi::Arrival::port;
    plane_.flows.want(spec, moved && latches ? abi::modify_reset_latch : 0);
    wipe(spec);
  }
  if (!lease.is_programmed) plane_.counters.add(MediaCounter::streams_anchored);
  lease.is_programmed = true;
  lease.programmed_rtp = stream.face_rtp;
  lease.programmed_rtcp = stream.face_rtcp;
  return true;
}

void SessionState::drop(StreamLease& lease) {
  for (const FlowHandle& flow : lease.flows) plane_.flows.drop(flow.index);
  // FlowProgram gives the indices back once the worker has let go of them.
  lease.has_flows = lease.is_programmed = false;
}

void SessionState::release() {
  if (std::exchange(released_, true)) return;
  for (const SharedLease& lease : std::exchange(programmed_, {})) drop(*lease);
  exchanges_.clear();
  plane_.captures->end(call_tag_, "the call has ended");
  plane_.forget(call_tag_);
}

void SessionState::abandon() {
  if (std::exchange(released_, true)) return;
  programmed_.clear();
  exchanges_.clear();
  plane_.captures->end(call_tag_, "the call has lost its media");
  plane_.forget(call_tag_);
}

void SessionState::leave() {
  if (!plane_.stopping) release();
  plane_.strike(call_tag_);
}

// Without a stream there is nothing that a restart could take over.
void SessionState::keep_record() {
  if (programmed_.empty()) return plane_.forget(call_tag_);
  plane_.keep(record());
}

CallRecord SessionState::record() const {
  CallRecord record;
  record.call_tag = call_tag_;
  record.call_id = start_.call_id;
  record.from_tag = start_.from_tag;
  record.branch = exchanges_.active_branch();
  record.peer = start_.peer;
  record.link = plane_.links.slot_of(start_.peer).value_or(abi::no_link);
  record.face = start_.face;
  record.correlation = start_.correlation;
  record.began_at_face = start_.began == Side::face;
  record.from = start_.from;
  record.to = start_.to;
  record.started_unix_s = started_unix_s_;
  const Streams& streams = exchanges_.active_streams();
  record.lines = static_cast<uint32_t>(streams.size());
  for (size_t line = 0; line < streams.size(); ++line) {
    if (!streams[line] || !streams[line]->lease || !streams[line]->lease->is_programmed) continue;
    const Stream& stream = *streams[line];
    const StreamLease& lease = *stream.lease;
    StreamRecord& kept = record.streams.emplace_back();
    kept.line = static_cast<uint32_t>(line);
    kept.serial = lease.serial;
    kept.kind = stream.kind;
    kept.codec = stream.codec;
    kept.face_protocol = stream.face_protocol;
    kept.link_protocol = stream.link_protocol;
    kept.relay_port = lease.relay_port;
    kept.multiplex_id = lease.multiplex_id;
    kept.clock_rate_hz = stream.clock_rate_hz;
    kept.rtcp_mux = stream.rtcp_mux;
    kept.link_crypto_tag = stream.link_leg.tag;
    kept.face_crypto_tag = stream.face_leg.tag;
    kept.face_rtp = stream.face_rtp;
    kept.face_rtcp = stream.face_rtcp;
    kept.face_matches_signalling = stream.face_matches_signalling;
    kept.held_by_face = stream.held_by_face;
    kept.held_by_link = stream.held_by_link;
    std::copy(std::begin(lease.flows), std::end(lease.flows), kept.flows);
  }
  return record;
}

}  // namespace sallyport::media
