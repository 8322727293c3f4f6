// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_schema.h"

namespace sallyport::store {
namespace {

// STRICT: SQLite then refuses a text where a number belongs.
constexpr std::string_view steps[] = {R"sql(
CREATE TABLE site (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  role TEXT NOT NULL CHECK (role IN ('E', 'C')),
  revision INTEGER NOT NULL
) STRICT;
CREATE TABLE zone (
  name TEXT PRIMARY KEY COLLATE NOCASE,
  port INTEGER NOT NULL UNIQUE,
  user TEXT NOT NULL,
  sealed_password BLOB
) STRICT;
CREATE TABLE zone_peer (
  zone TEXT NOT NULL COLLATE NOCASE REFERENCES zone (name) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  address TEXT NOT NULL,
  PRIMARY KEY (zone, position)
) STRICT;
CREATE TABLE zone_subject_name (
  zone TEXT NOT NULL COLLATE NOCASE REFERENCES zone (name) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (zone, position)
) STRICT;
CREATE TABLE zone_sip_domain (
  zone TEXT NOT NULL COLLATE NOCASE REFERENCES zone (name) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  domain TEXT NOT NULL UNIQUE,
  PRIMARY KEY (zone, position)
) STRICT;
CREATE TABLE credential (
  name TEXT PRIMARY KEY,
  realm TEXT NOT NULL,
  ha1_md5 TEXT NOT NULL CHECK (length(ha1_md5) = 32),
  ha1_sha256 TEXT NOT NULL CHECK (length(ha1_sha256) = 64)
) STRICT;
CREATE TABLE flow_key (
  age INTEGER PRIMARY KEY CHECK (age IN (0, 1)),
  generation INTEGER NOT NULL CHECK (generation BETWEEN 0 AND 255),
  sealed_secret BLOB NOT NULL
) STRICT;
CREATE TABLE history (
  id INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  change TEXT NOT NULL
) STRICT;
)sql",
                                      R"sql(
CREATE TABLE certificate (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  slot TEXT NOT NULL,
  family TEXT NOT NULL CHECK (family IN ('rsa', 'ecdsa')),
  leaf BLOB NOT NULL,
  sealed_key BLOB NOT NULL,
  origin TEXT NOT NULL,
  is_complete INTEGER NOT NULL,
  installed_s INTEGER NOT NULL,
  UNIQUE (slot, family)
) STRICT;
CREATE TABLE intermediate (
  fingerprint TEXT PRIMARY KEY,
  der BLOB NOT NULL
) STRICT;
CREATE TABLE certificate_chain (
  certificate INTEGER NOT NULL REFERENCES certificate (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  fingerprint TEXT NOT NULL REFERENCES intermediate (fingerprint),
  PRIMARY KEY (certificate, position)
) STRICT;
CREATE TABLE certificate_request (
  slot TEXT PRIMARY KEY,
  pem TEXT NOT NULL,
  key_kind TEXT NOT NULL,
  digest TEXT NOT NULL,
  sealed_key BLOB NOT NULL,
  made_s INTEGER NOT NULL,
  made_on TEXT NOT NULL
) STRICT;
CREATE TABLE certificate_domain (
  name TEXT PRIMARY KEY
) STRICT;
CREATE TABLE trusted_authority (
  purpose TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  der BLOB NOT NULL,
  added_s INTEGER NOT NULL,
  PRIMARY KEY (purpose, fingerprint)
) STRICT;
CREATE TABLE unified_communications (
  key TEXT NOT NULL,
  position INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (key, position)
) STRICT;
CREATE TABLE phone_profile (
  position INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  encrypted INTEGER NOT NULL,
  oauth INTEGER NOT NULL
) STRICT;
CREATE TABLE acme_authority (
  name TEXT PRIMARY KEY COLLATE NOCASE,
  position INTEGER NOT NULL,
  directory_url TEXT NOT NULL,
  contacts TEXT NOT NULL,
  ca_file TEXT NOT NULL,
  preferred_root TEXT NOT NULL,
  profile TEXT NOT NULL,
  external_key_id TEXT NOT NULL,
  agrees_to_terms INTEGER NOT NULL,
  account_url TEXT NOT NULL
) STRICT;
CREATE TABLE acme_slot (
  slot TEXT PRIMARY KEY
) STRICT;
CREATE TABLE acme_secret (
  name TEXT PRIMARY KEY,
  sealed BLOB NOT NULL
) STRICT;
CREATE TABLE certificate_setting (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
)sql",
                                      R"sql(
CREATE TABLE pair_authority (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  certificate BLOB NOT NULL,
  sealed_key BLOB NOT NULL
) STRICT;
CREATE TABLE join_token (
  id TEXT PRIMARY KEY,
  secret_sha256 BLOB NOT NULL,
  zone TEXT NOT NULL,
  made_s INTEGER NOT NULL,
  expires_s INTEGER NOT NULL
) STRICT;
CREATE TABLE pair_certificate (
  serial TEXT PRIMARY KEY,
  node TEXT NOT NULL,
  zone TEXT NOT NULL,
  key_sha256 TEXT NOT NULL,
  joined_s INTEGER NOT NULL,
  issued_s INTEGER NOT NULL,
  not_after_s INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL
) STRICT;
CREATE TABLE pair_identity (
  peer TEXT PRIMARY KEY,
  port INTEGER NOT NULL,
  zone TEXT NOT NULL,
  certificate BLOB NOT NULL,
  authority BLOB NOT NULL,
  sealed_key BLOB NOT NULL
) STRICT;
)sql",
                                      R"sql(
CREATE TABLE account (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('read', 'operate', 'administer')),
  revision INTEGER NOT NULL,
  salt BLOB NOT NULL,
  hash BLOB NOT NULL,
  scrypt_n INTEGER NOT NULL,
  scrypt_r INTEGER NOT NULL,
  scrypt_p INTEGER NOT NULL,
  made_s INTEGER NOT NULL,
  password_s INTEGER NOT NULL
) STRICT;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  object TEXT NOT NULL,
  status INTEGER NOT NULL,
  is_refused INTEGER NOT NULL,
  more INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_by_refusal ON audit (is_refused, id);
)sql",
                                      R"sql(
