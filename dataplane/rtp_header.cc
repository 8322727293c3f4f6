// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtp_header.h"

#include "dataplane/rtp_bytes.h"

namespace sallyport::dataplane {
namespace {

constexpr uint8_t kVersion2 = 2;

bool is_version_2(const uint8_t* packet) { return packet[0] >> 6 == kVersion2; }

// RFC 5761 4: RTP payload types 64 to 95 are given up so that these second bytes mean RTCP.
bool is_rtcp_type(uint8_t second_byte) { return second_byte >= 192 && second_byte <= 223; }

}  // namespace

MediaProtocol classify_datagram(std::span<const uint8_t> datagram) {
  if (datagram.size() < 2) return MediaProtocol::unknown;
  const uint8_t first = datagram[0];
  if (first <= 3) return MediaProtocol::stun;
  if (first >= 16 && first <= 19) return MediaProtocol::zrtp;
  if (first >= 20 && first <= 63) return MediaProtocol::dtls;
  if (first >= 64 && first <= 79) return MediaProtocol::turn_channel;
  if (first >= 128 && first <= 191) return is_rtcp_type(datagram[1]) ? MediaProtocol::rtcp : MediaProtocol::rtp;
  return MediaProtocol::unknown;
}

bool parse_rtp_header(std::span<const uint8_t> packet, RtpHeader& header) {
  if (packet.size() < kRtpFixedHeaderBytes || !is_version_2(packet.data())) return false;
  const uint8_t* bytes = packet.data();
  header.has_padding = bytes[0] & 0x20;
  header.has_extension = bytes[0] & 0x10;
  header.has_marker = bytes[1] & 0x80;
  header.payload_type = bytes[1] & 0x7f;
  header.sequence = load_be16(bytes + 2);
  header.timestamp = load_be32(bytes + 4);
  header.ssrc = load_be32(bytes + 8);

  size_t length = kRtpFixedHeaderBytes + 4u * (bytes[0] & 0x0f);
  if (header.has_extension) {
    // RFC 3550 5.3.1: 16 bits of profile, then the number of 32-bit words that follow.
    if (length + 4 > packet.size()) return false;
    length += 4 + 4u * load_be16(bytes + length + 2);
  }
  // The largest header is 12 + 60 + 4 + 262,140 bytes; no datagram holds it, so 16 bits do for those that fit.
  if (length > packet.size() || length > UINT16_MAX) return false;
  header.header_length_bytes = static_cast<uint16_t>(length);
  return true;
}

bool measure_rtp_payload(std::span<const uint8_t> packet, const RtpHeader& header, size_t& payload_length_bytes) {
  if (header.header_length_bytes > packet.size()) return false;
  size_t length = packet.size() - header.header_length_bytes;
  if (header.has_padding) {
    const size_t padding = length == 0 ? 0 : packet.back();
    if (padding == 0 || padding > length) return false;
    length -= padding;
  }
  payload_length_bytes = length;
  return true;
}

bool parse_rtcp_header(std::span<const uint8_t> packet, RtcpHeader& header) {
  if (packet.size() < kRtcpFixedHeaderBytes || !is_version_2(packet.data())) return false;
  const uint32_t length = 4u * (load_be16(packet.data() + 2) + 1u);
  header.packet_type = packet[1];
  header.first_packet_length_bytes = static_cast<uint16_t>(length > UINT16_MAX ? UINT16_MAX : length);
  header.sender_ssrc = load_be32(packet.data() + 4);
  return true;
}

bool is_whole_rtcp_compound(std::span<const uint8_t> packet) {
  if (packet.empty()) return false;
  while (!packet.empty()) {
    if (packet.size() < 4 || !is_version_2(packet.data())) return false;
    const size_t length = 4u * (load_be16(packet.data() + 2) + 1u);
    if (length > packet.size()) return false;
    packet = packet.subspan(length);
  }
  return true;
}

}  // namespace sallyport::dataplane
