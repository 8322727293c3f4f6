// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/sdp_anchor.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace sallyport::media {
namespace {

// RFC 8839 5. Media goes through relay addresses of ours only, so candidates of either side must not pass.
constexpr std::string_view ice_attributes[] = {"candidate",   "remote-candidates", "end-of-candidates",
                                               "ice-ufrag",   "ice-pwd",           "ice-options",
                                               "ice-lite",    "ice-mismatch",      "ice-pacing"};

bool is_ice(std::string_view name) {
  for (const std::string_view attribute : ice_attributes) {
    if (name == attribute) return true;
  }
  return false;
}

// RFC 9143: each m= line gets a port of its own, so the bundle is taken apart.
bool is_bundle(const sip::SdpLine& line) {
  return (line.name == "group" && line.content.starts_with("BUNDLE")) || line.name == "bundle-only";
}

bool is_stripped(const sip::SdpLine& line) {
  return line.type == 'a' && (is_ice(line.name) || is_bundle(line) || line.name == multiplex_attribute);
}

bool is_zero(std::string_view address) { return address == "0.0.0.0" || address == "::"; }

void strip(sip::SdpEdit& edit, std::span<const sip::SdpLine> lines) {
  for (const sip::SdpLine& line : lines) {
    if (is_stripped(line)) edit.remove(line);
  }
}

void anchor_connection(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, std::string_view address) {
  // RFC 2543's way to hold is an address of zeros; it must reach the other end as it is.
  const auto present = sip::connection(sdp, media);
  if (present && is_zero(present->address)) return;
  const bool has_own = sip::find_line(sdp.lines(media), 'c') != nullptr;
  if (has_own || !sip::session_connection(sdp)) edit.set_connection(media, address);
}

void anchor_rtcp(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, const LineTarget& target) {
  const std::string line = "a=rtcp:" + std::to_string(target.rtcp_port);
  const bool wanted = target.rtcp_mux != RtcpMux::add;
  bool written = false, has_mux = false;
  for (const sip::SdpLine& present : sdp.lines(media)) {
    if (present.type != 'a') continue;
    if (present.name == "rtcp") {
      if (wanted && !written) edit.replace(present, line);
      else edit.remove(present);
      written = true;
    } else if (present.name == "rtcp-mux-only") {
      edit.remove(present);  // RFC 8858: we take RTCP on its own port as well
    } else if (present.name == "rtcp-mux") {
      if (target.rtcp_mux == RtcpMux::remove || has_mux) edit.remove(present);
      has_mux = true;
    }
  }
  if (wanted && !written) edit.append(media, line);
  if (target.rtcp_mux == RtcpMux::add && !has_mux) edit.append(media, "a=rtcp-mux");
}

}  // namespace

void anchor_session(sip::SdpEdit& edit, const sip::Sdp& sdp, std::string_view address) {
  strip(edit, sdp.session_lines());
  const auto present = sip::session_connection(sdp);
  if (!present || !is_zero(present->address)) edit.set_session_connection(address);
}

void anchor_line(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, const LineTarget& target) {
  strip(edit, sdp.lines(media));
  edit.set_port(media, target.rtp_port);
  if (!target.protocol.empty() && target.protocol != media.protocol) edit.replace_part(media.protocol, target.protocol);
  anchor_connection(edit, sdp, media, target.address);
  anchor_rtcp(edit, sdp, media, target);
}

void refuse_line(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, std::string_view address) {
  strip(edit, sdp.lines(media));
  if (media.port != 0) edit.set_port(media, 0);
  if (sip::find_line(sdp.lines(media), 'c') != nullptr) edit.set_connection(media, address);
}

std::optional<uint32_t> multiplex_id(const sip::Sdp& sdp, const sip::SdpMedia& media) {
  const sip::SdpLine* line = sip::find_attribute(sdp.lines(media), multiplex_attribute);
  if (line == nullptr || line->content.size() != 8) return std::nullopt;
  uint32_t id = 0;
  const char* end = line->content.data() + line->content.size();
  const auto read = std::from_chars(line->content.data(), end, id, 16);
  // The low bits belong to the candidate sources.
  if (read.ec != std::errc{} || read.ptr != end || (id & 3) != 0) return std::nullopt;
  return id;
}

