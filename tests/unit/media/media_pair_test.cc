// SPDX-License-Identifier: Apache-2.0
// Calls through both nodes: what a client says goes through E and C to call control and back, and the flows of both must fit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "controlplane/media/stream_keys.h"
#include "tests/unit/media/media_node.h"

namespace sallyport::media {
namespace {

using sip::CryptoSuite;

const std::string client_key(40, 'C');
const std::string client_gcm = std::string(58, 'G') + "A=";  // 44 bytes

std::string session_lines(const std::string& address) {
  const std::string family = address.find(':') == std::string::npos ? "IP4 " : "IP6 ";
  return "v=0\r\no=- 1 1 IN " + family + address + "\r\ns=-\r\nc=IN " + family + address + "\r\nt=0 0\r\n";
}

std::string client_audio(uint16_t port = 4000, const std::string& extra = "") {
  return "m=audio " + std::to_string(port) + " RTP/SAVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
         "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n" + extra;
}

std::string client_offer(const std::string& extra = "") {
  return session_lines("203.0.113.5") + client_audio(4000, extra);
}

std::string phone_sdp(const std::string& address = "10.20.0.77", uint16_t port = 7000, const std::string& extra = "") {
  return session_lines(address) + "m=audio " + std::to_string(port) + " RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n" + extra;
}

// The key of a description's first crypto line, as the dataplane would be told it.
abi::KeyMaterial told_key(const std::string& text, size_t line = 0) {
  sip::Sdp sdp;
  EXPECT_TRUE(sip::parse_sdp(text, sdp).ok());
  const TaggedKey key = select_offered(sdp.lines(sdp.media()[line]), {sip::crypto_suites.begin(), sip::crypto_suites.end()});
  EXPECT_TRUE(key.key);
  return key.key ? key_material(*key.key) : abi::KeyMaterial{};
}

std::string value_of(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  return at == std::string::npos ? "" : text.substr(at + name.size(), text.find('\r', at) - at - name.size());
}

bool same(const abi::KeyMaterial& a, const abi::KeyMaterial& b) { return std::memcmp(&a, &b, sizeof a) == 0; }
bool is_empty(const abi::KeyMaterial& key) { return same(key, abi::KeyMaterial{}); }

// What must hold for each stream of a call on both nodes.
void expect_joined(MediaPair& pair, uint32_t line) {
  for (const bool rtcp : {false, true}) {
    const FlowRole up = rtcp ? FlowRole::up_rtcp : FlowRole::up_rtp, down = rtcp ? FlowRole::down_rtcp : FlowRole::down_rtp;
    const abi::FlowSpec e_up = pair.e.spec(*pair.e_call, line, up), e_down = pair.e.spec(*pair.e_call, line, down);
    const abi::FlowSpec c_up = pair.c.spec(*pair.c_call, line, up), c_down = pair.c.spec(*pair.c_call, line, down);
    ASSERT_NE(e_up.generation, 0u);
    ASSERT_NE(c_down.generation, 0u);
    EXPECT_EQ(e_up.egress_multiplex_id, c_down.arrival_multiplex_id);
    EXPECT_EQ(c_up.egress_multiplex_id, e_down.arrival_multiplex_id);
    EXPECT_EQ(e_up.media, rtcp ? abi::Media::rtcp : abi::Media::rtp);
    EXPECT_EQ(c_up.media, e_up.media);
    EXPECT_EQ(e_up.verbs, abi::verb_mux);
    EXPECT_EQ(e_down.verbs, 0);
    EXPECT_EQ(e_up.latch, abi::Latch::confirmed);
    EXPECT_EQ(e_up.local_slot, 0);
    EXPECT_EQ(e_down.egress_slot, 0);
    EXPECT_EQ(e_up.egress_link, e_down.arrival_link);
    EXPECT_NE(c_down.flags & abi::flow_confirms, 0);
    EXPECT_NE(c_down.verbs & abi::verb_open, 0);
    EXPECT_NE(c_up.verbs & abi::verb_seal, 0);
    EXPECT_NE(c_up.verbs & abi::verb_mux, 0);
    for (const abi::FlowSpec& spec : {e_up, e_down}) {
      EXPECT_TRUE(is_empty(spec.open_key));
      EXPECT_TRUE(is_empty(spec.seal_key));
      EXPECT_EQ(spec.flow_index % 2, abi::multiplex_index(e_up.egress_multiplex_id) % 2);
    }
    for (const abi::FlowSpec& spec : {c_up, c_down}) {
      EXPECT_EQ(spec.flow_index % 3, abi::multiplex_index(e_up.egress_multiplex_id) % 3);
    }
  }
}

struct Call : MediaPair {
  using MediaPair::MediaPair;
  // Client calls phone.
  void establish(const std::string& offer = client_offer(), const std::string& answer = phone_sdp()) {
    const SdpResult to_phone = inward({}, offer);
    ASSERT_TRUE(to_phone.ok()) << to_phone.warning;
    told_phone = to_phone.sdp;
    const SdpResult to_client = outward({.from = Side::face, .status = 200, .branch = "callee"}, answer);
    ASSERT_TRUE(to_client.ok()) << to_client.warning;
    told_client = to_client.sdp;
    final_outward(1, "INVITE", "callee", 200);
    settle();
  }
  std::string told_phone, told_client;
};

TEST(MediaPair, ClientCallsPhone) {
  Call call;
  call.establish();
  expect_joined(call, 0);
  const abi::FlowSpec e_up = call.e.spec(*call.e_call, 0, FlowRole::up_rtp);
  const abi::FlowSpec e_down = call.e.spec(*call.e_call, 0, FlowRole::down_rtp);
  const abi::FlowSpec c_up = call.c.spec(*call.c_call, 0, FlowRole::up_rtp);
  const abi::FlowSpec c_down = call.c.spec(*call.c_call, 0, FlowRole::down_rtp);
  // The phone sees plain RTP of C and nothing of the keys or of our attribute.
  EXPECT_EQ(call.told_phone.find("crypto"), std::string::npos);
  EXPECT_EQ(call.told_phone.find("x-sallyport"), std::string::npos);
  EXPECT_EQ(value_of(call.told_phone, "m=audio "), std::to_string(c_up.local_port) + " RTP/AVP 0 101");
  EXPECT_EQ(value_of(call.told_phone, "c=IN "), "IP4 10.20.0.10");
  EXPECT_EQ(value_of(call.told_phone, "a=rtcp:"), std::to_string(c_up.local_port + 1));
  // The client sees SRTP of E, under the tag it offered.
  EXPECT_EQ(value_of(call.told_client, "m=audio "), std::to_string(e_up.local_port) + " RTP/SAVP 0 101");
  EXPECT_EQ(value_of(call.told_client, "c=IN "), "IP4 198.51.100.10");
  EXPECT_EQ(value_of(call.told_client, "a=crypto:").substr(0, 24), "1 AES_CM_128_HMAC_SHA1_8");
  EXPECT_EQ(call.told_client.find("x-sallyport"), std::string::npos);
  // C opens with the client's key and seals with the one the client was told.
  EXPECT_TRUE(same(c_down.open_key, told_key(client_offer())));
  EXPECT_TRUE(same(c_up.seal_key, told_key(call.told_client)));
  EXPECT_FALSE(same(c_up.seal_key, c_down.open_key));
  EXPECT_EQ(c_up.latch, abi::Latch::expected_ip);
  EXPECT_EQ(c_up.expected_source, *parse_address("10.20.0.77", 7000));
  EXPECT_EQ(c_down.destination, *parse_address("10.20.0.77", 7000));
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtcp).destination.port, 7001);
  EXPECT_EQ(e_down.destination_flow, e_up.flow_index);
  EXPECT_EQ(e_down.destination, *parse_address("203.0.113.5", 4000));
}

