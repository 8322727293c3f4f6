// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_schema.h"

#include <gmock/gmock.h>

#include "tests/unit/store/state_folder.h"

namespace sallyport::store {
namespace {

constexpr std::string_view first_step = "CREATE TABLE a (x INTEGER)";
constexpr std::string_view second_step = "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x * 2";
constexpr std::string_view broken_step = "CREATE TABLE b (x); CREATE TABLE b (x)";

TEST(SiteSchema, TakesEachStepOnceAndKeepsTheData) {
  StateFolder folder;
  SqliteDatabase database(folder.path("x.db"));
  const std::string_view one[] = {first_step}, two[] = {first_step, second_step};
  migrate(database, one);
  migrate(database, one);
  database.execute("INSERT INTO a VALUES (21)");
  migrate(database, two);
  EXPECT_EQ(database.pragma("user_version"), 2);
  SqliteStatement row = database.prepare("SELECT y FROM a");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.integer(0), 42);
}

TEST(SiteSchema, AStepThatFailsChangesNothing) {
  StateFolder folder;
  SqliteDatabase database(folder.path("x.db"));
  const std::string_view one[] = {first_step}, broken[] = {first_step, broken_step};
  migrate(database, one);
  EXPECT_THROW(migrate(database, broken), SqliteFailure);
  EXPECT_EQ(database.pragma("user_version"), 1);
  EXPECT_THROW(database.execute("SELECT * FROM b"), SqliteFailure);
}

TEST(SiteSchema, RefusesAStoreOfANewerVersionUntouched) {
  StateFolder folder;
  {
    SqliteDatabase database(folder.path("site.db"));
    migrate(database, site_schema_steps());
    database.execute("PRAGMA user_version = 99");
  }
  auto store = folder.try_open(config::Role::edge);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.fault().code, FaultCode::conflict);
  EXPECT_THAT(store.fault().text(), testing::HasSubstr("has schema version 99"));
  EXPECT_EQ(SqliteDatabase(folder.path("site.db")).pragma("user_version"), 99);
}

}  // namespace
}  // namespace sallyport::store
