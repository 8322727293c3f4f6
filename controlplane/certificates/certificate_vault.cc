// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_vault.h"

#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <mutex>

#include "controlplane/certificates/certificate_rules.h"
#include "controlplane/certificates/certificate_tables.h"
#include "controlplane/store/published.h"
#include "controlplane/store/site_tables.h"

namespace sallyport::certificates {
namespace {

using store::NodeKey;
using store::guarded;
using store::SqliteDatabase;
using store::SqliteFailure;
using store::SqliteTransaction;
using Snapshot = std::shared_ptr<const CertificateSet>;

constexpr std::size_t min_fingerprint_digits = 8;

// The database with what reads from it later, when a handshake first needs a certificate; outlives the vault with them.
struct OpenVault {
  std::mutex mutex;
  SqliteDatabase database;
  NodeKey key;
  SharedIntermediates intermediates;
  OpenVault(const std::string& path, NodeKey node_key) : database(path), key(std::move(node_key)) {}
};

std::string label_of(const Slot& slot) { return slot.kind == SlotKind::domain ? "domain " + slot.domain : slot.text(); }

Outcome<std::shared_ptr<const tls::Credential>> load_credential(OpenVault& vault, std::int64_t id) {
  const std::lock_guard lock(vault.mutex);
  return guarded([&]() -> Outcome<std::shared_ptr<const tls::Credential>> {
    auto material = read_material(vault.database, vault.key, id, vault.intermediates);
    if (!material) return material.fault();
    const CertificatePtr leaf = material->chain.front();
    return tls::make_credential(label_of(material->slot), leaf, material->key, vault.intermediates.chain({material->chain.begin() + 1, material->chain.end()}));
  });
}

class SqliteCertificateVault final : public CertificateVault {
 public:
  SqliteCertificateVault(VaultOptions options, std::shared_ptr<OpenVault> vault) : options_(std::move(options)), vault_(std::move(vault)) {}

  Outcome<> start() {
    return guarded([&]() -> Outcome<> {
      SqliteTransaction transaction(vault_->database);
      CertificateSet set = read();
      transaction.commit();
      data_version_ = vault_->database.pragma("data_version");
      published_.publish(std::move(set));
      return Done{};
    });
  }

  Snapshot snapshot() const override { return published_.get(); }
  void set_listener(Listener listener) override { published_.set_listener(std::move(listener)); }
  void set_unified_communications(std::function<bool()> is_used) override { uses_unified_communications_ = std::move(is_used); }

  Outcome<Installed> install(const InstallWish& wish, const std::string& actor) override {
    return change([&]() -> Outcome<Installed> {
      SqliteTransaction transaction(vault_->database);
      const CertificateSet set = read();
      if (const Outcome<> fine = may_hold(set, wish.slot); !fine) return fine.fault();
      auto context = upload_context(set, wish.slot);
      if (!context) return context.fault();
      auto verdict = judge_upload(wish.upload, *context);
      if (!verdict) return verdict.fault();
      Installed installed{std::move(*verdict), {}, set.revision};
      const StoredCertificate* former = set.find(wish.slot, installed.verdict.family);
      if (former != nullptr) installed.replaced = former->serial;
      if (wish.dry_run) return installed;
      write_certificate(vault_->database, vault_->key, wish.slot, installed.verdict, wish.origin, std::time(nullptr));
      if (installed.verdict.answers_request) delete_request(vault_->database, wish.slot);
      const std::string line = "install certificate " + installed.verdict.description.serial + " for " + wish.slot.text() + " (" + key_text(installed.verdict.key.get()) + ", " + wish.origin + ")" +
                               (installed.replaced.empty() ? "" : ", replaces " + installed.replaced);
      installed.revision = commit(transaction, {line}, actor);
      return installed;
    });
  }

  Outcome<> remove(const Slot& slot, std::optional<tls::KeyFamily> family, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(vault_->database);
      const CertificateSet set = read();
      std::vector<std::string> lines;
      for (const tls::KeyFamily each : {tls::KeyFamily::rsa, tls::KeyFamily::ecdsa}) {
        const StoredCertificate* stored = set.find(slot, each);
        if (stored == nullptr || (family && *family != each)) continue;
        delete_certificate(vault_->database, stored->id);
        lines.push_back("delete certificate " + stored->serial + " of " + slot.text());
      }
      if (lines.empty()) return Fault{FaultCode::missing, "certificate slot " + slot.text(), "holds no such certificate", "see sallyport cert list"};
      commit(transaction, lines, actor);
      return Done{};
    });
  }

