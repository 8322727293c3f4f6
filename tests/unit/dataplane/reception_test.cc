// SPDX-License-Identifier: Apache-2.0
#include "dataplane/reception.h"

#include <gtest/gtest.h>

#include "tests/unit/dataplane/frame.h"

namespace sallyport::test {
namespace {

constexpr uint64_t ms = 1'000'000;

class Reception : public testing::Test {
 protected:
  void hear(uint16_t seq, uint32_t ssrc = 1, uint64_t late_ns = 0) {
    const uint64_t now_ns = 1'000'000'000'000 + uint64_t{seq} * 20 * ms + late_ns;
    dataplane::note_reception(state, rtp(seq, ssrc).data(), dataplane::arrival_ticks(now_ns, dataplane::ticks_per_ns_q32(8000)));
  }
  abi::ReceptionState state;
};

TEST_F(Reception, CountsLossAcrossTheWrapOfTheSequenceNumber) {
  for (uint32_t seq = 65500; seq < 65500 + 100; ++seq) {
    if (seq % 10 != 0) hear(static_cast<uint16_t>(seq));
  }
  EXPECT_EQ(state.received, 90u);
  EXPECT_EQ(dataplane::lost_packets(state), 9) << "the first is not missed, it never began";
  EXPECT_EQ(state.highest_extended_seq, 65599u);
}

TEST_F(Reception, LatePacketIsNoLoss) {
  for (const uint16_t seq : {1, 2, 4, 3, 5}) hear(seq);
  EXPECT_EQ(dataplane::lost_packets(state), 0);
}

TEST_F(Reception, SteadyStreamHasNoJitterAndAnUnsteadyOneHas) {
  for (uint16_t seq = 0; seq < 100; ++seq) hear(seq);
  EXPECT_EQ(state.jitter_q4 >> 4, 0u);
  for (uint16_t seq = 100; seq < 300; ++seq) hear(seq, 1, seq % 2 ? 10 * ms : 0);
  // 10 ms are 80 units at 8 kHz, and every packet differs from the one before by so much.
  EXPECT_NEAR(state.jitter_q4 >> 4, 80, 3);
}

TEST_F(Reception, NewSourceKeepsTheLossOfTheOldOne) {
  for (const uint16_t seq : {1, 2, 5}) hear(seq, 1);
  hear(900, 2);
  EXPECT_EQ(state.ssrc, 2u);
  EXPECT_EQ(state.lost_before, 2u);
  EXPECT_EQ(dataplane::lost_packets(state), 0);
}

TEST_F(Reception, OneWildSequenceNumberIsNotBelievedButTwoInARowAre) {
  for (uint16_t seq = 0; seq < 10; ++seq) hear(seq);
  hear(40000);
  EXPECT_EQ(state.received, 10u);
  hear(10);
  EXPECT_EQ(state.received, 11u);
  hear(40000);
  hear(40001);
  EXPECT_EQ(state.received, 1u);
  EXPECT_EQ(state.base_extended_seq, 40001u);
}

}  // namespace
}  // namespace sallyport::test
