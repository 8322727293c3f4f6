// SPDX-License-Identifier: Apache-2.0
#pragma once
// A sealer and an opener of one suite with the same random keys, and packets to pass between them. For the srtp tests.

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "dataplane/rtp_bytes.h"
#include "dataplane/srtp_burst.h"

namespace sallyport::dataplane {

using Bytes = std::vector<uint8_t>;

inline constexpr SrtpSuite kAllSuites[] = {SrtpSuite::aes_cm_128_hmac_sha1_80, SrtpSuite::aes_cm_128_hmac_sha1_32,
                                           SrtpSuite::aes_256_cm_hmac_sha1_80, SrtpSuite::aead_aes_128_gcm,
                                           SrtpSuite::aead_aes_256_gcm};

inline std::string suite_test_name(const testing::TestParamInfo<SrtpSuite>& info) {
  return std::string(srtp_suite_info(info.param).sdes_name);
}

inline Bytes random_bytes(std::mt19937_64& random, size_t length_bytes) {
  Bytes bytes(length_bytes);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

inline SrtpKeys random_keys(std::mt19937_64& random, SrtpSuite suite) {
  const SrtpSuiteInfo& info = srtp_suite_info(suite);
  return *SrtpKeys::from_bytes(suite, random_bytes(random, info.key_length_bytes), random_bytes(random, info.salt_length_bytes));
}

inline Bytes rtp_packet(uint32_t ssrc, uint16_t sequence, size_t payload_length_bytes = 160) {
  Bytes packet(12 + payload_length_bytes);
  packet[0] = 0x80;
  packet[1] = 8;
  store_be16(&packet[2], sequence);
  store_be32(&packet[8], ssrc);
  for (size_t at = 12; at < packet.size(); ++at) packet[at] = static_cast<uint8_t>(at * 7 + sequence);
  return packet;
}

// A receiver report, or a sender's with as many bytes behind its eight as told.
inline Bytes rtcp_packet(uint32_t ssrc, size_t body_length_bytes = 24) {
  Bytes packet(8 + body_length_bytes);
  packet[0] = 0x81;
  packet[1] = 201;
  store_be16(&packet[2], static_cast<uint16_t>(packet.size() / 4 - 1));
  store_be32(&packet[4], ssrc);
  for (size_t at = 8; at < packet.size(); ++at) packet[at] = static_cast<uint8_t>(at * 5);
  return packet;
}

class SrtpFixture : public testing::Test {
 protected:
  static constexpr uint32_t kTailroomBytes = 48;

  SrtpFixture() : engine_(std::move(drivers::CryptoEngine::create().value())), burst_(engine_) {}

  void use_suite(SrtpSuite suite, uint8_t mki_length_bytes = 0) {
    const SrtpKeys keys = random_keys(random_, suite);
    rtp_.expand(engine_, keys, SrtpUse::rtp);
    rtcp_.expand(engine_, keys, SrtpUse::rtcp);
    rtp_with_mki_.expand(engine_, keys, SrtpUse::rtp, mki_length_bytes);
    rtcp_with_mki_.expand(engine_, keys, SrtpUse::rtcp, mki_length_bytes);
  }

  // Passes packets in one burst; each becomes its result where the verdict is ok.
  template <class Pass>
  std::vector<SrtpVerdict> pass(Pass pass, const SrtpContext& context, SrtpStreamState& state, std::vector<Bytes>& packets) {
    std::vector<SrtpJob> jobs;
    for (Bytes& packet : packets) {
      const auto length = static_cast<uint32_t>(packet.size());
      packet.resize(length + kTailroomBytes);
      jobs.push_back({packet.data(), length, kTailroomBytes, &context, &state, SrtpVerdict::malformed});
    }
    (burst_.*pass)(jobs, SrtpBurst::Fetch::now);
    std::vector<SrtpVerdict> verdicts;
    for (size_t at = 0; at < jobs.size(); ++at) {
      EXPECT_EQ(jobs[at].length_bytes + jobs[at].tailroom_bytes, packets[at].size());
      packets[at].resize(jobs[at].length_bytes);
      verdicts.push_back(jobs[at].verdict);
    }
    return verdicts;
  }

  std::vector<SrtpVerdict> seal(const SrtpContext& context, SrtpStreamState& state, std::vector<Bytes>& packets) {
    return pass(&SrtpBurst::seal, context, state, packets);
  }
  std::vector<SrtpVerdict> open(const SrtpContext& context, SrtpStreamState& state, std::vector<Bytes>& packets) {
    return pass(&SrtpBurst::open, context, state, packets);
  }

  Bytes seal_one(const SrtpContext& context, SrtpStreamState& state, Bytes packet) {
    std::vector<Bytes> packets{std::move(packet)};
    EXPECT_EQ(seal(context, state, packets).front(), SrtpVerdict::ok);
    return packets.front();
  }
  SrtpVerdict open_one(const SrtpContext& context, SrtpStreamState& state, Bytes& packet) {
    std::vector<Bytes> packets{packet};
    const SrtpVerdict verdict = open(context, state, packets).front();
    packet = packets.front();
    return verdict;
  }

  static bool is_same(const SrtpStreamState& one, const SrtpStreamState& other) {
    return std::memcmp(&one, &other, sizeof one) == 0;
  }

  std::mt19937_64 random_{2026};
  drivers::CryptoEngine engine_;
  SrtpBurst burst_;
  SrtpContext rtp_, rtcp_, rtp_with_mki_, rtcp_with_mki_;
  SrtpStreamState sender_{}, receiver_{};
};

class SrtpSuites : public SrtpFixture, public testing::WithParamInterface<SrtpSuite> {
 protected:
  SrtpSuites() { use_suite(GetParam(), 4); }
};

}  // namespace sallyport::dataplane
