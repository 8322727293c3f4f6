// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/account_store.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tests/unit/store/state_folder.h"

namespace sallyport::accounts {
namespace {

using testing::HasSubstr;

constexpr PasswordCost cheap{16, 8, 1};

class AccountStoreTest : public testing::Test {
 protected:
  AccountStoreTest() : site_(folder_.open(config::Role::edge)), accounts_(open()) {}
  std::unique_ptr<AccountStore> open() {
    auto opened = AccountStore::open(folder_.path());
    EXPECT_TRUE(opened) << opened.fault().text();
    return std::move(*opened);
  }
  static PasswordHash hash(const char* text) { return *hash_password(store::Secret(text), cheap); }
  Account get(const std::string& name) {
    const auto all = accounts_->snapshot();
    const Account* found = accounts_->find(*all, name);
    return found == nullptr ? Account{} : *found;
  }
  store::StateFolder folder_;
  std::unique_ptr<store::SiteStore> site_;
  std::unique_ptr<AccountStore> accounts_;
};

TEST_F(AccountStoreTest, KeepsAccountsOverARestartWithoutTheirPasswords) {
  ASSERT_TRUE(accounts_->add("anna", Role::administer, hash("correct horse battery")));
  ASSERT_TRUE(accounts_->add("ben", Role::read, hash("another long passphrase")));
  accounts_ = open();
  const auto all = accounts_->snapshot();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(get("anna").role, Role::administer);
  EXPECT_TRUE(is_password(store::Secret("correct horse battery"), get("anna").password));
  EXPECT_EQ(get("ben").role, Role::read);
  for (const char* name : {"site.db", "site.db-wal"}) {
    std::ifstream file(folder_.path(name), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    EXPECT_THAT(bytes, testing::Not(HasSubstr("correct horse battery"))) << name;
  }
}

TEST_F(AccountStoreTest, ANewPasswordIsANewRevisionAndANewAccountOfTheSameNameAnotherId) {
  ASSERT_TRUE(accounts_->add("anna", Role::read, hash("correct horse battery")));
  const Account before = get("anna");
  ASSERT_TRUE(accounts_->set_password("anna", hash("another long passphrase")));
  const Account after = get("anna");
  EXPECT_EQ(after.id, before.id);
  EXPECT_NE(after.revision, before.revision);
  const auto all = accounts_->snapshot();
  EXPECT_EQ(accounts_->find(*all, before.id, before.revision), nullptr);
  ASSERT_TRUE(accounts_->remove("anna", LastAdministrator::must_stay));
  ASSERT_TRUE(accounts_->add("anna", Role::read, hash("correct horse battery")));
  EXPECT_NE(get("anna").id, before.id);
}

TEST_F(AccountStoreTest, TheLastAdministratorStaysUnlessTheNodeItselfSaysOtherwise) {
  ASSERT_TRUE(accounts_->add("anna", Role::administer, hash("correct horse battery")));
  ASSERT_TRUE(accounts_->add("ben", Role::operate, hash("another long passphrase")));
  for (const auto& refused : {accounts_->remove("anna", LastAdministrator::must_stay), accounts_->set_role("anna", Role::operate, LastAdministrator::must_stay)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.fault().code, FaultCode::refused);
    EXPECT_THAT(refused.fault().text(), HasSubstr("is the last one that administers"));
  }
  EXPECT_TRUE(accounts_->set_role("anna", Role::administer, LastAdministrator::must_stay));
  ASSERT_TRUE(accounts_->set_role("ben", Role::administer, LastAdministrator::must_stay));
  EXPECT_TRUE(accounts_->remove("anna", LastAdministrator::must_stay));
  EXPECT_FALSE(accounts_->remove("ben", LastAdministrator::must_stay));
  EXPECT_TRUE(accounts_->remove("ben", LastAdministrator::may_go));
  EXPECT_TRUE(accounts_->snapshot()->empty());
}

TEST_F(AccountStoreTest, RefusesOddNamesDoublesAndWhatIsNotThere) {
  for (const char* name : {"", "Anna", "-anna", "a b", "anna\n", "ä", "abcdefghijklmnopqrstuvwxyz0123456"}) EXPECT_FALSE(accounts_->add(name, Role::read, hash("correct horse battery"))) << name;
  ASSERT_TRUE(accounts_->add("a.b-c_9", Role::read, hash("correct horse battery")));
  EXPECT_EQ(accounts_->add("a.b-c_9", Role::read, hash("correct horse battery")).fault().code, FaultCode::conflict);
  EXPECT_EQ(accounts_->set_password("nobody", hash("correct horse battery")).fault().code, FaultCode::missing);
  EXPECT_EQ(accounts_->set_role("nobody", Role::read, LastAdministrator::may_go).fault().code, FaultCode::missing);
  EXPECT_EQ(accounts_->remove("nobody", LastAdministrator::may_go).fault().code, FaultCode::missing);
}

TEST_F(AccountStoreTest, IsBounded) {
  const PasswordHash one = hash("correct horse battery");
  for (std::size_t count = 0; count < max_accounts; ++count) ASSERT_TRUE(accounts_->add("a" + std::to_string(count), Role::read, one));
  EXPECT_EQ(accounts_->add("one-more", Role::read, one).fault().code, FaultCode::exhausted);
}

}  // namespace
}  // namespace sallyport::accounts
