// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/calls/call_node.h"

namespace sallyport::calls {
namespace {

using proxy::start_line;

struct CallRestartTest : testing::Test, CallNode {};

TEST_F(CallRestartTest, NewControlPlaneFindsTheCallUnderItsName) {
  establish();
  const std::string id = table->list().front()->id;
  restart();
  ASSERT_EQ(table->running(), 1u);
  const Call& call = *table->list().front();
  EXPECT_EQ(call.id, id);
  EXPECT_EQ(call.state, CallState::confirmed);
  EXPECT_EQ(call.from, "sip:a@example.com");
  EXPECT_EQ(call.to, "sip:b@example.com");
  EXPECT_EQ(flows(), 4u);
}

TEST_F(CallRestartTest, AdoptedCallIsHeldAndEndedByEitherSide) {
  for (const bool by_callee : {false, true}) {
    const std::string invite = establish();
    restart();
    from_client(request({.cseq = 2, .to_tag = "t1", .body = secured + "a=sendonly\r\n"}));
    const std::string offered = heard_by_link();
    EXPECT_EQ(mux_line_of(offered), mux_line_of(invite)) << "the stream is the same";
    from_link(response(offered, "200 OK", "", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite) + "a=recvonly\r\n")));
    EXPECT_EQ(start_line(heard_by_client()), "SIP/2.0 200 OK");
    const std::string bye = request({.method = "BYE", .cseq = 7, .to_tag = "t1", .by_callee = by_callee});
    if (by_callee) {
      from_link(bye);
      from_client(response(heard_by_client(), "200 OK", ""));
    } else {
      from_client(bye);
      from_link(response(heard_by_link(), "200 OK", ""));
    }
    EXPECT_EQ(table->running(), 0u);
    EXPECT_EQ(flows(), 0u);
  }
}

TEST_F(CallRestartTest, CallThatHadNotBeenAnsweredLeavesNoFlow) {
  from_client(request({.body = secured}));
  const std::string invite = heard_by_link();
  from_link(response(invite, "183 Session Progress", "t1", sdp_of("RTP/SAVP", crypto_line + mux_line_of(invite))));
  EXPECT_EQ(flows(), 4u);
  restart();
  EXPECT_EQ(table->running(), 0u);
  EXPECT_EQ(flows(), 0u);
}

TEST_F(CallRestartTest, EndedCallStaysEnded) {
  establish();
  from_client(request({.method = "BYE", .cseq = 2, .to_tag = "t1"}));
  from_link(response(heard_by_link(), "200 OK", ""));
  restart();
  EXPECT_EQ(table->running(), 0u);
}

}  // namespace
}  // namespace sallyport::calls
