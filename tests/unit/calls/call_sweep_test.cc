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

}  // namespace
}  // namespace sallyport::calls
