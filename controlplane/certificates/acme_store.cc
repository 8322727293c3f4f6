// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/acme_store.h"

#include <algorithm>
#include <mutex>

#include "controlplane/certificates/acme_rules.h"
#include "controlplane/certificates/acme_tables.h"
#include "controlplane/certificates/open_store.h"
#include "controlplane/store/node_key.h"
#include "controlplane/store/published.h"
#include "controlplane/store/site_tables.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::certificates {
namespace {

using store::NodeKey;
using store::Secret;
using store::guarded;
using store::SqliteDatabase;
using store::SqliteFailure;
using store::SqliteStatement;
using store::SqliteTransaction;

constexpr std::size_t max_name_chars = 63;

class SqliteAcmeStore final : public AcmeStore {
 public:
  SqliteAcmeStore(const std::string& path, NodeKey key, config::Role role) : database_(path), key_(std::move(key)), role_(role) {}

  Outcome<> start() {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      published_.publish(read_acme(database_));
      transaction.commit();
      return Done{};
    });
  }

  std::shared_ptr<const AcmeConfig> snapshot() const override { return published_.get(); }
  void set_listener(Listener listener) override { published_.set_listener(std::move(listener)); }

  Outcome<> put_authority(const AcmeAuthority& authority, const Secret& hmac_key, const std::string& actor) override {
    if (const Outcome<> fine = judge_acme_authority(authority, !hmac_key.is_empty()); !fine) return fine;
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      const AcmeConfig before = read_acme(database_);
      const AcmeAuthority* former = before.find(authority.name);
      if (former == nullptr && before.authorities.size() >= max_acme_authorities) return Fault{FaultCode::exhausted, "ACME authority \"" + authority.name + "\"", "there are 8 already", "delete one"};
      // Another directory or another binding is another account.
      const bool same_account = former != nullptr && former->directory_url == authority.directory_url && former->external_key_id == authority.external_key_id;
      if (!same_account) forget_secrets(authority.name);
      AcmeAuthority kept = authority;
      kept.account_url = same_account ? former->account_url : std::string();
      write_acme_authority(database_, kept);
      if (!hmac_key.is_empty()) keep_acme_secret(database_, key_, external_secret(authority.name), hmac_key);
      return commit(transaction, std::string(former == nullptr ? "add" : "change") + " ACME authority \"" + authority.name + "\": " + authority.directory_url, actor);
    });
  }

  Outcome<> remove_authority(const std::string& name, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (read_acme(database_).find(name) == nullptr) return Fault{FaultCode::missing, "ACME authority \"" + name.substr(0, max_name_chars) + "\"", "there is none of that name", "see sallyport acme status"};
      forget_secrets(name);
      database_.prepare("DELETE FROM acme_authority WHERE name = ?").bind(1, name).run();
      return commit(transaction, "delete ACME authority \"" + name + "\" with its account's key", actor);
    });
  }

  Outcome<> turn(const Slot& slot, bool on, const std::string& actor) override {
    if (slot.kind == SlotKind::client) return Fault{FaultCode::invalid, "certificate slot client", "cannot be kept by ACME: public authorities issue no clientAuth", "use sallyport cert request client"};
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      const AcmeConfig before = read_acme(database_);
      if (before.keeps(slot) == on) return Done{};
      if (on && before.authorities.empty()) return Fault{FaultCode::missing, "ACME for " + slot.text(), "there is no authority to ask", "add one first: sallyport acme authority add NAME URL"};
      if (on && slot.kind == SlotKind::domain && !has_domain(slot.domain)) return Fault{FaultCode::missing, "domain " + slot.domain, "does not exist on this node", "create it first: sallyport domain add " + slot.domain};
      if (on) {
        if (const Outcome<> fine = judge_acme_challenge(role_, before.challenge); !fine) return fine;
      }
      database_.prepare(on ? "INSERT INTO acme_slot (slot) VALUES (?)" : "DELETE FROM acme_slot WHERE slot = ?").bind(1, slot.text()).run();
      return commit(transaction, "ACME for " + slot.text() + (on ? ": on" : ": off"), actor);
    });
  }

  Outcome<> set(const std::string& name, const std::string& value, const std::string& actor) override {
    if (const Outcome<> fine = judge_acme_setting(role_, name, value); !fine) return fine;
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (name == "dns_key") {
        keep_acme_secret(database_, key_, dns_secret, Secret(value));
        return commit(transaction, "ACME setting dns_key: changed", actor);
      }
      write_acme_setting(database_, name, value);
      return commit(transaction, "ACME setting " + name + ": " + value, actor);
    });
  }

  Outcome<bool> refresh() override {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<bool> {
      SqliteTransaction transaction(database_);
      AcmeConfig config = read_acme(database_);
      transaction.commit();
      const bool differs = config.slots != snapshot()->slots;
      published_.publish(std::move(config));
      return differs;
    });
  }

  Outcome<> reload() override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      AcmeConfig config = read_acme(database_);
      transaction.commit();
      published_.publish(std::move(config));
      return Done{};
    });
  }

  Outcome<Secret> hmac_key(const std::string& authority) override { return secret(external_secret(authority)); }
  Outcome<Secret> dns_key() override { return secret(dns_secret); }
  Outcome<Secret> account_key(const std::string& authority) override { return secret(account_secret(authority)); }

  Outcome<> keep_account(const std::string& authority, const Secret& key_der, const std::string& account_url) override {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (!key_der.is_empty()) keep_acme_secret(database_, key_, account_secret(authority), key_der);
      database_.prepare("UPDATE acme_authority SET account_url = ? WHERE name = ?").bind(1, account_url).bind(2, authority).run();
      AcmeConfig config = read_acme(database_);
      transaction.commit();
      published_.publish(std::move(config));
      return Done{};
    });
  }

 private:
  bool has_domain(const std::string& name) {
    SqliteStatement row = database_.prepare("SELECT 1 FROM certificate_domain WHERE name = ?");
    row.bind(1, name);
    return row.step();
  }

  Outcome<Secret> secret(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<Secret> { return read_acme_secret(database_, key_, name); });
  }

  void forget_secrets(const std::string& authority) {
    forget_acme_secret(database_, external_secret(authority));
    forget_acme_secret(database_, account_secret(authority));
  }

  Outcome<> commit(SqliteTransaction& transaction, const std::string& line, const std::string& actor) {
    store::write_history(database_, {line}, actor);
    AcmeConfig config = read_acme(database_);
    transaction.commit();
    published_.publish(std::move(config));
    return Done{};
  }

  template <class Work>
  auto change(Work work) -> decltype(work()) {
    return published_.change(mutex_, std::move(work));
  }

  std::mutex mutex_;
  SqliteDatabase database_;
  NodeKey key_;
  const config::Role role_;
  store::Published<AcmeConfig> published_;
};

}  // namespace

bool AcmeConfig::keeps(const Slot& slot) const { return std::binary_search(slots.begin(), slots.end(), slot, comes_before); }

const AcmeAuthority* AcmeConfig::find(std::string_view name) const {
  const auto found = std::find_if(authorities.begin(), authorities.end(), [&](const AcmeAuthority& authority) { return authority.name == name; });
  return found == authorities.end() ? nullptr : &*found;
}

Outcome<std::unique_ptr<AcmeStore>> AcmeStore::open(const std::string& state_dir, config::Role role) { return open_store<AcmeStore, SqliteAcmeStore>(state_dir, role); }

}  // namespace sallyport::certificates
