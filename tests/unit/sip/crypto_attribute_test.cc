// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/crypto_attribute.h"

#include <cstring>
#include <new>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::sip {
namespace {

CryptoResult read(const std::string& content) {
  static std::string text;
  text = "a=crypto:" + content + "\r\n";
  Sdp sdp;
  EXPECT_TRUE(parse_sdp(text, sdp));
  return read_crypto(sdp.lines()[0]);
}

// The example of RFC 4568 9.2: key d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj.
TEST(CryptoAttribute, ExampleOfTheRfcIsRead) {
  const CryptoResult result =
      read("1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4");
  ASSERT_TRUE(result.attribute) << result.refusal;
  EXPECT_EQ(result.attribute->tag, 1u);
  EXPECT_EQ(result.attribute->suite, CryptoSuite::aes_cm_128_hmac_sha1_80);
  EXPECT_EQ(result.attribute->lifetime_packets, 1u << 20);
  EXPECT_EQ(result.attribute->mki, 1u);
  EXPECT_EQ(result.attribute->mki_bytes, 4);
  EXPECT_EQ(result.attribute->key.key().size(), 16u);
  EXPECT_EQ(result.attribute->key.salt().size(), 14u);
  EXPECT_EQ(result.attribute->key.bytes()[0], 0x77);
}

TEST(CryptoAttribute, EverySuiteRoundTripsWithAFreshKey) {
  const std::size_t lengths[] = {44, 28, 46, 30, 30};
  for (std::size_t i = 0; i < crypto_suites.size(); ++i) {
    CryptoAttribute attribute;
    attribute.tag = static_cast<std::uint32_t>(i + 1);
    attribute.suite = crypto_suites[i];
    attribute.key = MasterKey::generate(crypto_suites[i]);
    ASSERT_EQ(attribute.key.bytes().size(), lengths[i]);
    std::string line;
    format_crypto(attribute, line);
    const CryptoResult result = read(line.substr(std::strlen("a=crypto:")));
    ASSERT_TRUE(result.attribute) << line << result.refusal;
    EXPECT_EQ(result.attribute->suite, attribute.suite);
    const auto before = attribute.key.bytes(), after = result.attribute->key.bytes();
    EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin(), after.end()));
    wipe(line);
    EXPECT_TRUE(line.empty());
  }
}

TEST(CryptoAttribute, LifetimeAndMkiRoundTrip) {
  const std::string text = "a=crypto:7 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==|2^48|258:2";
  const CryptoResult result = read(text.substr(std::strlen("a=crypto:")));
  ASSERT_TRUE(result.attribute) << result.refusal;
  std::string line;
  format_crypto(*result.attribute, line);
  EXPECT_EQ(line, text);
}

TEST(CryptoAttribute, KeysThatDoNotFitTheSuiteAreRefused) {
  const std::string key = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
  const std::pair<std::string, std::string_view> rows[] = {
      {"1 AES_CM_128_HMAC_SHA1_80 " + key, ""},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + " WSH=128 -UNKNOWN", ""},
      {"1 AES_256_CM_HMAC_SHA1_80 " + key, "key length does not fit the suite"},
      {"1 AES_CM_128_HMAC_SHA1_80 inline:", "key length does not fit the suite"},
      {"1 AES_CM_128_HMAC_SHA1_80 inline:****", "key length does not fit the suite"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + std::string("inline:") + std::string(4000, 'A'),
       "key length does not fit the suite"},
      {"1 F8_128_HMAC_SHA1_80 " + key, "unknown suite"},
      {"1 AES_CM_128_HMAC_SHA1_80 uri:http://x", "unknown key method"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + ";" + key, "several keys in one attribute"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + " UNENCRYPTED_SRTP", "unsupported session parameter"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + " UNAUTHENTICATED_SRTP", "unsupported session parameter"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + " KDR=1", "unsupported session parameter"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + "|2^49", "malformed lifetime"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + "|0", "malformed lifetime"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + "|5|6", "malformed lifetime"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + "|256:1", "malformed MKI"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + "|1:0", "malformed MKI"},
      {"1 AES_CM_128_HMAC_SHA1_80 " + key + "|1:5", "malformed MKI"},
      {"x AES_CM_128_HMAC_SHA1_80 " + key, "malformed crypto attribute"},
  };
  for (const auto& [content, refusal] : rows) {
    const CryptoResult result = read(content);
    EXPECT_EQ(result.refusal, refusal) << content;
    EXPECT_EQ(result.attribute.has_value(), refusal.empty()) << content;
  }
}

TEST(MasterKey, BytesAreGoneAfterAMoveAndAfterTheEnd) {
  alignas(MasterKey) unsigned char place[sizeof(MasterKey)];
  auto* key = new (place) MasterKey(MasterKey::generate(CryptoSuite::aead_aes_256_gcm));
  std::array<std::uint8_t, 44> copy;
  std::copy(key->bytes().begin(), key->bytes().end(), copy.begin());
  const auto is_in_place = [&] {
    return std::search(place, place + sizeof place, copy.begin(), copy.begin() + 8) != place + sizeof place;
  };
  EXPECT_TRUE(is_in_place());
  MasterKey moved = std::move(*key);
  EXPECT_FALSE(is_in_place());
  EXPECT_TRUE(key->empty());
  *key = std::move(moved);
  EXPECT_TRUE(is_in_place());
  key->~MasterKey();
  EXPECT_FALSE(is_in_place());
}

}  // namespace
}  // namespace sallyport::sip