TEST(MediaPair, PhoneCallsClient) {
  Call call;
  const SdpResult to_client = call.outward({.from = Side::face}, phone_sdp());
  ASSERT_TRUE(to_client.ok()) << to_client.warning;
  EXPECT_EQ(call.e.dataplane->live_count(), 0u);
  // All suites, strongest first, each with a key of its own.
  std::vector<std::string> suites;
  for (size_t at = to_client.sdp.find("a=crypto:"); at != std::string::npos; at = to_client.sdp.find("a=crypto:", at + 1)) {
    const std::string line = to_client.sdp.substr(at, to_client.sdp.find('\r', at) - at);
    suites.push_back(line.substr(9, line.find(" inline") - 9));
  }
  EXPECT_EQ(suites, (std::vector<std::string>{"1 AEAD_AES_256_GCM", "2 AEAD_AES_128_GCM", "3 AES_256_CM_HMAC_SHA1_80",
                                              "4 AES_CM_128_HMAC_SHA1_80", "5 AES_CM_128_HMAC_SHA1_32"}));
  const std::string answer = session_lines("203.0.113.5") + "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AEAD_AES_256_GCM inline:" + client_gcm + "\r\n";
  const SdpResult to_phone = call.inward({.from = Side::face, .status = 200, .branch = "client"}, answer);
  ASSERT_TRUE(to_phone.ok()) << to_phone.warning;
  call.final_inward(1, "INVITE", "client", 200);
  call.settle();
  expect_joined(call, 0);
  EXPECT_EQ(to_phone.sdp.find("crypto"), std::string::npos);
  EXPECT_EQ(value_of(to_phone.sdp, "m=audio "), std::to_string(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).local_port) + " RTP/AVP 0");
  EXPECT_TRUE(same(call.c.spec(*call.c_call, 0, FlowRole::down_rtp).open_key, told_key(answer)));
  EXPECT_TRUE(same(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).seal_key, told_key(to_client.sdp)));
}

