// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "controlplane/store/digest_hash.h"
#include "controlplane/store/sqlite_database.h"
#include "tests/unit/store/state_folder.h"

namespace sallyport::store {
namespace {

using config::Role;
using testing::HasSubstr;

std::string edited(std::string text, const std::string& from, const std::string& to) {
  std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

SitePlan applied(SiteStore& store, const std::string& document) {
  auto plan = store.apply(document, "site.toml", "test");
  EXPECT_TRUE(plan) << plan.fault().text();
  for (const config::Finding& finding : plan->refusals) ADD_FAILURE() << finding.text();
  return *plan;
}

std::vector<std::string> lines_of(const SitePlan& plan) {
  std::vector<std::string> lines;
  for (const PlanLine& line : plan.lines) lines.push_back(line.text());
  return lines;
}

std::string bytes_of_folder(const StateFolder& folder) {
  std::string bytes;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    std::ifstream file(entry.path(), std::ios::binary);
    bytes.append(std::istreambuf_iterator<char>(file), {});
  }
  return bytes;
}

TEST(SiteStore, AppliedSiteIsThereAfterAReopen) {
  StateFolder folder;
  {
    auto store = folder.open(Role::core);
    SitePlan plan = applied(*store, core_site);
    EXPECT_TRUE(plan.applied);
    EXPECT_THAT(lines_of(plan), testing::ElementsAre("create zone \"Traversal zone\": port: 7001, user: exampleauth, peers: [e1.example.com, e2.example.com], sip_domains: [example.com], password: set"));
  }
  auto store = folder.open(Role::core);
  auto site = store->snapshot();
  ASSERT_EQ(site->zones.size(), 1u);
  EXPECT_EQ(site->zones[0], (Zone{.name = "Traversal zone", .port = 7001, .user = "exampleauth", .has_password = true, .peers = {"e1.example.com", "e2.example.com"}, .sip_domains = {"example.com"}}));
  auto password = store->zone_password("traversal ZONE");
  ASSERT_TRUE(password) << password.fault().text();
  EXPECT_EQ(password->reveal(), "s3cret");
}

TEST(SiteStore, B37_OnboardingIsSwitchedOnCAndByCAlone) {
  StateFolder folder, edge_folder;
  auto store = folder.open(Role::core);
  const std::string document = std::string(core_site) + "\n[unified_communications]\nactivation_code_onboarding = true\n";
  const SitePlan plan = applied(*store, document);
  EXPECT_THAT(lines_of(plan).back(), HasSubstr("activation_code_onboarding: off -> on"));
  EXPECT_TRUE(store->snapshot()->unified.activation_code_onboarding);
  const auto exported = store->export_document();
  ASSERT_TRUE(exported);
  EXPECT_THAT(*exported, HasSubstr("[unified_communications]\nactivation_code_onboarding = true\n"));
  EXPECT_TRUE(applied(*store, *exported).lines.empty());
  auto edge = edge_folder.open(Role::edge);
  const auto refused = edge->apply(std::string(edge_site) + "\n[unified_communications]\nactivation_code_onboarding = true\n", "site.toml", "test");
  ASSERT_TRUE(refused);
  ASSERT_EQ(refused->refusals.size(), 1u);
  EXPECT_THAT(refused->refusals.front().text(), HasSubstr("onboarding is C's"));
}

TEST(SiteStore, EKeepsHashesOfTheDefaultRealm) {
  StateFolder folder;
  auto store = folder.open(Role::edge);
  applied(*store, edge_site);
  const Credential* credential = store->snapshot()->find_credential("exampleauth");
  ASSERT_NE(credential, nullptr);
  EXPECT_EQ(credential->realm, "sallyport-traversal");
  EXPECT_EQ(credential->ha1_md5, ha1_md5("exampleauth", "sallyport-traversal", "s3cret"));
  EXPECT_EQ(credential->ha1_sha256, ha1_sha256("exampleauth", "sallyport-traversal", "s3cret"));
  EXPECT_THAT(store->snapshot()->zones.at(0).tls_verify_subject_names, testing::ElementsAre("c.example.com"));
}

// Threat model: neither node's store gives the password away to who copies the database.
TEST(SiteStore, NoFileHoldsThePasswordInClear) {
  for (Role role : {Role::core, Role::edge}) {
    StateFolder folder;
    auto store = folder.open(role);
    applied(*store, edited(role == Role::core ? core_site : edge_site, "s3cret", "needle-in-a-haystack"));
    EXPECT_THAT(bytes_of_folder(folder), testing::Not(HasSubstr("needle-in-a-haystack")));
  }
}

TEST(SiteStore, FilesAreForTheServiceUserOnly) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  applied(*store, core_site);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    struct stat status {};
    ASSERT_EQ(::stat(entry.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077, 0u) << entry.path();
  }
}

class EachRole : public testing::TestWithParam<Role> {};
INSTANTIATE_TEST_SUITE_P(Roles, EachRole, testing::Values(Role::core, Role::edge), [](const auto& info) { return config::name_of(info.param); });

TEST_P(EachRole, ApplyingTwiceChangesNothingAndMakesNoRevision) {
  StateFolder folder;
  auto store = folder.open(GetParam());
  const char* site = GetParam() == Role::core ? core_site : edge_site;
  std::uint64_t revision = applied(*store, site).revision;
  SitePlan again = applied(*store, site);
  EXPECT_THAT(lines_of(again), testing::IsEmpty());
  EXPECT_EQ(again.revision, revision);
  EXPECT_EQ(store->snapshot()->revision, revision);
}

TEST_P(EachRole, ExportAppliesWithoutAChangeAndHoldsNoPassword) {
  StateFolder folder;
  auto store = folder.open(GetParam());
  applied(*store, edited(GetParam() == Role::core ? core_site : edge_site, "Traversal zone", "Quote \\\" and \\\\ zone"));
  auto document = store->export_document();
  ASSERT_TRUE(document);
  EXPECT_THAT(*document, testing::Not(HasSubstr("s3cret")));
  EXPECT_THAT(*document, HasSubstr("password = { keep = true }"));
  EXPECT_THAT(lines_of(applied(*store, *document)), testing::IsEmpty()) << *document;
}

TEST_P(EachRole, AChangedPasswordIsTheOnlyChange) {
  StateFolder folder;
  auto store = folder.open(GetParam());
  std::string site = GetParam() == Role::core ? core_site : edge_site;
  applied(*store, site);
  SitePlan plan = applied(*store, edited(site, "s3cret", "other"));
  ASSERT_EQ(plan.lines.size(), 1u);
  EXPECT_THAT(plan.lines[0].text(), testing::EndsWith(": password: changed"));
}

TEST(SiteStore, PlanSaysWhatApplyWouldDoAndChangesNothing) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  applied(*store, core_site);
  auto before = store->snapshot();
  std::string wanted = edited(core_site, "\"e1.example.com\", ", "");
  auto plan = store->plan(wanted, "s");
  ASSERT_TRUE(plan);
  EXPECT_FALSE(plan->applied);
  EXPECT_THAT(lines_of(*plan), testing::ElementsAre("change zone \"Traversal zone\": peers: [e1.example.com, e2.example.com] -> [e2.example.com]"));
  EXPECT_EQ(store->snapshot(), before);
  EXPECT_EQ(lines_of(applied(*store, wanted)), lines_of(*plan));
}

