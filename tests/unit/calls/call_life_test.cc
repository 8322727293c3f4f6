// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/calls/call_node.h"

namespace sallyport::calls {
namespace {

using proxy::header_of;
using proxy::start_line;

struct CallLifeTest : testing::Test, CallNode {};

TEST_F(CallLifeTest, OfferAndAnswerMakeAnEstablishedCallWithFourFlows) {
  establish();
  ASSERT_EQ(table->running(), 1u);
  const Call& call = *table->list().front();
  EXPECT_EQ(call.state, CallState::confirmed);
  EXPECT_EQ(call.from, "sip:a@example.com");
  EXPECT_EQ(flows(), 4u);
  EXPECT_EQ(table->media_of(call).streams.size(), 1u);
}

TEST_F(CallLifeTest, ByeOfEitherSideEndsCallAndFlows) {
  for (const bool by_callee : {false, true}) {
    const std::string call_id = by_callee ? "call2" : "call1";
    establish("", call_id);
    const std::string bye = request({.method = "BYE", .cseq = 2, .to_tag = "t1", .by_callee = by_callee, .call_id = call_id});
    if (by_callee) from_link(bye);
    else from_client(bye);
    EXPECT_EQ(table->running(), 1u) << "not before the other side has answered";
    if (by_callee) from_client(response(heard_by_client(), "200 OK", ""));
    else from_link(response(heard_by_link(), "200 OK", ""));
    EXPECT_EQ(table->running(), 0u);
    EXPECT_EQ(flows(), 0u);
    EXPECT_EQ(table->list().front()->end_reason, by_callee ? "BYE of the callee" : "BYE of the caller");
  }
}

TEST_F(CallLifeTest, ChallengedByeEndsNothing) {
  establish();
  from_client(request({.method = "BYE", .cseq = 2, .to_tag = "t1"}));
  from_link(response(heard_by_link(), "407 Proxy Authentication Required", ""));
  EXPECT_EQ(table->running(), 1u);
  EXPECT_EQ(flows(), 4u);
}

TEST_F(CallLifeTest, ByeThatFindsNoWayEndsTheCallAllTheSame) {
  establish();
  router.refusal = 430;
  from_link(request({.method = "BYE", .cseq = 2, .to_tag = "t1", .by_callee = true}));
  EXPECT_EQ(start_line(heard_by_link()), "SIP/2.0 430 Flow Failed");
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(flows(), 0u);
}

// A cancelled call stayed in the list as established: the 200 to the CANCEL has the branch of the INVITE.
TEST_F(CallLifeTest, AnswerToACancelConfirmsNothing) {
  from_client(request({.body = secured, .branch = "z9hG4bKi"}));
  const std::string invite = heard_by_link();
  from_link(response(invite, "180 Ringing", "t1"));
  from_client(request({.method = "CANCEL", .branch = "z9hG4bKi"}));
  EXPECT_EQ(header_of(heard_by_client(), "CSeq"), "1 CANCEL");
  const std::string cancel = heard_by_link();
  ASSERT_EQ(start_line(cancel).substr(0, 6), "CANCEL");
  from_link(response(cancel, "200 OK", "t1"));
  EXPECT_TRUE(router.client->sent.empty()) << "the answer to our own CANCEL is nobody else's";
  EXPECT_EQ(table->list().front()->state, CallState::early);
  from_link(response(invite, "487 Request Terminated", "t1"));
  EXPECT_EQ(start_line(heard_by_link()).substr(0, 3), "ACK");
  EXPECT_EQ(start_line(heard_by_client()), "SIP/2.0 487 Request Terminated");
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(table->list().front()->end_reason, "487 Request Terminated");
}

TEST_F(CallLifeTest, RefusedCallIsOverAtOnceAndAChallengedOneIsForgotten) {
  from_client(request({.body = secured}));
  from_link(response(heard_by_link(), "407 Proxy Authentication Required", "t0"));
  EXPECT_EQ(table->running(), 0u);
  EXPECT_TRUE(table->list().empty());
  from_client(request({.cseq = 2, .body = secured}));
  from_link(response(heard_by_link(), "486 Busy Here", "t1"));
  EXPECT_EQ(table->running(), 0u);
  ASSERT_EQ(table->list().size(), 1u);
  EXPECT_EQ(table->list().front()->end_reason, "486 Busy Here");
}

TEST_F(CallLifeTest, OfferWithoutKeysIsRefusedWithTheReason) {
  from_client(request({.body = sdp_of("RTP/SAVP", "")}));
  const std::string refusal = heard_by_client();
  EXPECT_EQ(start_line(refusal), "SIP/2.0 488 Not Acceptable Here");
  EXPECT_NE(header_of(refusal, "Warning").find("SRTP keys"), std::string::npos) << refusal;
  EXPECT_TRUE(router.link->sent.empty());
  EXPECT_EQ(table->running(), 0u);
}

TEST_F(CallLifeTest, AnswerThatCannotBeCarriedIsAcknowledgedAndEnded) {
  from_link(request({.body = secured}));
  const std::string invite = heard_by_client();
  from_client(response(invite, "200 OK", "t1", sdp_of("RTP/AVP", "")));
  ASSERT_EQ(router.client->sent.size(), 2u);
  const std::string ack = router.client->take(), bye = router.client->take();
  EXPECT_EQ(start_line(ack), "ACK sip:callee@10.0.0.9:5061;transport=tls SIP/2.0");
  EXPECT_EQ(header_of(ack, "CSeq"), "1 ACK");
  EXPECT_EQ(start_line(bye), "BYE sip:callee@10.0.0.9:5061;transport=tls SIP/2.0");
  EXPECT_EQ(header_of(bye, "CSeq"), "2 BYE");
  EXPECT_EQ(header_of(bye, "To"), "<sip:b@example.com>;tag=t1");
  const std::string refusal = heard_by_link();
  EXPECT_EQ(start_line(refusal), "SIP/2.0 488 Not Acceptable Here");
  EXPECT_FALSE(header_of(refusal, "Warning").empty());
  EXPECT_EQ(table->running(), 0u);
  // The callee had not heard the ACK yet: it is said again, BYE is not.
  from_client(response(invite, "200 OK", "t1", sdp_of("RTP/AVP", "")));
  ASSERT_EQ(router.client->sent.size(), 1u);
  EXPECT_EQ(start_line(router.client->take()).substr(0, 3), "ACK");
}

TEST_F(CallLifeTest, EarlyAnswerThatCannotBeCarriedCancelsTheCallee) {
  from_link(request({.body = secured}));
  from_client(response(heard_by_client(), "183 Session Progress", "t1", sdp_of("RTP/AVP", "")));
  EXPECT_EQ(start_line(heard_by_client()).substr(0, 6), "CANCEL");
  EXPECT_EQ(start_line(heard_by_link()), "SIP/2.0 488 Not Acceptable Here");
  EXPECT_EQ(table->running(), 0u);
}

TEST_F(CallLifeTest, ReleaseOfACalleeFollowsItsRouteSet) {
  from_link(request({.body = secured, .extra = "Record-Route: <sip:before@c.example.com;lr>\r\n"}));
  std::string accepted = response(heard_by_client(), "200 OK", "t1", sdp_of("RTP/AVP", ""));
  accepted.insert(accepted.find("Record-Route:"), "Record-Route: <sip:far@q.example.com;lr>, <sip:near@p.example.com;lr>\r\n");
  from_client(accepted);
  const std::string ack = router.client->take();
  EXPECT_NE(ack.find("Route: <sip:near@p.example.com;lr>\r\nRoute: <sip:far@q.example.com;lr>\r\nMax"), std::string::npos) << ack;
  EXPECT_EQ(ack.find("before@"), std::string::npos) << "what stood there before us lies behind us";
}

TEST_F(CallLifeTest, RefusedAnswerWithinADialogLeavesTheCallAsItWas) {
  const std::string invite = establish();
  from_client(request({.cseq = 2, .to_tag = "t1", .body = secured}));
  from_link(response(heard_by_link(), "200 OK", "t1", sdp_of("RTP/AVP", mux_line_of(invite))));
  EXPECT_EQ(start_line(heard_by_link()).substr(0, 3), "ACK");
  EXPECT_EQ(start_line(heard_by_client()), "SIP/2.0 488 Not Acceptable Here");
  EXPECT_EQ(table->running(), 1u);
  EXPECT_EQ(flows(), 4u);
}

TEST_F(CallLifeTest, DescriptionOfAnUnknownDialogNeverPasses) {
  for (const char* method : {"INVITE", "UPDATE", "PRACK"}) {
    from_link(request({.method = method, .cseq = 5, .to_tag = "t9", .body = sdp_of("RTP/AVP", ""), .by_callee = true}));
    EXPECT_EQ(start_line(heard_by_link()).substr(0, 11), "SIP/2.0 481") << method;
    EXPECT_TRUE(router.client->sent.empty()) << method;
  }
}

TEST_F(CallLifeTest, WithoutADataplaneCallsAreRefusedAndComeBackWithIt) {
  media.dataplane.reset();
  ASSERT_TRUE(media::run_until(context, [&] { return !media.plane->dataplane().is_connected(); }));
  from_client(request({.body = secured}));
  const std::string refusal = heard_by_client();
  EXPECT_EQ(start_line(refusal), "SIP/2.0 503 Service Unavailable");
  EXPECT_FALSE(header_of(refusal, "Retry-After").empty());
  media.dataplane = std::make_unique<media::FakeDataplane>(context, media.settings.dataplane_socket, media::shape_of(media::Role::e));
  ASSERT_TRUE(media::run_until(context, [&] { return media.plane->dataplane().is_running(); }));
  from_client(request({.cseq = 2, .body = secured}));
  EXPECT_EQ(start_line(heard_by_link()).substr(0, 6), "INVITE");
}

TEST_F(CallLifeTest, EachEarlyDialogHasItsOwnAnswerAndTheAcceptedOneStays) {
  from_client(request({.body = secured}));
  const std::string invite = heard_by_link();
  const std::string other = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";
  from_link(response(invite, "183 Session Progress", "t1", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite))));
  from_link(response(invite, "183 Session Progress", "t2", sdp_of("RTP/SAVP", other + mux_line_of(invite))));
  EXPECT_EQ(table->running(), 1u);
  EXPECT_EQ(table->list().front()->callee_tags, (std::vector<std::string>{"t1", "t2"}));
  from_link(response(invite, "200 OK", "t1", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite))));
  EXPECT_EQ(table->media_of(*table->list().front()).branch, "t1");
  from_client(request({.method = "BYE", .cseq = 2, .to_tag = "t1"}));
  from_link(response(heard_by_link(), "200 OK", ""));
  EXPECT_EQ(table->running(), 0u);
}