TEST(MediaPair, MarkingIsByMediaTypeAndChangesWhileTheCallRuns) {
  Call call;
  const std::string video = "m=video 4002 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n";
  call.establish(client_offer() + video, phone_sdp() + "m=video 7002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
  const auto dscps_of = [](MediaNode& node, const MediaSession& session, uint32_t line) {
    std::vector<int> dscps;
    for (const FlowRole role : {FlowRole::up_rtp, FlowRole::down_rtp, FlowRole::up_rtcp, FlowRole::down_rtcp}) dscps.push_back(node.spec(session, line, role).dscp);
    return dscps;
  };
  EXPECT_EQ(dscps_of(call.e, *call.e_call, 0), (std::vector<int>{46, 46, 46, 46}));
  EXPECT_EQ(dscps_of(call.c, *call.c_call, 1), (std::vector<int>{34, 34, 34, 34})) << "RTCP as its media";
  const abi::KeyMaterial key = call.c.spec(*call.c_call, 0, FlowRole::up_rtp).seal_key;
  call.c.plane->set_marking({.audio = 40, .video = 36, .rtcp = 16});
  call.settle();
  EXPECT_EQ(dscps_of(call.c, *call.c_call, 0), (std::vector<int>{40, 40, 16, 16}));
  EXPECT_EQ(dscps_of(call.c, *call.c_call, 1), (std::vector<int>{36, 36, 16, 16}));
  EXPECT_EQ(dscps_of(call.e, *call.e_call, 0), (std::vector<int>{46, 46, 46, 46}));
  EXPECT_TRUE(same(key, call.c.spec(*call.c_call, 0, FlowRole::up_rtp).seal_key));
  EXPECT_EQ(call.c.dataplane->executed.back().modify_flags, 0) << "nothing of keys or latches is reset";
}

TEST(MediaPair, EdgePassesKeysOnByteForByte) {
  Call call;
  const std::string odd = "a=crypto:7 FUTURE_SUITE inline:weird==|2^20;inline:second UNKNOWN=1\r\n";
  (void)call.inward({}, client_offer(odd));
  EXPECT_NE(call.between.find("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n" + odd), std::string::npos);
}

TEST(MediaPair, StrongestSuiteOfTheOfferIsAnsweredUnderItsTag) {
  Call call;
  call.establish(client_offer("a=crypto:9 AEAD_AES_256_GCM inline:" + client_gcm + "\r\n"));
  EXPECT_EQ(value_of(call.told_client, "a=crypto:").substr(0, 26), "9 AEAD_AES_256_GCM inline:");
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).seal_key.suite, abi::Suite::aead_aes_256_gcm);
}

TEST(MediaPair, Aes256OfferAnsweredWithA128BitKeyFailsCleanly) {
  Call call;
  const SdpResult offer = call.outward({.from = Side::face}, phone_sdp());
  ASSERT_TRUE(offer.ok());
  const std::string answers[] = {
      "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n",   // tag of the 256-bit suite, other suite
      "a=crypto:3 AES_256_CM_HMAC_SHA1_80 inline:" + client_key + "\r\n",   // right name, 128-bit key
      "a=crypto:8 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n"};  // tag never offered
  for (const std::string& crypto : answers) {
    const SdpResult refused = call.inward({.from = Side::face, .status = 200, .branch = "client"},
                                          session_lines("203.0.113.5") + "m=audio 4000 RTP/SAVP 0\r\n" + crypto);
    EXPECT_EQ(refused.status, 488) << crypto;
    EXPECT_TRUE(refused.sdp.empty());
  }
  EXPECT_EQ(call.c.count(MediaCounter::refused_crypto_answer), 3u);
  call.settle();
  EXPECT_EQ(call.c.dataplane->live_count(), 0u);
}

