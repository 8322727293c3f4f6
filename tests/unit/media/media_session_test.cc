// SPDX-License-Identifier: Apache-2.0
// What one node alone refuses, strips and bounds.
#include "controlplane/media/media_session.h"

#include <gtest/gtest.h>

#include "tests/unit/media/media_node.h"

namespace sallyport::media {
namespace {

const std::string key(40, 'K');
const std::string crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\r\n";
const std::string head = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n";
const std::string secured = "m=audio 4000 RTP/SAVP 0\r\n" + crypto;

struct EdgeSessionTest : testing::Test {
  EdgeSessionTest() : e(context, Role::e, directory) {
    (void)e.plane->links().grant("peer-1");
    e.settle();
    call = e.open();
  }
  SdpResult offer(const std::string& sdp) { return pass(*call, {.from = Side::face, .cseq = ++cseq}, sdp); }
  boost::asio::io_context context;
  TestDirectory directory;
  MediaNode e;
  std::unique_ptr<MediaSession> call;
  uint32_t cseq = 0;
};

TEST_F(EdgeSessionTest, RefusedOffersNameStatusAndReason) {
  const std::string many = [] {
    std::string text = head;
    for (int i = 0; i < 65; ++i) text += secured;
    return text;
  }();
  const struct {
    const char* name;
    std::string sdp;
    uint16_t status;
    MediaCounter counter;
  } rows[] = {
      {"clear media", head + "m=audio 4000 RTP/AVP 0\r\n" + crypto, 488, MediaCounter::refused_clear_media},
      {"no keys", head + "m=audio 4000 RTP/SAVP 0\r\n", 488, MediaCounter::refused_no_keys},
      {"DTLS-SRTP", head + "m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 00\r\n", 488, MediaCounter::refused_no_keys},
      {"no RTP at all", head + "m=image 4000 udptl t38\r\n", 488, MediaCounter::streams_refused},
      {"no description", "hello", 400, MediaCounter::refused_malformed},
      {"malformed m=", head + "m=audio x RTP/SAVP 0\r\n", 400, MediaCounter::refused_malformed},
      {"100 KB", head + secured + "a=x:" + std::string(100000, 'x') + "\r\n", 413, MediaCounter::refused_oversized},
      {"65 streams", many, 488, MediaCounter::refused_oversized},
  };
  for (const auto& row : rows) {
    const uint64_t before = e.count(row.counter);
    const SdpResult result = offer(row.sdp);
    EXPECT_EQ(result.status, row.status) << row.name;
    EXPECT_FALSE(result.warning.empty()) << row.name;
    EXPECT_EQ(result.warning.find(key), std::string::npos) << row.name;
    EXPECT_TRUE(result.sdp.empty()) << row.name;
    EXPECT_GT(e.count(row.counter), before) << row.name;
  }
  e.settle();
  EXPECT_EQ(e.dataplane->live_count(), 0u);
}

TEST_F(EdgeSessionTest, StreamsThatAreNotOursGoOnWithPortZeroBesideGoodOnes) {
  const SdpResult result = offer(head + "m=application 9 TCP/BFCP *\r\na=floorctrl:c-only\r\n" + secured + "m=video 4002 RTP/AVP 31\r\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.streams_refused, 2u);
  EXPECT_NE(result.sdp.find("m=application 0 TCP/BFCP *\r\na=floorctrl:c-only\r\n"), std::string::npos);
  EXPECT_NE(result.sdp.find("m=audio 36000 RTP/SAVP 0\r\n"), std::string::npos);
  EXPECT_NE(result.sdp.find("m=video 0 RTP/AVP 31\r\n"), std::string::npos);
}

TEST_F(EdgeSessionTest, ClientCannotSmuggleAMultiplexId) {
  const SdpResult result = offer(head + "a=x-sallyport-mux:0000000c\r\n" + secured + "a=x-sallyport-mux:00000010\r\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.sdp.find("0000000c"), std::string::npos);
  EXPECT_EQ(result.sdp.find("00000010"), std::string::npos);
  const size_t at = result.sdp.find("x-sallyport-mux");
  EXPECT_NE(at, std::string::npos);
  EXPECT_EQ(result.sdp.find("x-sallyport-mux", at + 1), std::string::npos);
}

TEST_F(EdgeSessionTest, AnswerWithAForeignMultiplexIdIsRefused) {
  const SdpResult to_core = offer(head + secured);
  ASSERT_TRUE(to_core.ok());
  std::string answer = to_core.sdp;
  const Carry carry{.from = Side::traversal, .status = 200, .cseq = 1, .branch = "b"};
  ASSERT_TRUE(pass(*call, carry, answer).ok());
  const size_t at = answer.find("x-sallyport-mux:") + 16;
  answer[at] = answer[at] == '0' ? '1' : '0';
  EXPECT_EQ(pass(*call, carry, answer).status, 502);
  EXPECT_EQ(e.count(MediaCounter::refused_multiplex_id), 1u);
}

TEST_F(EdgeSessionTest, AnswerWithMoreStreamsThanOfferedIsRefusedAndUnofferedOnesGetPortZero) {
  const SdpResult to_core = offer(head + secured + "m=video 0 RTP/SAVP 31\r\n");
  ASSERT_TRUE(to_core.ok());
  const Carry carry{.from = Side::traversal, .status = 200, .cseq = 1, .branch = "b"};
  EXPECT_EQ(pass(*call, carry, to_core.sdp + "m=audio 36000 RTP/SAVP 0\r\n").status, 502);
  std::string eager = to_core.sdp;
  eager.replace(eager.find("m=video 0"), 9, "m=video 9");
  const SdpResult result = pass(*call, carry, eager);
  ASSERT_TRUE(result.ok());
  EXPECT_NE(result.sdp.find("m=video 0 RTP/SAVP"), std::string::npos);
}

TEST_F(EdgeSessionTest, DestinationNeedsTheAddressTheClientSignalsFrom) {
  const Carry answer{.from = Side::traversal, .status = 200, .cseq = 1, .branch = "b"};
  SdpResult to_core = pass(*call, {.from = Side::face, .source = "198.18.0.1"}, head + secured + "a=rtcp:9 IN IP4 192.0.2.66\r\n");
  ASSERT_TRUE(pass(*call, answer, to_core.sdp).ok());
  e.settle();
  EXPECT_FALSE(e.spec(*call, 0, FlowRole::down_rtp).destination.is_set());
  auto other = e.open("call-2");
  to_core = pass(*other, {.from = Side::face, .source = "203.0.113.5"}, head + secured + "a=rtcp:9 IN IP4 192.0.2.66\r\n");
  ASSERT_TRUE(pass(*other, answer, to_core.sdp).ok());
  e.settle();
  EXPECT_EQ(e.spec(*other, 0, FlowRole::down_rtp).destination, *parse_address("203.0.113.5", 4000));
  // a=rtcp may move the port, never the host.
  EXPECT_EQ(e.spec(*other, 0, FlowRole::down_rtcp).destination, *parse_address("203.0.113.5", 9));
}

TEST_F(EdgeSessionTest, OfferWithoutKeysOverTheTraversalLegIsRefused) {
  const Carry carry{.from = Side::traversal, .request_from = Side::traversal};
  EXPECT_EQ(pass(*call, carry, head + "m=audio 36000 RTP/SAVP 0\r\n").status, 488);
  EXPECT_EQ(pass(*call, carry, head + "m=audio 36000 RTP/AVP 0\r\n").status, 488);
}

TEST_F(EdgeSessionTest, AnswerOfTheClientInClearEndsTheAttempt) {
  ASSERT_TRUE(pass(*call, {.from = Side::traversal, .request_from = Side::traversal}, head + secured).ok());
  const Carry answer{.from = Side::face, .status = 200, .request_from = Side::traversal, .branch = "b"};
  EXPECT_EQ(pass(*call, answer, head + "m=audio 4000 RTP/AVP 0\r\n").status, 488);
  EXPECT_EQ(pass(*call, answer, head + "m=audio 4000 RTP/SAVP 0\r\n").status, 488);
  e.settle();
  EXPECT_EQ(e.dataplane->live_count(), 0u);
}

TEST_F(EdgeSessionTest, AnswerToNothingIsRefused) {
  EXPECT_EQ(pass(*call, {.from = Side::face, .method = "ACK", .branch = "b"}, head + secured).status, 400);
}

TEST_F(EdgeSessionTest, UnansweredOffersGiveTheirPortsBack) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(offer(head + secured).ok());
    call->on_final(Side::face, cseq, "INVITE", "", 486);
  }
  // All 256 flow indices are there for 64 other streams.
  size_t taken = 0;
  std::vector<std::unique_ptr<MediaSession>> calls;
  for (SdpResult result; taken <= 64; ++taken) {
    calls.push_back(e.open("call-n"));
    result = pass(*calls.back(), {.from = Side::face}, head + secured);
    if (result.ok()) continue;
    EXPECT_EQ(result.status, 503);
    break;
  }
  EXPECT_EQ(taken, 64u);
  EXPECT_EQ(e.count(MediaCounter::refused_no_flows), 1u);
}

TEST_F(EdgeSessionTest, ExhaustedPortsAre503WithAnAlarmThatClears) {
  FakeShape shape = shape_of(Role::e);
  shape.workers = 1;
  shape.port_max = 36005;
  MediaSettings settings = settings_of(Role::e, directory);
  settings.dataplane_socket = directory.path("small.sock");
  settings.journal_path.clear();
  settings.port_quarantine_ms = 0;
  MediaNode small(context, settings, shape);
  (void)small.plane->links().grant("peer-1");
  std::vector<std::unique_ptr<MediaSession>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(small.open());
  EXPECT_TRUE(pass(*calls[0], {.from = Side::face}, head + secured).ok());
  EXPECT_TRUE(pass(*calls[1], {.from = Side::face}, head + secured).ok());
  for (int i = 0; i < 2; ++i) {
    const SdpResult refused = pass(*calls[2], {.from = Side::face}, head + secured);
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(refused.warning.find("ports"), std::string::npos);
  }
  EXPECT_EQ(small.listener.exhausted, std::vector<bool>{true});
  EXPECT_EQ(small.count(MediaCounter::refused_no_ports), 2u);
  calls[0].reset();
  EXPECT_TRUE(pass(*calls[2], {.from = Side::face}, head + secured).ok());
  EXPECT_EQ(small.listener.exhausted, (std::vector<bool>{true, false}));
}

TEST_F(EdgeSessionTest, NoLinkToThePeerIs503) {
  auto opened = e.plane->open({"id", "tag", "", "stranger", ""});
  EXPECT_EQ(pass(**opened, {.from = Side::face}, head + secured).status, 503);
  EXPECT_EQ(e.count(MediaCounter::refused_no_link), 1u);
}

TEST_F(EdgeSessionTest, AdvertisedAddressIsToldInsteadOfTheLocalOne) {
  MediaSettings settings = settings_of(Role::e, directory);
  settings.dataplane_socket = directory.path("nat.sock");
  settings.faces[0].advertised = "192.0.2.200";
  MediaNode nat(context, settings, shape_of(Role::e));
  (void)nat.plane->links().grant("peer-1");
  auto session = nat.open();
  const SdpResult to_client = pass(*session, {.from = Side::traversal, .request_from = Side::traversal}, head + secured);
  ASSERT_TRUE(to_client.ok());
  EXPECT_NE(to_client.sdp.find("c=IN IP4 192.0.2.200\r\n"), std::string::npos);
}

TEST_F(EdgeSessionTest, ClientsOnIpv6AreAnchoredOnAnIpv6Face) {
  FakeShape shape = shape_of(Role::e);
  shape.slots.push_back({"outside6", "2001:db8::10"});
  MediaSettings settings = settings_of(Role::e, directory);
  settings.dataplane_socket = directory.path("six.sock");
  settings.faces.push_back({"outside6", ""});
  MediaNode six(context, settings, shape);
  (void)six.plane->links().grant("peer-1");
  auto session = std::move(*six.plane->open({"id", "tag", "", "peer-1", "outside6"}));
  const std::string six_head = "v=0\r\no=- 1 1 IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\nt=0 0\r\n";
  const SdpResult to_core = pass(*session, {.from = Side::face, .source = "2001:db8::5"}, six_head + secured);
  ASSERT_TRUE(to_core.ok());
  EXPECT_NE(to_core.sdp.find("c=IN IP4 192.0.2.10\r\n"), std::string::npos);
  const SdpResult to_client = pass(*session, {.from = Side::traversal, .status = 200, .branch = "b"}, to_core.sdp);
  ASSERT_TRUE(to_client.ok());
  EXPECT_NE(to_client.sdp.find("c=IN IP6 2001:db8::10\r\n"), std::string::npos);
  six.settle();
  EXPECT_EQ(six.spec(*session, 0, FlowRole::up_rtp).local_slot, 2);
  EXPECT_EQ(six.spec(*session, 0, FlowRole::down_rtp).destination, *parse_address("2001:db8::5", 4000));
}

struct CoreSessionTest : testing::Test {
  CoreSessionTest() : c(context, Role::c, directory) {
    LinkGrant grant;
    grant.session = 1;
    (void)c.plane->links().install("peer-1", grant, *parse_address("192.0.2.10", 0));
    c.settle();
    call = c.open();
  }
  SdpResult offer(MediaSession& session, const std::string& sdp) {
    return pass(session, {.from = Side::traversal, .request_from = Side::traversal}, sdp);
  }
  boost::asio::io_context context;
  TestDirectory directory;
  MediaNode c;
  std::unique_ptr<MediaSession> call;
  const std::string mux = "a=x-sallyport-mux:00000104\r\n";
  const std::string phone = "v=0\r\no=- 1 1 IN IP4 10.20.0.7\r\ns=-\r\nc=IN IP4 10.20.0.7\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n";
};

TEST_F(CoreSessionTest, OffersOverTheTraversalLegNeedKeysSuiteAndId) {
  EXPECT_EQ(offer(*call, head + secured).status, 488);
  EXPECT_EQ(c.count(MediaCounter::refused_multiplex_id), 1u);
  EXPECT_EQ(offer(*call, head + "m=audio 36000 RTP/SAVP 0\r\n" + mux).status, 488);
  EXPECT_EQ(c.count(MediaCounter::refused_no_keys), 1u);
  EXPECT_EQ(offer(*call, head + "m=audio 36000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:" + key + "\r\n" + mux).status, 488);
  EXPECT_EQ(c.count(MediaCounter::refused_suite), 1u);
  EXPECT_EQ(offer(*call, head + "m=audio 36000 RTP/AVP 0\r\n" + crypto + mux).status, 488);
  EXPECT_EQ(c.count(MediaCounter::refused_clear_media), 1u);
  EXPECT_TRUE(offer(*call, head + secured + mux).ok());
}

TEST_F(CoreSessionTest, KeysOfARefusedStreamDoNotReachCallControl) {
  const SdpResult result = offer(*call, head + secured + mux + "m=video 36000 RTP/SAVP 31\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:" + std::string(40, 'Z') + "\r\na=x-sallyport-mux:00000208\r\n");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.streams_refused, 1u);
  EXPECT_EQ(result.sdp.find("crypto"), std::string::npos);
  EXPECT_EQ(result.sdp.find("ZZZ"), std::string::npos);
}

TEST_F(CoreSessionTest, IdOfAnotherCallIsAConflictUntilThatCallEnds) {
  ASSERT_TRUE(offer(*call, head + secured + mux).ok());
  auto other = c.open("call-2");
  const SdpResult refused = offer(*other, head + secured + mux);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(c.count(MediaCounter::refused_multiplex_conflict), 1u);
  call.reset();
  EXPECT_TRUE(offer(*other, head + secured + mux).ok());
}

TEST_F(CoreSessionTest, AnotherEdgeMayChooseTheSameId) {
  ASSERT_TRUE(offer(*call, head + secured + mux).ok());
  LinkGrant grant;
  grant.session = 2;
  ASSERT_TRUE(c.plane->links().install("peer-2", grant, *parse_address("192.0.2.20", 0)).has_value());
  auto other = c.plane->open({"call-2", "tag", "", "peer-2", ""});
  EXPECT_TRUE(offer(**other, head + secured + mux).ok());
  EXPECT_EQ(c.count(MediaCounter::refused_multiplex_conflict), 0u);
}

TEST_F(CoreSessionTest, PhoneAddressMustBeNumericAndOfTheFacesFamily) {
  ASSERT_TRUE(offer(*call, head + secured + mux).ok());
  const Carry answer{.from = Side::face, .status = 200, .request_from = Side::traversal, .branch = "b"};
  EXPECT_EQ(pass(*call, answer, "v=0\r\ns=-\r\nc=IN IP4 phone.example.com\r\nm=audio 7000 RTP/AVP 0\r\n").status, 488);
  EXPECT_EQ(pass(*call, answer, "v=0\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nm=audio 7000 RTP/AVP 0\r\n").status, 488);
  EXPECT_EQ(c.count(MediaCounter::refused_address), 2u);
  EXPECT_TRUE(pass(*call, answer, phone).ok());
}

TEST_F(CoreSessionTest, CallThatStartsHeldByZerosGetsItsFlowsWhenItIsResumed) {
  ASSERT_TRUE(offer(*call, head + secured + mux).ok());
  const std::string held = "v=0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nm=audio 7000 RTP/AVP 0\r\n";
  ASSERT_TRUE(pass(*call, {.from = Side::face, .status = 200, .request_from = Side::traversal, .branch = "b"}, held).ok());
  call->on_final(Side::traversal, 1, "INVITE", "b", 200);
  c.settle();
  EXPECT_EQ(c.dataplane->live_count(), 0u);
  ASSERT_TRUE(pass(*call, {.from = Side::face, .request_from = Side::face, .cseq = 7, .branch = "b"}, phone).ok());
  ASSERT_TRUE(pass(*call, {.from = Side::traversal, .status = 200, .request_from = Side::face, .cseq = 7, .branch = "b"}, head + secured + mux).ok());
  c.settle();
  EXPECT_EQ(c.dataplane->live_count(), 4u);
}

TEST_F(CoreSessionTest, ClearOfferIsRefusedWhereSrtpInsideIsConfigured) {
  MediaSettings settings = settings_of(Role::c, directory);
  settings.dataplane_socket = directory.path("strict.sock");
  settings.inner_srtp = true;
  settings.journal_path.clear();
  MediaNode strict(context, settings, shape_of(Role::c));
  LinkGrant grant;
  grant.session = 1;
  (void)strict.plane->links().install("peer-1", grant, *parse_address("192.0.2.10", 0));
  auto session = strict.open();
  EXPECT_EQ(pass(*session, {.from = Side::face}, phone).status, 488);
  EXPECT_EQ(strict.count(MediaCounter::refused_clear_media), 1u);
  std::string secure = phone;
  secure.replace(secure.find("RTP/AVP"), 7, "RTP/SAVP");
  EXPECT_TRUE(pass(*session, {.from = Side::face}, secure + crypto).ok());
}

TEST_F(CoreSessionTest, ConfiguredSuitesAreTheOnlyOnesOfferedAndTaken) {
  MediaSettings settings = settings_of(Role::c, directory);
  settings.dataplane_socket = directory.path("gcm.sock");
  settings.suites = {sip::CryptoSuite::aead_aes_128_gcm};
  settings.journal_path.clear();
  MediaNode strict(context, settings, shape_of(Role::c));
  LinkGrant grant;
  grant.session = 1;
  (void)strict.plane->links().install("peer-1", grant, *parse_address("192.0.2.10", 0));
  auto session = strict.open();
  EXPECT_EQ(offer(*session, head + secured + mux).status, 488);
  const SdpResult result = pass(*session, {.from = Side::face, .cseq = 2}, phone);
  ASSERT_TRUE(result.ok());
  EXPECT_NE(result.sdp.find("a=crypto:1 AEAD_AES_128_GCM inline:"), std::string::npos);
  EXPECT_EQ(result.sdp.find("a=crypto:2"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::media