  Outcome<std::vector<CertificatePtr>> chain(const Slot& slot, tls::KeyFamily family) override {
    const Snapshot set = snapshot();
    const StoredCertificate* stored = set->find(slot, family);
    if (stored == nullptr) return Fault{FaultCode::missing, "certificate slot " + slot.text(), std::string("holds no ") + tls::name_of(family) + " certificate", "see sallyport cert list"};
    const std::lock_guard lock(vault_->mutex);
    return guarded([&]() -> Outcome<std::vector<CertificatePtr>> { return read_chain(vault_->database, stored->id, vault_->intermediates); });
  }

  Outcome<StoredRequest> request(const Slot& slot, const RequestWish& wish, const KeyPtr& key, const std::string& actor) override {
    const std::string subject = "request for " + slot.text();
    const Snapshot now = snapshot();
    if (now->find_request(slot) != nullptr) return request_open(*now->find_request(slot));
    if (wish.key == KeyKind::rsa_1024 && !now->allow_weak_keys) return Fault{FaultCode::refused, subject, "an RSA key of 1024 bits is refused by clients and authorities", "take rsa-2048, or allow it all the same: sallyport cert set weak_keys allow"};
    if (wish.names.empty()) return Fault{FaultCode::invalid, subject, "has no names", "give at least one"};
    if (wish.names.size() > max_certificate_names) return Fault{FaultCode::invalid, subject, "has " + std::to_string(wish.names.size()) + " names, at most " + std::to_string(max_certificate_names) + " go into one", "split them over several certificates"};
    auto pem = make_request(wish, key.get());
    if (!pem) return pem.fault();
    return change([&]() -> Outcome<StoredRequest> {
      SqliteTransaction transaction(vault_->database);
      const CertificateSet set = read();
      if (const Outcome<> fine = may_hold(set, slot); !fine) return fine.fault();
      if (const StoredRequest* open = set.find_request(slot)) return request_open(*open);
      if (set.requests.size() >= max_requests) return Fault{FaultCode::exhausted, subject, "there are " + std::to_string(max_requests) + " open requests already", "upload their certificates or discard some: sallyport cert requests"};
      StoredRequest request{slot, std::move(*pem), name_of(wish.key), name_of(wish.digest), std::time(nullptr), options_.node_name};
      write_request(vault_->database, vault_->key, request, key.get());
      commit(transaction, {"make request for " + slot.text() + " (" + request.key + ", " + request.digest + ")"}, actor);
      return request;
    });
  }

