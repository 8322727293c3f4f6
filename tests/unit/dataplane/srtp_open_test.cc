// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/dataplane/srtp_fixture.h"

namespace sallyport::dataplane {
namespace {

using enum SrtpVerdict;
using Verdicts = std::vector<SrtpVerdict>;

class SrtpOpen : public SrtpSuites {
 protected:
  std::vector<Bytes> sealed(const std::vector<uint16_t>& sequences, uint32_t ssrc = 1) {
    std::vector<Bytes> packets;
    for (const uint16_t sequence : sequences) packets.push_back(seal_one(rtp_, sender_, rtp_packet(ssrc, sequence)));
    return packets;
  }
};

TEST_P(SrtpOpen, WhatWasSealedOpensToTheSameBytes) {
  for (const size_t payload : {0u, 1u, 15u, 16u, 17u, 160u, 1200u, 1460u}) {
    const Bytes clear = rtp_packet(1, static_cast<uint16_t>(payload), payload);
    Bytes packet = seal_one(rtp_, sender_, clear);
    EXPECT_EQ(packet.size(), clear.size() + rtp_.seal_overhead_bytes());
    if (payload > 0) {
      EXPECT_NE(Bytes(packet.begin() + 12, packet.begin() + 12 + static_cast<ptrdiff_t>(payload)),
                Bytes(clear.begin() + 12, clear.end()));
    }
    EXPECT_EQ(open_one(rtp_, receiver_, packet), ok);
    EXPECT_EQ(packet, clear) << payload;
  }
}

TEST_P(SrtpOpen, RtcpOpensToTheSameBytes) {
  for (const size_t body : {0u, 4u, 24u, 400u}) {
    const Bytes clear = rtcp_packet(1, body);
    Bytes packet = seal_one(rtcp_, sender_, clear);
    EXPECT_EQ(packet.size(), clear.size() + rtcp_.seal_overhead_bytes());
    EXPECT_EQ(open_one(rtcp_, receiver_, packet), ok);
    EXPECT_EQ(packet, clear) << body;
  }
}

TEST_P(SrtpOpen, UnauthenticatedPacketLeavesStateUnchanged) {
  for (Bytes& packet : sealed({100, 101})) EXPECT_EQ(open_one(rtp_, receiver_, packet), ok);
  const SrtpStreamState before = receiver_;
  const Bytes genuine = sealed({102}).front();
  for (size_t at = 0; at < genuine.size(); ++at) {
    Bytes forged = genuine;
    forged[at] ^= 0x40;
    EXPECT_NE(open_one(rtp_, receiver_, forged), ok) << "byte " << at;
    ASSERT_TRUE(is_same(before, receiver_)) << "byte " << at;
  }
  Bytes packet = genuine;
  EXPECT_EQ(open_one(rtp_, receiver_, packet), ok);
}

TEST_P(SrtpOpen, UnauthenticatedRtcpLeavesStateUnchanged) {
  const SrtpStreamState before = receiver_;
  const Bytes genuine = seal_one(rtcp_, sender_, rtcp_packet(5));
  for (size_t at = 0; at < genuine.size(); ++at) {
    Bytes forged = genuine;
    forged[at] ^= 0x80;
    EXPECT_NE(open_one(rtcp_, receiver_, forged), ok) << "byte " << at;
    ASSERT_TRUE(is_same(before, receiver_)) << "byte " << at;
  }
  Bytes packet = genuine;
  EXPECT_EQ(open_one(rtcp_, receiver_, packet), ok);
}

TEST_P(SrtpOpen, AnSsrcIsEnteredOnlyAfterAuthentication) {
  std::vector<Bytes> forged;
  for (uint32_t ssrc = 100; ssrc < 140; ++ssrc) {
    Bytes packet = rtp_packet(ssrc, 1);
    packet.resize(packet.size() + rtp_.tag_length_bytes(), 0x11);
    forged.push_back(packet);
  }
  EXPECT_EQ(open(rtp_, receiver_, forged), Verdicts(40, auth_failed));
  EXPECT_TRUE(is_same(receiver_, SrtpStreamState{}));
}

TEST_P(SrtpOpen, TheSecondOfTwoEqualPacketsInOneBurstIsAReplay) {
  std::vector<Bytes> packets = sealed({10, 11, 12});
  packets.insert(packets.begin() + 1, packets[0]);
  packets.push_back(packets[3]);
  EXPECT_EQ(open(rtp_, receiver_, packets), (Verdicts{ok, replay, ok, ok, replay}));
  EXPECT_EQ(receiver_.srtp_packets, 3u);
}

TEST_P(SrtpOpen, TheSecondOfTwoEqualRtcpPacketsInOneBurstIsAReplay) {
  std::vector<Bytes> packets;
  for (int at = 0; at < 3; ++at) packets.push_back(seal_one(rtcp_, sender_, rtcp_packet(9)));
  packets.push_back(packets[1]);
  EXPECT_EQ(open(rtcp_, receiver_, packets), (Verdicts{ok, ok, ok, replay}));
}

TEST_P(SrtpOpen, AForgeryBeforeTheGenuinePacketInOneBurstDoesNotShadowIt) {
  const Bytes genuine = sealed({10}).front();
  Bytes forged = genuine;
  forged[20] ^= 1;
  std::vector<Bytes> packets{forged, genuine, forged};
  const Verdicts verdicts = open(rtp_, receiver_, packets);
  EXPECT_EQ(verdicts[0], auth_failed);
  EXPECT_EQ(verdicts[1], ok);
  EXPECT_EQ(verdicts[2], auth_failed);
  EXPECT_EQ(packets[1], rtp_packet(1, 10));
}

TEST_P(SrtpOpen, AWrapInsideOneBurstIsFollowed) {
  std::vector<Bytes> packets = sealed({65530, 65533, 65535, 0, 1, 65534, 2});
  EXPECT_EQ(open(rtp_, receiver_, packets), Verdicts(7, ok));
  EXPECT_EQ(packets[3], rtp_packet(1, 0));
  EXPECT_EQ(receiver_.live[0].roc, 1u);
  EXPECT_EQ(receiver_.live[0].highest_seq, 2);
}

TEST_P(SrtpOpen, AFirstBurstThatWrapsIsOpenedUnderTheRolloverItsOwnPacketsShow) {
  // Nothing is known of the SSRC when the burst begins, so 0 and 1 are first tried with ROC 0, then again with ROC 1.
  std::vector<Bytes> packets = sealed({65534, 65535, 0, 1});
  ASSERT_EQ(sender_.live[0].roc, 1u);
  EXPECT_EQ(open(rtp_, receiver_, packets), Verdicts(4, ok));
  for (size_t at = 0; at < 4; ++at) EXPECT_EQ(packets[at], rtp_packet(1, static_cast<uint16_t>(65534 + at)));
}

TEST_P(SrtpOpen, SequenceNumbersRepeatAfterAWrapWithoutBeingReplays) {
  for (int round = 0; round < 4; ++round)
    for (const uint16_t sequence : {0, 1, 20000, 40000, 60000}) {
      Bytes packet = sealed({sequence}).front();
      const Bytes copy = packet;
      EXPECT_EQ(open_one(rtp_, receiver_, packet), ok) << round << " " << sequence;
      Bytes again = copy;
      EXPECT_EQ(open_one(rtp_, receiver_, again), replay);
    }
  EXPECT_EQ(receiver_.live[0].roc, 3u);
}

TEST_P(SrtpOpen, LatePacketsWithinTheWindowPassOnceAndOlderOnesDoNot) {
  std::vector<uint16_t> sequences;
  for (uint16_t sequence = 1000; sequence <= 1300; ++sequence) sequences.push_back(sequence);
  std::vector<Bytes> packets = sealed(sequences);
  const std::vector<Bytes> copies = packets;
  Bytes last = packets[300];
  EXPECT_EQ(open_one(rtp_, receiver_, last), ok);
  Bytes oldest = packets[300 - 255];
  EXPECT_EQ(open_one(rtp_, receiver_, oldest), ok);
  Bytes again = copies[300 - 255];
  EXPECT_EQ(open_one(rtp_, receiver_, again), replay);
  Bytes too_late = packets[300 - 256];
  EXPECT_EQ(open_one(rtp_, receiver_, too_late), too_old);
}

TEST_P(SrtpOpen, EveryLengthBelowHeaderAndTagIsTruncated) {
  const size_t least = 12 + rtp_.tag_length_bytes();
  Bytes shortest = seal_one(rtp_, sender_, rtp_packet(1, 1, 0));
  ASSERT_EQ(shortest.size(), least);
  for (size_t length = 0; length < least; ++length) {
    Bytes cut(shortest.begin(), shortest.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_EQ(open_one(rtp_, receiver_, cut), truncated) << length;
  }
  EXPECT_EQ(open_one(rtp_, receiver_, shortest), ok);

  const Bytes report = seal_one(rtcp_, sender_, rtcp_packet(1, 0));
  for (size_t length = 0; length < report.size(); ++length) {
    Bytes cut(report.begin(), report.begin() + static_cast<ptrdiff_t>(length));
    EXPECT_EQ(open_one(rtcp_, receiver_, cut), truncated) << length;
  }
}

TEST_P(SrtpOpen, AHeaderThatDoesNotFitIsMalformed) {
  Bytes wrong_version = seal_one(rtp_, sender_, rtp_packet(1, 1));
  wrong_version[0] = 0x40;
  EXPECT_EQ(open_one(rtp_, receiver_, wrong_version), malformed);
  Bytes too_many_sources = seal_one(rtp_, sender_, rtp_packet(1, 2, 8));
  too_many_sources[0] = 0x8f;
  EXPECT_EQ(open_one(rtp_, receiver_, too_many_sources), malformed);
}

TEST_P(SrtpOpen, CsrcsAndExtensionStayInClear) {
  Bytes clear = rtp_packet(1, 1, 100);
  clear[0] = 0x80 | 0x10 | 2;  // two CSRCs, an extension of one word
  clear[12 + 8 + 2] = 0;
  clear[12 + 8 + 3] = 1;
  Bytes packet = seal_one(rtp_, sender_, clear);
  EXPECT_EQ(Bytes(packet.begin(), packet.begin() + 28), Bytes(clear.begin(), clear.begin() + 28));
  EXPECT_EQ(open_one(rtp_, receiver_, packet), ok);
  EXPECT_EQ(packet, clear);
}

TEST_P(SrtpOpen, AMasterKeyIdentifierIsSkipped) {
  const Bytes mki{0xca, 0xfe, 0x00, 0x01};
  const size_t tag = rtp_.tag_length_bytes();
  const Bytes clear = rtp_packet(1, 7);
  Bytes packet = seal_one(rtp_, sender_, clear);
  // RFC 3711 3.1: before the tag. RFC 7714 8.2: behind it.
  const bool is_gcm = rtp_.is_gcm();
  packet.insert(packet.end() - (is_gcm ? 0 : static_cast<ptrdiff_t>(tag)), mki.begin(), mki.end());
  EXPECT_EQ(open_one(rtp_with_mki_, receiver_, packet), ok);
  EXPECT_EQ(packet, clear);

  const Bytes report = rtcp_packet(1);
  Bytes sealed_report = seal_one(rtcp_, sender_, report);
  sealed_report.insert(sealed_report.end() - (is_gcm ? 0 : static_cast<ptrdiff_t>(rtcp_.tag_length_bytes())), mki.begin(), mki.end());
  EXPECT_EQ(open_one(rtcp_with_mki_, receiver_, sealed_report), ok);
  EXPECT_EQ(sealed_report, report);
}

TEST_P(SrtpOpen, AnotherKeyOpensNothing) {
  std::vector<Bytes> packets = sealed({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18});
  use_suite(GetParam());
  EXPECT_EQ(open(rtp_, receiver_, packets), Verdicts(18, auth_failed));
}

TEST_P(SrtpOpen, TheKeyLimitsStopAStream) {
  Bytes packet = sealed({1}).front();
  receiver_.srtp_packets = uint64_t{1} << 48;
  EXPECT_EQ(open_one(rtp_, receiver_, packet), key_limit);
  Bytes report = seal_one(rtcp_, sender_, rtcp_packet(1));
  receiver_.srtcp_packets = uint64_t{1} << 31;
  EXPECT_EQ(open_one(rtcp_, receiver_, report), key_limit);
}

TEST_P(SrtpOpen, AContextWithoutKeysOpensNothing) {
  SrtpContext empty;
  Bytes packet = sealed({1}).front();
  EXPECT_EQ(open_one(empty, receiver_, packet), key_limit);
  rtp_.wipe();
  EXPECT_EQ(open_one(rtp_, receiver_, packet), key_limit);
}

INSTANTIATE_TEST_SUITE_P(Suite, SrtpOpen, testing::ValuesIn(kAllSuites), suite_test_name);

// RFC 3711 3.4: a report with the E bit clear is authenticated, not enciphered. Built from the session's own pieces.
TEST_F(SrtpFixture, RtcpWithTheEncipheredBitClearIsOnlyAuthenticated) {
  use_suite(SrtpSuite::aes_cm_128_hmac_sha1_80);
  const Bytes clear = rtcp_packet(3);
  Bytes packet = clear;
  packet.insert(packet.end(), {0, 0, 0, 77});
  alignas(16) uint8_t tag[32];
  IMB_JOB job;
  drivers::CryptoEngine::prepare_sha1_job(job);
  job.src = packet.data();
  job.msg_len_to_hash_in_bytes = packet.size();
  job.u.HMAC._hashed_auth_key_xor_ipad = rtcp_.ipad_state();
  job.u.HMAC._hashed_auth_key_xor_opad = rtcp_.opad_state();
  job.auth_tag_output = tag;
  engine_.hash_sha1({&job, 1});
  packet.insert(packet.end(), tag, tag + 10);
  EXPECT_EQ(open_one(rtcp_, receiver_, packet), ok);
  EXPECT_EQ(packet, clear);
  EXPECT_EQ(receiver_.live[0].srtcp_index, 77u);
}

}  // namespace
}  // namespace sallyport::dataplane