TEST(SiteStore, RefusedDocumentChangesNothing) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  applied(*store, core_site);
  auto before = store->snapshot();
  auto plan = store->apply(edited(core_site, "exampleauth", "with space"), "s", "test");
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->is_refused());
  EXPECT_FALSE(plan->applied);
  EXPECT_EQ(store->snapshot(), before);
  EXPECT_EQ(folder.open(Role::core)->snapshot()->revision, before->revision);
}

TEST(SiteStore, WhatTheDocumentDoesNotNameIsDeleted) {
  StateFolder folder;
  auto store = folder.open(Role::edge);
  applied(*store, edge_site);
  EXPECT_THAT(lines_of(applied(*store, "")), testing::ElementsAre("delete zone \"Traversal zone\"", "delete credential \"exampleauth\""));
  EXPECT_TRUE(store->snapshot()->zones.empty());
  EXPECT_TRUE(store->snapshot()->credentials.empty());
}

TEST(SiteStore, KeptPasswordSurvivesOtherChanges) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  applied(*store, core_site);
  applied(*store, edited(edited(core_site, "\"s3cret\"", "{ keep = true }"), "e2.example.com", "e3.example.com"));
  EXPECT_EQ(store->zone_password("Traversal zone")->reveal(), "s3cret");
  EXPECT_THAT(store->snapshot()->zones.at(0).peers, testing::ElementsAre("e1.example.com", "e3.example.com"));
}

