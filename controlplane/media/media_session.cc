// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_session.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstring>

namespace sallyport::media {

namespace {

bool same_key(const abi::KeyMaterial& a, const abi::KeyMaterial& b) { return CRYPTO_memcmp(&a, &b, sizeof a) == 0; }

bool same_spec(const abi::FlowSpec& a, const abi::FlowSpec& b) { return CRYPTO_memcmp(&a, &b, sizeof a) == 0; }

}  // namespace

Stream::~Stream() {
  OPENSSL_cleanse(&open_key, sizeof open_key);
  OPENSSL_cleanse(&seal_key, sizeof seal_key);
  for (auto& [tag, key] : offered) OPENSSL_cleanse(&key, sizeof key);
  OPENSSL_cleanse(programmed.data(), sizeof programmed);
}

const char* suite_name(abi::Suite suite) {
  static constexpr const char* names[] = {"none", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"};
  return names[static_cast<size_t>(suite) % std::size(names)];
}

MediaSession::MediaSession(MediaPlane& plane, uint64_t link_id, uint64_t call_tag)
    : plane_(plane), link_id_(link_id), call_tag_(call_tag), epoch_(plane.epoch()) {
  ++plane_.counters().sessions;
}

MediaSession::~MediaSession() { release(); }

void MediaSession::release() {
  reject();
  open_offer_.reset();
  reset_if_lost();
  for (Stream& stream : streams_) drop_stream(stream);
  streams_.clear();
}

// The dataplane died and its region with it: the handles name nothing any more.
void MediaSession::reset_if_lost() {
  if (epoch_ == plane_.epoch()) return;
  epoch_ = plane_.epoch();
  const auto forget = [](std::vector<Stream>& streams) {
    for (Stream& stream : streams) stream.flows = {};
  };
  forget(streams_);
  if (open_offer_) forget(open_offer_->streams);
}

Rewritten MediaSession::refuse(int status, std::string reason, uint64_t& counter) {
  ++counter;
  return {{}, status, std::move(reason)};
}

Rewritten MediaSession::rewrite(From from, SdpKind kind, std::string_view text, std::string_view near_source) {
  MediaCounters& counters = plane_.counters();
  reset_if_lost();
  if (!near_source.empty()) near_source_ = near_source;
  thread_local sip::Sdp sdp;
  const sip::Verdict verdict = sip::parse_sdp(text, sdp);
  if (!verdict.ok()) return refuse(verdict.status, std::string(verdict.reason), counters.refused_sdp);
  if (!plane_.is_ready()) return refuse(503, "Media relay is not available", counters.refused_dataplane);
  if (plane_.link_of(link_id_) < 0) return refuse(503, "Media link is not available", counters.refused_dataplane);
  if (kind == SdpKind::offer) {
    ++counters.offers;
    return offer(from, sdp);
  }
  ++counters.answers;
  return answer(from, sdp);
}

Rewritten MediaSession::offer(From from, const sip::Sdp& sdp) {
  // Sent again to another target, or replaced before its answer: what it allotted is used again.
  const bool again = open_offer_ && !open_offer_->answered && open_offer_->from == from;
  if (open_offer_ && !again) reject();
  OpenOffer next{from, false, again ? open_offer_->streams : streams_};
  next.streams.resize(std::max(next.streams.size(), sdp.media().size()));
  open_offer_ = std::move(next);

  sip::SdpEdit edit(sdp);
  strip_session(edit, sdp, from == From::near ? plane_.settings().link_address : plane_.settings().near_address);
  for (size_t number = 0; number < sdp.media().size(); ++number) {
    const sip::SdpMedia& media = sdp.media()[number];
    Stream& stream = open_offer_->streams[number];
    if (media.port == 0) continue;
    stream.is_rtp = sip::is_rtp(media);
    if (!stream.is_rtp) {
      // Not carried: the other side sees the stream refused, the rest of the call goes on.
      ++plane_.counters().streams_not_rtp;
      edit.set_port(media, 0);
      continue;
    }
    Rewritten refusal;
    const bool good = judge_profile(sdp, media, from, refusal) && read_side(sdp, media, stream, from, SdpKind::offer, refusal) && anchor(stream, refusal);
    if (!good) {
      reject();
      return refusal;
    }
    if (from == From::near) write_far(edit, sdp, media, stream, SdpKind::offer);
    else write_near(edit, sdp, media, stream, SdpKind::offer);
  }
  return {edit.serialise(), 0, {}};
}

Rewritten MediaSession::answer(From from, const sip::Sdp& sdp) {
  if (!open_offer_ || open_offer_->from == from) return refuse(400, "SDP answer without an offer", plane_.counters().refused_sdp);
  sip::SdpEdit edit(sdp);
  strip_session(edit, sdp, from == From::near ? plane_.settings().link_address : plane_.settings().near_address);
  std::vector<Stream>& streams = open_offer_->streams;
  for (size_t number = 0; number < sdp.media().size() && number < streams.size(); ++number) {
    const sip::SdpMedia& media = sdp.media()[number];
    Stream& stream = streams[number];
    if (media.port == 0 || !stream.in_use) {
      if (media.port != 0) edit.set_port(media, 0);
      drop_stream(stream);
      continue;
    }
    Rewritten refusal;
    if (!judge_profile(sdp, media, from, refusal) || !read_side(sdp, media, stream, from, SdpKind::answer, refusal)) return refusal;
    if (from == From::near) write_far(edit, sdp, media, stream, SdpKind::answer);
    else write_near(edit, sdp, media, stream, SdpKind::answer);
    program(stream, static_cast<uint32_t>(number), near_source_);
  }
  open_offer_->answered = true;
  streams_ = streams;
  return {edit.serialise(), 0, {}};
}

void MediaSession::reject() {
  if (!open_offer_ || open_offer_->answered) return;
  for (size_t number = 0; number < open_offer_->streams.size(); ++number) {
    Stream& added = open_offer_->streams[number];
    const bool was_there = number < streams_.size() && streams_[number].in_use;
    if (added.in_use && !was_there) drop_stream(added);
  }
  open_offer_.reset();
}

std::vector<uint32_t> MediaSession::flow_indices() const {
  std::vector<uint32_t> indices;
  for (const Stream& stream : streams_)
    for (const FlowHandle& handle : stream.flows)
      if (handle.is_set()) indices.push_back(handle.index);
  return indices;
}

bool MediaSession::anchor(Stream& stream, Rewritten& refusal) {
  if (stream.in_use) return true;
  const Outcome<uint16_t> port = plane_.ports().take();
  if (!port) {
    refusal = refuse(503, port.fault().text(), plane_.counters().refused_ports);
    return false;
  }
  stream.near_port = *port;
  stream.in_use = true;
  if (!plane_.settings().is_e) return true;  // C learns the ID from E
  const Outcome<uint32_t> id = plane_.multiplex_ids().take();
  if (!id) {
    plane_.ports().give_back(stream.near_port);
    stream.in_use = false;
    refusal = refuse(503, id.fault().text(), plane_.counters().refused_ports);
    return false;
  }
  stream.multiplex_id = *id;
  return true;
}

void MediaSession::drop_stream(Stream& stream) {
  for (FlowHandle& handle : stream.flows) plane_.remove_flow(handle);
  if (stream.in_use) {
    plane_.ports().give_back(stream.near_port);
    if (plane_.settings().is_e && stream.multiplex_id != 0) plane_.multiplex_ids().give_back(stream.multiplex_id);
  }
  stream = Stream{};
}

void MediaSession::program(Stream& stream, uint32_t number, std::string_view near_source) {
  FlowIndices& indices = plane_.flows();
  const uint32_t owner = (stream.near_port >> 1) % std::max(indices.workers(), 1u);
  std::array<bool, legs> is_new{};
  for (uint8_t leg = 0; leg < legs; ++leg) {
    if (stream.flows[leg].is_set()) continue;
    const Outcome<FlowHandle> handle = indices.take(owner);
    if (!handle) {
      ++plane_.counters().refused_ports;
      if (plane_.log) plane_.log("media: " + handle.fault().text());
      return;
    }
    stream.flows[leg] = *handle;
    is_new[leg] = true;
  }
  // RTCP flows first: an RTP flow may refer to its RTCP flow, a down flow to its up flow.
  for (const Leg leg : {up_rtcp, up_rtp, down_rtcp, down_rtp}) {
    abi::FlowSpec spec = flow_spec(stream, number, leg, near_source);
    abi::FlowSpec& running = stream.programmed[leg];
    if (is_new[leg]) {
      plane_.add_flow(spec, stream.flows[leg]);
    } else if (!same_spec(spec, running)) {
      uint8_t flags = 0;
      if (!(spec.expected_source == running.expected_source)) flags |= abi::modify_reset_latch;
      if (!same_key(spec.open_key, running.open_key)) flags |= abi::modify_reset_open;
      if (!same_key(spec.seal_key, running.seal_key)) flags |= abi::modify_reset_seal;
      plane_.modify_flow(spec, stream.flows[leg], flags);
    }
    std::memcpy(&running, &spec, sizeof spec);
    OPENSSL_cleanse(&spec, sizeof spec);
  }
}

abi::FlowSpec MediaSession::flow_spec(const Stream& stream, uint32_t number, Leg leg, std::string_view near_source) const {
  const MediaSettings& settings = plane_.settings();
  const bool up = leg == up_rtp || leg == up_rtcp;
  const bool is_rtcp = leg == up_rtcp || leg == down_rtcp;
  abi::FlowSpec spec;
  // Compared byte by byte with what runs: no byte may be left to chance.
  std::memset(static_cast<void*>(&spec), 0, sizeof spec);
  spec = abi::FlowSpec{};
  spec.flow_index = stream.flows[leg].index;
  spec.generation = stream.flows[leg].generation;
  spec.call_tag = call_tag_;
  spec.stream_tag = number << 8 | leg;
  spec.media = is_rtcp ? abi::Media::rtcp : abi::Media::rtp;
  spec.dscp = stream.kind == "video" ? 34 : 46;  // AF41, EF: RFC 8837
  spec.clock_rate_hz = stream.clock_rate_hz;
  spec.max_packets_per_s = settings.max_packets_per_s;
  const uint16_t link = static_cast<uint16_t>(plane_.link_of(link_id_));
  const uint16_t near_port = static_cast<uint16_t>(stream.near_port + (is_rtcp ? 1 : 0));
  if (up) {
    spec.arrival = abi::Arrival::port;
    spec.local_slot = plane_.near_slot();
    spec.local_port = near_port;
    spec.verbs = abi::verb_mux;
    spec.egress_link = link;
    spec.egress_multiplex_id = stream.multiplex_id;
    if (settings.is_e) {
      spec.latch = abi::Latch::confirmed;
      if (stream.rtcp_mux && !is_rtcp) {
        spec.flags |= abi::flow_rtcp_mux;
        spec.rtcp_flow = stream.flows[up_rtcp].index;
      }
    } else {
      spec.verbs |= abi::verb_seal;
      spec.latch = abi::Latch::expected_ip;
      spec.expected_source = is_rtcp ? stream.near_rtcp : stream.near_rtp;
      spec.seal_key = stream.seal_key;
    }
    return spec;
  }
  spec.arrival = abi::Arrival::multiplex;
  spec.arrival_link = link;
  spec.arrival_multiplex_id = stream.multiplex_id;
  spec.egress_slot = plane_.near_slot();
  spec.egress_port = stream.rtcp_mux ? stream.near_port : near_port;
  const abi::Address& wanted = is_rtcp && !stream.rtcp_mux ? stream.near_rtcp : stream.near_rtp;
  if (settings.is_e) {
    spec.destination_flow = stream.flows[is_rtcp && !stream.rtcp_mux ? up_rtcp : up_rtp].index;
    // A client that is not behind NAT gets its media at once; any other address would be a way to aim streams at strangers.
    if (!near_source.empty() && near_source == address_text(wanted)) spec.destination = wanted;
  } else {
    spec.verbs = abi::verb_open;
    spec.flags = abi::flow_confirms;
    spec.destination = wanted;
    spec.open_key = stream.open_key;
  }
  return spec;
}

}  // namespace sallyport::media