TEST(MediaPair, RtcpMuxIsAgreedWithTheClientWhateverThePhoneSays) {
  Call call;
  call.establish(client_offer("a=rtcp-mux\r\n"));
  EXPECT_NE(call.told_client.find("a=rtcp-mux\r\n"), std::string::npos);
  EXPECT_EQ(call.told_client.find("a=rtcp:"), std::string::npos);
  EXPECT_NE(call.told_phone.find("a=rtcp-mux\r\n"), std::string::npos);
  expect_joined(call, 0);
  const abi::FlowSpec e_up = call.e.spec(*call.e_call, 0, FlowRole::up_rtp);
  const abi::FlowSpec e_down_rtcp = call.e.spec(*call.e_call, 0, FlowRole::down_rtcp);
  EXPECT_NE(e_up.flags & abi::flow_rtcp_mux, 0);
  EXPECT_EQ(e_up.rtcp_flow, call.e.spec(*call.e_call, 0, FlowRole::up_rtcp).flow_index);
  EXPECT_EQ(e_down_rtcp.egress_port, e_up.local_port);
  EXPECT_EQ(e_down_rtcp.destination_flow, e_up.flow_index);
  EXPECT_EQ(e_down_rtcp.destination.port, 4000);
  // The phone did not take it: two ports inside.
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).flags & abi::flow_rtcp_mux, 0);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtcp).destination.port, 7001);
}

TEST(MediaPair, RtcpMuxThatThePhoneTakesIsUsedInsideToo) {
  Call call;
  call.establish(client_offer("a=rtcp-mux\r\n"), phone_sdp("10.20.0.77", 7000, "a=rtcp-mux\r\n"));
  const abi::FlowSpec c_up = call.c.spec(*call.c_call, 0, FlowRole::up_rtp);
  EXPECT_NE(c_up.flags & abi::flow_rtcp_mux, 0);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtcp).egress_port, c_up.local_port);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtcp).destination.port, 7000);
}

TEST(MediaPair, PhoneThatOffersRtcpMuxGetsItThoughTheClientDoesNot) {
  Call call;
  ASSERT_TRUE(call.outward({.from = Side::face}, phone_sdp("10.20.0.77", 7000, "a=rtcp-mux\r\n")).ok());
  const SdpResult answer = call.inward({.from = Side::face, .status = 200, .branch = "c"},
                                       session_lines("203.0.113.5") + "m=audio 4000 RTP/SAVP 0\r\na=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n");
  ASSERT_TRUE(answer.ok()) << answer.warning;
  call.settle();
  EXPECT_NE(answer.sdp.find("a=rtcp-mux"), std::string::npos);
  EXPECT_NE(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).flags & abi::flow_rtcp_mux, 0);
  EXPECT_EQ(call.e.spec(*call.e_call, 0, FlowRole::up_rtp).flags & abi::flow_rtcp_mux, 0);
}

TEST(MediaPair, SrtpInsideIsKeyedAnewOnBothLegs) {
  Call call(true);
  const SdpResult offer = call.inward({}, client_offer());
  ASSERT_TRUE(offer.ok()) << offer.warning;
  EXPECT_NE(offer.sdp.find("RTP/SAVP"), std::string::npos);
  EXPECT_EQ(offer.sdp.find(client_key), std::string::npos);
  const std::string phone_key(40, 'P');
  const SdpResult answer = call.outward({.from = Side::face, .status = 200, .branch = "b"},
                                        session_lines("10.20.0.77") + "m=audio 7000 RTP/SAVP 0\r\na=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" + phone_key + "\r\n");
  ASSERT_TRUE(answer.ok()) << answer.warning;
  EXPECT_EQ(answer.sdp.find(phone_key), std::string::npos);
  call.settle();
  const abi::FlowSpec up = call.c.spec(*call.c_call, 0, FlowRole::up_rtp), down = call.c.spec(*call.c_call, 0, FlowRole::down_rtp);
  EXPECT_EQ(up.verbs, abi::verb_open | abi::verb_seal | abi::verb_mux);
  EXPECT_EQ(down.verbs, abi::verb_open | abi::verb_seal);
  EXPECT_EQ(up.latch, abi::Latch::authenticated);
  EXPECT_TRUE(same(up.seal_key, told_key(answer.sdp)));
  EXPECT_EQ(up.open_key.suite, abi::Suite::aes_cm_128_hmac_sha1_80);
  EXPECT_FALSE(same(up.open_key, up.seal_key));
  EXPECT_FALSE(same(down.open_key, down.seal_key));
  EXPECT_TRUE(same(down.open_key, told_key(client_offer())));
}

