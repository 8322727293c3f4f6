// SPDX-License-Identifier: Apache-2.0
// Keyless latching between E and C: forged packets first, during and after; a phone that moves; floods of sources.

#include <gtest/gtest.h>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

const abi::Address forger = address("203.0.113.66", 6000);

class LatchTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(pair.open_call()); }
  Bytes forged(uint16_t seq = 5000) {
    Bytes packet = rtp(seq, 0xaaaa, 0x66);
    packet.insert(packet.end(), 10, 0);
    return packet;
  }
  TestPair pair;
};

TEST_F(LatchTest, MediaPassesBothWaysOnceTheSourceIsConfirmed) {
  ASSERT_TRUE(pair.establish());
  const auto at_b = pair.say_a(phone_a, pair.next_a());
  ASSERT_TRUE(at_b);
  EXPECT_EQ(at_b->source, relay_b);
  EXPECT_EQ(at_b->destination, phone_b);
  EXPECT_EQ(at_b->payload, rtp(static_cast<uint16_t>(pair.seq_a - 1), 0xaaaa, 0x11)) << "B hears it in clear";
  const auto at_a = pair.say_b(pair.next_b());
  ASSERT_TRUE(at_a);
  EXPECT_EQ(at_a->source, relay_a);
  EXPECT_EQ(at_a->destination, phone_a);
  const auto clear = pair.a.unprotect(at_a->payload);
  ASSERT_TRUE(clear);
  EXPECT_EQ(*clear, rtp(static_cast<uint16_t>(pair.seq_b - 1), 0xbbbb, 0x22));
  EXPECT_TRUE(pair.e.take_event(abi::EventType::latched));
}

TEST_F(LatchTest, NothingIsSentToAnUnconfirmedSource) {
  pair.say_a(forger, forged());
  pair.step(200 * ms);
  pair.say_a(forger, forged());
  EXPECT_FALSE(pair.say_b(pair.next_b())) << "RTP bleed: the first packet must not win";
  EXPECT_FALSE(pair.e.state(0).latched.is_set());
  EXPECT_GT(pair.e.drops(abi::DropReason::not_latched), 0u);
  EXPECT_GT(pair.c.drops(abi::DropReason::auth_failed), 0u);
}

TEST_F(LatchTest, ForgedPacketsBeforeTheGenuineOnesDoNotLatch) {
  for (int i = 0; i < 20; ++i) pair.say_a(forger, forged(static_cast<uint16_t>(i)));
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.say_b(pair.next_b())->destination, phone_a);
}