  Outcome<> discard_request(const Slot& slot, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(vault_->database);
      if (read().find_request(slot) == nullptr) return Fault{FaultCode::missing, "request for " + slot.text(), "there is none", "see sallyport cert requests"};
      delete_request(vault_->database, slot);
      commit(transaction, {"discard request for " + slot.text() + " and its key"}, actor);
      return Done{};
    });
  }

  Outcome<std::string> add_domain(std::string_view name, const std::string& actor) override {
    auto domain = domain_name(name);
    if (!domain) return domain;
    return change([&]() -> Outcome<std::string> {
      SqliteTransaction transaction(vault_->database);
      const CertificateSet set = read();
      if (set.has_domain(*domain)) return Fault{FaultCode::conflict, "domain " + *domain, "is there already", "see sallyport domain list"};
      if (set.domains.size() >= max_domains) return Fault{FaultCode::exhausted, "domain " + *domain, "there are " + std::to_string(max_domains) + " already, the most a node takes", "delete those that are no longer used"};
      write_domain(vault_->database, *domain);
      commit(transaction, {"create domain " + *domain}, actor);
      return *domain;
    });
  }

  Outcome<> remove_domain(std::string_view name, const std::string& actor) override {
    auto domain = domain_name(name);
    if (!domain) return domain.fault();
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(vault_->database);
      if (!read().has_domain(*domain)) return no_such_domain(*domain);
      delete_domains(vault_->database, {*domain});
      commit(transaction, {"delete domain " + *domain + " with its certificates"}, actor);
      return Done{};
    });
  }

  Outcome<TrustChange> add_trust(TrustPurpose purpose, std::string_view pem, const std::string& file, const std::string& actor) override {
    auto certificates = read_certificates(pem, file, max_bundle_certificates);
    if (!certificates) return certificates.fault();
    return change([&]() -> Outcome<TrustChange> {
      SqliteTransaction transaction(vault_->database);
      CertificateSet set = read();
      TrustChange done;
      std::vector<std::string> lines;
      for (std::size_t number = 0; number < certificates->size(); ++number) {
        X509* certificate = (*certificates)[number].get();
        tls::PeerCertificate said = tls::describe_certificate(certificate);
        if (is_trusted(set, purpose, said.fingerprint_sha256)) {
          done.present.push_back(std::move(said));
          continue;
        }
        if (const Outcome<> fine = judge_trusted(set, purpose, certificate, said, file + ": certificate " + std::to_string(number + 1)); !fine) return fine.fault();
        write_trust(vault_->database, purpose, certificate, said.fingerprint_sha256, std::time(nullptr));
        lines.push_back(std::string("trust ") + name_of(purpose) + ": add \"" + said.subject + "\" (serial " + said.serial + ")");
        set.trust.push_back({purpose, (*certificates)[number], said, authority_key_digest(certificate), 0});
        done.added.push_back(std::move(said));
      }
      if (set.trust.size() > max_authorities) return Fault{FaultCode::exhausted, file, "more than " + std::to_string(max_authorities) + " trusted authorities", "remove those that are no longer needed"};
      if (!lines.empty()) commit(transaction, lines, actor);
      return done;
    });
  }

  Outcome<TrustedAuthority> find_trust(TrustPurpose purpose, std::string_view fingerprint) const override { return find_trust_in(*snapshot(), purpose, fingerprint); }

  Outcome<> remove_trust(TrustPurpose purpose, std::string_view fingerprint, const std::string& actor) override {
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(vault_->database);
      const auto found = find_trust_in(read(), purpose, fingerprint);
      if (!found) return found.fault();
      const tls::PeerCertificate& said = found->description;
      delete_trust(vault_->database, purpose, said.fingerprint_sha256);
      commit(transaction, {std::string("trust ") + name_of(purpose) + ": remove \"" + said.subject + "\" (serial " + said.serial + ")"}, actor);
      return Done{};
    });
  }

  Outcome<> set(std::string_view name, std::string_view value, const std::string& actor) override {
    if (const Outcome<> fine = judge_certificate_setting(name, value); !fine) return fine;
    return change([&]() -> Outcome<> {
      SqliteTransaction transaction(vault_->database);
      const CertificateSet before = read();
      if (name == "mode" && value == "single") {
        if (const Outcome<> fine = judge_single_store(before, uses_unified_communications_ && uses_unified_communications_()); !fine) return fine;
      }
      write_setting(vault_->database, std::string(name), std::string(value));
      commit(transaction, {"certificate setting " + std::string(name) + ": " + std::string(value)}, actor);
      return Done{};
    });
  }

  Outcome<bool> refresh() override {
    return change([&]() -> Outcome<bool> {
      const std::int64_t version = vault_->database.pragma("data_version");
      if (version == data_version_) return false;
      SqliteTransaction transaction(vault_->database);
      CertificateSet set = read();
      data_version_ = version;
      published_.publish(std::move(set));
      return true;
    });
  }

 private:
  static Fault no_such_domain(const std::string& name) { return {FaultCode::missing, "domain " + name, "does not exist on this node", "create it first: sallyport domain add " + name}; }
  static Fault request_open(const StoredRequest& open) {
    return {FaultCode::conflict, "request for " + open.slot.text(), "one is open already, made on " + open.made_on, "upload its certificate, or discard it first: sallyport cert discard " + open.slot.text()};
  }
  static bool is_trusted(const CertificateSet& set, TrustPurpose purpose, std::string_view fingerprint) {
    return std::any_of(set.trust.begin(), set.trust.end(), [&](const TrustedAuthority& authority) { return authority.purpose == purpose && authority.description.fingerprint_sha256 == fingerprint; });
  }

  static Outcome<TrustedAuthority> find_trust_in(const CertificateSet& set, TrustPurpose purpose, std::string_view fingerprint) {
    std::string wanted;
    for (const char c : fingerprint.substr(0, 128))
      if (c != ':') wanted += static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c);
    const std::string subject = std::string("trust ") + name_of(purpose) + ": fingerprint \"" + wanted + "\"";
    if (wanted.size() < min_fingerprint_digits) return Fault{FaultCode::invalid, subject, "is too short", "give at least its first " + std::to_string(min_fingerprint_digits) + " digits"};
    const TrustedAuthority* found = nullptr;
    for (const TrustedAuthority& authority : set.trust) {
      if (authority.purpose != purpose || !authority.description.fingerprint_sha256.starts_with(wanted)) continue;
      if (found != nullptr) return Fault{FaultCode::conflict, subject, "begins several fingerprints", "give more of its digits"};
      found = &authority;
    }
    if (found == nullptr) return Fault{FaultCode::missing, subject, "is not trusted for that", "see sallyport trust list; what stands in a file of the node file is removed there"};
    return *found;
  }

  Outcome<UploadContext> upload_context(const CertificateSet& set, const Slot& slot) {
    UploadContext context;
    context.slot = slot;
    context.mode = set.mode;
    context.uses_unified_communications = uses_unified_communications_ && uses_unified_communications_();
    context.node_fqdn = options_.node_fqdn;
    context.allow_weak_keys = set.allow_weak_keys;
    context.authorities = set.authorities();
    context.now_s = std::time(nullptr);
    if (const StoredRequest* open = set.find_request(slot)) {
      auto facts = read_request(open->pem, "request for " + slot.text());
      if (!facts) return facts.fault();
      context.request = std::move(*facts);
      context.request_key = read_request_key(vault_->database, vault_->key, slot);
    }
    for (const StoredCertificate& stored : set.certificates)
      if (stored.slot == slot) context.present_keys.push_back(read_key(vault_->database, vault_->key, stored.id));
    context.owner_of = [&set, slot](const std::string& digest) -> std::string {
      for (const StoredRequest& other : set.requests) {
        const auto facts = read_request(other.pem, "request");
        if (other.slot != slot && facts && facts->key_digest == digest) return "the request for " + other.slot.text();
      }
      return {};
    };
    return context;
  }

  // What E shows as a client nobody sees: C dials it, never the other way round.
  Outcome<> may_hold(const CertificateSet& set, const Slot& slot) const {
    if (slot.kind == SlotKind::client && options_.role == config::Role::edge) return Fault{FaultCode::refused, "certificate slot client", "is not used on E, which dials nobody", "install it on C, or as server here"};
    if (slot.kind == SlotKind::domain && !set.has_domain(slot.domain)) return no_such_domain(slot.domain);
    return Done{};
  }

  CertificateSet read() {
    const Snapshot before = snapshot();
    return read_certificate_set(vault_->database, before.get(), [this](std::int64_t id, const Slot& slot, tls::KeyFamily family, std::vector<std::string> names) {
      return std::make_shared<const tls::HeldCredential>(label_of(slot), family, std::move(names), slot.domain, [vault = vault_, id] { return load_credential(*vault, id); });
    });
  }

  std::uint64_t commit(SqliteTransaction& transaction, const std::vector<std::string>& lines, const std::string& actor) {
    store::write_history(vault_->database, lines, actor);
    CertificateSet set = read();
    const std::uint64_t revision = set.revision;
    transaction.commit();
    data_version_ = vault_->database.pragma("data_version");
    published_.publish(std::move(set));
    return revision;
  }

  template <class Work>
  auto change(Work work) -> decltype(work()) {
    return published_.change(vault_->mutex, std::move(work));
  }

  const VaultOptions options_;
  std::shared_ptr<OpenVault> vault_;
  std::int64_t data_version_ = 0;
  store::Published<CertificateSet> published_;
  std::function<bool()> uses_unified_communications_;
};

}  // namespace

Outcome<std::unique_ptr<CertificateVault>> CertificateVault::open(VaultOptions options) {
  return guarded([&]() -> Outcome<std::unique_ptr<CertificateVault>> {
    auto key = NodeKey::load(options.state_dir + "/node.key", false);
    if (!key) return key.fault();
    auto open = std::make_shared<OpenVault>(options.state_dir + "/site.db", std::move(*key));
    auto vault = std::make_unique<SqliteCertificateVault>(std::move(options), std::move(open));
    if (const Outcome<> started = vault->start(); !started) return started.fault();
    return std::unique_ptr<CertificateVault>(std::move(vault));
  });
}

}  // namespace sallyport::certificates
