// SPDX-License-Identifier: Apache-2.0
// What an operator carries from E to C, and the two lines of the exchange: whole, damaged and hostile.

#include "controlplane/zones/join_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/zones/pair_exchange.h"

namespace sallyport::zones {
namespace {

using testing::HasSubstr;

JoinToken a_token() {
  JoinToken token{.host = "edge.example.com", .port = 2222};
  for (std::size_t i = 0; i < token.id.size(); ++i) token.id[i] = static_cast<std::uint8_t>(i);
  for (std::size_t i = 0; i < token.secret.size(); ++i) token.secret[i] = static_cast<std::uint8_t>(0xf0 + i);
  for (std::size_t i = 0; i < token.authority_key.size(); ++i) token.authority_key[i] = static_cast<std::uint8_t>(7 * i);
  return token;
}

TEST(JoinToken, ComesBackAsItWas) {
  const JoinToken token = a_token();
  const auto parsed = JoinToken::parse(token.text());
  ASSERT_TRUE(parsed) << parsed.fault().text();
  EXPECT_EQ(parsed->host, token.host);
  EXPECT_EQ(parsed->port, 2222);
  EXPECT_EQ(parsed->id, token.id);
  EXPECT_EQ(parsed->secret, token.secret);
  EXPECT_EQ(parsed->authority_key, token.authority_key);
  EXPECT_EQ(parsed->id_text(), "0001020304050607");
  EXPECT_TRUE(token.text().starts_with("sp1-"));
}

TEST(JoinToken, EveryChangedCharacterIsNoticed) {
  const std::string text = a_token().text();
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    const auto parsed = JoinToken::parse(changed);
    // The last character carries bits that no byte holds.
    if (!parsed) EXPECT_THAT(parsed.fault().text(), HasSubstr("join token"));
    else EXPECT_EQ(parsed->text(), text) << at;
  }
}

TEST(JoinToken, WhatIsCutIsToldApart) {
  const std::string text = a_token().text();
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(JoinToken::parse(text.substr(0, size))) << size;
  EXPECT_THAT(JoinToken::parse("").fault().text(), HasSubstr("does not begin with sp1-"));
  EXPECT_THAT(JoinToken::parse("sp1-AAAA").fault().text(), HasSubstr("was cut short"));
  EXPECT_THAT(JoinToken::parse("sp1-????").fault().text(), HasSubstr("holds characters that no token has"));
  EXPECT_THAT(JoinToken::parse(std::string(5000, 'A')).fault().text(), HasSubstr("longer than any token"));
}

TEST(JoinToken, AHostThatIsNoneIsRefused) {
  for (const char* host : {"", "edge example", "edge\nexample", "Edge", "a/b"}) {
    JoinToken token = a_token();
    token.host = host;
    EXPECT_FALSE(JoinToken::parse(token.text())) << host;
  }
  JoinToken token = a_token();
  token.port = 0;
  EXPECT_FALSE(JoinToken::parse(token.text()));
}

TEST(PairExchange, RequestAndAnswerComeBackAsTheyWere) {
  const PairRequest request{"0011", "aabb", "c1.inside.example.com", "-----BEGIN CERTIFICATE REQUEST-----\n"};
  std::string line = format_pair_request(request);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto parsed = parse_pair_request(line);
  ASSERT_TRUE(parsed) << parsed.fault().text();
  EXPECT_EQ(parsed->secret, "aabb");
  EXPECT_EQ(parsed->request_pem, request.request_pem);

  const PairAnswer answer{"PEM", "Traversal zone", "exampleauth", 7001, {"example.com"}};
  const auto answered = parse_pair_answer(format_pair_answer(answer));
  ASSERT_TRUE(answered) << answered.fault().text();
  EXPECT_EQ(answered->zone_port, 7001);
  EXPECT_EQ(answered->sip_domains, answer.sip_domains);
}

TEST(PairExchange, ARefusalComesBackAsThatFault) {
  const Fault refused{FaultCode::refused, "join token", "is not known here", "make a new one"};
  const auto answered = parse_pair_answer(format_pair_answer(refused));
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.fault().code, FaultCode::refused);
  EXPECT_EQ(answered.fault().text(), refused.text());
}

TEST(PairExchange, RubbishIsRefused) {
  const std::string long_word(300, 'a'), long_text(20'000, 'a');
  for (const std::string& line : {std::string(), std::string("{"), std::string("[]"), std::string("{}"), std::string(R"({"version":2,"fqdn":"c","request":"r"})"), std::string(R"({"version":1,"fqdn":"c"})"),
                                  R"({"version":1,"fqdn":")" + long_word + R"(","request":"r"})", R"({"version":1,"fqdn":"c","request":")" + long_text + R"("})", std::string(R"({"version":1,"fqdn":7,"request":"r"})"),
                                  std::string(1000, '[')})
    EXPECT_FALSE(parse_pair_request(line)) << line.substr(0, 80);
  for (const char* line : {"", "{}", "7", R"({"certificates":"PEM"})", R"({"certificates":"PEM","zone":"z","zone_port":0,"sip_domains":[]})", R"({"certificates":"PEM","zone":"z","zone_port":7001,"sip_domains":[7]})",
                           R"({"error":"no"})", R"({"error":{"cause":7}})"})
    EXPECT_FALSE(parse_pair_answer(line)) << line;
}

}  // namespace
}  // namespace sallyport::zones