TEST_F(LatchTest, ForgedPacketsDuringAndAfterNeverMoveTheLatch) {
  ASSERT_TRUE(pair.establish());
  for (int i = 0; i < 200; ++i) {
    pair.say_a(forger, forged(static_cast<uint16_t>(i)));
    ASSERT_TRUE(pair.say_a(phone_a, pair.next_a())) << "the genuine stream goes on";
    ASSERT_EQ(pair.say_b(pair.next_b())->destination, phone_a);
    pair.step(20 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latch_moves, 0u);
  EXPECT_GT(pair.e.drops(abi::DropReason::policed) + pair.c.drops(abi::DropReason::auth_failed), 0u);
}

TEST_F(LatchTest, RecordedGenuinePacketsFromElsewhereNeverMoveTheLatch) {
  ASSERT_TRUE(pair.establish());
  const Bytes recorded = pair.next_a();
  ASSERT_TRUE(pair.say_a(phone_a, recorded));
  for (int i = 0; i < 50; ++i) {
    pair.say_a(forger, recorded);
    pair.step(20 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latched, phone_a);
  EXPECT_GT(pair.c.drops(abi::DropReason::replay), 0u);
}

TEST_F(LatchTest, PhoneThatMovesIsFollowedWhenItsPacketsAuthenticate) {
  ASSERT_TRUE(pair.establish());
  const abi::Address moved = address("203.0.113.9", 4444);
  for (int i = 0; i < 5; ++i) {
    pair.say_a(moved, pair.next_a());
    pair.step(20 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latched, moved);
  EXPECT_EQ(pair.e.state(0).latch_moves, 1u);
  EXPECT_TRUE(pair.e.take_event(abi::EventType::latch_moved));
  EXPECT_EQ(pair.say_b(pair.next_b())->destination, moved);
}

TEST_F(LatchTest, OldPacketOvertakenByTheMoveDoesNotMoveItBack) {
  ASSERT_TRUE(pair.establish());
  const Bytes late = pair.next_a();
  const abi::Address moved = address("203.0.113.9", 4444);
  for (int i = 0; i < 5; ++i) {
    pair.say_a(moved, pair.next_a());
    pair.step(20 * ms);
  }
  pair.say_a(phone_a, late);
  pair.step(20 * ms);
  EXPECT_EQ(pair.e.state(0).latched, moved) << "only a packet newer than any seen moves the latch";
}

TEST_F(LatchTest, FifthSourceWaitsUntilASlotIsFree) {
  for (uint16_t i = 0; i < 5; ++i) pair.say_a(address("203.0.113.66", static_cast<uint16_t>(6000 + i)), forged(i));
  EXPECT_EQ(pair.e.drops(abi::DropReason::too_many_candidates), 1u);
  pair.step(6000 * ms);
  pair.say_a(phone_a, pair.next_a());
  EXPECT_EQ(pair.e.drops(abi::DropReason::too_many_candidates), 1u) << "silent candidates give up their slots";
}

TEST_F(LatchTest, PhoneGetsItsTurnThoughAFloodKeepsAllSlotsBusy) {
  uint16_t forged_seq = 0;
  for (int round = 0; round < 400 && !(pair.e.state(0).latched == phone_a); ++round) {
    for (uint16_t i = 0; i < 4; ++i) pair.say_a(address("203.0.113.66", static_cast<uint16_t>(6000 + i)), forged(forged_seq++));
    pair.say_a(phone_a, pair.next_a());
    pair.step(16 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latched, phone_a);
}

// Its SSRC and sequence numbers, which no stranger knows, take it past the strangers; the tag still decides.
TEST_F(LatchTest, PhoneThatMovesNeedNotWaitBehindAFlood) {
  ASSERT_TRUE(pair.establish());
  for (int i = 0; i < 120; ++i) {
    ASSERT_TRUE(pair.say_a(phone_a, pair.next_a()));
    pair.step(20 * ms);
  }
  const abi::Address moved = address("203.0.113.9", 4711);
  for (int i = 0; i < 40; ++i) {
    for (uint16_t port = 0; port < 20; ++port) {
      Bytes packet = forged(static_cast<uint16_t>(i));
      packet[11] = 0x01;  // of another SSRC
      pair.say_a(address("203.0.113.66", static_cast<uint16_t>(6000 + port)), packet);
    }
    if (i >= 10) pair.say_a(moved, pair.next_a());
    pair.step(20 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latched, moved);
  EXPECT_EQ(pair.e.state(0).latch_moves, 1u);
}

TEST_F(LatchTest, ConfirmationLostOnTheWayIsRepeated) {
  inject(pair.outer, build_frame(phone_a, relay_a, pair.next_a()));
  pair.e.poll(pair.now_ns);
  pair.c.poll(pair.now_ns);
  EXPECT_GT(lose_towards_port(pair.trunk), 0u) << "C has said it once";
  pair.e.poll(pair.now_ns);
  ASSERT_FALSE(pair.e.state(0).latched.is_set());
  for (int i = 0; i < 5; ++i) {
    pair.say_a(phone_a, pair.next_a());
    pair.step(20 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latched, phone_a);
}

TEST_F(LatchTest, ReInviteWithLatchResetLearnsTheNewAddressFromC) {
  ASSERT_TRUE(pair.establish());
  abi::Command command;
  command.type = abi::CommandType::modify_flow;
  command.flow_index = 0;
  command.generation = 1;
  command.modify_flags = abi::modify_reset_latch;
  command.flow = TestPair::from_a();
  ASSERT_EQ(pair.e.run(command), abi::CommandStatus::done);
  EXPECT_FALSE(pair.say_b(pair.next_b()));
  const abi::Address moved = address("203.0.113.77", 7000);
  for (int i = 0; i < 5; ++i) {
    pair.say_a(moved, pair.next_a());
    pair.step(20 * ms);
  }
  EXPECT_EQ(pair.e.state(0).latched, moved) << "other candidate bits, so C speaks at once";
}

TEST_F(LatchTest, RtcpLatchesOnItsOwn) {
  ASSERT_TRUE(pair.establish());
  for (int i = 0; i < 6; ++i) {
    inject(pair.outer, build_frame(phone_a_rtcp, relay_a_rtcp, pair.a_rtcp.protect(rtcp(0xaaaa))));
    pair.step(200 * ms);
  }
  EXPECT_EQ(pair.e.state(2).latched, phone_a_rtcp);
  const auto at_b = pair.last(pair.inner);
  ASSERT_TRUE(at_b);
  EXPECT_EQ(at_b->destination.port, 5001);
  EXPECT_EQ(at_b->payload, rtcp(0xaaaa));
}

TEST_F(LatchTest, AuthenticatedLatchMovesOnlyAfterATagVerified) {
  abi::FlowSpec spec = TestPair::to_b();
  spec.flow_index = 8;
  spec.arrival = abi::Arrival::port;
  spec.flags = 0;
  spec.latch = abi::Latch::authenticated;
  spec.local_slot = 1;
  spec.local_port = 43000;
  ASSERT_EQ(pair.c.add(spec), abi::CommandStatus::done);
  TestPhone phone(test_key(1), test_key(9));
  const abi::Address to = address("10.9.0.1", 43000), from = address("10.9.0.44", 4000);
  inject(pair.inner, build_frame(forger, to, forged()));
  pair.step();
  EXPECT_FALSE(pair.c.state(8).latched.is_set());
  const Bytes first = phone.protect(rtp(1));
  inject(pair.inner, build_frame(from, to, first));
  pair.step();
  EXPECT_EQ(pair.c.state(8).latched, from);
  inject(pair.inner, build_frame(forger, to, first));
  pair.step();
  EXPECT_EQ(pair.c.state(8).latched, from) << "a replay moves nothing";
}

TEST_F(LatchTest, ExactLatchTakesOneSourceOnly) {
  abi::FlowSpec spec = TestPair::from_b();
  spec.flow_index = 8;
  spec.latch = abi::Latch::exact;
  spec.expected_source = phone_b;
  spec.local_port = 43000;
  spec.egress_multiplex_id = abi::make_multiplex_id(1, 9);
  ASSERT_EQ(pair.c.add(spec), abi::CommandStatus::done);
  const abi::Address to = address("10.9.0.1", 43000);
  inject(pair.inner, build_frame(address("10.9.0.9", 5002), to, rtp(1)));
  pair.step();
  EXPECT_EQ(pair.c.drops(abi::DropReason::wrong_source), 1u);
  inject(pair.inner, build_frame(phone_b, to, rtp(2)));
  pair.step();
  EXPECT_EQ(pair.c.state(8).latched, phone_b);
}

}  // namespace
}  // namespace sallyport::test
