// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::certificates::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::int64_t now_s = 1'800'000'000, day_s = 86400;

std::vector<CertificateAlarm> of_one(std::int64_t left_s, std::int64_t begins_s = now_s - day_s) {
  WatchInput input;
  input.now_s = now_s;
  input.serving = {{"server", "4D2", begins_s, now_s + left_s}};
  return watch_certificates(input);
}

TEST(CertificateWatch, C14_AlarmsStandAt30_14_7_1DaysAndWhenItHasExpired) {
  EXPECT_TRUE(of_one(31 * day_s).empty());
  const std::pair<std::int64_t, const char*> rows[] = {{30 * day_s, "within 30 days"}, {15 * day_s, "within 30 days"}, {14 * day_s, "within 14 days"}, {8 * day_s, "within 14 days"},
                                                       {7 * day_s, "within 7 days"},   {2 * day_s, "within 7 days"},   {1 * day_s, "within 1 day;"},   {60, "within 1 day;"}};
  for (const auto& [left_s, text] : rows) {
    const auto alarms = of_one(left_s);
    ASSERT_EQ(alarms.size(), 1u) << left_s;
    EXPECT_EQ(alarms[0].kind, "certificate_expiring");
    EXPECT_THAT(alarms[0].text, HasSubstr(text));
    EXPECT_THAT(alarms[0].text, HasSubstr("certificate 4D2"));
    EXPECT_FALSE(alarms[0].impairs);
  }
  const auto expired = of_one(-1);
  EXPECT_EQ(expired.at(0).kind, "certificate_expired");
  EXPECT_TRUE(expired[0].impairs);
}

TEST(CertificateWatch, ACertificateOfTomorrowAndAClockOfYesterdayAreTold) {
  EXPECT_EQ(of_one(90 * day_s, now_s + 60).at(0).kind, "certificate_not_yet_valid");
  WatchInput input;
  input.now_s = now_s;
  input.newest_installed_s = now_s + 200;
  EXPECT_TRUE(watch_certificates(input).empty());
  input.newest_installed_s = now_s + day_s;
  EXPECT_EQ(watch_certificates(input).at(0).kind, "clock_skew");
}

TEST(CertificateWatch, AClockThatIsNotTheOtherNodesIsTold) {
  WatchInput input;
  input.now_s = now_s;
  input.skews = {{"c1.inside.example.com", 30}, {"c2.inside.example.com", -30}};
  EXPECT_TRUE(watch_certificates(input).empty());
  input.skews = {{"c1.inside.example.com", 31}, {"c2.inside.example.com", -4000}};
  const auto alarms = watch_certificates(input);
  ASSERT_EQ(alarms.size(), 2u);
  EXPECT_EQ(alarms[0].kind, "clock_skew");
  EXPECT_THAT(alarms[0].text, HasSubstr("c1.inside.example.com is 31 s ahead of"));
  EXPECT_THAT(alarms[1].text, HasSubstr("c2.inside.example.com is 4000 s behind"));
}

TEST(CertificateWatch, C08_WhatSeveralAddressesRefuseIsTold) {
  WatchInput input;
  input.now_s = now_s;
  input.refused = {{"one.example.com", 2, "unknown CA (alert 48)", "203.0.113.9"}};
  EXPECT_TRUE(watch_certificates(input).empty());
  input.refused.push_back({"", 3, "unknown CA (alert 48)", "203.0.113.9"});
  const auto alarms = watch_certificates(input);
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].kind, "certificate_refused");
  EXPECT_FALSE(alarms[0].impairs);
  EXPECT_THAT(alarms[0].text, AllOf(HasSubstr("3 addresses or more"), HasSubstr("connections without a name"), HasSubstr("at 203.0.113.9: unknown CA")));
}

TEST(CertificateWatch, B13_B27_DriftAndUncoveredNamesAreListedShortly) {
  WatchInput input;
  input.now_s = now_s;
  input.server_serial = "4D2";
  for (int i = 0; i < 7; ++i) input.lacking.push_back({{tls::NameKind::dns, "chat" + std::to_string(i) + ".example.com"}, "chat node alias (B09)"});
  input.uncovered = {{"www.example.com", 12}};
  input.incomplete = {"domain/a.example.com"};
  input.unreadable = {"domain/b.example.com"};
  input.is_server_missing = true;
  const auto alarms = watch_certificates(input);
  ASSERT_EQ(alarms.size(), 5u);
  EXPECT_EQ(alarms[0].kind, "certificate_missing");
  EXPECT_THAT(alarms[1].text, HasSubstr("lacks DNS:chat0.example.com (chat node alias (B09)), "));
  EXPECT_THAT(alarms[1].text, HasSubstr("and 2 more"));
  EXPECT_EQ(alarms[2].kind, "certificate_chain_incomplete");
  EXPECT_EQ(alarms[3].kind, "certificate_unreadable");
  EXPECT_THAT(alarms[4].text, HasSubstr("www.example.com (12 times)"));
}

}  // namespace
}  // namespace sallyport::certificates::test
