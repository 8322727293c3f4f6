// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/acme_store.h"

#include <algorithm>
#include <mutex>

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

constexpr std::size_t max_name_chars = 63, max_text_bytes = 1024, max_contacts = 10;
constexpr std::string_view setting_prefix = "acme.";

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> list;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    list.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return list;
}

std::string join(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& each : list) text += (text.empty() ? "" : "\n") + each;
  return text;
}

bool is_plain(std::string_view text) {
  return text.size() <= max_text_bytes && std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Outcome<> judge(const AcmeAuthority& authority, bool has_hmac_key) {
  const std::string subject = "ACME authority \"" + authority.name.substr(0, max_name_chars) + "\"";
  if (authority.name.empty() || authority.name.size() > max_name_chars || !is_plain(authority.name)) return Fault{FaultCode::invalid, subject, "needs a name of 1 to 63 characters", "give it one, for example le"};
  if (!authority.directory_url.starts_with("https://") || !is_plain(authority.directory_url)) return Fault{FaultCode::invalid, subject, "its directory is no https URL", "give one like https://acme-v02.api.letsencrypt.org/directory"};
  if (authority.contacts.size() > max_contacts) return Fault{FaultCode::invalid, subject, "has more than 10 contacts", "give one or two"};
  for (const std::string& contact : authority.contacts)
    if (!is_plain(contact) || contact.find(':') == std::string::npos) return Fault{FaultCode::invalid, subject, "contact \"" + contact.substr(0, 100) + "\" is no URL", "write it like mailto:admin@example.com"};
  for (const std::string* text : {&authority.ca_file, &authority.preferred_root, &authority.profile, &authority.external_key_id})
    if (!is_plain(*text)) return Fault{FaultCode::invalid, subject, "holds a control character or more than 1,024 bytes", "correct it"};
  if (!authority.ca_file.empty() && authority.ca_file.front() != '/') return Fault{FaultCode::invalid, subject, "its CA file is no absolute path", "give the whole path"};
  if (authority.external_key_id.empty() != !has_hmac_key) return Fault{FaultCode::invalid, subject, "key identifier and HMAC key of the external account belong together", "give both or neither"};
  return Done{};
}

class SqliteAcmeStore final : public AcmeStore {
 public:
  SqliteAcmeStore(const std::string& path, NodeKey key, config::Role role) : database_(path), key_(std::move(key)), role_(role) {}

  Outcome<> start() {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      published_.publish(read());
      transaction.commit();
      return Done{};
    });
  }

  std::shared_ptr<const AcmeConfig> snapshot() const override { return published_.get(); }
  void set_listener(Listener listener) override { published_.set_listener(std::move(listener)); }

  Outcome<> put_authority(const AcmeAuthority& authority, const Secret& hmac_key, const std::string& actor) override {
    if (const Outcome<> fine = judge(authority, !hmac_key.is_empty()); !fine) return fine;
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      const AcmeConfig before = read();
      const AcmeAuthority* former = before.find(authority.name);
      if (former == nullptr && before.authorities.size() >= max_acme_authorities) return Fault{FaultCode::exhausted, "ACME authority \"" + authority.name + "\"", "there are 8 already", "delete one"};
      // Another directory or another binding is another account.
      const bool same_account = former != nullptr && former->directory_url == authority.directory_url && former->external_key_id == authority.external_key_id;
      if (!same_account) forget_secrets(authority.name);
      SqliteStatement row = database_.prepare(
          "INSERT INTO acme_authority (name, position, directory_url, contacts, ca_file, preferred_root, profile, external_key_id, account_url, agrees_to_terms) "
          "VALUES (?1, (SELECT coalesce(max(position), 0) + 1 FROM acme_authority), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
          "ON CONFLICT (name) DO UPDATE SET directory_url = ?2, contacts = ?3, ca_file = ?4, preferred_root = ?5, profile = ?6, external_key_id = ?7, account_url = ?8, agrees_to_terms = ?9");
      row.bind(1, authority.name).bind(2, authority.directory_url).bind(3, join(authority.contacts)).bind(4, authority.ca_file).bind(5, authority.preferred_root).bind(6, authority.profile);
      row.bind(7, authority.external_key_id).bind(8, same_account ? former->account_url : std::string()).bind(9, std::int64_t{authority.agrees_to_terms}).run();
      if (!hmac_key.is_empty()) keep_secret("external/" + authority.name, hmac_key);
      return commit(transaction, std::string(former == nullptr ? "add" : "change") + " ACME authority \"" + authority.name + "\": " + authority.directory_url, actor);
    });
  }

  Outcome<> remove_authority(const std::string& name, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (read().find(name) == nullptr) return Fault{FaultCode::missing, "ACME authority \"" + name.substr(0, max_name_chars) + "\"", "there is none of that name", "see sallyport acme status"};
      forget_secrets(name);
      database_.prepare("DELETE FROM acme_authority WHERE name = ?").bind(1, name).run();
      return commit(transaction, "delete ACME authority \"" + name + "\" with its account's key", actor);
    });
  }

  Outcome<> turn(const Slot& slot, bool on, const std::string& actor) override {
    if (slot.kind == SlotKind::client) return Fault{FaultCode::invalid, "certificate slot client", "cannot be kept by ACME: public authorities issue no clientAuth", "use sallyport cert request client"};
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      const AcmeConfig before = read();
      if (before.keeps(slot) == on) return Done{};
      if (on && before.authorities.empty()) return Fault{FaultCode::missing, "ACME for " + slot.text(), "there is no authority to ask", "add one first: sallyport acme authority add NAME URL"};
      if (on && slot.kind == SlotKind::domain && !has_domain(slot.domain)) return Fault{FaultCode::missing, "domain " + slot.domain, "does not exist on this node", "create it first: sallyport domain add " + slot.domain};
      if (on) {
        if (const Outcome<> fine = judge_challenge(before.challenge); !fine) return fine;
      }
      database_.prepare(on ? "INSERT INTO acme_slot (slot) VALUES (?)" : "DELETE FROM acme_slot WHERE slot = ?").bind(1, slot.text()).run();
      return commit(transaction, "ACME for " + slot.text() + (on ? ": on" : ": off"), actor);
    });
  }

  Outcome<> set(const std::string& name, const std::string& value, const std::string& actor) override {
    if (const Outcome<> fine = judge_setting(name, value); !fine) return fine;
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (name == "dns_key") {
        keep_secret("dns", Secret(value));
        return commit(transaction, "ACME setting dns_key: changed", actor);
      }
      database_.prepare("INSERT INTO certificate_setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value").bind(1, std::string(setting_prefix) + name).bind(2, value).run();
      return commit(transaction, "ACME setting " + name + ": " + value, actor);
    });
  }

  Outcome<bool> refresh() override {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<bool> {
      SqliteTransaction transaction(database_);
      AcmeConfig config = read();
      transaction.commit();
      const bool differs = config.slots != snapshot()->slots;
      published_.publish(std::move(config));
      return differs;
    });
  }

  Outcome<Secret> hmac_key(const std::string& authority) override { return secret("external/" + authority); }
  Outcome<Secret> dns_key() override { return secret("dns"); }
  Outcome<Secret> account_key(const std::string& authority) override { return secret("account/" + authority); }

  Outcome<> keep_account(const std::string& authority, const Secret& key_der, const std::string& account_url) override {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (!key_der.is_empty()) keep_secret("account/" + authority, key_der);
      database_.prepare("UPDATE acme_authority SET account_url = ? WHERE name = ?").bind(1, account_url).bind(2, authority).run();
      AcmeConfig config = read();
      transaction.commit();
      published_.publish(std::move(config));
      return Done{};
    });
  }

 private:
  // C30: what is validated by a connection from the Internet works on E only.
  Outcome<> judge_challenge(const std::string& challenge) const {
    if (role_ == config::Role::edge || challenge == "dns-01") return Done{};
    return Fault{FaultCode::refused, "ACME challenge " + challenge, "works on E only: no authority can reach this node", "use dns-01 here: sallyport acme set challenge dns-01"};
  }

  Outcome<> judge_setting(const std::string& name, const std::string& value) const {
    const std::string subject = "ACME setting " + name.substr(0, 64);
    if (!is_plain(value)) return Fault{FaultCode::invalid, subject, "holds a control character or more than 1,024 bytes", "correct it"};
    const auto cannot_be = [&](const char* remedy) { return Fault{FaultCode::invalid, subject, "cannot be \"" + value.substr(0, 64) + "\"", remedy}; };
    if (name == "challenge") {
      if (value != "http-01" && value != "tls-alpn-01" && value != "dns-01") return cannot_be("give http-01, tls-alpn-01 or dns-01");
      return judge_challenge(value);
    }
    if (name == "key") return key_kind_from(value) && value != "rsa-1024" ? Outcome<>(Done{}) : cannot_be("give rsa-2048, rsa-3072, rsa-4096, ecdsa-p256 or ecdsa-p384");
    if (name == "dns_algorithm") return value == "hmac-sha256" || value == "hmac-sha512" ? Outcome<>(Done{}) : cannot_be("give hmac-sha256 or hmac-sha512");
    if (name == "dns_hook") return value.empty() || value.front() == '/' ? Outcome<>(Done{}) : cannot_be("give the absolute path of the program");
    const std::string_view others[] = {"dns_server", "dns_key_name", "dns_key", "dns_zone", "dns_alias", "dns_check_servers"};
    if (std::find(std::begin(others), std::end(others), name) != std::end(others)) return Done{};
    return Fault{FaultCode::missing, subject, "is none", "give challenge, key, dns_server, dns_key_name, dns_algorithm, dns_key, dns_zone, dns_alias, dns_check_servers or dns_hook"};
  }

  bool has_domain(const std::string& name) {
    SqliteStatement row = database_.prepare("SELECT 1 FROM certificate_domain WHERE name = ?");
    row.bind(1, name);
    return row.step();
  }

  Outcome<Secret> secret(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return guarded([&]() -> Outcome<Secret> {
      SqliteStatement row = database_.prepare("SELECT sealed FROM acme_secret WHERE name = ?");
      row.bind(1, name);
      if (!row.step()) return Secret();
      return key_.open("acme secret: " + name, row.blob(0));
    });
  }

  void keep_secret(const std::string& name, const Secret& secret) {
    auto sealed = key_.seal("acme secret: " + name, secret.reveal());
    if (!sealed) throw SqliteFailure{sealed.fault()};
    database_.prepare("INSERT INTO acme_secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed").bind(1, name).bind_blob(2, *sealed).run();
  }

  void forget_secrets(const std::string& authority) {
    for (const char* kind : {"external/", "account/"}) database_.prepare("DELETE FROM acme_secret WHERE name = ?").bind(1, kind + authority).run();
  }

  AcmeConfig read() {
    AcmeConfig config;
    SqliteStatement authorities = database_.prepare("SELECT name, directory_url, contacts, ca_file, preferred_root, profile, external_key_id, agrees_to_terms, account_url FROM acme_authority ORDER BY position");
    while (authorities.step()) {
      config.authorities.push_back({authorities.text(0), authorities.text(1), split(authorities.text(2)), authorities.text(3), authorities.text(4), authorities.text(5), authorities.text(6), authorities.integer(7) != 0, authorities.text(8)});
    }
    // A domain that was deleted takes its wish along.
    SqliteStatement slots = database_.prepare("SELECT slot FROM acme_slot WHERE slot NOT LIKE 'domain/%' OR substr(slot, 8) IN (SELECT name FROM certificate_domain) ORDER BY slot");
    while (slots.step())
      if (auto slot = Slot::parse(slots.text(0))) config.slots.push_back(std::move(*slot));
    SqliteStatement settings = database_.prepare("SELECT name, value FROM certificate_setting WHERE name LIKE 'acme.%'");
    while (settings.step()) {
      const std::string name = settings.text(0).substr(setting_prefix.size()), value = settings.text(1);
      if (name == "challenge") config.challenge = value;
      if (name == "key") config.key = key_kind_from(value).value_or(KeyKind::ecdsa_p256);
      if (name == "dns_server") config.dns_server = value;
      if (name == "dns_key_name") config.dns_key_name = value;
      if (name == "dns_algorithm") config.dns_algorithm = value;
      if (name == "dns_zone") config.dns_zone = value;
      if (name == "dns_alias") config.dns_alias = value;
      if (name == "dns_check_servers") config.dns_check_servers = value;
      if (name == "dns_hook") config.dns_hook = value;
    }
    return config;
  }

  Outcome<> commit(SqliteTransaction& transaction, const std::string& line, const std::string& actor) {
    store::write_history(database_, {line}, actor);
    AcmeConfig config = read();
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

bool AcmeConfig::keeps(const Slot& slot) const { return std::find(slots.begin(), slots.end(), slot) != slots.end(); }

const AcmeAuthority* AcmeConfig::find(std::string_view name) const {
  const auto found = std::find_if(authorities.begin(), authorities.end(), [&](const AcmeAuthority& authority) { return authority.name == name; });
  return found == authorities.end() ? nullptr : &*found;
}

Outcome<std::unique_ptr<AcmeStore>> AcmeStore::open(const std::string& state_dir, config::Role role) {
  return guarded([&]() -> Outcome<std::unique_ptr<AcmeStore>> {
    auto key = NodeKey::load(state_dir + "/node.key", false);
    if (!key) return key.fault();
    auto store = std::make_unique<SqliteAcmeStore>(state_dir + "/site.db", std::move(*key), role);
    if (const Outcome<> started = store->start(); !started) return started.fault();
    return std::unique_ptr<AcmeStore>(std::move(store));
  });
}

}  // namespace sallyport::certificates
