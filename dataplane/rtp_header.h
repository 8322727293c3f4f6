// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a datagram on a media port is (RFC 7983, RFC 5761), and the bounds of an RTP or RTCP header (RFC 3550).
// Reads only within the span given; owns nothing; any lcore; hostile input gives unknown or false, never more.

#include <cstddef>
#include <cstdint>
#include <span>

namespace sallyport::dataplane {

inline constexpr size_t kRtpFixedHeaderBytes = 12;
inline constexpr size_t kRtcpFixedHeaderBytes = 8;

enum class MediaProtocol : uint8_t { unknown, stun, zrtp, dtls, turn_channel, rtp, rtcp };

// By the first byte (RFC 7983 7), RTP and RTCP by the second (RFC 5761 4). Looks no deeper: parse before use.
MediaProtocol classify_datagram(std::span<const uint8_t> datagram);

struct RtpHeader {
  uint32_t ssrc;
  uint32_t timestamp;
  uint16_t sequence;
  uint16_t header_length_bytes;  // with CSRCs and extension: where the payload begins
  uint8_t payload_type;
  bool has_marker;
  bool has_padding;
  bool has_extension;
};

// False when the version is not 2 or CSRCs and extension do not fit. Padding is not looked at: in SRTP it is enciphered.
bool parse_rtp_header(std::span<const uint8_t> packet, RtpHeader& header);

// For packets in clear: the payload's length without padding, or false when the padding count is 0 or too large.
bool measure_rtp_payload(std::span<const uint8_t> packet, const RtpHeader& header, size_t& payload_length_bytes);

struct RtcpHeader {
  uint32_t sender_ssrc;
  uint16_t first_packet_length_bytes;  // of the first packet of the compound, as it claims
  uint8_t packet_type;
};

// False when the version is not 2 or the fixed header does not fit. In SRTCP only these eight bytes are in clear.
bool parse_rtcp_header(std::span<const uint8_t> packet, RtcpHeader& header);

// For packets in clear: every packet of the compound lies within the datagram, and the last one ends with it.
bool is_whole_rtcp_compound(std::span<const uint8_t> packet);

}  // namespace sallyport::dataplane
