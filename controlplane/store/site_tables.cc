// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_tables.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <map>

#include "controlplane/config/fqdn.h"

namespace sallyport::store {
namespace {

constexpr std::int64_t kept_history_lines = 10000;

std::string password_purpose(const std::string& zone) { return "zone password: " + config::lower_case(zone); }
std::string flow_key_purpose(int generation) { return "flow key: " + std::to_string(generation); }

std::vector<std::string> read_list(SqliteDatabase& database, const char* sql, const std::string& zone) {
  std::vector<std::string> list;
  SqliteStatement statement = database.prepare(sql);
  statement.bind(1, zone);
  while (statement.step()) list.push_back(statement.text(0));
  return list;
}

FlowTokenKey read_flow_key(const SqliteStatement& row, const NodeKey& key) {
  FlowTokenKey flow_key{.generation = static_cast<std::uint8_t>(row.integer(1))};
  Secret secret = taken(key.open(flow_key_purpose(flow_key.generation), row.blob(2)));
  if (secret.reveal().size() != flow_key.secret.size()) throw SqliteFailure{{FaultCode::invalid, "store", "a flow key has the wrong length", "restore the store from a backup"}};
  std::copy(secret.reveal().begin(), secret.reveal().end(), flow_key.secret.begin());
  return flow_key;
}

void write_list(SqliteDatabase& database, const char* sql, const std::string& zone, const std::vector<std::string>& list) {
  SqliteStatement statement = database.prepare(sql);
  for (std::size_t i = 0; i < list.size(); ++i) statement.bind(1, zone).bind(2, static_cast<std::int64_t>(i)).bind(3, list[i]).run();
}

std::vector<std::pair<const char*, std::vector<std::string> UnifiedCommunications::*>> unified_lists() {
  return {{"additional_names", &UnifiedCommunications::additional_names},
          {"registration_domains", &UnifiedCommunications::registration_domains},
          {"federation_domains", &UnifiedCommunications::federation_domains},
          {"chat_node_aliases", &UnifiedCommunications::chat_node_aliases}};
}
std::vector<std::pair<const char*, bool UnifiedCommunications::*>> unified_flags() {
  return {{"mobile_remote_access", &UnifiedCommunications::mobile_remote_access}, {"federation", &UnifiedCommunications::federation}, {"guests", &UnifiedCommunications::guests},
          {"activation_code_onboarding", &UnifiedCommunications::activation_code_onboarding}};
}
std::vector<std::pair<const char*, std::string UnifiedCommunications::*>> unified_texts() {
  return {{"cluster_name", &UnifiedCommunications::cluster_name},
          {"registration_domain_form", &UnifiedCommunications::registration_domain_form},
          {"federation_domain_form", &UnifiedCommunications::federation_domain_form}};
}

UnifiedCommunications read_unified(SqliteDatabase& database) {
  UnifiedCommunications unified;
  SqliteStatement rows = database.prepare("SELECT key, value FROM unified_communications ORDER BY key, position");
  while (rows.step()) {
    const std::string key = rows.text(0), value = rows.text(1);
    for (const auto& [name, member] : unified_flags())
      if (key == name) unified.*member = value == "on";
    for (const auto& [name, member] : unified_texts())
      if (key == name) unified.*member = value;
    for (const auto& [name, member] : unified_lists())
      if (key == name) (unified.*member).push_back(value);
  }
  SqliteStatement profiles = database.prepare("SELECT name, encrypted, oauth FROM phone_profile ORDER BY position");
  while (profiles.step()) unified.phone_profiles.push_back({profiles.text(0), profiles.integer(1) != 0, profiles.integer(2) != 0});
  return unified;
}

void write_unified(SqliteDatabase& database, const UnifiedCommunications& unified) {
  database.execute("DELETE FROM unified_communications; DELETE FROM phone_profile;");
  SqliteStatement row = database.prepare("INSERT INTO unified_communications (key, position, value) VALUES (?, ?, ?)");
  for (const auto& [name, member] : unified_flags()) row.bind(1, std::string_view(name)).bind(2, std::int64_t{0}).bind(3, std::string_view(unified.*member ? "on" : "off")).run();
  for (const auto& [name, member] : unified_texts()) row.bind(1, std::string_view(name)).bind(2, std::int64_t{0}).bind(3, unified.*member).run();
  for (const auto& [name, member] : unified_lists())
    for (std::size_t i = 0; i < (unified.*member).size(); ++i) row.bind(1, std::string_view(name)).bind(2, static_cast<std::int64_t>(i)).bind(3, (unified.*member)[i]).run();
  SqliteStatement profile_row = database.prepare("INSERT INTO phone_profile (position, name, encrypted, oauth) VALUES (?, ?, ?, ?)");
  for (std::size_t i = 0; i < unified.phone_profiles.size(); ++i) {
    const PhoneProfile& profile = unified.phone_profiles[i];
    profile_row.bind(1, static_cast<std::int64_t>(i)).bind(2, profile.name).bind(3, std::int64_t{profile.encrypted}).bind(4, std::int64_t{profile.oauth}).run();
  }
}

}  // namespace

SiteConfig read_site(SqliteDatabase& database, const NodeKey& key) {
  SiteConfig site;
  SqliteStatement revision = database.prepare("SELECT revision FROM site");
  if (revision.step()) site.revision = static_cast<std::uint64_t>(revision.integer(0));
  SqliteStatement zones = database.prepare("SELECT name, port, user, sealed_password IS NOT NULL FROM zone ORDER BY port");
  while (zones.step()) {
    Zone zone{.name = zones.text(0), .port = static_cast<std::uint16_t>(zones.integer(1)), .user = zones.text(2), .has_password = zones.integer(3) != 0};
    zone.peers = read_list(database, "SELECT address FROM zone_peer WHERE zone = ? ORDER BY position", zone.name);
    zone.tls_verify_subject_names = read_list(database, "SELECT name FROM zone_subject_name WHERE zone = ? ORDER BY position", zone.name);
    zone.sip_domains = read_list(database, "SELECT domain FROM zone_sip_domain WHERE zone = ? ORDER BY position", zone.name);
    site.zones.push_back(std::move(zone));
  }
  SqliteStatement credentials = database.prepare("SELECT name, realm, ha1_md5, ha1_sha256 FROM credential ORDER BY name");
  while (credentials.step()) site.credentials.push_back({credentials.text(0), credentials.text(1), credentials.text(2), credentials.text(3)});
  site.unified = read_unified(database);
  SqliteStatement flow_keys = database.prepare("SELECT age, generation, sealed_secret FROM flow_key ORDER BY age");
  while (flow_keys.step()) {
    FlowTokenKey flow_key = read_flow_key(flow_keys, key);
    if (flow_keys.integer(0) == 0) {
      site.flow_key = flow_key;
    } else {
      site.previous_flow_key = flow_key;
    }
  }
  return site;
}

Secret read_zone_password(SqliteDatabase& database, const NodeKey& key, const std::string& zone) {
  SqliteStatement statement = database.prepare("SELECT name, sealed_password FROM zone WHERE name = ?");
  statement.bind(1, zone);
  if (!statement.step()) throw SqliteFailure{{FaultCode::missing, "zone " + zone, "does not exist", "apply a site document that has it"}};
  if (statement.is_null(1)) throw SqliteFailure{{FaultCode::missing, "zone " + zone, "has no password", "apply a site document that gives it"}};
  return taken(key.open(password_purpose(statement.text(0)), statement.blob(1)));
}

void write_site(SqliteDatabase& database, const NodeKey& key, const PlannedSite& site) {
  // Passwords that are kept survive the replacing of their rows.
  std::map<std::string, std::string> sealed;
  SqliteStatement stored = database.prepare("SELECT name, sealed_password FROM zone WHERE sealed_password IS NOT NULL");
  while (stored.step()) sealed[config::lower_case(stored.text(0))] = stored.blob(1);
  database.execute("DELETE FROM zone; DELETE FROM credential;");
  SqliteStatement zone_row = database.prepare("INSERT INTO zone (name, port, user, sealed_password) VALUES (?, ?, ?, ?)");
  for (const PlannedZone& planned : site.zones) {
    const Zone& zone = planned.zone;
    std::string password = planned.new_password ? taken(key.seal(password_purpose(zone.name), planned.new_password->reveal())) : sealed[config::lower_case(zone.name)];
    zone_row.bind(1, zone.name).bind(2, zone.port).bind(3, zone.user);
    if (!password.empty()) zone_row.bind_blob(4, password);
    zone_row.run();
    write_list(database, "INSERT INTO zone_peer (zone, position, address) VALUES (?, ?, ?)", zone.name, zone.peers);
    write_list(database, "INSERT INTO zone_subject_name (zone, position, name) VALUES (?, ?, ?)", zone.name, zone.tls_verify_subject_names);
    write_list(database, "INSERT INTO zone_sip_domain (zone, position, domain) VALUES (?, ?, ?)", zone.name, zone.sip_domains);
  }
  SqliteStatement credential_row = database.prepare("INSERT INTO credential (name, realm, ha1_md5, ha1_sha256) VALUES (?, ?, ?, ?)");
  for (const Credential& credential : site.credentials) {
    credential_row.bind(1, credential.name).bind(2, credential.realm).bind(3, credential.ha1_md5).bind(4, credential.ha1_sha256).run();
  }
  write_unified(database, site.unified);
}

void write_flow_key(SqliteDatabase& database, const NodeKey& key) {
  SqliteStatement newest = database.prepare("SELECT generation FROM flow_key WHERE age = 0");
  int generation = newest.step() ? static_cast<int>((newest.integer(0) + 1) % 256) : 0;
  std::array<char, 32> secret{};
  if (RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), static_cast<int>(secret.size())) != 1) {
    throw SqliteFailure{{FaultCode::internal, "flow key", "no random bytes", "look at the entropy of this machine"}};
  }
  Outcome<std::string> sealing = key.seal(flow_key_purpose(generation), std::string_view(secret.data(), secret.size()));
  OPENSSL_cleanse(secret.data(), secret.size());
  std::string sealed = taken(std::move(sealing));
  database.execute("DELETE FROM flow_key WHERE age = 1; UPDATE flow_key SET age = 1 WHERE age = 0;");
  database.prepare("INSERT INTO flow_key (age, generation, sealed_secret) VALUES (0, ?, ?)").bind(1, generation).bind_blob(2, sealed).run();
}

