// SPDX-License-Identifier: Apache-2.0
// When it is renewed, when it is tried again, and what the operator reads meanwhile. C28, C29.
#include "controlplane/acme/acme_schedule.h"

#include <gmock/gmock.h>

#include "controlplane/acme/timestamp.h"

namespace sallyport::acme {
namespace {

using ::testing::HasSubstr;
constexpr int64_t day_s = 86400;
constexpr int64_t now_s = 1'795'860'000;  // 2026-11-28 10:00:00 UTC

TEST(AcmeSchedule, RenewsAtTwoThirdsOfLifeWithJitter) {
  const CertificateLife life{now_s, now_s + 90 * day_s};
  EXPECT_EQ(renewal_time_s(life, std::nullopt, 0), now_s + 60 * day_s);
  EXPECT_GT(renewal_time_s(life, std::nullopt, 0.999), now_s + 64 * day_s);
  EXPECT_LT(renewal_time_s(life, std::nullopt, 0.999), now_s + 65 * day_s);
  const CertificateLife brief{now_s, now_s + 6 * day_s};
  EXPECT_EQ(renewal_time_s(brief, std::nullopt, 0), now_s + 4 * day_s);
  EXPECT_EQ(renewal_time_s({now_s, now_s - 1}, std::nullopt, 0.5), now_s) << "a life that ends before it begins";
}

TEST(AcmeSchedule, AuthoritysWindowComesFirst) {
  const CertificateLife life{now_s, now_s + 90 * day_s};
  const RenewalInfo advice{now_s + 10 * day_s, now_s + 12 * day_s, ""};
  EXPECT_EQ(renewal_time_s(life, advice, 0), now_s + 10 * day_s);
  EXPECT_EQ(renewal_time_s(life, advice, 0.5), now_s + 11 * day_s);
  // A window in the past, as after a mass revocation: at once.
  EXPECT_LT(renewal_time_s(life, RenewalInfo{now_s - 2 * day_s, now_s - day_s, ""}, 0.9), now_s);
  EXPECT_EQ(renewal_time_s(life, RenewalInfo{now_s + 5, now_s + 5, ""}, 0), now_s + 60 * day_s) << "an empty window counts for nothing";
}

TEST(AcmeSchedule, AdviceIsAskedForWithinBounds) {
  EXPECT_EQ(advice_time_s(now_s, std::nullopt), now_s + 6 * 3600);
  EXPECT_EQ(advice_time_s(now_s, 7200), now_s + 7200);
  EXPECT_EQ(advice_time_s(now_s, 0), now_s + 60);
  EXPECT_EQ(advice_time_s(now_s, 365 * day_s), now_s + day_s);
}

TEST(AcmeSchedule, BackOffDoublesToItsCapAndJitters) {
  FailedAttempt attempt;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + 60);
  EXPECT_EQ(retry_time_s(now_s, attempt, 0.999), now_s + 75);
  attempt.failures = 4;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + 480);
  attempt.failures = 4000;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + longest_retry_s);
}

TEST(AcmeSchedule, RetryAfterAndRateLimitAreHonoured) {
  FailedAttempt attempt;
  attempt.retry_after_s = 9000;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + 9000);
  attempt.retry_after_s = 3;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + 60) << "never sooner than the back-off";
  attempt.retry_after_s = 400 * day_s;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + longest_wish_s);
  attempt.retry_after_s.reset();
  attempt.is_rate_limited = true;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + rate_limit_retry_s);
}

TEST(AcmeSchedule, NearTheEndOfTheOldCertificateItIsTriedMoreOften) {
  FailedAttempt attempt;
  attempt.failures = 20;
  attempt.not_after_s = now_s + 8 * 3600;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + 3600);
  attempt.not_after_s = now_s - 5;
  EXPECT_EQ(retry_time_s(now_s, attempt, 0), now_s + 300);
}

TEST(AcmeSchedule, DrawIsStableAndSpread) {
  EXPECT_EQ(draw_of("n1 04AB"), draw_of("n1 04AB"));
  double low = 1, high = 0;
  for (int i = 0; i < 200; ++i) {
    const double draw = draw_of(std::to_string(i));
    low = std::min(low, draw);
    high = std::max(high, draw);
  }
  EXPECT_LT(low, 0.05);
  EXPECT_GT(high, 0.95);
  EXPECT_LT(high, 1.0);
}

OrderReport report_of(std::vector<AuthorityFailure> failures) {
  OrderReport report;
  report.failures = std::move(failures);
  return report;
}

