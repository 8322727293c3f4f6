// SPDX-License-Identifier: Apache-2.0
#pragma once
// SdpAnchor: the edits that put an address of ours into a description, alike on E and C: c=, m= port, a=rtcp, rtcp-mux, ICE and BUNDLE
// out, our own attribute out. Never looks at a=crypto. Everything else stays byte for byte.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "controlplane/sip/sdp.h"
#include "controlplane/sip/sdp_edit.h"
#include "dataplane/abi/address.h"

namespace sallyport::media {

// Carries a stream's multiplexID between E and C, eight hex digits.
inline constexpr std::string_view multiplex_attribute = "x-sallyport-mux";

enum class RtcpMux : uint8_t { keep, add, remove };

struct LineTarget {
  std::string_view address;       // numeric
  uint16_t rtp_port = 0, rtcp_port = 0;
  RtcpMux rtcp_mux = RtcpMux::keep;
  std::string_view protocol;      // empty: as it is
};

// Session level: c= to ours, ICE, BUNDLE and our attribute out.
void anchor_session(sip::SdpEdit& edit, const sip::Sdp& sdp, std::string_view address);
void anchor_line(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, const LineTarget& target);
// Port 0. Its own c= is replaced too: addresses of the other side are nobody's business.
void refuse_line(sip::SdpEdit& edit, const sip::Sdp& sdp, const sip::SdpMedia& media, std::string_view address);

std::optional<uint32_t> multiplex_id(const sip::Sdp& sdp, const sip::SdpMedia& media);
std::string multiplex_line(uint32_t id);

struct FaceAddresses {
  abi::Address rtp, rtcp;   // unset where held by 0.0.0.0
  bool is_numeric = true;   // false: a host name, or nothing at all
};
FaceAddresses face_addresses(const sip::Sdp& sdp, const sip::SdpMedia& media);
std::optional<abi::Address> parse_address(std::string_view numeric, uint16_t port);
std::string address_text(const abi::Address& address);

// RTP/AVP, RTP/AVPF and, secured, RTP/SAVP, RTP/SAVPF; DTLS-SRTP and everything else is not anchored.
bool is_anchored_protocol(std::string_view protocol);
std::string_view secured_protocol(std::string_view protocol);
std::string_view clear_protocol(std::string_view protocol);
// The preferred payload type as a=rtpmap names it, or by RFC 3551; bounded, for people.
std::string preferred_codec(const sip::Sdp& sdp, const sip::SdpMedia& media);
// Of the preferred payload type; 8000 (90000 for video) when it is not said.
uint32_t preferred_clock_rate_hz(const sip::Sdp& sdp, const sip::SdpMedia& media);

}  // namespace sallyport::media
