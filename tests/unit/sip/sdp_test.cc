// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/sdp.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "controlplane/sip/sdp_edit.h"

namespace sallyport::sip {
namespace {

const std::string offer =
    "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=sendonly\r\n"
    "m=audio 49170/2 RTP/SAVP 96 0 101 127\r\na=rtpmap:96 opus/48000/2\r\na=mid:0\r\na=ptime:20\r\na=rtcp:53020 IN IP4 "
    "126.16.64.4\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4 WSH=64\r\n"
    "a=candidate:1 1 UDP 2130706431 10.0.0.5 49170 typ host\r\n"
    "a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.0.5 rport 49170 generation 0\r\n"
    "m=video 0 UDP/TLS/RTP/SAVPF 97\r\ni=camera\r\nc=IN IP6 2001:db8::5/1\r\na=rtcp-mux\r\na=inactive\r\n"
    "z-unknown line\r\nk=clear:none\r\n"
    "m=application 9 TCP/DTLS/BFCP *\r\n";

Sdp parsed(std::string_view text) {
  Sdp sdp;
  EXPECT_TRUE(parse_sdp(text, sdp)) << text;
  return sdp;
}

TEST(Sdp, SectionsAndMediaLinesAreCutWithoutLoss) {
  const Sdp sdp = parsed(offer);
  ASSERT_EQ(sdp.media().size(), 3u);
  EXPECT_EQ(sdp.session_lines().size(), 7u);
  std::string joined;
  for (const SdpLine& line : sdp.lines()) joined += offer.substr(line.begin, line.end - line.begin);
  EXPECT_EQ(joined, offer);
  const SdpMedia& audio = sdp.media()[0];
  EXPECT_EQ(audio.kind, "audio");
  EXPECT_EQ(audio.port, 49170);
  EXPECT_EQ(audio.port_text, "49170/2");
  EXPECT_EQ(audio.port_count, 2);
  EXPECT_EQ(audio.protocol, "RTP/SAVP");
  EXPECT_EQ(audio.formats, "96 0 101 127");
  EXPECT_EQ(sdp.media()[2].kind, "application");
  EXPECT_EQ(sdp.lines(sdp.media()[1]).size(), 7u);
}

TEST(Sdp, MediaLevelOverridesSessionLevel) {
  const Sdp sdp = parsed(offer);
  const SdpMedia &audio = sdp.media()[0], &video = sdp.media()[1], &bfcp = sdp.media()[2];
  EXPECT_EQ(connection(sdp, audio)->address, "10.0.0.5");
  EXPECT_EQ(connection(sdp, video)->address, "2001:db8::5");
  EXPECT_TRUE(connection(sdp, video)->is_ipv6);
  EXPECT_EQ(direction(sdp, audio), Direction::sendonly);
  EXPECT_EQ(direction(sdp, video), Direction::inactive);
  EXPECT_TRUE(is_held(sdp, audio));
  EXPECT_TRUE(is_srtp(audio));
  EXPECT_TRUE(is_srtp(video));
  EXPECT_TRUE(is_rtp(video));
  EXPECT_FALSE(is_rtp(bfcp));
  EXPECT_FALSE(has_rtcp_mux(sdp, audio));
  EXPECT_TRUE(has_rtcp_mux(sdp, video));
  EXPECT_EQ(find_attribute(sdp.session_lines(), "group")->content, "BUNDLE 0 1");
}

TEST(Sdp, AttributesAreRead) {
  const Sdp sdp = parsed(offer);
  const SdpMedia& audio = sdp.media()[0];
  EXPECT_EQ(rtcp(sdp, audio)->port, 53020);
  EXPECT_EQ(rtcp(sdp, audio)->address, "126.16.64.4");
  EXPECT_EQ(clock_rate_hz(sdp, audio, 96), 48000u);
  EXPECT_EQ(clock_rate_hz(sdp, audio, 0), 8000u);
  EXPECT_FALSE(clock_rate_hz(sdp, audio, 101));
  EXPECT_EQ(ptime_ms(sdp, audio), 20u);
  EXPECT_EQ(mid(sdp, audio), "0");
  std::uint8_t types[3];
  ASSERT_EQ(payload_types(audio, types), 3u);
  EXPECT_EQ(types[2], 101);
  std::vector<SdpCandidate> candidates;
  for (const SdpLine& line : sdp.lines(audio)) {
    if (const auto candidate = parse_candidate(line)) candidates.push_back(*candidate);
  }
  ASSERT_EQ(candidates.size(), 2u);
  EXPECT_EQ(candidates[0].type, "host");
  EXPECT_EQ(candidates[1].port, 45664);
  EXPECT_EQ(candidates[1].related_address, "10.0.0.5");
  EXPECT_EQ(candidates[1].related_port, 49170);
}

TEST(Sdp, CryptoLineShowsTagAndSuiteAndLeavesTheKeyUnread) {
  const Sdp sdp = parsed(offer);
  const auto crypto = parse_crypto(*find_attribute(sdp.lines(sdp.media()[0]), "crypto"));
  ASSERT_TRUE(crypto);
  EXPECT_EQ(crypto->tag, 1u);
  EXPECT_EQ(crypto->suite, "AES_CM_128_HMAC_SHA1_80");
  EXPECT_TRUE(crypto->unread.starts_with("inline:"));
}

TEST(Sdp, HoldByZeroAddressIsSeen) {
  EXPECT_TRUE(is_held(parsed("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1 RTP/AVP 0\r\n"),
                      parsed("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 1 RTP/AVP 0\r\n").media()[0]));
  const Sdp active = parsed("v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\n");
  EXPECT_FALSE(is_held(active, active.media()[0]));
  EXPECT_EQ(direction(active, active.media()[0]), Direction::sendrecv);
}

TEST(Sdp, BareLineFeedsAndAMissingLastLineEndAreTaken) {
  const Sdp sdp = parsed("v=0\ns=-\nm=audio 4 RTP/AVP 0\na=x");
  ASSERT_EQ(sdp.lines().size(), 4u);
  EXPECT_EQ(sdp.lines()[3].name, "x");
}

TEST(Sdp, HostileDescriptionsAreRefused) {
  Sdp sdp;
  EXPECT_EQ(parse_sdp("v=0\r\n" + std::string(64 << 10, 'a'), sdp).status, 413);
  std::string many = "v=0\r\n";
  for (int i = 0; i < 64; ++i) many += "m=audio 4 RTP/AVP 0\r\n";
  EXPECT_TRUE(parse_sdp(many, sdp));
  EXPECT_EQ(parse_sdp(many + "m=audio 4 RTP/AVP 0\r\n", sdp).status, 488);
  std::string lines;
  for (int i = 0; i < 4097; ++i) lines += "a=x\n";
  EXPECT_EQ(parse_sdp(lines, sdp).status, 488);
  for (const char* text : {"", "hello", "\r\n", "m=", "m=audio", "m=audio x RTP/AVP 0", "m=audio 70000 RTP/AVP 0",
                           "m=audio 4", "m=audio 4/0 RTP/AVP 0", "m=audio -4 RTP/AVP 0"}) {
    EXPECT_EQ(parse_sdp(text, sdp).status, 400) << text;
  }
  EXPECT_EQ(parse_sdp(std::string_view("v=0\0\r\n", 6), sdp).status, 400);
}

TEST(Sdp, MalformedAttributesYieldNothing) {
  for (const char* content : {"crypto:", "crypto:x A inline:k", "crypto:1 A", "crypto:1234567890 A inline:k",
                              "crypto:1", "candidate:1 1 UDP 1 10.0.0.1 70000 typ host",
                              "candidate:1 1 UDP 1 10.0.0.1 7 host", "candidate:1 1 UDP 1 10.0.0.1 7 typ"}) {
    const std::string text = std::string("v=0\r\na=") + content + "\r\n";
    const Sdp sdp = parsed(text);
    EXPECT_FALSE(parse_crypto(sdp.lines()[1])) << content;
    EXPECT_FALSE(parse_candidate(sdp.lines()[1])) << content;
  }
}

TEST(SdpEdit, AnchoringRewritesAddressesAndPortsAndNothingElse) {
  const Sdp sdp = parsed(offer);
  SdpEdit edit(sdp);
  EXPECT_EQ(edit.serialise(), offer);
  edit.set_session_connection("198.51.100.1");
  edit.set_port(sdp.media()[0], 36002);
  edit.replace(*find_attribute(sdp.lines(sdp.media()[0]), "rtcp"), {"a=rtcp:", "36003"});
  edit.remove_attributes(sdp.media()[0], "candidate");
  edit.append(sdp.media()[0], "a=x-one");
  edit.append(sdp.media()[0], "a=x-two");
  edit.set_connection(sdp.media()[1], "2001:db8::99");
  edit.append_session("a=ice-lite");
  std::string expected = offer;
  const auto swap = [&](const std::string& from, const std::string& to) {
    ASSERT_NE(expected.find(from), std::string::npos) << from;
    expected.replace(expected.find(from), from.size(), to);
  };
  swap("c=IN IP4 10.0.0.5\r\n", "c=IN IP4 198.51.100.1\r\n");
  swap("49170/2", "36002");
  swap("a=rtcp:53020 IN IP4 126.16.64.4", "a=rtcp:36003");
  swap("a=candidate:1 1 UDP 2130706431 10.0.0.5 49170 typ host\r\n", "");
  swap("a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 10.0.0.5 rport 49170 generation 0\r\n", "");
  swap("m=video", "a=x-one\r\na=x-two\r\nm=video");
  swap("c=IN IP6 2001:db8::5/1", "c=IN IP6 2001:db8::99");
  swap("a=sendonly\r\n", "a=sendonly\r\na=ice-lite\r\n");
  EXPECT_EQ(edit.serialise(), expected);
}

TEST(SdpEdit, MediaWithoutConnectionGetsOneBehindItsTitle) {
  const std::string text = "v=0\r\nm=audio 4 RTP/AVP 0\r\ni=title\r\na=x\r\nm=video 6 RTP/AVP 31\r\na=y\r\n";
  const Sdp sdp = parsed(text);
  SdpEdit edit(sdp);
  edit.set_connection(sdp.media()[0], "192.0.2.1");
  edit.set_connection(sdp.media()[1], "192.0.2.2");
  edit.set_session_connection("192.0.2.3");
  EXPECT_EQ(edit.serialise(),
            "v=0\r\nm=audio 4 RTP/AVP 0\r\ni=title\r\nc=IN IP4 192.0.2.1\r\na=x\r\nm=video 6 RTP/AVP 31\r\nc=IN IP4 "
            "192.0.2.2\r\na=y\r\n");
}

TEST(SdpEdit, EveryConnectionLineOfAMediaSectionGoes) {
  const std::string text = "v=0\r\nm=audio 4 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\nc=IN IP4 224.2.1.2/127\r\n";
  const Sdp sdp = parsed(text);
  SdpEdit edit(sdp);
  edit.set_connection(sdp.media()[0], "192.0.2.1");
  EXPECT_EQ(edit.serialise(), "v=0\r\nm=audio 4 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n");
}

TEST(SdpEdit, LineIsAppendedCleanlyBehindOneWithoutLineEnd) {
  const Sdp sdp = parsed("v=0\r\nm=audio 4 RTP/AVP 0");
  SdpEdit edit(sdp);
  edit.append(sdp.media()[0], "a=x");
  const std::string out = edit.serialise();
  const Sdp after = parsed(out);
  ASSERT_EQ(after.lines().size(), 3u);
  EXPECT_EQ(after.lines()[2].value, "x");
  EXPECT_EQ(after.media()[0].formats, "0");
}

}  // namespace
}  // namespace sallyport::sip