TEST(AcmeSchedule, StatusFollowsADomainThroughItsLife) {
  DomainStatus status;
  EXPECT_EQ(status.text(), "off");
  status = begun(std::move(status), "authority le: places the order");
  EXPECT_EQ(status.text(), "pending: authority le: places the order");
  const Fault refused{FaultCode::refused, "authority le", "the authority refuses: no", "ask"};
  status = failed(std::move(status), report_of({{"le", refused, {"unauthorized", 403, std::nullopt}}}), now_s, 0);
  EXPECT_EQ(status.state, DomainState::failed);
  EXPECT_EQ(status.text(), "failed: authority le: the authority refuses: no; ask; no certificate yet; next attempt " + date_text(now_s + 60));
  status = failed(std::move(status), report_of({{"le", refused, {"unauthorized", 403, std::nullopt}}}), now_s, 0);
  EXPECT_EQ(status.next_attempt_s, now_s + 120);
  status = issued(begun(std::move(status), ""), "le");
  EXPECT_EQ(status.text(), "ready");
  const CertificateLife life{now_s, now_s + 90 * day_s};
  status = deployed(std::move(status), life, renewal_time_s(life, std::nullopt, 0));
  EXPECT_EQ(status.text(), "valid until " + date_text(now_s + 90 * day_s) + "; renewed " + date_text(now_s + 60 * day_s));
  EXPECT_EQ(status.failures, 0u);
  // Renewal that fails leaves the old certificate in the picture.
  status = failed(begun(std::move(status), "renews"), Fault{FaultCode::timeout, "", "no answer", ""}, now_s + 60 * day_s, 0);
  EXPECT_THAT(status.text(), HasSubstr("failed: no answer; valid until " + date_text(now_s + 90 * day_s)));
  status = switched_off(std::move(status));
  EXPECT_EQ(status.text(), "off; valid until " + date_text(now_s + 90 * day_s));
  EXPECT_STREQ(name_of(DomainState::deployed), "deployed");
}

TEST(AcmeSchedule, OneAuthorityWithoutALimitIsEnoughToTryAgainSoon) {
  const Fault fault{FaultCode::exhausted, "authority a", "too many", ""};
  const AuthorityFailure limited{"a", fault, {"rateLimited", 429, 86400}}, dead{"b", fault, {}};
  EXPECT_EQ(report_of({limited}).retry_after_s(), 86400);
  EXPECT_TRUE(report_of({limited}).is_rate_limited());
  EXPECT_EQ(report_of({limited, dead}).retry_after_s(), std::nullopt);
  EXPECT_FALSE(report_of({limited, dead}).is_rate_limited());
  EXPECT_EQ(failed(DomainStatus{}, report_of({limited}), now_s, 0).next_attempt_s, now_s + 86400);
  EXPECT_THAT(report_of({limited, dead}).fault().text(), HasSubstr("before that authority a: too many"));
}

TEST(AcmeSchedule, AuthorityIsLeftAloneOnlyForALimit) {
  EXPECT_EQ(left_alone_until_s(now_s, {"rateLimited", 429, 7200}), now_s + 7200);
  EXPECT_EQ(left_alone_until_s(now_s, {"rateLimited", 429, std::nullopt}), now_s + rate_limit_retry_s);
  EXPECT_EQ(left_alone_until_s(now_s, {"", 503, 30}), now_s + 30);
  EXPECT_EQ(left_alone_until_s(now_s, {"rateLimited", 429, 400 * day_s}), now_s + longest_wish_s);
  EXPECT_EQ(left_alone_until_s(now_s, {"unauthorized", 403, 7200}), 0);
  EXPECT_EQ(left_alone_until_s(now_s, {}), 0);
}

TEST(Timestamp, ReadsWhatAuthoritiesWrite) {
  EXPECT_EQ(parse_rfc3339("2026-11-28T10:00:00Z"), now_s);
  EXPECT_EQ(parse_rfc3339("2026-11-28T11:30:00.123456+01:30"), now_s);
  EXPECT_EQ(parse_rfc3339("2026-11-28t02:00:00-08:00"), now_s);
  EXPECT_EQ(parse_http_date("Sat, 28 Nov 2026 10:00:00 GMT"), now_s);
  EXPECT_EQ(parse_retry_after("120", now_s), 120);
  EXPECT_EQ(parse_retry_after("Sat, 28 Nov 2026 10:02:00 GMT", now_s), 120);
  EXPECT_EQ(parse_retry_after("Sat, 28 Nov 2026 09:00:00 GMT", now_s), 0);
  EXPECT_EQ(parse_retry_after("99999999999999999999999", now_s), 366 * day_s);
}

TEST(Timestamp, RefusesWhatIsNone) {
  for (const char* text : {"", "now", "2026-11-28", "2026-13-28T10:00:00Z", "2026-02-30T10:00:00Z", "2026-11-28T25:00:00Z", "2026-11-28T10:00:00", "2026-11-28T10:00:00.Z", "2026-11-28T10:00:00+1", "2026-11-28T10:00:00Zx"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
  for (const char* text : {"", "-1", "1.5", "soon", "12 s", "Sat, 28 Nov 2026 10:00:00 CET", "Sat, 28 Foo 2026 10:00:00 GMT"}) EXPECT_EQ(parse_retry_after(text, now_s), std::nullopt) << text;
}

}  // namespace
}  // namespace sallyport::acme
