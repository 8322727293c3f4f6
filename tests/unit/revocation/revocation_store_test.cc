// SPDX-License-Identifier: Apache-2.0
#include "controlplane/revocation/revocation_store.h"

#include <gtest/gtest.h>

#include "tests/unit/store/state_folder.h"

namespace sallyport::revocation::test {
namespace {

TEST(RevocationStoreTest, TheLastWordOfEachOutlivesTheProcess) {
  const store::StateFolder folder;
  const auto site = folder.open(config::Role::edge);
  const std::size_t changes = site->history(10)->size();
  const std::string staple("\x30\x00\x01", 3);
  {
    auto opened = RevocationStore::open(folder.path());
    const auto& store = *opened;
    ASSERT_TRUE(store->keep({{"aa", {RevocationState::good, 10, 20, 0, ""}, staple, 19}, {"bb", {RevocationState::good, 11, 21, 0, ""}, "", 0}}));
    ASSERT_TRUE(store->keep({{"bb", {RevocationState::revoked, 12, 22, 5, "keyCompromise"}, "", 0}}));
  }
  auto opened = RevocationStore::open(folder.path());
  const auto& store = *opened;
  auto records = store->load();
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 2u);
  EXPECT_EQ((*records)[0].staple, staple);
  EXPECT_EQ((*records)[0].staple_until_s, 19);
  EXPECT_EQ((*records)[1].finding, (RevocationFinding{RevocationState::revoked, 12, 22, 5, "keyCompromise"}));
  ASSERT_TRUE(store->forget_all_but({"bb"}));
  records = store->load();
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ((*records)[0].fingerprint, "bb");
  EXPECT_EQ(site->history(10)->size(), changes) << "operators changed nothing";
}

}  // namespace
}  // namespace sallyport::revocation::test
