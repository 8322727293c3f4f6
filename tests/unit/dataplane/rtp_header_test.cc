// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtp_header.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <vector>

namespace sallyport::dataplane {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes rtp_packet(size_t payload_length_bytes = 0) {
  constexpr uint8_t kHeader[] = {0x80, 0x08, 0x12, 0x34, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef};
  Bytes packet(sizeof kHeader + payload_length_bytes, 0x55);
  std::copy(std::begin(kHeader), std::end(kHeader), packet.begin());
  return packet;
}

TEST(RtpHeader, FirstByteTellsTheProtocolAsRfc7983Says) {
  const struct {
    int from, to;
    MediaProtocol protocol;
  } rows[] = {
      {0, 3, MediaProtocol::stun},         {4, 15, MediaProtocol::unknown},   {16, 19, MediaProtocol::zrtp},
      {20, 63, MediaProtocol::dtls},       {64, 79, MediaProtocol::turn_channel},
      {80, 127, MediaProtocol::unknown},   {128, 191, MediaProtocol::rtp},    {192, 255, MediaProtocol::unknown},
  };
  int next = 0;
  for (const auto& row : rows) {
    EXPECT_EQ(row.from, next);
    for (int first = row.from; first <= row.to; ++first) {
      const uint8_t bytes[] = {static_cast<uint8_t>(first), 0};
      EXPECT_EQ(classify_datagram(bytes), row.protocol) << first;
    }
    next = row.to + 1;
  }
  EXPECT_EQ(next, 256);
}

TEST(RtpHeader, SecondByteFrom192To223MeansRtcp) {
  for (int second = 0; second < 256; ++second) {
    const uint8_t bytes[] = {0x80, static_cast<uint8_t>(second)};
    const bool is_rtcp = second >= 192 && second <= 223;
    EXPECT_EQ(classify_datagram(bytes), is_rtcp ? MediaProtocol::rtcp : MediaProtocol::rtp) << second;
  }
}

TEST(RtpHeader, ADatagramOfLessThanTwoBytesIsUnknown) {
  const uint8_t byte = 0x80;
  EXPECT_EQ(classify_datagram({}), MediaProtocol::unknown);
  EXPECT_EQ(classify_datagram({&byte, 1}), MediaProtocol::unknown);
}

TEST(RtpHeader, FieldsAreReadInNetworkOrder) {
  Bytes packet = rtp_packet(20);
  packet[1] |= 0x80;
  RtpHeader header;
  ASSERT_TRUE(parse_rtp_header(packet, header));
  EXPECT_EQ(header.payload_type, 8);
  EXPECT_TRUE(header.has_marker);
  EXPECT_EQ(header.sequence, 0x1234);
  EXPECT_EQ(header.timestamp, 160u);
  EXPECT_EQ(header.ssrc, 0xdeadbeefu);
  EXPECT_EQ(header.header_length_bytes, 12);
  EXPECT_FALSE(header.has_padding);
  EXPECT_FALSE(header.has_extension);
}

TEST(RtpHeader, EveryLengthShortOfTheHeaderIsRefused) {
  // 15 CSRCs and an extension of 3 words: 12 + 60 + 4 + 12.
  Bytes packet = rtp_packet(76);
  packet[0] = 0x80 | 0x10 | 15;
  packet[72] = 0xbe;
  packet[73] = 0xde;
  packet[74] = 0;
  packet[75] = 3;
  RtpHeader header;
  for (size_t length = 0; length < packet.size(); ++length) {
    const Bytes cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_FALSE(parse_rtp_header(cut, header)) << length;
  }
  ASSERT_TRUE(parse_rtp_header(packet, header));
  EXPECT_EQ(header.header_length_bytes, 88);
}

TEST(RtpHeader, OtherVersionsAreRefused) {
  RtpHeader rtp;
  RtcpHeader rtcp;
  for (const uint8_t version : {0, 1, 3}) {
    Bytes packet = rtp_packet(8);
    packet[0] = static_cast<uint8_t>(version << 6);
    EXPECT_FALSE(parse_rtp_header(packet, rtp)) << int{version};
    EXPECT_FALSE(parse_rtcp_header(packet, rtcp)) << int{version};
  }
}

TEST(RtpHeader, AnExtensionLongerThanThePacketIsRefused) {
  Bytes packet = rtp_packet(8);
  packet[0] |= 0x10;
  packet[14] = 0xff;
  packet[15] = 0xff;
  RtpHeader header;
  EXPECT_FALSE(parse_rtp_header(packet, header));
}

TEST(RtpHeader, PaddingIsTakenOffThePayload) {
  Bytes packet = rtp_packet(20);
  packet[0] |= 0x20;
  RtpHeader header;
  ASSERT_TRUE(parse_rtp_header(packet, header));
  const struct {
    uint8_t count;
    bool is_right;
    size_t payload_length_bytes;
  } rows[] = {{0, false, 0}, {1, true, 19}, {20, true, 0}, {21, false, 0}, {255, false, 0}};
  for (const auto& row : rows) {
    packet.back() = row.count;
    size_t length = 0;
    EXPECT_EQ(measure_rtp_payload(packet, header, length), row.is_right) << int{row.count};
    if (row.is_right) {
      EXPECT_EQ(length, row.payload_length_bytes);
    }
  }
}

TEST(RtpHeader, PaddingWithoutAPayloadIsRefused) {
  Bytes packet = rtp_packet();
  packet[0] |= 0x20;
  RtpHeader header;
  ASSERT_TRUE(parse_rtp_header(packet, header));
  size_t length = 0;
  EXPECT_FALSE(measure_rtp_payload(packet, header, length));
}

TEST(RtcpHeader, CompoundsMustEndWithTheDatagram) {
  // A receiver report of 8 bytes and a goodbye of 8.
  const Bytes whole{0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 203, 0, 1, 1, 2, 3, 4};
  RtcpHeader header;
  ASSERT_TRUE(parse_rtcp_header(whole, header));
  EXPECT_EQ(header.packet_type, 201);
  EXPECT_EQ(header.sender_ssrc, 0x01020304u);
  EXPECT_EQ(header.first_packet_length_bytes, 8);
  EXPECT_TRUE(is_whole_rtcp_compound(whole));
  for (size_t length = 0; length < whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_EQ(is_whole_rtcp_compound(cut), length == 8) << length;
  }
  Bytes wrong = whole;
  wrong[8] = 0x41;
  EXPECT_FALSE(is_whole_rtcp_compound(wrong));
}

}  // namespace
}  // namespace sallyport::dataplane