CREATE TABLE revocation (
  fingerprint TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('good', 'revoked', 'unknown')),
  this_update_s INTEGER NOT NULL,
  next_update_s INTEGER NOT NULL,
  revoked_s INTEGER NOT NULL,
  reason TEXT NOT NULL,
  staple BLOB NOT NULL,
  staple_until_s INTEGER NOT NULL
) STRICT;
)sql",
                                      R"sql(
CREATE TABLE onboarding_authority (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  certificate BLOB NOT NULL,
  sealed_key BLOB NOT NULL
) STRICT;
CREATE TABLE activation_code (
  device TEXT PRIMARY KEY COLLATE NOCASE,
  salt BLOB NOT NULL,
  code_sha256 BLOB NOT NULL,
  made_s INTEGER NOT NULL,
  expires_s INTEGER NOT NULL,
  failures INTEGER NOT NULL
) STRICT;
CREATE TABLE onboarded_certificate (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  serial TEXT NOT NULL UNIQUE,
  device TEXT NOT NULL COLLATE NOCASE,
  first_s INTEGER NOT NULL,
  issued_s INTEGER NOT NULL,
  not_after_s INTEGER NOT NULL,
  withdrawn INTEGER NOT NULL
) STRICT;
CREATE INDEX onboarded_certificate_by_device ON onboarded_certificate (device, number);
)sql"};

}  // namespace

std::span<const std::string_view> site_schema_steps() { return steps; }

void migrate(SqliteDatabase& database, std::span<const std::string_view> wanted) {
  // Inside the transaction, so that two processes which start at once do not both take the same step.
  SqliteTransaction transaction(database);
  auto version = static_cast<std::size_t>(database.pragma("user_version"));
  if (version > wanted.size()) {
    throw SqliteFailure{{FaultCode::conflict, "store " + database.path(),
                         "has schema version " + std::to_string(version) + ", this program knows " + std::to_string(wanted.size()) + " at most",
                         "start the newer version again, or restore a backup made before the upgrade"}};
  }
  if (version == wanted.size()) return;
  for (; version < wanted.size(); ++version) database.execute(std::string(wanted[version]));
  database.execute("PRAGMA user_version = " + std::to_string(version));
  transaction.commit();
}

}  // namespace sallyport::store
