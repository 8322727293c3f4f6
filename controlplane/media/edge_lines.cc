// SPDX-License-Identifier: Apache-2.0
// E's rules: relay port and multiplexID for each stream; a=crypto lines are seen to be there and passed on unread.
#include "controlplane/media/line_rewriter.h"

namespace sallyport::media {
namespace {

// Secured, with keys; all that E ever asks of them.
LineOutcome check_secured(const LineWork& work) {
  if (!sip::is_srtp(work.media)) return clear_media_refusal();
  if (sip::find_attribute(work.sdp.lines(work.media), "crypto") == nullptr) return no_keys_refusal();
  return std::nullopt;
}

void learn_face(LineWork& work, uint8_t face_family) {
  Stream& stream = work.stream;
  stream.held_by_face = sip::is_held(work.sdp, work.media);
  stream.face_protocol = stream.link_protocol = work.media.protocol;
  stream.clock_rate_hz = preferred_clock_rate_hz(work.sdp, work.media);
  FaceAddresses addresses = face_addresses(work.sdp, work.media);
  if (!addresses.rtp.is_set()) return;
  // a=rtcp may name a port of its own, but no other host: the client vouches only for where it signals from.
  if (!addresses.rtcp.same_ip(addresses.rtp)) {
    const uint16_t port = addresses.rtcp.port;
    addresses.rtcp = addresses.rtp;
    addresses.rtcp.port = port;
  }
  stream.face_rtp = addresses.rtp;
  stream.face_rtcp = addresses.rtcp;
  stream.face_matches_signalling = addresses.rtp.family == face_family && work.source.same_ip(addresses.rtp);
}

LineOutcome bad_id() {
  Refusal refused = refusal(MediaCounter::refused_multiplex_id, 502, 399, "Answer does not name our stream");
  refused.is_final = true;
  return refused;
}

}  // namespace

LineTarget EdgeLines::to_link() const {
  return {place_.link_address, place_.link_rtp_port, place_.link_rtcp_port, RtcpMux::keep, {}};
}

LineTarget EdgeLines::to_face(const Stream& stream) const {
  const uint16_t port = stream.lease->relay_port;
  return {place_.face_address, port, static_cast<uint16_t>(port + 1), RtcpMux::keep, {}};
}

LineOutcome EdgeLines::offer_from_face(LineWork& work) {
  if (auto refused = check_secured(work)) return refused;
  Stream& stream = work.stream;
  if (!stream.lease) {
    if (auto refused = leases_.lease(place_.face_slot, stream.lease)) return refused;
  }
  learn_face(work, place_.face_family);
  // We take RTCP on the RTP port whatever the far end does; each side has its own agreement (RFC 5761 5.1.1).
  stream.face_offered_mux = stream.rtcp_mux = sip::has_rtcp_mux(work.sdp, work.media);
  anchor_line(work.edit, work.sdp, work.media, to_link());
  work.edit.append(work.media, multiplex_line(stream.lease->multiplex_id));
  return std::nullopt;
}

LineOutcome EdgeLines::answer_from_link(LineWork& work) {
  if (auto refused = check_secured(work)) return refused;
  Stream& stream = work.stream;
  if (multiplex_id(work.sdp, work.media) != stream.lease->multiplex_id) return bad_id();
  stream.held_by_link = sip::is_held(work.sdp, work.media);
  LineTarget target = to_face(stream);
  target.rtcp_mux = stream.face_offered_mux ? RtcpMux::add : RtcpMux::remove;
  anchor_line(work.edit, work.sdp, work.media, target);
  return std::nullopt;
}

LineOutcome EdgeLines::offer_from_link(LineWork& work) {
  if (auto refused = check_secured(work)) return refused;
  Stream& stream = work.stream;
  const auto id = multiplex_id(work.sdp, work.media);
  // An ID of a stream that we do not know (any more) is nothing to build on: the answer tells C the new one.
  if (!stream.lease || (id && *id != stream.lease->multiplex_id)) {
    stream.lease.reset();
    if (auto refused = leases_.lease(place_.face_slot, stream.lease)) return refused;
  }
  stream.face_offered_mux = false;
  stream.held_by_link = sip::is_held(work.sdp, work.media);
  stream.face_protocol = stream.link_protocol = work.media.protocol;
  anchor_line(work.edit, work.sdp, work.media, to_face(stream));
  return std::nullopt;
}

LineOutcome EdgeLines::answer_from_face(LineWork& work) {
  if (auto refused = check_secured(work)) return refused;
  Stream& stream = work.stream;
  learn_face(work, place_.face_family);
  stream.rtcp_mux = sip::has_rtcp_mux(work.sdp, work.media);
  anchor_line(work.edit, work.sdp, work.media, to_link());
  work.edit.append(work.media, multiplex_line(stream.lease->multiplex_id));
  return std::nullopt;
}

}  // namespace sallyport::media
