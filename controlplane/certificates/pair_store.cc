// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/pair_store.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <mutex>

#include "controlplane/certificates/open_store.h"
#include "controlplane/store/node_key.h"
#include "controlplane/store/published.h"
#include "controlplane/store/site_tables.h"
#include "controlplane/store/sqlite_database.h"

namespace sallyport::certificates {
namespace {

using store::guarded;
using store::NodeKey;
using store::SqliteDatabase;
using store::SqliteFailure;
using store::SqliteStatement;
using store::SqliteTransaction;
using store::taken;

constexpr std::string_view authority_purpose = "pair authority key";

std::string purpose_of(const std::string& peer) { return "pair identity key: " + peer; }

std::string secret_digest(std::string_view secret) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof digest);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return result;
}

// One text for every reason: whoever guesses learns nothing.
Fault token_refused() { return {FaultCode::refused, "join token", "is not known here: it was used, is over, or is another node's", "make a new one on E: sallyport pair"}; }

class SqlitePairStore final : public PairStore {
 public:
  SqlitePairStore(const std::string& path, NodeKey key, std::string fqdn) : database_(path), key_(std::move(key)), fqdn_(std::move(fqdn)) {}

  Outcome<> start() {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      published_.publish(read());
      transaction.commit();
      return Done{};
    });
  }

  std::shared_ptr<const PairSet> snapshot() const override { return published_.get(); }
  void set_listener(Listener listener) override { published_.set_listener(std::move(listener)); }

  Outcome<CertificatePtr> add_token(const TokenSecret& token, const std::string& zone, std::int64_t now_s, std::int64_t life_s, const std::string& actor) override {
    return change([&]() -> Outcome<CertificatePtr> {
      SqliteTransaction transaction(database_);
      forget_what_is_over(now_s);
      if (count("SELECT count(*) FROM join_token") >= max_join_tokens) return Fault{FaultCode::exhausted, "join tokens", "there are 32 that were not used", "withdraw one (sallyport pair withdraw ID), or wait until they are over"};
      const IssuingAuthority authority = authority_or_new(now_s);
      SqliteStatement row = database_.prepare("INSERT INTO join_token (id, secret_sha256, zone, made_s, expires_s) VALUES (?, ?, ?, ?, ?)");
      row.bind(1, token.id).bind_blob(2, secret_digest(token.secret)).bind(3, zone).bind(4, now_s).bind(5, now_s + life_s).run();
      commit(transaction, "make join token " + token.id + " for zone \"" + zone + "\"", actor);
      return authority.certificate;
    });
  }

  Outcome<> withdraw_token(const std::string& id, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (!has_token(id)) return Fault{FaultCode::missing, "join token " + id.substr(0, 32), "is not known", "see sallyport pair list"};
      database_.prepare("DELETE FROM join_token WHERE id = ?").bind(1, id).run();
      commit(transaction, "withdraw join token " + id, actor);
      return Done{};
    });
  }

  Outcome<std::string> judge_token(const TokenSecret& token, std::int64_t now_s) override {
    const std::lock_guard lock(mutex_);
    return guarded([&] { return zone_of(token, now_s); });
  }

  Outcome<CertificatePtr> redeem(const TokenSecret& token, const PairEnrolment& wish) override {
    return change([&]() -> Outcome<CertificatePtr> {
      SqliteTransaction transaction(database_);
      if (const auto zone = zone_of(token, wish.now_s); !zone) return zone.fault();
      forget_what_is_over(wish.now_s);
      if (nodes(wish.now_s, wish.fqdn) >= max_paired_nodes) return Fault{FaultCode::exhausted, "node " + wish.fqdn, "cannot join: 64 nodes are paired", "remove one on E: sallyport pair remove NODE"};
      database_.prepare("DELETE FROM join_token WHERE id = ?").bind(1, token.id).run();
      const CertificatePtr certificate = issue_to(wish, wish.now_s);
      commit(transaction, "pair with " + wish.fqdn + " for zone \"" + wish.zone + "\", serial " + tls::describe_certificate(certificate.get()).serial, "join token " + token.id);
      return certificate;
    });
  }

  Outcome<CertificatePtr> renew(const PairEnrolment& wish) override {
    return change([&]() -> Outcome<CertificatePtr> {
      SqliteTransaction transaction(database_);
      forget_what_is_over(wish.now_s);
      SqliteStatement joined = database_.prepare("SELECT max(joined_s) FROM pair_certificate WHERE node = ? AND withdrawn = 0");
      joined.bind(1, wish.fqdn);
      if (!joined.step() || joined.is_null(0)) return Fault{FaultCode::refused, "node " + wish.fqdn, "is not paired with this node any more", "let it join again: sallyport pair"};
      const CertificatePtr certificate = issue_to(wish, joined.integer(0));
      joined.reset();
      commit(transaction, "renew the certificate of " + wish.fqdn + ", serial " + tls::describe_certificate(certificate.get()).serial, "pair");
      return certificate;
    });
  }

  Outcome<> withdraw_node(const std::string& fqdn, const std::string& actor) override {
    const std::string node = lower(fqdn);
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (snapshot()->find_node(node) == nullptr) return Fault{FaultCode::missing, "node " + node.substr(0, 253), "is not paired with this node", "see sallyport pair list"};
      database_.prepare("UPDATE pair_certificate SET withdrawn = 1 WHERE node = ?").bind(1, node).run();
      commit(transaction, "pair no more with " + node, actor);
      return Done{};
    });
  }

  Outcome<> issue_own(const PairEnrolment& wish) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      const IssuingAuthority authority = authority_or_new(wish.now_s);
      const CertificatePtr certificate = taken(issue(authority, wish.key.get(), {IssuedFor::server, wish.names, wish.now_s, wish.lifetime_s}));
      write_identity("", 0, "", certificate, authority.certificate, wish.key);
      commit(transaction, "renew this node's own pair certificate, serial " + tls::describe_certificate(certificate.get()).serial, "pair");
      return Done{};
    });
  }

  Outcome<> keep_identity(const std::string& peer, std::uint16_t port, const std::string& zone, const std::vector<CertificatePtr>& chain, const KeyPtr& key, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      write_identity(lower(peer), port, zone, chain.front(), chain.back(), key);
      commit(transaction, "keep the pair certificate for " + lower(peer) + ", serial " + tls::describe_certificate(chain.front().get()).serial, actor);
      return Done{};
    });
  }

  Outcome<> forget_identity(const std::string& peer, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(database_);
      if (peer.empty() || snapshot()->find(peer) == nullptr) return Fault{FaultCode::missing, "pair with " + peer.substr(0, 253), "does not exist on this node", "see sallyport pair list"};
      database_.prepare("DELETE FROM pair_identity WHERE peer = ?").bind(1, lower(peer)).run();
      commit(transaction, "forget the pair certificate for " + lower(peer), actor);
      return Done{};
    });
  }

 private:
  std::size_t count(const char* sql) {
    SqliteStatement row = database_.prepare(sql);
    return row.step() ? static_cast<std::size_t>(row.integer(0)) : 0;
  }

  // Paired ones but this.
  std::size_t nodes(std::int64_t now_s, const std::string& but) {
    SqliteStatement row = database_.prepare("SELECT count(DISTINCT node) FROM pair_certificate WHERE withdrawn = 0 AND not_after_s > ? AND node <> ?");
    row.bind(1, now_s).bind(2, but);
    return row.step() ? static_cast<std::size_t>(row.integer(0)) : 0;
  }

  std::size_t certificates_of(const std::string& node) {
    SqliteStatement row = database_.prepare("SELECT count(*) FROM pair_certificate WHERE node = ? AND withdrawn = 0");
    row.bind(1, node);
    return row.step() ? static_cast<std::size_t>(row.integer(0)) : 0;
  }

  void forget_what_is_over(std::int64_t now_s) {
    database_.prepare("DELETE FROM join_token WHERE expires_s <= ?").bind(1, now_s).run();
    database_.prepare("DELETE FROM pair_certificate WHERE not_after_s <= ?").bind(1, now_s).run();
  }

  bool has_token(const std::string& id) const {
    const auto set = snapshot();
    return std::any_of(set->tokens.begin(), set->tokens.end(), [&](const OpenToken& token) { return token.id == id; });
  }

  Outcome<std::string> zone_of(const TokenSecret& token, std::int64_t now_s) {
    SqliteStatement row = database_.prepare("SELECT secret_sha256, zone FROM join_token WHERE id = ? AND expires_s > ?");
    row.bind(1, token.id).bind(2, now_s);
    if (!row.step()) return token_refused();
    const std::string kept = row.blob(0), shown = secret_digest(token.secret);
    if (kept.size() != shown.size() || CRYPTO_memcmp(kept.data(), shown.data(), kept.size()) != 0) return token_refused();
    return row.text(1);
  }

  std::optional<IssuingAuthority> authority() {
    SqliteStatement row = database_.prepare("SELECT certificate, sealed_key FROM pair_authority WHERE id = 1");
    if (!row.step()) return std::nullopt;
    const store::Secret der = taken(key_.open(authority_purpose, row.blob(1)));
    return IssuingAuthority{taken(certificate_from_der(row.blob(0), "pair authority")), taken(key_from_der(der.reveal(), "pair authority"))};
  }

  IssuingAuthority authority_or_new(std::int64_t now_s) {
    if (auto kept = authority()) return *kept;
    IssuingAuthority made = taken(make_issuing_authority("pair", fqdn_, now_s));
    const std::string sealed = taken(key_.seal(authority_purpose, der_of(made.key.get()).reveal()));
    database_.prepare("INSERT INTO pair_authority (id, certificate, sealed_key) VALUES (1, ?, ?)").bind_blob(1, der_of(made.certificate.get())).bind_blob(2, sealed).run();
    return made;
  }

  CertificatePtr issue_to(const PairEnrolment& wish, std::int64_t joined_s) {
    const auto authority = this->authority();
    if (!authority) throw SqliteFailure{token_refused()};
    if (certificates_of(wish.fqdn) >= max_node_certificates) throw SqliteFailure{{FaultCode::exhausted, "node " + wish.fqdn, "was given 16 certificates that are valid still", "find out why it asks so often; or remove it on E and let it join again: sallyport pair remove NODE"}};
    const CertificatePtr certificate = taken(issue(*authority, wish.key.get(), {IssuedFor::client, wish.names, wish.now_s, wish.lifetime_s}));
    SqliteStatement row = database_.prepare("INSERT INTO pair_certificate (serial, node, zone, key_sha256, joined_s, issued_s, not_after_s, withdrawn) VALUES (?, ?, ?, ?, ?, ?, ?, 0)");
    row.bind(1, tls::describe_certificate(certificate.get()).serial).bind(2, wish.fqdn).bind(3, wish.zone).bind(4, public_key_digest(wish.key.get()));
    row.bind(5, joined_s).bind(6, wish.now_s).bind(7, wish.now_s + wish.lifetime_s).run();
    return certificate;
  }

  void write_identity(const std::string& peer, std::uint16_t port, const std::string& zone, const CertificatePtr& certificate, const CertificatePtr& authority, const KeyPtr& key) {
    const std::string sealed = taken(key_.seal(purpose_of(peer), der_of(key.get()).reveal()));
    SqliteStatement row = database_.prepare("INSERT INTO pair_identity (peer, port, zone, certificate, authority, sealed_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
                                            "ON CONFLICT (peer) DO UPDATE SET port = ?2, zone = ?3, certificate = ?4, authority = ?5, sealed_key = ?6");
    row.bind(1, peer).bind(2, std::int64_t{port}).bind(3, zone).bind_blob(4, der_of(certificate.get())).bind_blob(5, der_of(authority.get())).bind_blob(6, sealed).run();
  }

  PairIdentity identity_of(SqliteStatement& row) {
    PairIdentity identity{row.text(0), static_cast<std::uint16_t>(row.integer(1)), row.text(2), taken(certificate_from_der(row.blob(3), "pair certificate")), taken(certificate_from_der(row.blob(4), "pair authority")), {}, {}};
    identity.description = tls::describe_certificate(identity.certificate.get());
    const store::Secret der = taken(key_.open(purpose_of(identity.peer), row.blob(5)));
    const std::string label = identity.peer.empty() ? "pair certificate" : "pair certificate for " + identity.peer;
    // The authority goes along: who joins knows its key only.
    const auto credential = tls::make_credential(label, identity.certificate, taken(key_from_der(der.reveal(), label)), tls::make_intermediate_chain({identity.authority}));
    identity.held = std::make_shared<const tls::HeldCredential>(label, tls::KeyFamily::ecdsa, std::vector<std::string>{}, "", [credential] { return Outcome<std::shared_ptr<const tls::Credential>>(credential); });
    return identity;
  }

  PairSet read() {
    PairSet set;
    SqliteStatement authority = database_.prepare("SELECT certificate FROM pair_authority WHERE id = 1");
    if (authority.step()) set.authority = taken(certificate_from_der(authority.blob(0), "pair authority"));
    SqliteStatement identities = database_.prepare("SELECT peer, port, zone, certificate, authority, sealed_key FROM pair_identity ORDER BY peer");
    while (identities.step()) set.identities.push_back(identity_of(identities));
    SqliteStatement nodes = database_.prepare("SELECT node, zone, serial, joined_s, max(issued_s), not_after_s FROM pair_certificate WHERE withdrawn = 0 GROUP BY node ORDER BY node");
    while (nodes.step()) set.nodes.push_back({nodes.text(0), nodes.text(1), nodes.text(2), nodes.integer(3), nodes.integer(4), nodes.integer(5)});
    SqliteStatement tokens = database_.prepare("SELECT id, zone, made_s, expires_s FROM join_token ORDER BY expires_s");
    while (tokens.step()) set.tokens.push_back({tokens.text(0), tokens.text(1), tokens.integer(2), tokens.integer(3)});
    SqliteStatement keys = database_.prepare("SELECT key_sha256 FROM pair_certificate WHERE withdrawn = 1");
    while (keys.step()) set.withdrawn_keys.push_back(keys.text(0));
    return set;
  }

  void commit(SqliteTransaction& transaction, const std::string& line, const std::string& actor) {
    store::write_history(database_, {line}, actor);
    PairSet set = read();
    transaction.commit();
    published_.publish(std::move(set));
  }

  template <class Work>
  auto change(Work work) -> decltype(work()) {
    return published_.change(mutex_, std::move(work));
  }

  std::mutex mutex_;
  SqliteDatabase database_;
  NodeKey key_;
  const std::string fqdn_;
  store::Published<PairSet> published_;
};

}  // namespace

const PairIdentity* PairSet::find(std::string_view peer) const {
  const auto found = std::find_if(identities.begin(), identities.end(), [name = lower(peer)](const PairIdentity& identity) { return identity.peer == name; });
  return found == identities.end() ? nullptr : &*found;
}

const PairedNode* PairSet::find_node(std::string_view fqdn) const {
  const auto found = std::find_if(nodes.begin(), nodes.end(), [name = lower(fqdn)](const PairedNode& node) { return node.fqdn == name; });
  return found == nodes.end() ? nullptr : &*found;
}

Outcome<std::unique_ptr<PairStore>> PairStore::open(const std::string& state_dir, const std::string& node_fqdn) { return open_store<PairStore, SqlitePairStore>(state_dir, node_fqdn); }

}  // namespace sallyport::certificates
