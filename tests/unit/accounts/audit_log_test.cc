// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/audit_log.h"

#include <gmock/gmock.h>

#include "tests/unit/store/state_folder.h"

namespace sallyport::accounts {
namespace {

class AuditLogTest : public testing::Test {
 protected:
  AuditLogTest() : site_(folder_.open(config::Role::edge)), log_(open(100)) {}
  std::unique_ptr<AuditLog> open(std::size_t rows) {
    auto opened = AuditLog::open(folder_.path(), rows);
    EXPECT_TRUE(opened) << opened.fault().text();
    return std::move(*opened);
  }
  void write(const std::string& actor, const std::string& path, unsigned status) {
    AuditEntry entry;
    entry.actor = actor;
    entry.source = "192.0.2.7:40312";
    entry.method = "POST";
    entry.path = path;
    entry.object = "name=x";
    entry.status = status;
    ASSERT_TRUE(log_->write(entry));
  }
  std::vector<AuditEntry> list(const AuditQuery& query = {}) {
    const auto entries = log_->list(query);
    EXPECT_TRUE(entries) << entries.fault().text();
    return entries ? *entries : std::vector<AuditEntry>();
  }
  store::StateFolder folder_;
  std::unique_ptr<store::SiteStore> site_;
  std::unique_ptr<AuditLog> log_;
};

TEST_F(AuditLogTest, TellsWhoWhatWhereAndWhenNewestFirstAfterARestartToo) {
  write("account anna", "/v1/domains", 201);
  write("uid 0", "/v1/apply", 200);
  log_ = open(100);
  const auto entries = list();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].actor, "uid 0");
  EXPECT_EQ(entries[1].actor, "account anna");
  EXPECT_EQ(entries[1].source, "192.0.2.7:40312");
  EXPECT_EQ(entries[1].method + " " + entries[1].path + " " + entries[1].object, "POST /v1/domains name=x");
  EXPECT_EQ(entries[1].status, 201u);
  EXPECT_THAT(entries[1].at, testing::MatchesRegex("20..-..-..T..:..:..\\....Z"));
}

TEST_F(AuditLogTest, FiltersAndPages) {
  for (int count = 0; count < 5; ++count) write("account anna", "/v1/domains", 201);
  write("account ben", "/v1/accounts/role", 403);
  write("account ben", "/v1/accounts", 403);
  EXPECT_EQ(list({.actor = "account ben"}).size(), 2u);
  EXPECT_EQ(list({.actor = "account b"}).size(), 0u);
  EXPECT_EQ(list({.path = "/v1/accounts"}).size(), 2u);
  EXPECT_EQ(list({.path = "/v1/accounts/"}).size(), 1u);
  EXPECT_EQ(list({.outcome = AuditOutcome::refused}).size(), 2u);
  EXPECT_EQ(list({.outcome = AuditOutcome::done}).size(), 5u);
  const auto first = list({.limit = 3}), second = list({.limit = 3, .before = first.back().id}), third = list({.limit = 3, .before = second.back().id});
  EXPECT_EQ(first.size() + second.size() + third.size(), 7u);
  EXPECT_LT(second.front().id, first.back().id);
  const std::string at = first[0].at;
  EXPECT_EQ(list({.since = "2020-01-01"}).size(), 7u);
  EXPECT_EQ(list({.until = "2020-01-01"}).size(), 0u);
  EXPECT_GE(list({.since = at}).size(), 1u);
  EXPECT_FALSE(log_->list({.since = "yesterday"}));
}

// Strangers who are refused all night do not push out who changed what.
TEST_F(AuditLogTest, TheOldestGoAndWhatWasRefusedHasAShareOfItsOwn) {
  for (int count = 0; count < 10; ++count) write("account anna", "/v1/domains", 201);
  for (int count = 0; count < 300; ++count) write("stranger", "/v1/session", 401);
  EXPECT_EQ(list({.limit = 1000, .outcome = AuditOutcome::refused}).size(), 25u);
  EXPECT_EQ(list({.limit = 1000, .outcome = AuditOutcome::done}).size(), 10u);
  for (int count = 0; count < 200; ++count) write("account anna", "/v1/domains", 201);
  const auto done = list({.limit = 1000, .outcome = AuditOutcome::done});
  EXPECT_EQ(done.size(), 75u);
  EXPECT_EQ(list({.limit = 1000}).size(), 100u);
  log_ = open(8);
  write("account anna", "/v1/domains", 201);
  EXPECT_EQ(list({.limit = 1000, .outcome = AuditOutcome::done}).size(), 6u);
  EXPECT_GT(list({.limit = 1})[0].id, done[0].id);
}

TEST_F(AuditLogTest, WhatAStrangerSendsCannotMoveACursorOrFillTheDisk) {
  write("stranger\x1b[2J\n", "/" + std::string(10000, 'a'), 404);
  const auto entries = list();
  EXPECT_EQ(entries[0].actor, "stranger.[2J.");
  EXPECT_EQ(entries[0].path.size(), 256u);
}

}  // namespace
}  // namespace sallyport::accounts
