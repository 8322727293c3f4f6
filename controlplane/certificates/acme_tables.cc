// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/acme_tables.h"

namespace sallyport::certificates {
namespace {

using store::Secret;
using store::SqliteDatabase;
using store::SqliteStatement;

constexpr std::string_view setting_prefix = "acme.";
constexpr std::pair<const char*, std::string AcmeConfig::*> text_settings[] = {
    {"challenge", &AcmeConfig::challenge}, {"dns_server", &AcmeConfig::dns_server}, {"dns_key_name", &AcmeConfig::dns_key_name}, {"dns_algorithm", &AcmeConfig::dns_algorithm},
    {"dns_zone", &AcmeConfig::dns_zone}, {"dns_alias", &AcmeConfig::dns_alias}, {"dns_check_servers", &AcmeConfig::dns_check_servers}, {"dns_hook", &AcmeConfig::dns_hook}};

std::string purpose_of(const std::string& secret) { return "acme secret: " + secret; }

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

}  // namespace

AcmeConfig read_acme(SqliteDatabase& database) {
  AcmeConfig config;
  SqliteStatement authorities = database.prepare("SELECT name, directory_url, contacts, ca_file, preferred_root, profile, external_key_id, agrees_to_terms, account_url FROM acme_authority ORDER BY position");
  while (authorities.step()) {
    config.authorities.push_back({authorities.text(0), authorities.text(1), split(authorities.text(2)), authorities.text(3), authorities.text(4), authorities.text(5), authorities.text(6), authorities.integer(7) != 0, authorities.text(8)});
  }
  // A domain that was deleted takes its wish along.
  SqliteStatement slots = database.prepare("SELECT slot FROM acme_slot WHERE slot NOT LIKE 'domain/%' OR substr(slot, 8) IN (SELECT name FROM certificate_domain) ORDER BY slot");
  while (slots.step())
    if (auto slot = Slot::parse(slots.text(0))) config.slots.push_back(std::move(*slot));
  SqliteStatement settings = database.prepare("SELECT name, value FROM certificate_setting WHERE name LIKE 'acme.%'");
  while (settings.step()) {
    const std::string name = settings.text(0).substr(setting_prefix.size()), value = settings.text(1);
    if (name == "key") config.key = key_kind_from(value).value_or(KeyKind::ecdsa_p256);
    for (const auto& [known, member] : text_settings)
      if (name == known) config.*member = value;
  }
  return config;
}

std::vector<std::pair<std::string, std::string>> acme_settings(const AcmeConfig& config) {
  std::vector<std::pair<std::string, std::string>> list = {{"key", name_of(config.key)}};
  for (const auto& [name, member] : text_settings) list.emplace_back(name, config.*member);
  return list;
}

void forget_orphaned_slots(SqliteDatabase& database) { database.execute("DELETE FROM acme_slot WHERE slot LIKE 'domain/%' AND substr(slot, 8) NOT IN (SELECT name FROM certificate_domain)"); }

void write_acme_authority(SqliteDatabase& database, const AcmeAuthority& authority) {
  SqliteStatement row = database.prepare(
      "INSERT INTO acme_authority (name, position, directory_url, contacts, ca_file, preferred_root, profile, external_key_id, account_url, agrees_to_terms) "
      "VALUES (?1, (SELECT coalesce(max(position), 0) + 1 FROM acme_authority), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
      "ON CONFLICT (name) DO UPDATE SET directory_url = ?2, contacts = ?3, ca_file = ?4, preferred_root = ?5, profile = ?6, external_key_id = ?7, account_url = ?8, agrees_to_terms = ?9");
  row.bind(1, authority.name).bind(2, authority.directory_url).bind(3, join(authority.contacts)).bind(4, authority.ca_file).bind(5, authority.preferred_root).bind(6, authority.profile);
  row.bind(7, authority.external_key_id).bind(8, authority.account_url).bind(9, std::int64_t{authority.agrees_to_terms}).run();
}

void write_acme_setting(SqliteDatabase& database, const std::string& name, const std::string& value) {
  database.prepare("INSERT INTO certificate_setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value").bind(1, std::string(setting_prefix) + name).bind(2, value).run();
}

bool has_acme_secret(SqliteDatabase& database, const std::string& name) {
  SqliteStatement row = database.prepare("SELECT 1 FROM acme_secret WHERE name = ?");
  row.bind(1, name);
  return row.step();
}

Secret read_acme_secret(SqliteDatabase& database, const store::NodeKey& key, const std::string& name) {
  SqliteStatement row = database.prepare("SELECT sealed FROM acme_secret WHERE name = ?");
  row.bind(1, name);
  if (!row.step()) return {};
  return store::taken(key.open(purpose_of(name), row.blob(0)));
}

void keep_acme_secret(SqliteDatabase& database, const store::NodeKey& key, const std::string& name, const Secret& secret) {
  const std::string sealed = store::taken(key.seal(purpose_of(name), secret.reveal()));
  database.prepare("INSERT INTO acme_secret (name, sealed) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed").bind(1, name).bind_blob(2, sealed).run();
}

void forget_acme_secret(SqliteDatabase& database, const std::string& name) { database.prepare("DELETE FROM acme_secret WHERE name = ?").bind(1, name).run(); }

}  // namespace sallyport::certificates
