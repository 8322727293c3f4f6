// SPDX-License-Identifier: Apache-2.0
#include "controlplane/accounts/account_store.h"

#include <algorithm>
#include <ctime>

namespace sallyport::accounts {

using store::guarded;
using store::SqliteStatement;
using store::SqliteTransaction;

namespace {

std::string subject_of(std::string_view name) { return "account \"" + std::string(name.substr(0, max_account_name)) + "\""; }

Fault unknown(std::string_view name) { return {FaultCode::missing, subject_of(name), "there is none of that name", "see sallyport account list"}; }

// Whether somebody else administers.
bool is_last_administrator(const AccountStore::Accounts& accounts, const Account& account) {
  return account.role == Role::administer && std::count_if(accounts.begin(), accounts.end(), [](const Account& each) { return each.role == Role::administer; }) == 1;
}

Fault last_administrator(std::string_view name) {
  return {FaultCode::refused, subject_of(name), "is the last one that administers", "make another one first, or use sallyport on the node itself"};
}

void bind_password(SqliteStatement& row, int first, const PasswordHash& password) {
  row.bind_blob(first, password.salt).bind_blob(first + 1, password.hash);
  row.bind(first + 2, static_cast<std::int64_t>(password.cost.n)).bind(first + 3, std::int64_t{password.cost.r}).bind(first + 4, std::int64_t{password.cost.p});
}

}  // namespace

Outcome<> judge_account_name(std::string_view name) {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool is_fine = !name.empty() && name.size() <= max_account_name && is_plain(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) { return is_plain(c) || c == '.' || c == '-' || c == '_'; });
  if (is_fine) return Done{};
  return Fault{FaultCode::invalid, "account name", "is not 1 to 32 of a-z, 0-9, \".\", \"-\" and \"_\", beginning with a letter or digit", "choose another"};
}

Outcome<std::unique_ptr<AccountStore>> AccountStore::open(const std::string& state_dir) {
  return guarded([&]() -> Outcome<std::unique_ptr<AccountStore>> {
    std::unique_ptr<AccountStore> made(new AccountStore(state_dir + "/site.db"));
    made->publish(made->read());
    return made;
  });
}

std::shared_ptr<const AccountStore::Accounts> AccountStore::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

const Account* AccountStore::find(const Accounts& accounts, std::string_view name) const {
  const auto found = std::find_if(accounts.begin(), accounts.end(), [&](const Account& account) { return account.name == name; });
  return found == accounts.end() ? nullptr : &*found;
}

const Account* AccountStore::find(const Accounts& accounts, std::int64_t id, std::int64_t revision) const {
  const auto found = std::find_if(accounts.begin(), accounts.end(), [&](const Account& account) { return account.id == id && account.revision == revision; });
  return found == accounts.end() ? nullptr : &*found;
}

AccountStore::Accounts AccountStore::read() {
  Accounts accounts;
  SqliteStatement rows = database_.prepare("SELECT id, revision, name, role, salt, hash, scrypt_n, scrypt_r, scrypt_p, made_s, password_s FROM account ORDER BY name");
  while (rows.step()) {
    Account account;
    account.id = rows.integer(0);
    account.revision = rows.integer(1);
    account.name = rows.text(2);
    account.role = role_from(rows.text(3)).value_or(Role::read);
    account.password.salt = rows.blob(4);
    account.password.hash = rows.blob(5);
    account.password.cost = {static_cast<std::uint64_t>(rows.integer(6)), static_cast<std::uint32_t>(rows.integer(7)), static_cast<std::uint32_t>(rows.integer(8))};
    account.made_s = rows.integer(9);
    account.password_s = rows.integer(10);
    accounts.push_back(std::move(account));
  }
  return accounts;
}

void AccountStore::publish(Accounts accounts) {
  const std::lock_guard lock(mutex_);
  snapshot_ = std::make_shared<const Accounts>(std::move(accounts));
}

Outcome<> AccountStore::commit(SqliteTransaction& transaction) {
  Accounts accounts = read();
  transaction.commit();
  publish(std::move(accounts));
  return Done{};
}

Outcome<> AccountStore::add(const std::string& name, Role role, const PasswordHash& password) {
  if (const Outcome<> fine = judge_account_name(name); !fine) return fine;
  return guarded([&]() -> Outcome<> {
    SqliteTransaction transaction(database_);
    const Accounts before = read();
    if (find(before, name) != nullptr) return Fault{FaultCode::conflict, subject_of(name), "there is one of that name already", "choose another name, or change that one"};
    if (before.size() >= max_accounts) return Fault{FaultCode::exhausted, subject_of(name), "there are 200 accounts already", "remove one that is no longer used"};
    SqliteStatement row = database_.prepare("INSERT INTO account (name, role, revision, made_s, password_s, salt, hash, scrypt_n, scrypt_r, scrypt_p) VALUES (?, ?, 1, ?3, ?3, ?4, ?5, ?6, ?7, ?8)");
    row.bind(1, std::string_view(name)).bind(2, std::string_view(name_of(role))).bind(3, std::int64_t{std::time(nullptr)});
    bind_password(row, 4, password);
    row.run();
    return commit(transaction);
  });
}

Outcome<> AccountStore::set_password(const std::string& name, const PasswordHash& password) {
  return guarded([&]() -> Outcome<> {
    SqliteTransaction transaction(database_);
    if (find(read(), name) == nullptr) return unknown(name);
    SqliteStatement row = database_.prepare("UPDATE account SET revision = revision + 1, password_s = ?2, salt = ?3, hash = ?4, scrypt_n = ?5, scrypt_r = ?6, scrypt_p = ?7 WHERE name = ?1");
    row.bind(1, std::string_view(name)).bind(2, std::int64_t{std::time(nullptr)});
    bind_password(row, 3, password);
    row.run();
    return commit(transaction);
  });
}

Outcome<> AccountStore::set_role(const std::string& name, Role role, LastAdministrator rule) {
  return guarded([&]() -> Outcome<> {
    SqliteTransaction transaction(database_);
    const Accounts before = read();
    const Account* account = find(before, name);
    if (account == nullptr) return unknown(name);
    if (role != Role::administer && rule == LastAdministrator::must_stay && is_last_administrator(before, *account)) return last_administrator(name);
    database_.prepare("UPDATE account SET role = ?2 WHERE name = ?1").bind(1, std::string_view(name)).bind(2, std::string_view(name_of(role))).run();
    return commit(transaction);
  });
}

Outcome<> AccountStore::remove(const std::string& name, LastAdministrator rule) {
  return guarded([&]() -> Outcome<> {
    SqliteTransaction transaction(database_);
    const Accounts before = read();
    const Account* account = find(before, name);
    if (account == nullptr) return unknown(name);
    if (rule == LastAdministrator::must_stay && is_last_administrator(before, *account)) return last_administrator(name);
    database_.prepare("DELETE FROM account WHERE name = ?").bind(1, std::string_view(name)).run();
    return commit(transaction);
  });
}

}  // namespace sallyport::accounts
