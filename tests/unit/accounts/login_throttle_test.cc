// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/login_throttle.h"

#include <gtest/gtest.h>

namespace sallyport::accounts {
namespace {

using std::chrono::seconds;

class LoginThrottleTest : public testing::Test {
 protected:
  // Tries as soon as it may, and fails; how long it waited in all.
  seconds fail(const std::string& account, const std::string& source, int tries) {
    seconds waited{0};
    for (int count = 0; count < tries; ++count) {
      for (seconds wait; (wait = throttle_.admit(account, source, now_)).count() > 0; now_ += wait) waited += wait;
    }
    return waited;
  }
  bool may(const std::string& account, const std::string& source) { return throttle_.admit(account, source, now_).count() == 0; }

  LoginThrottle::Time now_{seconds(1000)};
  LoginThrottle throttle_;
};

TEST_F(LoginThrottleTest, AFewTriesAreFreeThenEachWaitIsTwiceTheOneBefore) {
  EXPECT_EQ(fail("anna", "home", 6), seconds(0));
  EXPECT_EQ(throttle_.admit("anna", "home", now_), seconds(1));
  EXPECT_EQ(fail("anna", "home", 1), seconds(1));
  EXPECT_EQ(fail("anna", "home", 1), seconds(2));
  EXPECT_EQ(fail("anna", "home", 1), seconds(4));
  EXPECT_EQ(fail("anna", "home", 1), seconds(8));
}

TEST_F(LoginThrottleTest, ASourceWaitsWhicheverAccountItTriesAndNobodyElseDoes) {
  for (int count = 0; count < 12; ++count) fail("account" + std::to_string(count), "stranger", 1);
  EXPECT_FALSE(may("another", "stranger"));
  EXPECT_TRUE(may("another", "home"));
}

TEST_F(LoginThrottleTest, AnAccountIsGuardedAgainstManySourcesButNotForLong) {
  for (int count = 0; count < 30; ++count) {
    if (!may("anna", "source" + std::to_string(count))) now_ += seconds(60);
  }
  const seconds wait = throttle_.admit("anna", "one more", now_);
  EXPECT_GT(wait, seconds(0));
  EXPECT_LE(wait, seconds(60));
}

// Regression against locking out: strangers kept an account's wait up for ever.
TEST_F(LoginThrottleTest, WhereAnAccountLoggedInLatelyStrangersDoNotKeepItOut) {
  ASSERT_TRUE(may("anna", "office"));
  throttle_.succeeded("anna", "office", now_);
  for (int count = 0; count < 40; ++count) (void)may("anna", "source" + std::to_string(count));
  EXPECT_FALSE(may("anna", "yet another"));
  EXPECT_TRUE(may("anna", "office"));
}

TEST_F(LoginThrottleTest, ManyTriesAtOnceGainNothing) {
  int admitted = 0;
  for (int count = 0; count < 100; ++count) admitted += may("anna", "stranger") ? 1 : 0;
  EXPECT_EQ(admitted, 6);
}

TEST_F(LoginThrottleTest, AnAccountOfOnesOwnDoesNotMakeGuessingAtAnotherFree) {
  seconds waited{0};
  for (int count = 0; count < 20; ++count) {
    waited += fail("anna", "stranger", 1);
    seconds wait;
    while ((wait = throttle_.admit("mallory", "stranger", now_)).count() > 0) {
      now_ += wait;
      waited += wait;
    }
    throttle_.succeeded("mallory", "stranger", now_);
  }
  EXPECT_GT(waited, seconds(600));
}

TEST_F(LoginThrottleTest, WhatWasNotJudgedDoesNotCountAndWhatIsLongAgoIsForgotten) {
  for (int count = 0; count < 50; ++count) {
    ASSERT_TRUE(may("anna", "home"));
    throttle_.take_back("anna", "home", now_);
  }
  fail("anna", "home", 10);
  now_ += seconds(3600 + 900);
  EXPECT_EQ(fail("anna", "home", 6), seconds(0));
}

TEST_F(LoginThrottleTest, IsBoundedAndForgetsWhoFailedLongestAgo) {
  throttle_ = LoginThrottle({.max_entries = 64});
  for (int count = 0; count < 1000; ++count) {
    now_ += seconds(1);
    (void)may("a" + std::to_string(count), "s" + std::to_string(count));
  }
  fail("x", "stranger", 10);
  EXPECT_FALSE(may("y", "stranger"));
}

}  // namespace
}  // namespace sallyport::accounts
