// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/session_table.h"

#include <gmock/gmock.h>

#include <set>

namespace sallyport::accounts {
namespace {

using std::chrono::seconds;

class SessionTableTest : public testing::Test {
 protected:
  std::string open(std::int64_t account = 1) {
    auto opened = table_.open(account, 1, "account" + std::to_string(account), "192.0.2.7:40312");
    EXPECT_TRUE(opened) << opened.fault().text();
    return opened ? *opened : "";
  }
  std::chrono::steady_clock::time_point now_{seconds(1000)};
  SessionTable table_{{.idle = seconds(100), .lifetime = seconds(1000), .sessions = 20, .of_an_account = 4, .requests_per_s = 10, .burst = 30}, [this] { return now_; }};
};

TEST_F(SessionTableTest, TokensAreLongAndNeverTheSameAndListsDoNotShowThem) {
  std::set<std::string> tokens;
  for (int count = 0; count < 20; ++count) tokens.insert(open(count));
  EXPECT_EQ(tokens.size(), 20u);
  for (const std::string& token : tokens) EXPECT_EQ(token.size(), 64u);
  for (const auto& session : table_.list()) EXPECT_FALSE(tokens.contains(session->id));
}

TEST_F(SessionTableTest, OnlyItsTokenFindsASession) {
  const std::string token = open();
  ASSERT_NE(table_.find(token), nullptr);
  EXPECT_EQ(table_.find(token)->account, "account1");
  std::string other = token;
  other[0] = other[0] == '0' ? '1' : '0';
  for (const std::string& wrong : {other, token.substr(1), token + "0", std::string(), table_.list()[0]->id}) EXPECT_EQ(table_.find(wrong), nullptr);
}

TEST_F(SessionTableTest, EndsWhenNotUsedAndAtLastInAnyCase) {
  const std::string token = open();
  now_ += seconds(99);
  ASSERT_NE(table_.find(token), nullptr);
  now_ += seconds(100);
  EXPECT_EQ(table_.find(token), nullptr);
  const std::string busy = open();
  for (int count = 0; count < 20; ++count) {
    ASSERT_NE(table_.find(busy), nullptr);
    now_ += seconds(50);
  }
  EXPECT_EQ(table_.find(busy), nullptr);
  EXPECT_TRUE(table_.list().empty());
}

TEST_F(SessionTableTest, AnAccountsOldestGivesWayAndTheWholeIsBounded) {
  const std::string first = open();
  for (int count = 0; count < 4; ++count) {
    now_ += seconds(1);
    open();
  }
  EXPECT_EQ(table_.find(first), nullptr);
  EXPECT_EQ(table_.list().size(), 4u);
  for (int account = 2; account < 18; ++account) open(account);
  EXPECT_EQ(table_.open(99, 1, "one-more", "x").fault().code, FaultCode::exhausted);
}

TEST_F(SessionTableTest, AsksSoOftenASecondAndNoMore) {
  const auto session = table_.find(open());
  int admitted = 0;
  for (int count = 0; count < 100; ++count) admitted += table_.may_ask(*session) ? 1 : 0;
  EXPECT_EQ(admitted, 30);
  now_ += seconds(1);
  for (int count = 0; count < 100; ++count) admitted += table_.may_ask(*session) ? 1 : 0;
  EXPECT_EQ(admitted, 40);
}

TEST_F(SessionTableTest, TheTokenAgainstForgedRequestsBelongsToOneSessionOfOneProcess) {
  const std::string token = open(1), other = open(2);
  const std::string csrf = table_.csrf_token(token);
  EXPECT_TRUE(table_.is_csrf_token(token, csrf));
  for (const std::string& wrong : {std::string(), table_.csrf_token(other), csrf.substr(1), csrf + "0", token}) EXPECT_FALSE(table_.is_csrf_token(token, wrong));
  const SessionTable next({}, {});
  EXPECT_FALSE(next.is_csrf_token(token, csrf));
}

TEST_F(SessionTableTest, EndsByIdAndByAccount) {
  const std::string one = open(1), two = open(1), three = open(2);
  EXPECT_TRUE(table_.close(table_.find(one)->id));
  EXPECT_FALSE(table_.close("no such id"));
  EXPECT_EQ(table_.find(one), nullptr);
  table_.close_if([](const Session& session) { return session.account_id == 1; });
  EXPECT_EQ(table_.find(two), nullptr);
  EXPECT_NE(table_.find(three), nullptr);
}

}  // namespace
}  // namespace sallyport::accounts
