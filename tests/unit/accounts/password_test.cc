// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/password.h"

#include <gmock/gmock.h>

namespace sallyport::accounts {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr PasswordCost cheap{16, 8, 1};

TEST(Password, RulesRefuseWhatIsEasyToGuessAndNeverRepeatIt) {
  struct Row {
    std::string password;
    const char* cause;
  };
  for (const Row& row : {Row{"", "shorter than 12"}, Row{"elevenchars", "shorter than 12"}, Row{"ääääääääääb", "shorter than 12"}, Row{std::string(257, 'x'), "longer than 256"}, Row{"aaaabbbbaaaabbbb", "fewer than 5"},
                         Row{"with\ttabs in it", "control character"}, Row{"xx-ANNA-and-more", "name of its account"}}) {
    const auto verdict = judge_password("anna", row.password);
    ASSERT_FALSE(verdict) << row.password;
    EXPECT_THAT(verdict.fault().text(), HasSubstr(row.cause));
    if (!row.password.empty()) EXPECT_THAT(verdict.fault().text(), Not(HasSubstr(row.password)));
  }
  EXPECT_TRUE(judge_password("anna", "correct horse battery"));
  EXPECT_TRUE(judge_password("anna", "äöüßéèêëàáâç"));
}

TEST(Password, FitsOnlyItselfAndIsSaltedAnewEachTime) {
  const store::Secret password("correct horse battery"), other("correct horse battery ");
  const auto first = hash_password(password, cheap), second = hash_password(password, cheap);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->hash, second->hash);
  EXPECT_TRUE(is_password(password, *first));
  EXPECT_TRUE(is_password(password, *second));
  EXPECT_FALSE(is_password(other, *first));
  EXPECT_FALSE(is_password(store::Secret(), *first));
}

TEST(Password, WhatItCostIsKeptBesideIt) {
  const store::Secret password("correct horse battery");
  auto made = hash_password(password, cheap);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->cost, cheap);
  made->cost.n *= 2;
  EXPECT_FALSE(is_password(password, *made));
}

TEST(Password, ADamagedStoreFitsNothingAndCostsNothing) {
  const store::Secret password("correct horse battery");
  const auto made = hash_password(password, cheap);
  ASSERT_TRUE(made);
  for (const PasswordCost cost : {PasswordCost{0, 8, 1}, PasswordCost{15, 8, 1}, PasswordCost{std::uint64_t{1} << 40, 8, 1}, PasswordCost{16, 0, 1}, PasswordCost{16, 1u << 30, 1}, PasswordCost{16, 8, 0}, PasswordCost{16, 8, 1000}})
    EXPECT_FALSE(is_password(password, {cost, made->salt, made->hash}));
  EXPECT_FALSE(is_password(password, {cheap, "short", made->hash}));
  EXPECT_FALSE(is_password(password, {cheap, made->salt, ""}));
}

// OWASP's figure for scrypt at 32 MiB: whoever steals the store pays so much for each guess.
TEST(Password, TheCostOfAGuessIsNotLoweredUnnoticed) {
  const PasswordCost cost;
  EXPECT_GE(cost.n * cost.r * cost.p, (std::uint64_t{1} << 15) * 8 * 3);
  EXPECT_GE(128 * cost.n * cost.r, 32u << 20);
}

}  // namespace
}  // namespace sallyport::accounts
