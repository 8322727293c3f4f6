// SPDX-License-Identifier: Apache-2.0
#include "controlplane/sip/flow_token.h"

#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "controlplane/sip/base64.h"

namespace sallyport::sip {
namespace {

FlowKey key(std::uint8_t generation, std::uint8_t seed) {
  FlowKey made;
  made.generation = generation;
  for (std::size_t i = 0; i < made.secret.size(); ++i) made.secret[i] = static_cast<std::uint8_t>(seed + i);
  return made;
}

// Computed independently with Python's hmac: HMAC-SHA256(00..1f, "path\0" || 07 || 0123456789abcdef)[0:10].
TEST(FlowTokens, TokenIsTheDocumentedConstruction) {
  FlowTokens tokens("path", key(7, 0));
  EXPECT_EQ(tokens.encode(0x0123456789abcdef), "BwEjRWeJq83vcymcUHrSqpnsuA");
}

TEST(FlowTokens, EveryFlowComesBackFromItsToken) {
  FlowTokens tokens("path", key(1, 3));
  std::set<std::string> seen;
  for (const std::uint64_t flow : {0ull, 1ull, 0x1234ull, 0xffffffffffffffffull}) {
    const std::string token = tokens.encode(flow);
    EXPECT_EQ(token.size(), FlowTokens::token_chars);
    EXPECT_EQ(tokens.verify(token), flow);
    EXPECT_TRUE(seen.insert(token).second);
  }
}

TEST(FlowTokens, AnyAlteredCharacterMakesItForeign) {
  FlowTokens tokens("path", key(1, 3));
  const std::string token = tokens.encode(42);
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string altered = token;
    altered[i] = altered[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(tokens.verify(altered)) << i;
  }
  EXPECT_FALSE(tokens.verify(""));
  EXPECT_FALSE(tokens.verify(token + "A"));
  EXPECT_FALSE(tokens.verify(token.substr(1)));
}

TEST(FlowTokens, RotationKeepsThePreviousGenerationValidAndNoOlder) {
  const FlowKey first = key(1, 3), second = key(2, 90), third = key(3, 150);
  const std::string token = FlowTokens("path", first).encode(42);
  EXPECT_EQ(FlowTokens("path", second, &first).verify(token), 42u);
  EXPECT_FALSE(FlowTokens("path", third, &second).verify(token));
  // A restart with the same keys changes nothing.
  EXPECT_EQ(FlowTokens("path", first).verify(token), 42u);
}

TEST(FlowTokens, TokenOfOnePurposeIsWorthlessForAnother) {
  const std::string token = FlowTokens("path", key(1, 3)).encode(42);
  EXPECT_FALSE(FlowTokens("record-route", key(1, 3)).verify(token));
}

TEST(FlowTokens, MovedInstanceGoesOn) {
  FlowTokens tokens("path", key(1, 3));
  const std::string token = tokens.encode(42);
  FlowTokens moved = std::move(tokens);
  EXPECT_EQ(moved.verify(token), 42u);
}

TEST(Base64, VectorsOfRfc4648RoundTrip) {
  const std::pair<std::string, std::string> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, coded] : rows) {
    std::string out;
    encode_base64(Base64::standard, {reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()}, out);
    EXPECT_EQ(out, coded);
    std::uint8_t bytes[16];
    const auto length = decode_base64(Base64::standard, coded, bytes);
    ASSERT_TRUE(length) << coded;
    EXPECT_EQ(std::string(bytes, bytes + *length), plain);
  }
}

TEST(Base64, ForeignOrAmbiguousTextIsRefused) {
  std::uint8_t bytes[16];
  for (const char* text : {"Z", "Zg=", "Z===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n", "-_-_", "===="}) {
    EXPECT_FALSE(decode_base64(Base64::standard, text, bytes)) << text;
  }
  EXPECT_TRUE(decode_base64(Base64::url, "-_-_", bytes));
  std::uint8_t small[2];
  EXPECT_FALSE(decode_base64(Base64::standard, "Zm9v", small));
}

}  // namespace
}  // namespace sallyport::sip