TEST(MediaPair, HoldAndResumeKeepPortsIdsAndKeys) {
  Call call;
  call.establish();
  const abi::FlowSpec before = call.c.spec(*call.c_call, 0, FlowRole::up_rtp);
  const size_t commands_e = call.e.dataplane->executed.size(), commands_c = call.c.dataplane->executed.size();
  const std::string held[] = {client_offer("a=sendonly\r\n"), client_offer("a=inactive\r\n"),
                              session_lines("0.0.0.0") + client_audio(), client_offer()};
  uint32_t cseq = 2;
  for (const std::string& offer : held) {
    const SdpResult to_phone = call.inward({.from = Side::face, .cseq = cseq, .branch = "callee"}, offer);
    ASSERT_TRUE(to_phone.ok()) << to_phone.warning;
    EXPECT_EQ(value_of(to_phone.sdp, "m=audio "), value_of(call.told_phone, "m=audio "));
    EXPECT_EQ(to_phone.sdp.find("c=IN IP4 0.0.0.0") == std::string::npos, offer.find("c=IN IP4 0.0.0.0") == std::string::npos);
    const SdpResult to_client = call.outward({.from = Side::face, .status = 200, .cseq = cseq, .branch = "callee"}, phone_sdp("10.20.0.77", 7000, "a=recvonly\r\n"));
    ASSERT_TRUE(to_client.ok()) << to_client.warning;
    EXPECT_EQ(value_of(to_client.sdp, "a=crypto:"), value_of(call.told_client, "a=crypto:"));
    EXPECT_EQ(value_of(to_client.sdp, "m=audio "), value_of(call.told_client, "m=audio "));
    call.final_outward(cseq++, "INVITE", "callee", 200);
  }
  call.settle();
  // Nothing about a flow changed, so no worker was bothered.
  EXPECT_EQ(call.e.dataplane->executed.size(), commands_e);
  EXPECT_EQ(call.c.dataplane->executed.size(), commands_c);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).generation, before.generation);
}

TEST(MediaPair, PhoneHoldsAndClientIsOfferedTheSameKeyAgain) {
  Call call;
  call.establish();
  const SdpResult to_client = call.outward({.from = Side::face, .cseq = 1, .branch = "callee"}, phone_sdp("10.20.0.77", 7000, "a=sendonly\r\n"));
  ASSERT_TRUE(to_client.ok()) << to_client.warning;
  EXPECT_EQ(value_of(to_client.sdp, "a=crypto:"), value_of(call.told_client, "a=crypto:"));
  EXPECT_EQ(value_of(to_client.sdp, "m=audio "), value_of(call.told_client, "m=audio "));
  const SdpResult to_phone = call.inward({.from = Side::face, .status = 200, .cseq = 1, .branch = "callee"}, client_offer("a=recvonly\r\n"));
  ASSERT_TRUE(to_phone.ok()) << to_phone.warning;
  EXPECT_TRUE(call.e.plane->snapshots()[0].streams[0].held);
  expect_joined(call, 0);
}

