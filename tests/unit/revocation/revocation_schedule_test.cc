// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_schedule.h"

#include <gtest/gtest.h>

namespace sallyport::revocation::test {
namespace {

constexpr std::int64_t now_s = 1'800'000'000, hour_s = 3600, day_s = 86400;

RevocationFinding of(std::int64_t this_update_s, std::int64_t next_update_s) { return {RevocationState::good, this_update_s, next_update_s, 0, {}}; }

TEST(RevocationScheduleTest, AskedAgainAtHalfOfTheValidityByChanceATenthLater) {
  EXPECT_EQ(next_check_s(of(now_s, now_s + 10 * hour_s), now_s, 0), now_s + 5 * hour_s);
  EXPECT_EQ(next_check_s(of(now_s, now_s + 10 * hour_s), now_s, 1), now_s + 6 * hour_s);
}

TEST(RevocationScheduleTest, AnAnswerInTheSecondHalfOfItsLifeIsAskedForAgainBeforeItEnds) {
  EXPECT_EQ(next_check_s(of(now_s - 8 * hour_s, now_s + 2 * hour_s), now_s, 0), now_s + hour_s);
  EXPECT_EQ(next_check_s(of(now_s - hour_s, now_s + 10), now_s, 0), now_s + shortest_wait_s);
}

TEST(RevocationScheduleTest, ARevocationIsKnownWithinADay) {
  EXPECT_EQ(next_check_s(of(now_s, now_s + 14 * day_s), now_s, 0), now_s + day_s);
  EXPECT_LT(next_check_s(of(now_s, now_s + 14 * day_s), now_s, 0.99), now_s + day_s);
}

TEST(RevocationScheduleTest, WhatTheResponderDoesNotKnowYetIsAskedForInTenMinutes) {
  RevocationFinding unknown = of(now_s, now_s + 14 * day_s);
  unknown.state = RevocationState::unknown;
  EXPECT_EQ(next_check_s(unknown, now_s, 0), now_s + 600);
  EXPECT_LT(next_check_s(unknown, now_s, 0.99), now_s + 600);
}

TEST(RevocationScheduleTest, AnAnswerWithoutAnEndIsAskedForEachHour) {
  EXPECT_EQ(next_check_s(of(now_s, 0), now_s, 0), now_s + hour_s);
}

TEST(RevocationScheduleTest, FailuresAreAskedAgainInAMinuteThenDoublingUpToAnHour) {
  const std::pair<unsigned, std::int64_t> rows[] = {{1, 60}, {2, 120}, {3, 240}, {6, 1920}, {7, 3600}, {1000, 3600}};
  for (const auto& [failures, wait_s] : rows) {
    EXPECT_EQ(retry_s(failures, now_s, 0), now_s + wait_s) << failures;
    EXPECT_EQ(retry_s(failures, now_s, 1), now_s + wait_s + wait_s / 4) << failures;
  }
}

}  // namespace
}  // namespace sallyport::revocation::test