bool has_sealed_rows(SqliteDatabase& database) {
  SqliteStatement statement = database.prepare("SELECT EXISTS (SELECT 1 FROM flow_key) OR EXISTS (SELECT 1 FROM zone WHERE sealed_password IS NOT NULL) OR EXISTS (SELECT 1 FROM certificate)");
  return statement.step() && statement.integer(0) != 0;
}

void write_history(SqliteDatabase& database, const std::vector<std::string>& changes, const std::string& actor) {
  database.execute("UPDATE site SET revision = revision + 1");
  SqliteStatement line = database.prepare(
      "INSERT INTO history (revision, at, actor, change) VALUES ((SELECT revision FROM site), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?)");
  for (const std::string& change : changes) line.bind(1, actor).bind(2, change).run();
  database.prepare("DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?").bind(1, kept_history_lines).run();
}

std::vector<HistoryEntry> read_history(SqliteDatabase& database, std::size_t newest) {
  std::vector<HistoryEntry> entries;
  SqliteStatement statement = database.prepare("SELECT revision, at, actor, change FROM history ORDER BY id DESC LIMIT ?");
  statement.bind(1, static_cast<std::int64_t>(std::min<std::size_t>(newest, kept_history_lines)));
  while (statement.step()) entries.push_back({static_cast<std::uint64_t>(statement.integer(0)), statement.text(1), statement.text(2), statement.text(3)});
  return entries;
}

}  // namespace sallyport::store