TEST(MediaPair, AddedStreamGetsItsOwnPortAndIdAndTheOldOneStays) {
  Call call;
  call.establish();
  const abi::FlowSpec audio = call.e.spec(*call.e_call, 0, FlowRole::up_rtp);
  const std::string video = "m=video 4002 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string(40, 'V') + "\r\n";
  ASSERT_TRUE(call.inward({.from = Side::face, .cseq = 2, .branch = "callee"}, client_offer() + video).ok());
  const SdpResult answer = call.outward({.from = Side::face, .status = 200, .cseq = 2, .branch = "callee"},
                                        phone_sdp() + "m=video 7002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
  ASSERT_TRUE(answer.ok()) << answer.warning;
  call.final_outward(2, "INVITE", "callee", 200);
  call.settle();
  expect_joined(call, 0);
  expect_joined(call, 1);
  EXPECT_EQ(call.e.dataplane->live_count(), 8u);
  EXPECT_EQ(call.e.spec(*call.e_call, 0, FlowRole::up_rtp).local_port, audio.local_port);
  const abi::FlowSpec added = call.e.spec(*call.e_call, 1, FlowRole::up_rtp);
  EXPECT_NE(added.local_port, audio.local_port);
  EXPECT_NE(abi::multiplex_index(added.egress_multiplex_id), abi::multiplex_index(audio.egress_multiplex_id));
  EXPECT_EQ(added.clock_rate_hz, 90000u);
  EXPECT_EQ(added.dscp, 34);
  EXPECT_TRUE(same(call.c.spec(*call.c_call, 1, FlowRole::down_rtp).open_key, told_key(client_offer() + video, 1)));
  EXPECT_TRUE(same(call.c.spec(*call.c_call, 1, FlowRole::up_rtp).seal_key, told_key(answer.sdp, 1)));
  // And goes again with port 0.
  ASSERT_TRUE(call.inward({.from = Side::face, .cseq = 3, .branch = "callee"}, client_offer() + "m=video 0 RTP/SAVP 96\r\n").ok());
  const SdpResult removed = call.outward({.from = Side::face, .status = 200, .cseq = 3, .branch = "callee"}, phone_sdp() + "m=video 0 RTP/AVP 96\r\n");
  ASSERT_TRUE(removed.ok());
  EXPECT_NE(removed.sdp.find("m=video 0 RTP/SAVP 96"), std::string::npos);
  call.final_outward(3, "INVITE", "callee", 200);
  call.settle();
  EXPECT_EQ(call.e.dataplane->live_count(), 4u);
  EXPECT_EQ(call.c.dataplane->live_count(), 4u);
}

TEST(MediaPair, RejectedReInviteLeavesTheCallAsItWas) {
  Call call;
  call.establish();
  const size_t commands = call.c.dataplane->executed.size();
  const std::string video = "m=video 4002 RTP/SAVP 96\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n";
  ASSERT_TRUE(call.inward({.from = Side::face, .cseq = 2, .branch = "callee"}, client_offer() + video).ok());
  call.final_outward(2, "INVITE", "callee", 488);
  call.settle();
  EXPECT_EQ(call.c.dataplane->executed.size(), commands);
  // A provisional answer programs the stream; the failure takes it away again (RFC 6141).
  ASSERT_TRUE(call.inward({.from = Side::face, .cseq = 3, .branch = "callee"}, client_offer() + video).ok());
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 183, .cseq = 3, .branch = "callee"}, phone_sdp("10.20.0.88") + "m=video 7002 RTP/AVP 96\r\n").ok());
  call.settle();
  EXPECT_EQ(call.c.dataplane->live_count(), 8u);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtp).destination, *parse_address("10.20.0.88", 7000));
  call.final_outward(3, "INVITE", "callee", 500);
  call.settle();
  EXPECT_EQ(call.e.dataplane->live_count(), 4u);
  EXPECT_EQ(call.c.dataplane->live_count(), 4u);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtp).destination, *parse_address("10.20.0.77", 7000));
  EXPECT_EQ(call.c.count(MediaCounter::rolled_back), 1u);
}

TEST(MediaPair, NewAddressResetsTheLatchAndNewKeyTheOpenSide) {
  Call call;
  call.establish();
  call.e.dataplane->executed.clear();
  call.c.dataplane->executed.clear();
  const std::string moved = session_lines("203.0.113.9") + "m=audio 5000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string(40, 'N') + "\r\n";
  ASSERT_TRUE(call.inward({.from = Side::face, .cseq = 2, .branch = "callee"}, moved).ok());
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 200, .cseq = 2, .branch = "callee"}, phone_sdp()).ok());
  call.settle();
  for (const abi::Command& command : call.e.dataplane->executed) {
    EXPECT_EQ(command.type, abi::CommandType::modify_flow);
    const bool latches = command.flow.arrival == abi::Arrival::port;
    EXPECT_EQ(command.modify_flags, latches ? abi::modify_reset_latch : 0);
    // The new address is not where the client signals from: nothing is sent there before it is confirmed.
    EXPECT_FALSE(command.flow.destination.is_set());
  }
  EXPECT_EQ(call.e.dataplane->executed.size(), 4u);
  ASSERT_EQ(call.c.dataplane->executed.size(), 2u);
  for (const abi::Command& command : call.c.dataplane->executed) {
    EXPECT_EQ(command.modify_flags, abi::modify_reset_open);
    EXPECT_EQ(command.flow.arrival, abi::Arrival::multiplex);
    EXPECT_TRUE(same(command.flow.open_key, told_key(moved)));
  }
}

TEST(MediaPair, PhoneThatMovesIsLatchedAnew) {
  Call call;
  call.establish();
  call.c.dataplane->executed.clear();
  ASSERT_TRUE(call.outward({.from = Side::face, .method = "UPDATE", .cseq = 1, .branch = "callee"}, phone_sdp("10.20.0.99", 7100)).ok());
  ASSERT_TRUE(call.inward({.from = Side::face, .method = "UPDATE", .status = 200, .cseq = 1, .branch = "callee"}, client_offer()).ok());
  call.final_inward(1, "UPDATE", "callee", 200);
  call.settle();
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).expected_source, *parse_address("10.20.0.99", 7100));
  ASSERT_EQ(call.c.dataplane->executed.size(), 4u);
  for (const abi::Command& command : call.c.dataplane->executed) {
    EXPECT_EQ(command.modify_flags, command.flow.arrival == abi::Arrival::port ? abi::modify_reset_latch : 0);
  }
}

