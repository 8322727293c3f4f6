// SPDX-License-Identifier: Apache-2.0
#include "dataplane/srtp_context.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "tests/unit/dataplane/srtp_fixture.h"

namespace sallyport::dataplane {
namespace {

TEST(SrtpSuite, NumbersAndNamesAreFound) {
  EXPECT_EQ(find_srtp_suite(0), nullptr);
  EXPECT_EQ(find_srtp_suite(6), nullptr);
  for (const SrtpSuite suite : kAllSuites) {
    EXPECT_EQ(find_srtp_suite(static_cast<uint8_t>(suite)), &srtp_suite_info(suite));
    EXPECT_EQ(srtp_suite_by_sdes_name(srtp_suite_info(suite).sdes_name), suite);
  }
  EXPECT_FALSE(srtp_suite_by_sdes_name("AES_CM_128_HMAC_SHA1_64").has_value());
}

TEST(SrtpSuite, OnlyRtpOfThe32SuiteHasAShortTag) {
  const SrtpSuiteInfo& info = srtp_suite_info(SrtpSuite::aes_cm_128_hmac_sha1_32);
  EXPECT_EQ(info.rtp_tag_length_bytes, 4);
  EXPECT_EQ(info.rtcp_tag_length_bytes, 10);
}

TEST(SrtpKeys, WrongLengthsAreRefused) {
  const Bytes key16(16, 1), key32(32, 1), salt12(12, 2), salt14(14, 2);
  EXPECT_TRUE(SrtpKeys::from_bytes(SrtpSuite::aes_cm_128_hmac_sha1_80, key16, salt14).has_value());
  EXPECT_FALSE(SrtpKeys::from_bytes(SrtpSuite::aes_cm_128_hmac_sha1_80, key32, salt14).has_value());
  EXPECT_FALSE(SrtpKeys::from_bytes(SrtpSuite::aes_cm_128_hmac_sha1_80, key16, salt12).has_value());
  EXPECT_TRUE(SrtpKeys::from_bytes(SrtpSuite::aead_aes_256_gcm, key32, salt12).has_value());
  EXPECT_FALSE(SrtpKeys::from_bytes(SrtpSuite::aead_aes_256_gcm, key16, salt12).has_value());
  EXPECT_FALSE(SrtpKeys::from_bytes(SrtpSuite::aead_aes_256_gcm, key32, salt14).has_value());
}

TEST(SrtpKeys, MovingLeavesNothingBehind) {
  const Bytes key(16, 0xa5), salt(14, 0x5a);
  auto keys = SrtpKeys::from_bytes(SrtpSuite::aes_cm_128_hmac_sha1_80, key, salt);
  const SrtpKeys moved = std::move(*keys);
  EXPECT_TRUE(std::ranges::equal(moved.master_key(), key));
  EXPECT_TRUE(std::ranges::equal(moved.master_salt(), salt));
  EXPECT_TRUE(std::ranges::all_of(keys->master_key(), [](uint8_t byte) { return byte == 0; }));
  EXPECT_TRUE(std::ranges::all_of(keys->master_salt(), [](uint8_t byte) { return byte == 0; }));
}

TEST_F(SrtpFixture, ADestroyedContextLeavesNoKeyInItsMemory) {
  for (const SrtpSuite suite : kAllSuites) {
    alignas(SrtpContext) static uint8_t memory[sizeof(SrtpContext)];
    auto* context = new (memory) SrtpContext;
    context->expand(engine_, random_keys(random_, suite), SrtpUse::rtp);
    EXPECT_FALSE(std::ranges::all_of(memory, [](uint8_t byte) { return byte == 0; }));
    EXPECT_TRUE(context->is_ready());
    context->~SrtpContext();
    // Read as volatile: the object's life is over, and what remains of it is the question.
    const volatile uint8_t* remains = memory;
    size_t left = 0;
    for (size_t at = 0; at < sizeof memory; ++at) left += remains[at] != 0;
    EXPECT_EQ(left, 0u) << srtp_suite_info(suite).sdes_name;
  }
}

TEST_F(SrtpFixture, RtpAndRtcpHaveKeysOfTheirOwn) {
  const SrtpKeys keys = random_keys(random_, SrtpSuite::aes_256_cm_hmac_sha1_80);
  SrtpSessionKeys rtp, rtcp;
  derive_session_keys(engine_, keys, SrtpUse::rtp, rtp);
  derive_session_keys(engine_, keys, SrtpUse::rtcp, rtcp);
  EXPECT_NE(std::memcmp(rtp.cipher_key, rtcp.cipher_key, 32), 0);
  EXPECT_NE(std::memcmp(rtp.auth_key, rtcp.auth_key, 20), 0);
  EXPECT_NE(std::memcmp(rtp.salt, rtcp.salt, 14), 0);
}

}  // namespace
}  // namespace sallyport::dataplane
