// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/calls/call_node.h"

namespace sallyport::calls {
namespace {

struct CallSweepTest : testing::Test, CallNode {
  void let_pass(uint64_t ms) {
    now_ms += ms;
    table->sweep();
  }
};

TEST_F(CallSweepTest, CallThatIsNeverAnsweredEndsInTheEnd) {
  from_client(request({.body = secured}));
  let_pass(599'000);
  EXPECT_EQ(table->running(), 1u);
  let_pass(2'000);
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(table->list().front()->end_reason, "never answered");
}

TEST_F(CallSweepTest, ExpiredSessionTimerEndsASilentCall) {
  establish("Session-Expires: 90;refresher=uac\r\n");
  let_pass(121'000);
  EXPECT_EQ(table->running(), 1u) << "the parties' own BYE has 32 s";
  let_pass(2'000);
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(table->list().front()->end_reason, "session timer expired");
  EXPECT_EQ(flows(), 0u);
}

TEST_F(CallSweepTest, ExpiredSessionTimerLeavesACallWhoseMediaRuns) {
  establish("Session-Expires: 90\r\n");
  talk();
  let_pass(1'000'000);
  EXPECT_EQ(table->running(), 1u);
}

TEST_F(CallSweepTest, RefreshMovesTheSessionTimer) {
  establish("Session-Expires: 90\r\n");
  let_pass(100'000);
  from_client(request({.method = "UPDATE", .cseq = 2, .to_tag = "t1"}));
  from_link(response(heard_by_link(), "200 OK", "", "", "Session-Expires: 90\r\n"));
  let_pass(100'000);
  EXPECT_EQ(table->running(), 1u);
  let_pass(30'000);
  EXPECT_EQ(table->running(), 0u);
}

TEST_F(CallSweepTest, CallWithoutATimerEndsAfterAnHourOfSilence) {
  establish();
  let_pass(3'599'000);
  EXPECT_EQ(table->running(), 1u);
  let_pass(2'000);
  EXPECT_EQ(table->running(), 0u);
}

TEST_F(CallSweepTest, CallThatEndedWhileTheControlPlaneWasAwayIsRemovedSoon) {
  establish();
  restart();
  ASSERT_EQ(table->running(), 1u);
  let_pass(19'000);
  EXPECT_EQ(table->running(), 1u);
  let_pass(2'000);
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(flows(), 0u);
}

TEST_F(CallSweepTest, HeldCallOutlivesARestart) {
  const std::string invite = establish();
  const std::string held = "a=sendonly\r\n", taken = "a=recvonly\r\n";
  from_client(request({.cseq = 2, .to_tag = "t1", .body = secured + held}));
  from_link(response(heard_by_link(), "200 OK", "", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite) + taken)));
  media.settle();
  restart();
  let_pass(600'000);
  EXPECT_EQ(table->running(), 1u);
}

struct LinkLossTest : CallSweepTest {
  // As the dataplane tells: down, and heard last so long ago.
  void link_down_for(uint64_t ms) {
    abi::LinkState& state = media.dataplane->link(0).state;
    timespec clock{};
    clock_gettime(CLOCK_MONOTONIC, &clock);
    state.rtp_up = 0;
    state.rtp_last_ns = static_cast<uint64_t>(clock.tv_sec) * 1'000'000'000 - ms * 1'000'000;
  }
  static std::string value_of(const std::string& text, sip::HeaderId id) {
    sip::Message message;
    EXPECT_TRUE(sip::parse(text, message).ok()) << text;
    return std::string(message.value(id));
  }
};

TEST_F(LinkLossTest, CallerHereIsToldByAByeOfTheCallee) {
  establish();
  link_down_for(70'000);
  let_pass(70'000);
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(table->list().front()->end_reason, "media link lost for more than 60 s");
  EXPECT_EQ(flows(), 0u);
  EXPECT_EQ(table->counters().link_lost, 1u);
  const std::string bye = heard_by_client();
  EXPECT_TRUE(bye.starts_with("BYE sip:x@10.0.0.5:5061;transport=tls SIP/2.0\r\n")) << bye;
  EXPECT_EQ(value_of(bye, sip::HeaderId::from), "<sip:b@example.com>;tag=t1");
  EXPECT_EQ(value_of(bye, sip::HeaderId::to), "<sip:a@example.com>;tag=f1");
  EXPECT_EQ(value_of(bye, sip::HeaderId::cseq), "1 BYE") << "the first request of the callee";
}

TEST_F(LinkLossTest, CalleeHereIsToldByAByeOfTheCaller) {
  from_link(request({.body = secured, .extra = "Record-Route: <sip:c1.example.com;lr>\r\n"}));
  const std::string invite = heard_by_client();
  ASSERT_NE(invite, "") << heard_by_link();
  from_client(response(invite, "200 OK", "t9", secured, ""));
  from_link(request({.method = "ACK", .to_tag = "t9"}));
  from_link(request({.method = "INFO", .cseq = 7, .to_tag = "t9"}));
  from_link(request({.method = "UPDATE", .cseq = 8, .to_tag = "t9"}));
  heard_by_client();
  link_down_for(70'000);
  let_pass(70'000);
  EXPECT_EQ(table->running(), 0u);
  const std::string bye = heard_by_client();
  EXPECT_TRUE(bye.starts_with("BYE sip:callee@10.0.0.9:5061;transport=tls SIP/2.0\r\n")) << bye;
  EXPECT_EQ(value_of(bye, sip::HeaderId::to), "<sip:b@example.com>;tag=t9");
  EXPECT_EQ(value_of(bye, sip::HeaderId::cseq), "9 BYE") << "above all that the caller sent";
  EXPECT_EQ(bye.find("Route:"), std::string::npos) << "nobody stands between";
}

TEST_F(LinkLossTest, ShorterLossAndALinkThatIsUpEndNothing) {
  establish();
  link_down_for(50'000);
  let_pass(70'000);
  EXPECT_EQ(table->running(), 1u);
  link_down_for(70'000);
  media.dataplane->link(0).state.rtp_up = 1;
  let_pass(70'000);
  EXPECT_EQ(table->running(), 1u);
}

// The link was away before this call began, or the call has just come: it has its own time.
TEST_F(LinkLossTest, CallThatWasJustAnsweredHasItsTime) {
  link_down_for(600'000);
  establish();
  let_pass(50'000);
  EXPECT_EQ(table->running(), 1u);
  let_pass(20'000);
  EXPECT_EQ(table->running(), 0u);
}

}  // namespace
}  // namespace sallyport::calls