TEST(MediaPair, LateOfferIsAnsweredInTheAck) {
  Call call;
  // INVITE without SDP from the client; the phone offers in its 200.
  const SdpResult offer = call.outward({.from = Side::face, .status = 200, .branch = "callee"}, phone_sdp());
  ASSERT_TRUE(offer.ok()) << offer.warning;
  EXPECT_NE(offer.sdp.find("RTP/SAVP"), std::string::npos);
  call.final_outward(1, "INVITE", "callee", 200);
  // The 200 is sent again until the ACK comes: same ports, same keys.
  const SdpResult again = call.outward({.from = Side::face, .status = 200, .branch = "callee"}, phone_sdp());
  EXPECT_EQ(again.sdp, offer.sdp);
  const std::string answer = session_lines("203.0.113.5") + "m=audio 4000 RTP/SAVP 0\r\na=crypto:2 AEAD_AES_128_GCM inline:" + std::string(36, 'Q') + "QQ==\r\n";
  const SdpResult ack = call.inward({.from = Side::face, .method = "ACK", .branch = "callee"}, answer);
  ASSERT_TRUE(ack.ok()) << ack.warning;
  const SdpResult ack_again = call.inward({.from = Side::face, .method = "ACK", .branch = "callee"}, answer);
  EXPECT_EQ(ack_again.sdp, ack.sdp);
  call.settle();
  expect_joined(call, 0);
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).seal_key.suite, abi::Suite::aead_aes_128_gcm);
}

TEST(MediaPair, LateOfferInAReliable183IsAnsweredInPrack) {
  Call call;
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 183, .branch = "callee"}, phone_sdp()).ok());
  const std::string answer = session_lines("203.0.113.5") + "m=audio 4000 RTP/SAVP 0\r\na=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" + client_key + "\r\n";
  ASSERT_TRUE(call.inward({.from = Side::face, .method = "PRACK", .cseq = 2, .branch = "callee"}, answer).ok());
  call.final_outward(2, "PRACK", "callee", 200);
  call.final_outward(1, "INVITE", "callee", 200);
  call.settle();
  expect_joined(call, 0);
}

TEST(MediaPair, EarlyMediaRunsAndThe200RepeatsIt) {
  Call call;
  ASSERT_TRUE(call.inward({}, client_offer()).ok());
  const SdpResult early = call.outward({.from = Side::face, .status = 183, .branch = "callee"}, phone_sdp());
  ASSERT_TRUE(early.ok());
  call.settle();
  expect_joined(call, 0);
  const size_t commands = call.c.dataplane->executed.size();
  for (const uint16_t status : {180, 183, 200}) {
    const SdpResult again = call.outward({.from = Side::face, .status = status, .branch = "callee"}, phone_sdp());
    EXPECT_EQ(again.sdp, early.sdp);
  }
  call.final_outward(1, "INVITE", "callee", 200);
  call.settle();
  EXPECT_EQ(call.c.dataplane->executed.size(), commands);
}

TEST(MediaPair, ForkedEarlyDialogsFollowTheLastAnswerUntilOneIsAccepted) {
  Call call;
  ASSERT_TRUE(call.inward({}, client_offer()).ok());
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 183, .branch = "first"}, phone_sdp("10.20.0.71")).ok());
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 183, .branch = "second"}, phone_sdp("10.20.0.72")).ok());
  call.settle();
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtp).destination, *parse_address("10.20.0.72", 7000));
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::up_rtp).expected_source, *parse_address("10.20.0.72", 7000));
  EXPECT_EQ(call.c.dataplane->live_count(), 4u);
  ASSERT_TRUE(call.outward({.from = Side::face, .status = 200, .branch = "first"}, phone_sdp("10.20.0.71")).ok());
  call.final_outward(1, "INVITE", "first", 200);
  call.settle();
  EXPECT_EQ(call.c.spec(*call.c_call, 0, FlowRole::down_rtp).destination, *parse_address("10.20.0.71", 7000));
  EXPECT_EQ(call.c.plane->snapshots()[0].branch, "first");
  EXPECT_FALSE(call.c_call->end_branch("second"));
  EXPECT_TRUE(call.c_call->end_branch("first"));
}

