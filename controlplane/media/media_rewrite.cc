// SPDX-License-Identifier: Apache-2.0
// The SDP side of MediaSession: what is read from an offer or answer, and what is written into the one that goes on.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "controlplane/media/media_session.h"

namespace sallyport::media {

namespace {

abi::Suite abi_suite(sip::CryptoSuite suite) {
  switch (suite) {
    case sip::CryptoSuite::aead_aes_256_gcm: return abi::Suite::aead_aes_256_gcm;
    case sip::CryptoSuite::aead_aes_128_gcm: return abi::Suite::aead_aes_128_gcm;
    case sip::CryptoSuite::aes_256_cm_hmac_sha1_80: return abi::Suite::aes_256_cm_hmac_sha1_80;
    case sip::CryptoSuite::aes_cm_128_hmac_sha1_80: return abi::Suite::aes_cm_128_hmac_sha1_80;
    case sip::CryptoSuite::aes_cm_128_hmac_sha1_32: return abi::Suite::aes_cm_128_hmac_sha1_32;
  }
  return abi::Suite::none;
}

abi::KeyMaterial material(sip::CryptoSuite suite, const sip::MasterKey& key, uint8_t mki_length) {
  abi::KeyMaterial out;
  out.suite = abi_suite(suite);
  out.mki_length = mki_length;
  std::copy(key.key().begin(), key.key().end(), out.key);
  std::copy(key.salt().begin(), key.salt().end(), out.salt);
  return out;
}

// "a=crypto:..." of a key of ours.
std::string crypto_line(uint32_t tag, const abi::KeyMaterial& key) {
  const auto suite = sip::crypto_suite(suite_name(key.suite));
  const sip::CryptoSuiteFacts& facts = sip::facts(*suite);
  std::array<uint8_t, sip::MasterKey::max_bytes> bytes{};
  std::copy_n(key.key, facts.key_bytes, bytes.begin());
  std::copy_n(key.salt, facts.salt_bytes, bytes.begin() + facts.key_bytes);
  sip::CryptoAttribute attribute;
  attribute.tag = tag;
  attribute.suite = *suite;
  attribute.key = sip::MasterKey(*suite, std::span<const uint8_t>(bytes).first(size_t{facts.key_bytes} + facts.salt_bytes));
  std::string line;
  sip::format_crypto(attribute, line);
  explicit_bzero(bytes.data(), bytes.size());
  return line;
}

abi::Address parse_address(std::string_view ip, uint16_t port) {
  abi::Address address;
  char text[INET6_ADDRSTRLEN] = {};
  if (ip.size() >= sizeof text) return address;
  std::memcpy(text, ip.data(), ip.size());
  if (inet_pton(AF_INET, text, address.ip) == 1) address.family = 4;
  else if (inet_pton(AF_INET6, text, address.ip) == 1) address.family = 6;
  address.port = port;
  return address;
}

bool is_unspecified(const abi::Address& address) {
  static constexpr uint8_t zero[16] = {};
  return !address.is_set() || std::memcmp(address.ip, zero, sizeof zero) == 0;
}

std::string_view secure_profile(std::string_view protocol) {
  return protocol == "RTP/AVPF" || protocol == "RTP/SAVPF" ? "RTP/SAVPF" : "RTP/SAVP";
}
std::string_view clear_profile(std::string_view protocol) {
  return protocol == "RTP/AVPF" || protocol == "RTP/SAVPF" ? "RTP/AVPF" : "RTP/AVP";
}

}  // namespace

std::string address_text(const abi::Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (!address.is_set()) return {};
  inet_ntop(address.family == 4 ? AF_INET : AF_INET6, address.ip, text, sizeof text);
  return text;
}

bool MediaSession::judge_profile(const sip::Sdp& sdp, const sip::SdpMedia& media, From from, Rewritten& refusal) {
  const bool must_be_secure = plane_.settings().is_e || from == From::far;
  if (!must_be_secure) {
    if (!sip::is_srtp(media)) return true;
    refusal = refuse(488, "SRTP towards call control is not enabled on this node", plane_.counters().refused_suite);
    return false;
  }
  // A17: outside it is SRTP or nothing.
  if (sip::is_srtp(media) && sip::find_attribute(sdp.lines(media), "crypto") != nullptr) return true;
  const bool dtls = sip::effective_attribute(sdp, media, "fingerprint") != nullptr;
  refusal = refuse(488, dtls ? "DTLS-SRTP is not available here, offer SRTP with a=crypto keys (RFC 4568)"
                             : "Media must be encrypted: offer RTP/SAVP with a=crypto keys (RFC 4568)",
                   plane_.counters().refused_no_keys);
  return false;
}

bool MediaSession::read_side(const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream, From from, SdpKind kind, Rewritten& refusal) {
  stream.kind = media.kind;
  if (from == From::near) {
    read_near_address(sdp, media, stream);
    if (plane_.settings().is_e && kind == SdpKind::offer) stream.rtcp_mux = sip::has_rtcp_mux(sdp, media);
    return true;
  }
  if (plane_.settings().is_e) return true;  // E reads no keys, and knows its own multiplexID
  const sip::SdpLine* line = sip::find_attribute(sdp.lines(media), multiplex_attribute);
  uint32_t id = 0;
  if (line != nullptr) std::from_chars(line->content.data(), line->content.data() + line->content.size(), id, 16);
  if (id == 0 || abi::multiplex_index(id) == 0 || abi::multiplex_candidate(id) != 0) {
    refusal = refuse(400, "No multiplexID on the traversal leg", plane_.counters().refused_sdp);
    return false;
  }
  stream.multiplex_id = id;
  return read_far_keys(sdp, media, stream, kind, refusal);
}

void MediaSession::read_near_address(const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream) {
  uint8_t first_type = 0;
  if (sip::payload_types(media, {&first_type, 1}) == 1) stream.clock_rate_hz = sip::clock_rate_hz(sdp, media, first_type).value_or(8000);
  const auto where = sip::connection(sdp, media);
  const abi::Address rtp = where ? parse_address(where->address, media.port) : abi::Address{};
  stream.is_held = sip::is_held(sdp, media);
  if (is_unspecified(rtp)) return;  // held by 0.0.0.0 (RFC 2543): the old address stays for the resume
  stream.near_rtp = rtp;
  stream.near_rtcp = rtp;
  const auto rtcp = sip::rtcp(sdp, media);
  stream.near_rtcp.port = rtcp && rtcp->port != 0 ? rtcp->port : static_cast<uint16_t>(media.port + 1);
  if (rtcp && !rtcp->address.empty()) {
    const abi::Address other = parse_address(rtcp->address, stream.near_rtcp.port);
    if (!is_unspecified(other)) stream.near_rtcp = other;
  }
}

bool MediaSession::read_far_keys(const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream, SdpKind kind, Rewritten& refusal) {
  const auto lines = sdp.lines(media);
  if (kind == SdpKind::answer) {
    const sip::SdpLine* line = sip::find_attribute(lines, "crypto");
    sip::CryptoResult read = line == nullptr ? sip::CryptoResult{} : sip::read_crypto(*line);
    // RFC 4568 5.1.3: the answer repeats tag and suite of one line of the offer.
    for (const auto& [tag, key] : stream.offered) {
      if (!read.attribute || read.attribute->tag != tag || abi_suite(read.attribute->suite) != key.suite) continue;
      stream.crypto_tag = tag;
      stream.seal_key = key;
      stream.open_key = material(read.attribute->suite, read.attribute->key, read.attribute->mki_bytes);
      return true;
    }
    refusal = refuse(488, "The SRTP answer does not match a key that was offered", plane_.counters().wrong_answer_key);
    return false;
  }
  // The strongest of what the client offers and this node is configured for.
  for (const std::string& wanted : plane_.settings().suites) {
    for (const sip::SdpLine& line : lines) {
      if (line.type != 'a' || line.name != "crypto") continue;
      const auto crypto = sip::parse_crypto(line);
      if (!crypto || crypto->suite != wanted) continue;
      sip::CryptoResult read = sip::read_crypto(line);
      if (!read.attribute) continue;
      stream.crypto_tag = read.attribute->tag;
      stream.open_key = material(read.attribute->suite, read.attribute->key, read.attribute->mki_bytes);
      if (stream.seal_key.suite != stream.open_key.suite)
        stream.seal_key = material(read.attribute->suite, sip::MasterKey::generate(read.attribute->suite), 0);
      return true;
    }
  }
  refusal = refuse(488, "No SRTP suite in common", plane_.counters().refused_suite);
  return false;
}

std::vector<std::string> MediaSession::our_crypto_lines(Stream& stream, SdpKind kind) const {
  if (kind == SdpKind::answer) return {crypto_line(stream.crypto_tag, stream.seal_key)};
  // In a call that has keys the offer repeats them, so that a hold does not re-key.
  if (stream.seal_key.suite != abi::Suite::none) {
    stream.offered = {{stream.crypto_tag, stream.seal_key}};
    return {crypto_line(stream.crypto_tag, stream.seal_key)};
  }
  std::vector<std::string> lines;
  stream.offered.clear();
  uint32_t tag = 0;
  for (const std::string& name : plane_.settings().suites) {
    const auto suite = sip::crypto_suite(name);
    if (!suite) continue;
    stream.offered.emplace_back(++tag, material(*suite, sip::MasterKey::generate(*suite), 0));
    lines.push_back(crypto_line(tag, stream.offered.back().second));
  }
  return lines;
}

// Addresses of the whole description, and what would lead media past us: ICE, bundling.
void MediaSession::strip_session(sip::SdpEdit& edit, const sip::Sdp& sdp, std::string_view address) {
  edit.set_session_connection(address);
  for (const sip::SdpLine& line : sdp.session_lines()) {
    if (line.type != 'a') continue;
    const bool ice = line.name == "ice-ufrag" || line.name == "ice-pwd" || line.name == "ice-options" || line.name == "ice-lite";
    if (ice || (line.name == "group" && line.content.starts_with("BUNDLE"))) edit.remove(line);
  }
}

void MediaSession::write_transport(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, std::string_view address, uint16_t port) {
  edit.set_port(media, port);
  if (sip::find_line(sdp.lines(media), 'c') != nullptr || !sip::session_connection(sdp)) edit.set_connection(media, address);
  for (const std::string_view name : {"rtcp", "rtcp-mux", "rtcp-mux-only", "candidate", "end-of-candidates", "remote-candidates", "ice-ufrag", "ice-pwd", "ice-options"})
    edit.remove_attributes(media, name);
  edit.remove_attributes(media, multiplex_attribute);
}

void MediaSession::write_near(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, const Stream& stream, SdpKind kind) {
  write_transport(edit, sdp, media, plane_.settings().near_address, stream.near_port);
  if (plane_.settings().is_e) {
    if (kind == SdpKind::answer && stream.rtcp_mux) edit.append(media, "a=rtcp-mux");
    return;
  }
  edit.replace_part(media.protocol, clear_profile(media.protocol));
  edit.remove_attributes(media, "crypto");
}

void MediaSession::write_far(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, Stream& stream, SdpKind kind) {
  write_transport(edit, sdp, media, plane_.settings().link_address, plane_.settings().link_rtp_port);
  if (stream.multiplex_id != 0) edit.append(media, fmt::format("a={}:{:08x}", multiplex_attribute, stream.multiplex_id));
  if (plane_.settings().is_e) return;
  edit.replace_part(media.protocol, secure_profile(media.protocol));
  for (std::string& line : our_crypto_lines(stream, kind)) {
    edit.append(media, line);
    sip::wipe(line);
  }
}

std::vector<StreamSnapshot> MediaSession::snapshot() const {
  std::vector<StreamSnapshot> out;
  abi::FlowRecord record;
  for (const Stream& stream : streams_) {
    if (!stream.in_use) continue;
    StreamSnapshot& entry = out.emplace_back();
    entry.kind = stream.kind;
    entry.suite = plane_.settings().is_e ? "relayed, keys not known here" : suite_name(stream.open_key.suite);
    entry.multiplex_id = stream.multiplex_id;
    entry.near_local = fmt::format("{}:{}", plane_.settings().near_address, stream.near_port);
    const auto read = [&](Leg leg, StreamSnapshot::Flow& flow) {
      if (!stream.flows[leg].is_set() || !plane_.dataplane().read_flow(stream.flows[leg].index, record) || record.generation_live != stream.flows[leg].generation) return;
      const abi::ReceptionState& reception = record.state.reception;
      flow.live = true;
      flow.packets = record.state.packets;
      flow.bytes = record.state.bytes;
      flow.dropped = record.state.dropped;
      const uint64_t expected = reception.received == 0 ? 0 : uint64_t{reception.highest_extended_seq} - reception.base_extended_seq + 1;
      flow.lost = reception.lost_before + (expected > reception.received ? expected - reception.received : 0);
      flow.jitter_ms = stream.clock_rate_hz == 0 ? 0 : reception.jitter_q4 / 16.0 * 1000.0 / stream.clock_rate_hz;
      if (record.state.dropped != 0 && record.state.last_drop < static_cast<uint8_t>(abi::DropReason::count)) flow.last_drop = abi::drop_reason_info[record.state.last_drop].name;
      if (record.state.latched.is_set()) flow.latched = fmt::format("{}:{}", address_text(record.state.latched), record.state.latched.port);
    };
    read(up_rtp, entry.up);
    read(down_rtp, entry.down);
    read(up_rtcp, entry.up_rtcp);
    read(down_rtcp, entry.down_rtcp);
    entry.near_remote = entry.up.latched.empty() && stream.near_rtp.is_set() ? fmt::format("{}:{}", address_text(stream.near_rtp), stream.near_rtp.port) : entry.up.latched;
  }
  return out;
}

}  // namespace sallyport::media