// Call control forks: the same call goes to two clients, in two INVITEs of one Call-ID and From tag.
TEST_F(CallLifeTest, ForksOfCallControlAreCallsOfTheirOwn) {
  from_link(request({.body = secured, .branch = "z9hG4bKfork1"}));
  const std::string first = heard_by_client();
  from_link(request({.body = secured, .branch = "z9hG4bKfork2"}));
  const std::string second = heard_by_client();
  EXPECT_EQ(table->running(), 2u);
  EXPECT_NE(first.substr(first.find("m=audio"), 14), second.substr(second.find("m=audio"), 14)) << "each has a port of its own";
  from_client(response(first, "200 OK", "t1", secured));
  from_client(response(second, "486 Busy Here", "t2"));
  ASSERT_EQ(table->running(), 1u);
  from_client(request({.method = "BYE", .cseq = 2, .to_tag = "t1", .by_callee = true}));
  from_link(response(heard_by_link(), "200 OK", ""));
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(flows(), 0u);
}

TEST_F(CallLifeTest, AcceptanceAfterTheCallerLeftIsAcknowledgedAndEnded) {
  from_client(request({.body = secured}));
  const std::string invite = heard_by_link();
  from_link(response(invite, "180 Ringing", "t1"));
  proxy->on_hop_lost(*router.client);
  EXPECT_EQ(start_line(heard_by_link()).substr(0, 6), "CANCEL");
  from_link(response(invite, "200 OK", "t1", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite))));
  ASSERT_EQ(router.link->sent.size(), 2u);
  EXPECT_EQ(start_line(router.link->take()).substr(0, 3), "ACK");
  EXPECT_EQ(start_line(router.link->take()).substr(0, 3), "BYE");
  EXPECT_EQ(table->running(), 0u);
}

}  // namespace
}  // namespace sallyport::calls
