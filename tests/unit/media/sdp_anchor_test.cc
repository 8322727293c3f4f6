// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/sdp_anchor.h"

#include <gtest/gtest.h>

namespace sallyport::media {
namespace {

std::string anchored(const std::string& text, const LineTarget& target) {
  sip::Sdp sdp;
  EXPECT_TRUE(sip::parse_sdp(text, sdp).ok());
  sip::SdpEdit edit(sdp);
  anchor_session(edit, sdp, target.address);
  for (const auto& media : sdp.media()) anchor_line(edit, sdp, media, target);
  return edit.serialise();
}

const LineTarget target{"192.0.2.10", 36000, 36001, RtcpMux::keep, {}};

TEST(SdpAnchor, UnknownLinesStayInOrderAndOnlyAddressesChange) {
  EXPECT_EQ(anchored("v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\nc=IN IP4 10.0.0.5\r\nb=AS:64\r\nt=0 0\r\nz=odd\r\na=tool:y\r\n"
                     "m=audio 4000 RTP/SAVP 0 8\r\ni=title\r\na=rtpmap:0 PCMU/8000\r\na=x-new:1\r\na=sendrecv\r\n",
                     target),
            "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=x\r\nc=IN IP4 192.0.2.10\r\nb=AS:64\r\nt=0 0\r\nz=odd\r\na=tool:y\r\n"
            "m=audio 36000 RTP/SAVP 0 8\r\ni=title\r\na=rtpmap:0 PCMU/8000\r\na=x-new:1\r\na=sendrecv\r\na=rtcp:36001\r\n");
}

TEST(SdpAnchor, IceBundleAndOurOwnAttributeGo) {
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 10.0.0.5\r\na=ice-ufrag:u\r\na=ice-lite\r\na=group:BUNDLE 0\r\na=group:LS 0\r\na=x-sallyport-mux:00000004\r\n"
                     "m=audio 4000 RTP/SAVP 0\r\na=ice-pwd:p\r\na=candidate:1 1 UDP 1 10.0.0.5 4000 typ host\r\n"
                     "a=end-of-candidates\r\na=x-sallyport-mux:00000008\r\na=rtcp:4001 IN IP4 10.0.0.5\r\n",
                     target),
            "v=0\r\nc=IN IP4 192.0.2.10\r\na=group:LS 0\r\nm=audio 36000 RTP/SAVP 0\r\na=rtcp:36001\r\n");
}

TEST(SdpAnchor, OwnConnectionLinesAreReplacedAndHoldByZerosStays) {
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 10.0.0.5\r\nm=audio 4000 RTP/SAVP 0\r\nc=IN IP4 10.0.0.6\r\na=rtcp:9\r\n"
                     "m=video 4002 RTP/SAVP 31\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9\r\n",
                     target),
            "v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 36000 RTP/SAVP 0\r\nc=IN IP4 192.0.2.10\r\na=rtcp:36001\r\n"
            "m=video 36000 RTP/SAVP 31\r\nc=IN IP4 0.0.0.0\r\na=rtcp:36001\r\n");
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/SAVP 0\r\na=rtcp:9\r\n", target),
            "v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 36000 RTP/SAVP 0\r\na=rtcp:36001\r\n");
}

TEST(SdpAnchor, AddressFamilyFollowsOurAddress) {
  LineTarget six = target;
  six.address = "2001:db8::1";
  EXPECT_EQ(anchored("v=0\r\nm=audio 4000 RTP/SAVP 0\r\na=rtcp:9\r\n", six),
            "v=0\r\nm=audio 36000 RTP/SAVP 0\r\nc=IN IP6 2001:db8::1\r\na=rtcp:36001\r\n");
}

TEST(SdpAnchor, RtcpMuxIsAddedOrRemovedWithItsFallbackPort) {
  LineTarget mux = target;
  mux.rtcp_mux = RtcpMux::add;
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 4 RTP/SAVP 0\r\na=rtcp:5\r\n", mux),
            "v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 36000 RTP/SAVP 0\r\na=rtcp-mux\r\n");
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 4 RTP/SAVP 0\r\na=rtcp-mux\r\na=rtcp-mux-only\r\n", mux),
            "v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 36000 RTP/SAVP 0\r\na=rtcp-mux\r\n");
  mux.rtcp_mux = RtcpMux::remove;
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 4 RTP/SAVP 0\r\na=rtcp-mux\r\n", mux),
            "v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 36000 RTP/SAVP 0\r\na=rtcp:36001\r\n");
}

TEST(SdpAnchor, PortRangeBecomesOnePortAndProtocolChangesInPlace) {
  LineTarget secured = target;
  secured.protocol = "RTP/SAVP";
  EXPECT_EQ(anchored("v=0\r\nc=IN IP4 1.1.1.1\r\nm=audio 4000/2 RTP/AVP 0 8\r\na=rtcp:5\r\n", secured),
            "v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 36000 RTP/SAVP 0 8\r\na=rtcp:36001\r\n");
}

TEST(SdpAnchor, MultiplexIdNeedsEightHexDigitsAndFreeLowBits) {
  const std::pair<const char*, std::optional<uint32_t>> rows[] = {
      {"a=x-sallyport-mux:0000000c", 12},      {"a=x-sallyport-mux:FFFFFFFC", 0xfffffffc},
      {"a=x-sallyport-mux:0000000d", {}},      {"a=x-sallyport-mux:c", {}},
      {"a=x-sallyport-mux:0000000c ", {}},     {"a=x-sallyport-mux:-000000c", {}},
      {"a=x-sallyport-mux", {}},               {"a=x-sallyport-muxx:0000000c", {}},
  };
  for (const auto& [line, expected] : rows) {
    const std::string text = std::string("v=0\r\nm=audio 4 RTP/SAVP 0\r\n") + line + "\r\n";
    sip::Sdp sdp;
    ASSERT_TRUE(sip::parse_sdp(text, sdp).ok());
    EXPECT_EQ(multiplex_id(sdp, sdp.media()[0]), expected) << line;
  }
  EXPECT_EQ(multiplex_line(0xfffffffc), "a=x-sallyport-mux:fffffffc");
  EXPECT_EQ(multiplex_line(12), "a=x-sallyport-mux:0000000c");
}

TEST(SdpAnchor, FaceAddressesComeFromConnectionPortAndRtcpLine) {
  sip::Sdp sdp;
  const std::string text = "v=0\r\nc=IN IP4 10.0.0.5\r\nm=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/AVP 0\r\na=rtcp:53020\r\n"
                           "m=audio 4004 RTP/AVP 0\r\na=rtcp:9 IN IP4 10.0.0.9\r\nm=audio 4006 RTP/AVP 0\r\nc=IN IP4 host.example\r\n";
  ASSERT_TRUE(sip::parse_sdp(text, sdp).ok());
  EXPECT_EQ(face_addresses(sdp, sdp.media()[0]).rtcp, *parse_address("10.0.0.5", 4001));
  EXPECT_EQ(face_addresses(sdp, sdp.media()[1]).rtcp, *parse_address("10.0.0.5", 53020));
  EXPECT_EQ(face_addresses(sdp, sdp.media()[2]).rtcp, *parse_address("10.0.0.9", 9));
  EXPECT_FALSE(face_addresses(sdp, sdp.media()[3]).is_numeric);
}

}  // namespace
}  // namespace sallyport::media
