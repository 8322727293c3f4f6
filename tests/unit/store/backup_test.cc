// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/backup.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/store/state_folder.h"

namespace sallyport::store {
namespace {

using testing::HasSubstr;

class Backup : public testing::Test {
 protected:
  Backup() {
    auto site = folder.open(config::Role::core);
    EXPECT_TRUE(site->apply(core_site, "site.toml", "test"));
    auto made = make_backup(folder.path(), {.node = "c1", .role = "C", .version = "1", .made = "2026-01-01T00:00:00Z"}, passphrase);
    EXPECT_TRUE(made) << made.fault().text();
    backup = *made;
  }
  std::string refusal(const std::string& bytes, const Secret& with, const std::string& where) {
    const auto restored = restore_backup(bytes, with, where);
    EXPECT_FALSE(restored);
    EXPECT_FALSE(std::filesystem::exists(where + "/site.db")) << "left behind";
    return restored ? "" : restored.fault().text();
  }
  StateFolder folder, other;
  const Secret passphrase{"correct horse battery"};
  std::string backup;
};

TEST_F(Backup, RestoresToAnEmptyNodeWithItsSealedPasswords) {
  const std::string target = other.path("restored");
  const auto info = restore_backup(backup, passphrase, target);
  ASSERT_TRUE(info) << info.fault().text();
  EXPECT_EQ(info->node, "c1");
  EXPECT_EQ(info->made, "2026-01-01T00:00:00Z");
  struct stat status {};
  ASSERT_EQ(::stat((target + "/node.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  auto site = SiteStore::open({.state_dir = target, .role = config::Role::core, .node_name = "c1"});
  ASSERT_TRUE(site) << site.fault().text();
  EXPECT_EQ((*site)->zone_password("Traversal zone")->reveal(), "s3cret");
}

TEST_F(Backup, HoldsNothingInClear) {
  EXPECT_EQ(backup.find("exampleauth"), std::string::npos);
  EXPECT_EQ(backup.find("SQLite format"), std::string::npos);
  EXPECT_EQ(read_backup_header(backup)->role, "C");
}

TEST_F(Backup, AnotherPassphraseAChangedByteAndACutFileAreRefusedAndLeaveNothing) {
  const std::string target = other.path("restored");
  EXPECT_THAT(refusal(backup, Secret("correct horse battery!"), target), HasSubstr("does not open"));
  for (const std::size_t at : {std::size_t{20}, backup.size() / 2, backup.size() - 1}) {
    std::string changed = backup;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_THAT(refusal(changed, passphrase, target), HasSubstr("backup")) << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{60}, backup.size() - 1}) refusal(backup.substr(0, size), passphrase, target);
}

TEST_F(Backup, ANodeThatHasAStoreIsNotOverwritten) {
  EXPECT_THAT(restore_backup(backup, passphrase, folder.path()).fault().text(), HasSubstr("is there already"));
}

TEST_F(Backup, AShortPassphraseIsRefused) { EXPECT_THAT(make_backup(folder.path(), {}, Secret("short")).fault().text(), HasSubstr("fewer than 12")); }

}  // namespace
}  // namespace sallyport::store
