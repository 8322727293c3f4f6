// SPDX-License-Identifier: Apache-2.0
#pragma once
// AccountStore: who may log in at the HTTPS administration address: name, role and what is kept of the password, in the node's store. A
// change is one transaction: durable and in the snapshot, or nothing happened. Sessions name an account by id and revision, so that a
// new password, or another account of the same name, ends them. snapshot() from any thread, the rest on one; changes block on the disk.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/accounts/password.h"
#include "controlplane/accounts/role.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::accounts {

inline constexpr std::size_t max_accounts = 200, max_account_name = 32;

struct Account {
  std::int64_t id = 0;        // never used again
  std::int64_t revision = 0;  // of the password
  std::string name;
  Role role = Role::read;
  PasswordHash password;
  std::int64_t made_s = 0, password_s = 0;  // UTC: when it was made, and when its password
};

// Over HTTPS somebody must be left who can mend what was done there; on the Unix socket there is always root.
enum class LastAdministrator : std::uint8_t { must_stay, may_go };

class AccountStore {
 public:
  using Accounts = std::vector<Account>;

  // After the SiteStore, which makes the tables.
  static Outcome<std::unique_ptr<AccountStore>> open(const std::string& state_dir);

  std::shared_ptr<const Accounts> snapshot() const;  // by name
  const Account* find(const Accounts& accounts, std::string_view name) const;
  const Account* find(const Accounts& accounts, std::int64_t id, std::int64_t revision) const;

  Outcome<> add(const std::string& name, Role role, const PasswordHash& password);
  Outcome<> set_password(const std::string& name, const PasswordHash& password);
  Outcome<> set_role(const std::string& name, Role role, LastAdministrator rule);
  Outcome<> remove(const std::string& name, LastAdministrator rule);

 private:
  explicit AccountStore(const std::string& path) : database_(path) {}
  Accounts read();
  void publish(Accounts accounts);
  Outcome<> commit(store::SqliteTransaction& transaction);

  store::SqliteDatabase database_;
  mutable std::mutex mutex_;  // of the snapshot
  std::shared_ptr<const Accounts> snapshot_;
};

// 1 to 32 of a-z, 0-9, '.', '-', '_', beginning with a letter or digit.
Outcome<> judge_account_name(std::string_view name);

}  // namespace sallyport::accounts