TEST(SiteStore, AKeptHashCannotMoveToAnotherRealm) {
  StateFolder folder;
  auto store = folder.open(Role::edge);
  applied(*store, edge_site);
  auto plan = store->apply(edited(edge_site, "\"s3cret\"", "{ keep = true }\nrealm = \"elsewhere\""), "s", "test");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->refusals.size(), 1u);
  EXPECT_THAT(plan->refusals[0].text(), HasSubstr("the stored hash is for realm \"sallyport-traversal\""));
}

TEST(SiteStore, ListenersSeeEachChangeOnceAndMayReadFromTheStore) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  std::vector<std::string> seen;
  std::uint64_t id = store->add_listener([&](auto before, auto after) {
    auto password = store->zone_password("Traversal zone");
    seen.push_back(std::to_string(before->zones.size()) + ">" + std::to_string(after->zones.size()) + " " + (password ? std::string(password->reveal()) : "-"));
  });
  applied(*store, core_site);
  applied(*store, core_site);
  applied(*store, "");
  store->remove_listener(id);
  applied(*store, core_site);
  EXPECT_THAT(seen, testing::ElementsAre("0>1 s3cret", "1>0 -"));
}

TEST(SiteStore, HistoryTellsWhoChangedWhat) {
  StateFolder folder;
  auto store = folder.open(Role::core);
  applied(*store, core_site);
  ASSERT_TRUE(store->apply("", "s", "uid 1000 by apply"));
  auto history = store->history(10);
  ASSERT_TRUE(history);
  ASSERT_EQ(history->size(), 3u);
  EXPECT_EQ(history->at(0).actor, "uid 1000 by apply");
  EXPECT_EQ(history->at(0).change, "delete zone \"Traversal zone\"");
  EXPECT_GT(history->at(0).revision, history->at(1).revision);
  EXPECT_EQ(history->at(2).change, "create flow key");
}

TEST(SiteStore, FlowKeyOfBeforeStillVerifiesAfterARotation) {
  StateFolder folder;
  FlowTokenKey first, second;
  {
    auto store = folder.open(Role::edge);
    first = store->snapshot()->flow_key;
    EXPECT_FALSE(store->snapshot()->previous_flow_key.has_value());
    ASSERT_TRUE(store->rotate_flow_key("test"));
    second = store->snapshot()->flow_key;
    EXPECT_EQ(store->snapshot()->previous_flow_key, first);
    EXPECT_NE(second.secret, first.secret);
    EXPECT_NE(second.generation, first.generation);
  }
  auto store = folder.open(Role::edge);
  EXPECT_EQ(store->snapshot()->flow_key, second);
  EXPECT_EQ(store->snapshot()->previous_flow_key, first);
  ASSERT_TRUE(store->rotate_flow_key("test"));
  EXPECT_EQ(store->snapshot()->previous_flow_key, second);
}

