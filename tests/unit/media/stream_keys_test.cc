// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/stream_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace sallyport::media {
namespace {

using sip::CryptoSuite;

const Suites every_suite{sip::crypto_suites.begin(), sip::crypto_suites.end()};
const std::string key_30(40, 'A');             // 30 bytes
const std::string cm80 = "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:" + key_30 + "|2^31|1:4\r\n";
const std::string cm32 = "a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:" + key_30 + "\r\n";
const std::string gcm128 = "a=crypto:7 AEAD_AES_128_GCM inline:" + std::string(36, 'B') + "BA==\r\n";

struct Parsed {
  explicit Parsed(const std::string& lines) : text("v=0\r\nm=audio 4 RTP/SAVP 0\r\n" + lines) {
    EXPECT_TRUE(sip::parse_sdp(text, sdp).ok());
  }
  std::span<const sip::SdpLine> lines() const { return sdp.lines(sdp.media()[0]); }
  std::string text;
  sip::Sdp sdp;
};

TEST(StreamKeys, StrongestOfferedSuiteIsChosenWhateverTheOrder) {
  const Parsed offer(cm32 + cm80 + gcm128);
  const TaggedKey chosen = select_offered(offer.lines(), every_suite);
  ASSERT_TRUE(chosen.key);
  EXPECT_EQ(chosen.tag, 7u);
  EXPECT_EQ(chosen.key->suite, CryptoSuite::aead_aes_128_gcm);
}

TEST(StreamKeys, SuitesNotAllowedAndUnreadableLinesArePassedOver) {
  const Parsed offer("a=crypto:1 AEAD_AES_256_GCM inline:short\r\na=crypto:2 F8_128_HMAC_SHA1_80 inline:" + key_30 + "\r\n" + cm80 + gcm128);
  const TaggedKey chosen = select_offered(offer.lines(), {CryptoSuite::aead_aes_256_gcm, CryptoSuite::aes_cm_128_hmac_sha1_80});
  ASSERT_TRUE(chosen.key);
  EXPECT_EQ(chosen.tag, 3u);
  EXPECT_EQ(chosen.key->mki_bytes, 4);
  EXPECT_FALSE(select_offered(offer.lines(), {CryptoSuite::aes_cm_128_hmac_sha1_32}).key);
}

TEST(StreamKeys, FreshKeysDifferAndCarryTheirTagsInOrderOfStrength) {
  const auto keys = fresh_keys(every_suite);
  ASSERT_EQ(keys.size(), 5u);
  EXPECT_EQ(keys[0].tag, 1u);
  EXPECT_EQ(keys[0].key->suite, CryptoSuite::aead_aes_256_gcm);
  EXPECT_EQ(keys[4].key->suite, CryptoSuite::aes_cm_128_hmac_sha1_32);
  EXPECT_NE(std::memcmp(keys[3].key->key.bytes().data(), keys[4].key->key.bytes().data(), 30), 0);
}

TEST(StreamKeys, AnswerMustRepeatTagAndSuiteOfOneOffer) {
  const std::vector<TaggedKey> offered{{3, fresh_key(CryptoSuite::aes_cm_128_hmac_sha1_80)}, {4, fresh_key(CryptoSuite::aes_256_cm_hmac_sha1_80)}};
  const SrtpLeg leg = match_answer(Parsed(cm80).lines(), offered);
  EXPECT_TRUE(leg.is_secured());
  EXPECT_EQ(leg.tag, 3u);
  EXPECT_EQ(leg.seal, offered[0].key);
  EXPECT_FALSE(match_answer(Parsed(cm32).lines(), offered).is_secured());
  EXPECT_FALSE(match_answer(Parsed(gcm128).lines(), offered).is_secured());
  // AES-256 offered under tag 4, answered there with a 128-bit key under the 256-bit name.
  EXPECT_FALSE(match_answer(Parsed("a=crypto:4 AES_256_CM_HMAC_SHA1_80 inline:" + key_30 + "\r\n").lines(), offered).is_secured());
  EXPECT_FALSE(match_answer(Parsed("a=ptime:20\r\n").lines(), offered).is_secured());
}

TEST(StreamKeys, MaterialKeepsKeySaltAndMkiBothWays) {
  for (const CryptoSuite suite : sip::crypto_suites) {
    const SharedKey key = fresh_key(suite);
    const abi::KeyMaterial material = key_material(*key);
    const SharedKey back = from_material(material);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->suite, suite);
    EXPECT_TRUE(std::ranges::equal(back->key.bytes(), key->key.bytes()));
  }
  EXPECT_FALSE(from_material(abi::KeyMaterial{}));
}

TEST(StreamKeys, PlaceholderHoldsNoKeyAndIsFilledInPlace) {
  std::vector<KeyPlaceholder> placeholders;
  const TaggedKey key{9, fresh_key(CryptoSuite::aes_256_cm_hmac_sha1_80)};
  std::string text = crypto_line(key, placeholders);
  const std::string before = text;
  ASSERT_TRUE(fill_in(text, placeholders));
  EXPECT_EQ(text.size(), before.size());
  EXPECT_NE(text, before);
  const Parsed read(text + "\r\n");
  const TaggedKey found = select_offered(read.lines(), every_suite);
  ASSERT_TRUE(found.key);
  EXPECT_EQ(found.tag, 9u);
  EXPECT_TRUE(std::ranges::equal(found.key->key.bytes(), key.key->key.bytes()));
  std::string other = "nothing of the kind";
  EXPECT_FALSE(fill_in(other, placeholders));
}

}  // namespace
}  // namespace sallyport::media