TEST(MediaPair, SecondClientThatAnswersABranchOfTheSameCallReplacesTheKey) {
  Call call;
  ASSERT_TRUE(call.outward({.from = Side::face}, phone_sdp()).ok());
  const auto answer = [](char fill) {
    return session_lines("203.0.113.5") + "m=audio 4000 RTP/SAVP 0\r\na=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:" + std::string(40, fill) + "\r\n";
  };
  ASSERT_TRUE(call.inward({.from = Side::face, .status = 183, .branch = "a"}, answer('A')).ok());
  ASSERT_TRUE(call.inward({.from = Side::face, .status = 183, .branch = "b"}, answer('B')).ok());
  ASSERT_TRUE(call.inward({.from = Side::face, .status = 200, .branch = "a"}, answer('A')).ok());
  call.final_inward(1, "INVITE", "a", 200);
  call.settle();
  EXPECT_TRUE(same(call.c.spec(*call.c_call, 0, FlowRole::down_rtp).open_key, told_key(answer('A'))));
  expect_joined(call, 0);
}

TEST(MediaPair, ReleaseRemovesEveryFlowAndWipesTheKeys) {
  Call call;
  call.establish();
  const uint32_t index = call.c.spec(*call.c_call, 0, FlowRole::up_rtp).flow_index;
  call.e_call->release();
  call.c_call->release();
  call.settle();
  EXPECT_EQ(call.e.dataplane->live_count(), 0u);
  EXPECT_EQ(call.c.dataplane->live_count(), 0u);
  EXPECT_TRUE(is_empty(call.c.dataplane->flow(index).spec.seal_key));
  EXPECT_TRUE(call.c_call->is_released());
  EXPECT_EQ(pass(*call.c_call, {.from = Side::face}, phone_sdp()).status, 503);
}

TEST(MediaPair, BundleAndCandidatesOfTheClientDoNotPass) {
  Call call;
  const std::string bundled = "v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-options:trickle\r\n" +
                              client_audio(4000, "a=mid:0\r\na=candidate:1 1 UDP 1 10.0.0.5 4000 typ host\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n");
  const SdpResult offer = call.inward({}, bundled);
  ASSERT_TRUE(offer.ok());
  for (const std::string& text : {call.between, offer.sdp}) {
    EXPECT_EQ(text.find("candidate"), std::string::npos);
    EXPECT_EQ(text.find("a=ice"), std::string::npos);
    EXPECT_EQ(text.find("BUNDLE"), std::string::npos);
    EXPECT_NE(text.find("a=mid:0"), std::string::npos);
    EXPECT_NE(text.find("o=- 1 1 IN IP4 10.0.0.5"), std::string::npos);
  }
}

TEST(MediaPair, SnapshotTellsSuitesCountersAndAddresses) {
  Call call;
  call.establish();
  const abi::FlowSpec up = call.c.spec(*call.c_call, 0, FlowRole::up_rtp);
  abi::FlowState& state = call.c.dataplane->flow(up.flow_index).state;
  abi::FlowMeter& meter = call.c.dataplane->meter(up.flow_index);
  meter.packets = 95;
  meter.bytes = 16340;
  state.latched = *parse_address("10.20.0.77", 7000);
  meter.reception = {1, 100, 199, 95, 16 * 80, 0, 2, 0};
  const SessionSnapshot snapshot = call.c_call->snapshot();
  ASSERT_EQ(snapshot.streams.size(), 1u);
  const StreamSnapshot& stream = snapshot.streams[0];
  EXPECT_EQ(stream.link_suite, "AES_CM_128_HMAC_SHA1_80");
  EXPECT_EQ(stream.face_suite, "RTP");
  EXPECT_EQ(stream.kind, "audio");
  EXPECT_FALSE(stream.codec.empty());
  EXPECT_EQ(stream.local_rtp, *parse_address("10.20.0.10", up.local_port));
  EXPECT_EQ(stream.link_local_rtp.port, 36000 + 2 * (up.flow_index % call.c.plane->dataplane().worker_count()));
  EXPECT_EQ(stream.link_peer_rtp, *parse_address("192.0.2.10", 36000));
  ASSERT_EQ(stream.flows.size(), 4u);
  EXPECT_TRUE(stream.flows[0].live);
  EXPECT_EQ(stream.flows[0].counters.packets, 95u);
  EXPECT_EQ(stream.flows[0].counters.latched, state.latched);
  EXPECT_EQ(stream.flows[0].lost, 7u);
  EXPECT_DOUBLE_EQ(stream.flows[0].jitter_ms, 10.0);
  EXPECT_EQ(call.e_call->snapshot().streams[0].link_suite, "SRTP (opaque)");
}

}  // namespace
}  // namespace sallyport::media
