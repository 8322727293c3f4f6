// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/srtp_fixture.h"

namespace sallyport::dataplane {
namespace {

using enum SrtpVerdict;
using Verdicts = std::vector<SrtpVerdict>;

class SrtpSeal : public SrtpSuites {
 protected:
  Verdicts seal_sequences(const std::vector<uint16_t>& sequences, uint32_t ssrc = 1) {
    std::vector<Bytes> packets;
    for (const uint16_t sequence : sequences) packets.push_back(rtp_packet(ssrc, sequence));
    return seal(rtp_, sender_, packets);
  }
};

TEST_P(SrtpSeal, AnIndexIsNeverSealedTwice) {
  EXPECT_EQ(seal_sequences({5, 6, 5, 7}), (Verdicts{ok, ok, duplicate_index, ok}));
  EXPECT_EQ(seal_sequences({6}), Verdicts{duplicate_index});
}

TEST_P(SrtpSeal, ReorderedPacketsAreSealedWithinTheWindow) {
  EXPECT_EQ(seal_sequences({1000, 998, 999, 745, 744}), (Verdicts{ok, ok, ok, ok, too_old}));
}

TEST_P(SrtpSeal, TheRolloverCountsUpWhenTheSequenceWraps) {
  EXPECT_EQ(seal_sequences({65534, 0, 65535, 1}), Verdicts(4, ok));
  EXPECT_EQ(sender_.live[0].roc, 1u);
}

TEST_P(SrtpSeal, TheIndexEndsAtTwoToThe48) {
  EXPECT_EQ(seal_sequences({65535}), Verdicts{ok});
  sender_.live[0].roc = UINT32_MAX;
  EXPECT_EQ(seal_sequences({0}), Verdicts{key_limit});
  sender_.srtp_packets = uint64_t{1} << 48;
  EXPECT_EQ(seal_sequences({1}, 2), Verdicts{key_limit});
}

TEST_P(SrtpSeal, RtcpIndicesCountUpFromZeroToTheirLimit) {
  for (uint32_t index = 0; index < 3; ++index) {
    const Bytes sealed = seal_one(rtcp_, sender_, rtcp_packet(1));
    const size_t word_at = rtcp_.is_gcm() ? sealed.size() - 4 : sealed.size() - rtcp_.tag_length_bytes() - 4;
    EXPECT_EQ(load_be32(&sealed[word_at]), 0x80000000u | index);
  }
  sender_.live[0].srtcp_index = 0x7ffffffe;
  seal_one(rtcp_, sender_, rtcp_packet(1));
  std::vector<Bytes> beyond{rtcp_packet(1)};
  EXPECT_EQ(seal(rtcp_, sender_, beyond), Verdicts{key_limit});
}

TEST_P(SrtpSeal, WithoutRoomForTagAndTrailerNothingIsWrittenOrCounted) {
  for (const SrtpContext* context : {&rtp_, &rtcp_}) {
    const Bytes clear = context->is_rtcp() ? rtcp_packet(1) : rtp_packet(1, 1);
    Bytes packet = clear;
    packet.resize(packet.size() + 64, 0xee);
    const auto needed = static_cast<uint32_t>(context->seal_overhead_bytes());
    SrtpJob job{packet.data(), static_cast<uint32_t>(clear.size()), needed - 1, context, &sender_, ok};
    burst_.seal({&job, 1});
    EXPECT_EQ(job.verdict, no_room);
    EXPECT_TRUE(is_same(sender_, SrtpStreamState{}));
    EXPECT_TRUE(std::equal(clear.begin(), clear.end(), packet.begin()));

    SrtpStreamState state{};
    job = {packet.data(), static_cast<uint32_t>(clear.size()), needed, context, &state, malformed};
    burst_.seal({&job, 1});
    EXPECT_EQ(job.verdict, ok);
    EXPECT_EQ(job.tailroom_bytes, 0u);
    // Not one byte behind the room that was given.
    for (size_t at = clear.size() + needed; at < packet.size(); ++at) ASSERT_EQ(packet[at], 0xee) << at;
  }
}

TEST_P(SrtpSeal, WhatIsNoPacketIsRefused) {
  std::vector<Bytes> packets{Bytes(11, 0x80), rtp_packet(1, 1), Bytes(40, 0x40), Bytes{}};
  EXPECT_EQ(seal(rtp_, sender_, packets), (Verdicts{truncated, ok, malformed, truncated}));
  std::vector<Bytes> reports{Bytes(7, 0x80), Bytes(8, 0x40), rtcp_packet(1)};
  EXPECT_EQ(seal(rtcp_, sender_, reports), (Verdicts{truncated, malformed, ok}));
}

// A key stream used twice shows the xor of two packets. So an SSRC that lost its live place keeps its index.
TEST_P(SrtpSeal, AnSsrcThatWasPushedOutNeverUsesItsKeyStreamTwice) {
  EXPECT_EQ(seal_sequences({65535, 0}, 1000), Verdicts(2, ok));
  for (uint32_t ssrc = 1; ssrc <= kLiveSsrcs; ++ssrc) EXPECT_EQ(seal_sequences({1}, ssrc), Verdicts{ok});
  EXPECT_EQ(seal_sequences({65535, 0, 1}, 1000), (Verdicts{duplicate_index, duplicate_index, ok}));
  const SrtpSsrcState* entry = nullptr;
  for (uint32_t slot = 0; slot < kLiveSsrcs; ++slot)
    if (sender_.ssrcs[slot] == 1000) entry = &sender_.live[slot];
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->roc, 1u);
}

TEST_P(SrtpSeal, MoreSsrcsThanCanBeRememberedAreRefusedAndKnownOnesGoOn) {
  for (uint32_t ssrc = 1; ssrc <= kLiveSsrcs + kRetiredSsrcs; ++ssrc) EXPECT_EQ(seal_sequences({1}, ssrc), Verdicts{ok});
  EXPECT_EQ(seal_sequences({1}, 5000), Verdicts{key_limit});
  for (uint32_t ssrc = 1; ssrc <= kLiveSsrcs + kRetiredSsrcs; ++ssrc)
    EXPECT_EQ(seal_sequences({1, 2}, ssrc), (Verdicts{duplicate_index, ok})) << ssrc;
}

TEST_P(SrtpSeal, OpenAndSealAgreeOverManySsrcsThatTakeTurns) {
  for (uint16_t round = 1; round <= 5; ++round)
    for (uint32_t ssrc = 1; ssrc <= 20; ++ssrc) {
      Bytes packet = seal_one(rtp_, sender_, rtp_packet(ssrc, round));
      const Bytes copy = packet;
      ASSERT_EQ(open_one(rtp_, receiver_, packet), ok) << round << " " << ssrc;
      EXPECT_EQ(packet, rtp_packet(ssrc, round));
      Bytes again = copy;
      EXPECT_EQ(open_one(rtp_, receiver_, again), replay);
    }
}

INSTANTIATE_TEST_SUITE_P(Suite, SrtpSeal, testing::ValuesIn(kAllSuites), suite_test_name);

}  // namespace
}  // namespace sallyport::dataplane
