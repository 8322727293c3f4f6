// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sdp: a session description as lines and media sections, views over the caller's text (RFC 8866, tolerant: unknown
// lines stay, bare LF is taken, order is not policed). Re-use one Sdp for many parses; its two vectors are the only
// allocations. Nothing here reads key material: a crypto line yields tag, suite and the unread rest (crypto_attribute.h
// reads keys, on C only).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "controlplane/sip/verdict.h"

namespace sallyport::sip {

constexpr std::size_t max_sdp_bytes = 64u << 10;
constexpr std::size_t max_sdp_media = 64;
constexpr std::size_t max_sdp_lines = 4096;

struct SdpLine {
  char type = 0;                     // 'v', 'o', 'm', 'a' ...; 0 for a line that is not "x="
  std::string_view value;            // behind "x=", without the line end
  std::string_view name;             // a= only: up to ':'
  std::string_view content;          // a= only: behind ':', "" if none
  std::uint32_t begin = 0, end = 0;  // offsets in Sdp::text(), line end included
};

enum class Direction : std::uint8_t { sendrecv, sendonly, recvonly, inactive };

struct SdpConnection {
  std::string_view address;  // as written: no TTL, "192.0.2.1", "2001:db8::1", or a name
  bool is_ipv6 = false;
  const SdpLine* line = nullptr;
};

struct SdpMedia {
  std::uint16_t first_line = 0, end_line = 0;  // [first, end) in Sdp::lines(); the first is its m= line
  std::string_view kind;                       // "audio"
  std::string_view port_text;                  // "49170" or "49170/2", the range to replace
  std::uint16_t port = 0;                      // 0: stream refused (or bundle-only)
  std::uint16_t port_count = 1;
  std::string_view protocol;  // "RTP/SAVP"
  std::string_view formats;   // "0 8 101"
};

class Sdp {
 public:
  std::string_view text() const { return text_; }
  std::span<const SdpLine> lines() const { return lines_; }
  std::span<const SdpMedia> media() const { return media_; }
  std::span<const SdpLine> session_lines() const;
  std::span<const SdpLine> lines(const SdpMedia& media) const;
  const SdpLine& m_line(const SdpMedia& media) const { return lines_[media.first_line]; }
  std::uint32_t offset(std::string_view part) const { return static_cast<std::uint32_t>(part.data() - text_.data()); }

 private:
  friend Verdict parse_sdp(std::string_view text, Sdp& out);
  std::string_view text_;
  std::vector<SdpLine> lines_;
  std::vector<SdpMedia> media_;
};

// 413 above 64 KiB; 488 for more than 64 m= lines or 4,096 lines; 400 for a malformed m= line or text that is not SDP
// at all.
Verdict parse_sdp(std::string_view text, Sdp& out);

// First a=name line among those lines; nullptr if none. Attribute names are case-sensitive (RFC 8866 5.13).
const SdpLine* find_attribute(std::span<const SdpLine> lines, std::string_view name);
const SdpLine* find_line(std::span<const SdpLine> lines, char type);
// The media's own value, else the session's.
const SdpLine* effective_attribute(const Sdp& sdp, const SdpMedia& media, std::string_view name);
std::optional<SdpConnection> connection(const Sdp& sdp, const SdpMedia& media);
std::optional<SdpConnection> session_connection(const Sdp& sdp);
Direction direction(const Sdp& sdp, const SdpMedia& media);
std::string_view direction_text(Direction direction);
// Hold by direction, or by the address 0.0.0.0 of RFC 2543.
bool is_held(const Sdp& sdp, const SdpMedia& media);
bool is_srtp(const SdpMedia& media);  // RTP/SAVP, RTP/SAVPF and their DTLS forms
bool is_rtp(const SdpMedia& media);   // any RTP/... or .../RTP/... profile
bool has_rtcp_mux(const Sdp& sdp, const SdpMedia& media);

struct SdpRtcp {  // a=rtcp:port [IN IP4 address] (RFC 3605)
  std::uint16_t port = 0;
  std::string_view address;  // "" if not given
};
std::optional<SdpRtcp> rtcp(const Sdp& sdp, const SdpMedia& media);
// a=rtpmap clock rate, or that of the static payload type (RFC 3551); nullopt if unknown.
std::optional<std::uint32_t> clock_rate_hz(const Sdp& sdp, const SdpMedia& media, std::uint8_t payload_type);
// Payload types of m=, in order of preference; at most out.size() are written. Returns how many.
std::size_t payload_types(const SdpMedia& media, std::span<std::uint8_t> out);
std::optional<std::uint32_t> ptime_ms(const Sdp& sdp, const SdpMedia& media);
std::string_view mid(const Sdp& sdp, const SdpMedia& media);

struct SdpCandidate {  // RFC 8839 5.1
  std::string_view foundation, transport, address, type;
  std::string_view related_address;  // raddr, "" if none
  std::uint32_t component = 0, priority = 0;
  std::uint16_t port = 0, related_port = 0;
};
std::optional<SdpCandidate> parse_candidate(const SdpLine& line);

struct SdpCrypto {  // a=crypto:tag suite key-params [session-params] (RFC 4568 9.1), keys unread
  std::uint32_t tag = 0;
  std::string_view suite;
  std::string_view unread;  // key-params and session-params
};
std::optional<SdpCrypto> parse_crypto(const SdpLine& line);

}  // namespace sallyport::sip