std::string multiplex_line(uint32_t id) {
  constexpr char digits[] = "0123456789abcdef";
  std::string line = "a=";
  line.append(multiplex_attribute).append(":");
  for (int shift = 28; shift >= 0; shift -= 4) line.push_back(digits[id >> shift & 15]);
  return line;
}

std::optional<abi::Address> parse_address(std::string_view numeric, uint16_t port) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (numeric.empty() || numeric.size() >= text.size()) return std::nullopt;
  std::memcpy(text.data(), numeric.data(), numeric.size());
  abi::Address address;
  address.port = port;
  if (inet_pton(AF_INET, text.data(), address.ip) == 1) address.family = 4;
  else if (inet_pton(AF_INET6, text.data(), address.ip) == 1) address.family = 6;
  else return std::nullopt;
  return address;
}

std::string address_text(const abi::Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.is_set()) inet_ntop(address.family == 4 ? AF_INET : AF_INET6, address.ip, text, sizeof text);
  return text;
}

FaceAddresses face_addresses(const sip::Sdp& sdp, const sip::SdpMedia& media) {
  FaceAddresses addresses;
  const auto connection = sip::connection(sdp, media);
  if (connection && is_zero(connection->address)) return addresses;
  const auto rtp = connection ? parse_address(connection->address, media.port) : std::nullopt;
  addresses.is_numeric = rtp.has_value();
  if (!rtp) return addresses;
  addresses.rtp = addresses.rtcp = *rtp;
  addresses.rtcp.port = static_cast<uint16_t>(media.port + 1);
  const auto rtcp = sip::rtcp(sdp, media);
  if (!rtcp || rtcp->port == 0) return addresses;
  addresses.rtcp.port = rtcp->port;
  if (const auto other = parse_address(rtcp->address, rtcp->port)) addresses.rtcp = *other;
  return addresses;
}

bool is_anchored_protocol(std::string_view protocol) {
  return protocol == "RTP/AVP" || protocol == "RTP/AVPF" || protocol == "RTP/SAVP" || protocol == "RTP/SAVPF";
}

std::string_view secured_protocol(std::string_view protocol) {
  return protocol.ends_with('F') ? "RTP/SAVPF" : "RTP/SAVP";
}

std::string_view clear_protocol(std::string_view protocol) { return protocol.ends_with('F') ? "RTP/AVPF" : "RTP/AVP"; }

std::string preferred_codec(const sip::Sdp& sdp, const sip::SdpMedia& media) {
  constexpr size_t longest = 64;
  constexpr std::pair<uint8_t, std::string_view> well_known[] = {{0, "PCMU/8000"}, {3, "GSM/8000"},   {4, "G723/8000"},  {8, "PCMA/8000"},
                                                                  {9, "G722/8000"}, {18, "G729/8000"}, {31, "H261/90000"}, {34, "H263/90000"}};
  std::array<uint8_t, 1> preferred{};
  if (sip::payload_types(media, preferred) != 1) return {};
  const std::string number = std::to_string(preferred[0]);
  for (const sip::SdpLine& line : sdp.lines(media)) {
    if (line.type != 'a' || line.name != "rtpmap" || !line.content.starts_with(number + " ")) continue;
    return std::string(line.content.substr(number.size() + 1, longest));
  }
  for (const auto& [type, name] : well_known)
    if (type == preferred[0]) return std::string(name);
  return "payload type " + number;
}

uint32_t preferred_clock_rate_hz(const sip::Sdp& sdp, const sip::SdpMedia& media) {
  std::array<uint8_t, 1> preferred{};
  if (sip::payload_types(media, preferred) == 1) {
    const auto rate = sip::clock_rate_hz(sdp, media, preferred[0]);
    if (rate && *rate != 0) return *rate;
  }
  return media.kind == "video" ? 90000 : 8000;
}

}  // namespace sallyport::media