TEST(SiteStore, ASecondProcessSeesTheChangeAfterRefresh) {
  StateFolder folder;
  auto one = folder.open(Role::core), other = folder.open(Role::core);
  EXPECT_EQ(one->snapshot()->flow_key, other->snapshot()->flow_key);
  applied(*one, core_site);
  EXPECT_TRUE(other->snapshot()->zones.empty());
  auto refreshed = other->refresh();
  ASSERT_TRUE(refreshed) << refreshed.fault().text();
  EXPECT_TRUE(*refreshed);
  EXPECT_EQ(other->snapshot()->zones.size(), 1u);
  EXPECT_FALSE(*other->refresh());
}

TEST(SiteStore, TwoWritersAtOnceLoseNoChange) {
  StateFolder folder;
  auto one = folder.open(Role::edge), other = folder.open(Role::edge);
  constexpr int rounds = 20;
  auto rotate = [](SiteStore& store) {
    for (int i = 0; i < rounds; ++i) {
      auto done = store.rotate_flow_key("test");
      EXPECT_TRUE(done) << done.fault().text();
    }
  };
  std::thread second([&] { rotate(*other); });
  rotate(*one);
  second.join();
  EXPECT_EQ(folder.open(Role::edge)->snapshot()->flow_key.generation, 2 * rounds);
}

// A process that dies inside a transaction leaves the site as it was before it.
TEST(SiteStore, KilledWriterLeavesTheSiteOfBefore) {
  StateFolder folder;
  applied(*folder.open(Role::core), core_site);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    SqliteDatabase database(folder.path("site.db"));
    SqliteTransaction transaction(database);
    database.execute("DELETE FROM zone; UPDATE site SET revision = 99");
    ::_exit(0);  // no rollback, no close
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  auto store = folder.open(Role::core);
  ASSERT_EQ(store->snapshot()->zones.size(), 1u);
  EXPECT_LT(store->snapshot()->revision, 99u);
  EXPECT_EQ(store->zone_password("Traversal zone")->reveal(), "s3cret");
}

TEST(SiteStore, RefusesAStoreOfTheOtherRole) {
  StateFolder folder;
  folder.open(Role::core);
  auto store = folder.try_open(Role::edge);
  ASSERT_FALSE(store);
  EXPECT_THAT(store.fault().text(), HasSubstr("belongs to a node of role C, this node is E"));
}

TEST(SiteStore, RefusesADamagedFileAndAMissingKey) {
  StateFolder folder;
  folder.open(Role::core);
  std::filesystem::rename(folder.path("node.key"), folder.path("away"));
  EXPECT_THAT(folder.try_open(Role::core).fault().text(), HasSubstr("is missing, but the store holds what it sealed"));
  std::filesystem::rename(folder.path("away"), folder.path("node.key"));
  EXPECT_TRUE(folder.try_open(Role::core));
  std::filesystem::remove(folder.path("site.db-wal"));
  std::ofstream(folder.path("site.db"), std::ios::trunc) << std::string(5000, 'x');
  auto damaged = folder.try_open(Role::core);
  ASSERT_FALSE(damaged);
  EXPECT_THAT(damaged.fault().text(), HasSubstr("site.db"));
}

TEST(SiteStore, SaysThatTheFolderCannotBeMade) {
  auto store = SiteStore::open({.state_dir = "/proc/nowhere/state"});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.fault().text(), HasSubstr("state_dir /proc/nowhere/state: cannot be made"));
}

TEST(SiteStore, AnUnknownZoneHasNoPassword) {
  StateFolder folder;
  auto password = folder.open(Role::core)->zone_password("nowhere");
  ASSERT_FALSE(password);
  EXPECT_EQ(password.fault().code, FaultCode::missing);
}

}  // namespace
}  // namespace sallyport::store
