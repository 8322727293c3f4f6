// SPDX-License-Identifier: Apache-2.0
// What E and C say to each other of a phone.

#include "controlplane/onboarding/onboarding_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::onboarding::test {
namespace {

TEST(OnboardingExchange, ARequestSurvivesItsLine) {
  const OnboardingRequest request{"SEP001122334455", "0123-4567-8901-2345", "-----BEGIN CERTIFICATE REQUEST-----\n", "-----BEGIN CERTIFICATE-----\n", "198.51.100.7:50000"};
  const std::string line = format_onboarding_request(request);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto read = parse_onboarding_request(std::string_view(line).substr(0, line.size() - 1));
  ASSERT_TRUE(read) << read.fault().text();
  EXPECT_EQ(read->device, request.device);
  EXPECT_EQ(read->code, request.code);
  EXPECT_EQ(read->request_pem, request.request_pem);
  EXPECT_EQ(read->shown_pem, request.shown_pem);
  EXPECT_EQ(read->source, request.source);
}

TEST(OnboardingExchange, WhatIsNoRequestIsRefused) {
  for (const std::string& bad : {std::string(), std::string("{"), std::string("[]"), std::string("{}"), std::string(R"({"request":7})"), R"({"request":")" + std::string(20'000, 'A') + R"("})",
                                 std::string(R"({"device":"SEP1","request":"x"})"), std::string(R"({"code":"1","request":"x"})"), R"({"request":"x","source":")" + std::string(300, 'a') + R"("})"}) {
    const auto read = parse_onboarding_request(bad);
    ASSERT_FALSE(read) << bad.substr(0, 60);
    EXPECT_FALSE(read.fault().remedy.empty());
  }
}

TEST(OnboardingExchange, WhatCRefusedComesBackInItsWords) {
  const Fault refused{FaultCode::exhausted, "phone SEP1", "was given 8 certificates that are valid still", "withdraw them"};
  const auto back = parse_onboarding_answer(format_onboarding_answer(refused));
  ASSERT_FALSE(back);
  EXPECT_EQ(back.fault().code, FaultCode::exhausted);
  EXPECT_EQ(back.fault().text(), refused.text());
  const auto given = parse_onboarding_answer(format_onboarding_answer(std::string("PEM")));
  ASSERT_TRUE(given);
  EXPECT_EQ(*given, "PEM");
  for (const char* bad : {"", "{}", R"({"certificates":""})", R"({"error":7})", R"({"error":{"code":9}})"}) EXPECT_FALSE(parse_onboarding_answer(bad)) << bad;
}

}  // namespace
}  // namespace sallyport::onboarding::test
