// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/node_key.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/store/state_folder.h"

namespace sallyport::store {
namespace {

using testing::HasSubstr;

TEST(NodeKey, OpensWhatItSealedAndOnlyForTheSamePurpose) {
  StateFolder folder;
  auto key = NodeKey::load(folder.path("node.key"), true);
  ASSERT_TRUE(key) << key.fault().text();
  auto sealed = key->seal("zone a", "s3cret");
  ASSERT_TRUE(sealed);
  EXPECT_THAT(*sealed, testing::Not(HasSubstr("s3cret")));
  auto opened = key->open("zone a", *sealed);
  ASSERT_TRUE(opened) << opened.fault().text();
  EXPECT_EQ(opened->reveal(), "s3cret");
  EXPECT_FALSE(key->open("zone b", *sealed));
}

TEST(NodeKey, SealsTheSameTextDifferentlyEachTime) {
  StateFolder folder;
  auto key = NodeKey::load(folder.path("node.key"), true);
  ASSERT_TRUE(key);
  EXPECT_NE(*key->seal("p", "text"), *key->seal("p", "text"));
}

TEST(NodeKey, RefusesEveryAlteredByteAndEveryCut) {
  StateFolder folder;
  auto key = NodeKey::load(folder.path("node.key"), true);
  ASSERT_TRUE(key);
  std::string sealed = *key->seal("p", "text");
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    EXPECT_FALSE(key->open("p", altered)) << i;
    EXPECT_FALSE(key->open("p", sealed.substr(0, i))) << i;
  }
}

TEST(NodeKey, IsPrivateAndStaysTheSame) {
  StateFolder folder;
  auto first = NodeKey::load(folder.path("node.key"), true);
  ASSERT_TRUE(first);
  struct stat status {};
  ASSERT_EQ(::stat(folder.path("node.key").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  auto second = NodeKey::load(folder.path("node.key"), false);
  ASSERT_TRUE(second) << second.fault().text();
  EXPECT_EQ(second->open("p", *first->seal("p", "text"))->reveal(), "text");
}

TEST(NodeKey, RefusesAKeyThatOthersCanReadOrThatIsDamagedOrMissing) {
  StateFolder folder;
  EXPECT_THAT(NodeKey::load(folder.path("node.key"), false).fault().text(), HasSubstr("is missing, but the store holds what it sealed"));
  ASSERT_TRUE(NodeKey::load(folder.path("node.key"), true));
  ::chmod(folder.path("node.key").c_str(), 0640);
  EXPECT_THAT(NodeKey::load(folder.path("node.key"), true).fault().text(), HasSubstr("can be read by others"));
  ::chmod(folder.path("node.key").c_str(), 0600);
  std::ofstream(folder.path("node.key")) << "short";
  EXPECT_THAT(NodeKey::load(folder.path("node.key"), true).fault().text(), HasSubstr("is not 32 bytes long"));
}

TEST(Secret, LeavesNothingBehindWhenMoved) {
  Secret first("s3cret");
  Secret second(std::move(first));
  EXPECT_EQ(second.reveal(), "s3cret");
  EXPECT_TRUE(first.is_empty());
  Secret third;
  third = std::move(second);
  EXPECT_EQ(third.reveal(), "s3cret");
  EXPECT_TRUE(second.is_empty());
}

}  // namespace
}  // namespace sallyport::store
