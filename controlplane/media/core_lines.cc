// SPDX-License-Identifier: Apache-2.0
// C's rules: SRTP of the traversal leg ends here. Client's keys open, our own fresh keys seal; inside it is RTP, or SRTP with other keys.
#include "controlplane/media/line_rewriter.h"

namespace sallyport::media {
namespace {

Refusal suite_refusal() {
  return refusal(MediaCounter::refused_suite, 488, 305, "None of the offered SRTP suites is supported");
}

Refusal answer_refusal() {
  return refusal(MediaCounter::refused_crypto_answer, 488, 305, "The answer chose an SRTP suite that was not offered");
}

// The peer's choice of keys, or ours of what it offers.
LineOutcome choose(std::span<const sip::SdpLine> lines, const Suites& suites, const SrtpLeg& before, SrtpLeg& out) {
  if (!has_keys(lines)) return no_keys_refusal();
  const TaggedKey chosen = select_offered(lines, suites);
  if (!chosen.key) return suite_refusal();
  // Our own key stays for as long as the suite does: a re-INVITE that only holds must not disturb the stream.
  const bool keep = before.seal && before.seal->suite == chosen.key->suite;
  out = {chosen.tag, chosen.key, keep ? before.seal : fresh_key(chosen.key->suite)};
  return std::nullopt;
}

std::vector<TaggedKey> keys_to_offer(const SrtpLeg& agreed, const std::vector<TaggedKey>& repeated, const Suites& suites) {
  if (!repeated.empty()) return repeated;
  if (agreed.is_secured()) return {{agreed.tag, agreed.seal}};
  return fresh_keys(suites);
}

// Keys and fingerprints of one side mean nothing on the other, and are none of its business.
void strip_keys(sip::SdpEdit& edit, const sip::SdpMedia& media) {
  for (const std::string_view name : {"crypto", "fingerprint", "setup", "tls-id"}) edit.remove_attributes(media, name);
}

}  // namespace

LineOutcome CoreLines::learn_face(LineWork& work) const {
  Stream& stream = work.stream;
  const FaceAddresses addresses = face_addresses(work.sdp, work.media);
  if (!addresses.is_numeric) {
    return refusal(MediaCounter::refused_address, 488, 301, "c= must hold a numeric address");
  }
  // Held by zeros: the address from before stays good for when the stream goes on.
  if (addresses.rtp.is_set()) {
    if (addresses.rtp.family != place_.face_family || addresses.rtcp.family != place_.face_family) {
      return refusal(MediaCounter::refused_address, 488, 300, "The media address is of another IP version");
    }
    stream.face_rtp = addresses.rtp;
    stream.face_rtcp = addresses.rtcp;
  }
  stream.held_by_face = sip::is_held(work.sdp, work.media);
  stream.clock_rate_hz = preferred_clock_rate_hz(work.sdp, work.media);
  return std::nullopt;
}

LineOutcome CoreLines::take_multiplex_id(LineWork& work) {
  const auto id = multiplex_id(work.sdp, work.media);
  if (!id || abi::multiplex_index(*id) == 0) {
    return refusal(MediaCounter::refused_multiplex_id, 488, 399, "Stream carries no multiplexID of the traversal leg");
  }
  if (work.stream.lease && work.stream.lease->multiplex_id == *id) return std::nullopt;
  work.stream.lease.reset();
  return leases_.lease_for(place_.face_slot, *id, work.stream.lease);
}

void CoreLines::write_to_link(LineWork& work) const {
  strip_keys(work.edit, work.media);
  anchor_line(work.edit, work.sdp, work.media,
              {place_.link_address, place_.link_rtp_port, place_.link_rtcp_port, RtcpMux::keep, work.stream.link_protocol});
  if (work.stream.lease) work.edit.append(work.media, multiplex_line(work.stream.lease->multiplex_id));
}

void CoreLines::write_to_face(LineWork& work, RtcpMux mux) const {
  strip_keys(work.edit, work.media);
  const uint16_t port = work.stream.lease->relay_port;
  anchor_line(work.edit, work.sdp, work.media,
              {place_.face_address, port, static_cast<uint16_t>(port + 1), mux, work.stream.face_protocol});
}

// Under the protocol that the other side knows the stream by: RFC 3264 6 wants the offer's in the answer.
void CoreLines::write_refused(sip::SdpEdit& edit, const sip::SdpMedia& media, bool to_link, const Stream* known) const {
  strip_keys(edit, media);
  if (!is_anchored_protocol(media.protocol)) return;
  std::string_view protocol = to_link ? secured_protocol(media.protocol) : clear_protocol(media.protocol);
  if (!to_link && settings_.inner_srtp) protocol = media.protocol;
  if (known != nullptr) {
    const std::string& agreed = to_link ? known->link_protocol : known->face_protocol;
    if (!agreed.empty()) protocol = agreed;
  }
  if (protocol != media.protocol) edit.replace_part(media.protocol, protocol);
}

LineOutcome CoreLines::offer_from_link(LineWork& work) {
  Stream& stream = work.stream;
  if (!sip::is_srtp(work.media)) return clear_media_refusal();
  if (auto refused = choose(work.sdp.lines(work.media), settings_.suites, stream.link_leg, stream.link_leg)) return refused;
  if (auto refused = take_multiplex_id(work)) return refused;
  const bool secure_face = work.base != nullptr ? stream.face_leg.is_secured() || !stream.face_offered.empty()
                                                : settings_.inner_srtp;
  stream.link_protocol = work.media.protocol;
  stream.face_protocol = secure_face ? secured_protocol(work.media.protocol) : clear_protocol(work.media.protocol);
  stream.face_offered_mux = false;
  stream.held_by_link = sip::is_held(work.sdp, work.media);
  stream.clock_rate_hz = preferred_clock_rate_hz(work.sdp, work.media);
  write_to_face(work, RtcpMux::keep);
  stream.link_offered.clear();
  if (!secure_face) return std::nullopt;
  stream.face_offered = keys_to_offer(stream.face_leg, stream.face_offered, settings_.suites);
  for (const TaggedKey& key : stream.face_offered) work.edit.append(work.media, crypto_line(key, work.placeholders));
  return std::nullopt;
}

LineOutcome CoreLines::answer_from_face(LineWork& work) {
  Stream& stream = work.stream;
  const bool secured = sip::is_srtp(work.media);
  if (secured != !stream.face_offered.empty()) {
    return secured ? refusal(MediaCounter::refused_answer_shape, 488, 305, "Call control answers RTP/AVP with RTP/SAVP")
                   : clear_media_refusal();
  }
  if (secured) {
    stream.face_leg = match_answer(work.sdp.lines(work.media), stream.face_offered);
    if (!stream.face_leg.is_secured()) return answer_refusal();
  }
  if (auto refused = learn_face(work)) return refused;
  stream.rtcp_mux = sip::has_rtcp_mux(work.sdp, work.media);
  write_to_link(work);
  work.edit.append(work.media, crypto_line({stream.link_leg.tag, stream.link_leg.seal}, work.placeholders));
  stream.face_offered.clear();
  return std::nullopt;
}

LineOutcome CoreLines::take_face_keys(LineWork& work) const {
  Stream& stream = work.stream;
  if (sip::is_srtp(work.media)) {
    return choose(work.sdp.lines(work.media), settings_.suites, stream.face_leg, stream.face_leg);
  }
  if (settings_.inner_srtp) return clear_media_refusal();
  stream.face_leg = {};
  return std::nullopt;
}

LineOutcome CoreLines::offer_from_face(LineWork& work) {
  Stream& stream = work.stream;
  if (auto refused = take_face_keys(work)) return refused;
  if (auto refused = learn_face(work)) return refused;
  // The port is allotted with the answer, which names the ID and with it the worker; but do not ring for nothing.
  if (!stream.lease) {
    if (auto refused = leases_.check()) return refused;
  }
  stream.face_protocol = work.media.protocol;
  stream.link_protocol = secured_protocol(work.media.protocol);
  stream.face_offered_mux = stream.rtcp_mux = sip::has_rtcp_mux(work.sdp, work.media);
  stream.face_offered.clear();
  stream.link_offered = keys_to_offer(stream.link_leg, stream.link_offered, settings_.suites);
  write_to_link(work);
  for (const TaggedKey& key : stream.link_offered) work.edit.append(work.media, crypto_line(key, work.placeholders));
  return std::nullopt;
}

LineOutcome CoreLines::answer_from_link(LineWork& work) {
  Stream& stream = work.stream;
  if (!sip::is_srtp(work.media)) return clear_media_refusal();
  if (!has_keys(work.sdp.lines(work.media))) return no_keys_refusal();
  stream.link_leg = match_answer(work.sdp.lines(work.media), stream.link_offered);
  if (!stream.link_leg.is_secured()) return answer_refusal();
  if (auto refused = take_multiplex_id(work)) return refused;
  stream.held_by_link = sip::is_held(work.sdp, work.media);
  write_to_face(work, stream.face_offered_mux ? RtcpMux::add : RtcpMux::remove);
  if (stream.face_leg.is_secured()) {
    work.edit.append(work.media, crypto_line({stream.face_leg.tag, stream.face_leg.seal}, work.placeholders));
  }
  stream.link_offered.clear();
  return std::nullopt;
}

}  // namespace sallyport::media
