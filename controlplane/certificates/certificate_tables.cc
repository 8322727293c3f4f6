// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_tables.h"

#include <openssl/x509.h>

#include <algorithm>
#include <unordered_map>

#include "controlplane/revocation/revocation_sources.h"

namespace sallyport::certificates {
namespace {

using store::taken;
using store::SqliteDatabase;
using store::SqliteFailure;
using store::SqliteStatement;

std::string key_purpose(X509* leaf) { return "certificate key: " + authority_key_digest(leaf); }
std::string request_purpose(const Slot& slot) { return "request key: " + slot.text(); }

tls::KeyFamily family_from(std::string_view name) { return name == "ecdsa" ? tls::KeyFamily::ecdsa : tls::KeyFamily::rsa; }

StoredCertificate read_certificate(const SqliteStatement& row, const MakeHeld& make_held) {
  StoredCertificate stored;
  stored.id = row.integer(0);
  stored.slot = taken(Slot::parse(row.text(1)));
  stored.family = family_from(row.text(2));
  const CertificatePtr leaf = taken(certificate_from_der(row.blob(3), "certificate of " + stored.slot.text()));
  stored.origin = row.text(4);
  stored.is_complete = row.integer(5) != 0;
  stored.installed_s = row.integer(6);
  const tls::PeerCertificate said = tls::describe_certificate(leaf.get());
  stored.key = key_text(X509_get0_pubkey(leaf.get()));
  stored.serial = said.serial;
  stored.not_before_s = said.not_before_s;
  stored.not_after_s = said.not_after_s;
  stored.allows_client_auth = said.allows_client_auth;
  stored.may_tell_revocation = revocation::may_name_sources(leaf.get());
  std::vector<std::string> names;
  for (const tls::CertificateName& name : said.names)
    if (name.kind == tls::NameKind::dns) names.push_back(name.value);
  names.shrink_to_fit();
  stored.held = make_held(stored.id, stored.slot, stored.family, std::move(names));
  return stored;
}

void read_settings(SqliteDatabase& database, CertificateSet& set) {
  SqliteStatement settings = database.prepare("SELECT name, value FROM certificate_setting");
  while (settings.step()) {
    const std::string name = settings.text(0), value = settings.text(1);
    if (name == "mode") set.mode = value == "single" ? StoreMode::single_store : StoreMode::two_store;
    if (name == "duplicate_self_signed_cn") set.allow_duplicate_self_signed = value == "allow";
    if (name == "weak_keys") set.allow_weak_keys = value == "allow";
  }
}

void read_trust(SqliteDatabase& database, CertificateSet& set) {
  SqliteStatement rows = database.prepare("SELECT purpose, der, added_s FROM trusted_authority");
  while (rows.step()) {
    const auto purpose = trust_purpose_from(rows.text(0));
    if (!purpose) continue;  // of a newer version
    TrustedAuthority authority;
    authority.purpose = *purpose;
    authority.certificate = taken(certificate_from_der(rows.blob(1), "trusted authority"));
    authority.description = tls::describe_certificate(authority.certificate.get());
    authority.key_digest = authority_key_digest(authority.certificate.get());
    authority.added_s = rows.integer(2);
    set.trust.push_back(std::move(authority));
  }
  std::sort(set.trust.begin(), set.trust.end(), [](const TrustedAuthority& a, const TrustedAuthority& b) {
    return std::tie(a.purpose, a.description.subject, a.description.fingerprint_sha256) < std::tie(b.purpose, b.description.subject, b.description.fingerprint_sha256);
  });
}

}  // namespace

CertificateSet read_certificate_set(SqliteDatabase& database, const CertificateSet* before, const MakeHeld& make_held) {
  CertificateSet set;
  SqliteStatement revision = database.prepare("SELECT revision FROM site");
  if (revision.step()) set.revision = static_cast<std::uint64_t>(revision.integer(0));
  read_settings(database, set);
  std::unordered_map<std::int64_t, const StoredCertificate*> known;
  if (before != nullptr)
    for (const StoredCertificate& stored : before->certificates) known[stored.id] = &stored;
  // The column that is large is left alone where the certificate is known already.
  SqliteStatement ids = database.prepare("SELECT id FROM certificate ORDER BY slot, family");
  SqliteStatement rows = database.prepare("SELECT id, slot, family, leaf, origin, is_complete, installed_s FROM certificate WHERE id = ?");
  while (ids.step()) {
    if (const auto found = known.find(ids.integer(0)); found != known.end()) {
      set.certificates.push_back(*found->second);
      continue;
    }
    rows.bind(1, ids.integer(0));
    if (rows.step()) set.certificates.push_back(read_certificate(rows, make_held));
    rows.reset();
  }
  SqliteStatement domains = database.prepare("SELECT name FROM certificate_domain ORDER BY name");
  while (domains.step()) set.domains.push_back(domains.text(0));
  SqliteStatement requests = database.prepare("SELECT slot, pem, key_kind, digest, made_s, made_on FROM certificate_request ORDER BY slot");
  while (requests.step()) {
    set.requests.push_back({taken(Slot::parse(requests.text(0))), requests.text(1), requests.text(2), requests.text(3), requests.integer(4), requests.text(5)});
  }
  read_trust(database, set);
  return set;
}

CertificatePtr SharedIntermediates::get(const std::string& fingerprint, const std::function<CertificatePtr()>& make) {
  std::weak_ptr<X509>& place = known_[fingerprint];
  if (CertificatePtr known = place.lock()) return known;
  CertificatePtr made = make();
  place = made;
  return made;
}

tls::IntermediateChain SharedIntermediates::chain(const std::vector<CertificatePtr>& links) {
  std::vector<const X509*> key;
  for (const CertificatePtr& link : links) key.push_back(link.get());
  if (const auto found = chains_.find(key); found != chains_.end())
    if (tls::IntermediateChain known = found->second.lock()) return known;
  std::erase_if(chains_, [](const auto& each) { return each.second.expired(); });
  tls::IntermediateChain made = tls::make_intermediate_chain(links);
  chains_[std::move(key)] = made;
  return made;
}

std::vector<CertificatePtr> read_chain(SqliteDatabase& database, std::int64_t id, SharedIntermediates& intermediates) {
  std::vector<CertificatePtr> chain;
  SqliteStatement leaf = database.prepare("SELECT leaf FROM certificate WHERE id = ?");
  leaf.bind(1, id);
  if (!leaf.step()) throw SqliteFailure{{FaultCode::missing, "certificate", "was removed meanwhile", "ask again"}};
  chain.push_back(taken(certificate_from_der(leaf.blob(0), "certificate")));
  SqliteStatement links = database.prepare("SELECT fingerprint, der FROM certificate_chain JOIN intermediate USING (fingerprint) WHERE certificate = ? ORDER BY position");
  links.bind(1, id);
  while (links.step()) chain.push_back(intermediates.get(links.text(0), [&] { return taken(certificate_from_der(links.blob(1), "intermediate certificate")); }));
  return chain;
}

KeyPtr read_key(SqliteDatabase& database, const store::NodeKey& node_key, std::int64_t id) {
  SqliteStatement row = database.prepare("SELECT leaf, sealed_key FROM certificate WHERE id = ?");
  row.bind(1, id);
  if (!row.step()) throw SqliteFailure{{FaultCode::missing, "certificate", "was removed meanwhile", "ask again"}};
  const CertificatePtr leaf = taken(certificate_from_der(row.blob(0), "certificate"));
  const store::Secret der = taken(node_key.open(key_purpose(leaf.get()), row.blob(1)));
  return taken(key_from_der(der.reveal(), "certificate " + tls::describe_certificate(leaf.get()).serial));
}

Outcome<StoredMaterial> read_material(SqliteDatabase& database, const store::NodeKey& node_key, std::int64_t id, SharedIntermediates& intermediates) {
  StoredMaterial material;
  SqliteStatement row = database.prepare("SELECT slot FROM certificate WHERE id = ?");
  row.bind(1, id);
  if (row.step()) material.slot = taken(Slot::parse(row.text(0)));
  material.chain = read_chain(database, id, intermediates);
  material.key = read_key(database, node_key, id);
  return material;
}

KeyPtr read_request_key(SqliteDatabase& database, const store::NodeKey& node_key, const Slot& slot) {
  SqliteStatement row = database.prepare("SELECT sealed_key FROM certificate_request WHERE slot = ?");
  row.bind(1, slot.text());
  if (!row.step()) return nullptr;
  const store::Secret der = taken(node_key.open(request_purpose(slot), row.blob(0)));
  return taken(key_from_der(der.reveal(), "request for " + slot.text()));
}

void write_certificate(SqliteDatabase& database, const store::NodeKey& node_key, const Slot& slot, const UploadVerdict& verdict, const std::string& origin, std::int64_t now_s) {
  X509* leaf = verdict.chain.front().get();
  const store::Secret key = der_of(verdict.key.get());
  if (key.is_empty()) throw SqliteFailure{{FaultCode::internal, "private key", "cannot be written as PKCS#8", "make a new request"}};
  const std::string sealed = taken(node_key.seal(key_purpose(leaf), key.reveal()));
  SqliteStatement former = database.prepare("SELECT id FROM certificate WHERE slot = ? AND family = ?");
  former.bind(1, slot.text()).bind(2, std::string_view(tls::name_of(verdict.family)));
  const bool replaces = former.step();
  if (replaces) database.prepare("DELETE FROM certificate WHERE id = ?").bind(1, former.integer(0)).run();
  database.prepare("INSERT INTO certificate (slot, family, leaf, sealed_key, origin, is_complete, installed_s) VALUES (?, ?, ?, ?, ?, ?, ?)")
      .bind(1, slot.text())
      .bind(2, std::string_view(tls::name_of(verdict.family)))
      .bind_blob(3, der_of(leaf))
      .bind_blob(4, sealed)
      .bind(5, origin)
      .bind(6, std::int64_t{verdict.is_complete})
      .bind(7, now_s)
      .run();
  SqliteStatement last = database.prepare("SELECT last_insert_rowid()");
  last.step();
  const std::int64_t id = last.integer(0);
  for (std::size_t i = 1; i < verdict.chain.size(); ++i) {
    const std::string fingerprint = tls::describe_certificate(verdict.chain[i].get()).fingerprint_sha256;
    database.prepare("INSERT OR IGNORE INTO intermediate (fingerprint, der) VALUES (?, ?)").bind(1, fingerprint).bind_blob(2, der_of(verdict.chain[i].get())).run();
    database.prepare("INSERT INTO certificate_chain (certificate, position, fingerprint) VALUES (?, ?, ?)").bind(1, id).bind(2, static_cast<std::int64_t>(i)).bind(3, fingerprint).run();
  }
  if (replaces) database.execute("DELETE FROM intermediate WHERE fingerprint NOT IN (SELECT fingerprint FROM certificate_chain)");
}

void delete_certificate(SqliteDatabase& database, std::int64_t id) {
  database.prepare("DELETE FROM certificate WHERE id = ?").bind(1, id).run();
  database.execute("DELETE FROM intermediate WHERE fingerprint NOT IN (SELECT fingerprint FROM certificate_chain)");
}

void write_request(SqliteDatabase& database, const store::NodeKey& node_key, const StoredRequest& request, EVP_PKEY* key) {
  const store::Secret der = der_of(key);
  const std::string sealed = taken(node_key.seal(request_purpose(request.slot), der.reveal()));
  database.prepare("INSERT INTO certificate_request (slot, pem, key_kind, digest, sealed_key, made_s, made_on) VALUES (?, ?, ?, ?, ?, ?, ?)")
      .bind(1, request.slot.text())
      .bind(2, request.pem)
      .bind(3, request.key)
      .bind(4, request.digest)
      .bind_blob(5, sealed)
      .bind(6, request.made_s)
      .bind(7, request.made_on)
      .run();
}

void delete_request(SqliteDatabase& database, const Slot& slot) { database.prepare("DELETE FROM certificate_request WHERE slot = ?").bind(1, slot.text()).run(); }

void write_domain(SqliteDatabase& database, const std::string& name) { database.prepare("INSERT INTO certificate_domain (name) VALUES (?)").bind(1, name).run(); }

void delete_domains(SqliteDatabase& database, const std::vector<std::string>& names) {
  if (names.empty()) return;
  SqliteStatement certificates = database.prepare("DELETE FROM certificate WHERE slot = ?"), requests = database.prepare("DELETE FROM certificate_request WHERE slot = ?");
  SqliteStatement domains = database.prepare("DELETE FROM certificate_domain WHERE name = ?");
  for (const std::string& name : names) {
    const std::string slot = Slot::of_domain(name).text();
    certificates.bind(1, slot).run();
    requests.bind(1, slot).run();
    domains.bind(1, name).run();
  }
  database.execute("DELETE FROM intermediate WHERE fingerprint NOT IN (SELECT fingerprint FROM certificate_chain)");
}

void write_trust(SqliteDatabase& database, TrustPurpose purpose, X509* certificate, const std::string& fingerprint, std::int64_t now_s) {
  database.prepare("INSERT INTO trusted_authority (purpose, fingerprint, der, added_s) VALUES (?, ?, ?, ?)")
      .bind(1, std::string_view(name_of(purpose)))
      .bind(2, fingerprint)
      .bind_blob(3, der_of(certificate))
      .bind(4, now_s)
      .run();
}

void delete_trust(SqliteDatabase& database, TrustPurpose purpose, const std::string& fingerprint) {
  database.prepare("DELETE FROM trusted_authority WHERE purpose = ? AND fingerprint = ?").bind(1, std::string_view(name_of(purpose))).bind(2, fingerprint).run();
}

void write_setting(SqliteDatabase& database, const std::string& name, const std::string& value) {
  database.prepare("INSERT INTO certificate_setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value").bind(1, name).bind(2, value).run();
}

}  // namespace sallyport::certificates
