// SPDX-License-Identifier: Apache-2.0
#pragma once
// CredentialStore: certificate chains, keys and trusted CAs of one purpose, as an immutable snapshot that reload() swaps whole.
// New handshakes take the new snapshot, running connections keep what they have; a broken file leaves the old snapshot in force.
// snapshot() and reload() may be called from any thread. Keys stay inside OpenSSL objects, which wipe them on release.

#include <openssl/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controlplane/tls/certificate_names.h"
#include "dataplane/abi/fault.h"

struct stack_st_X509;  // OpenSSL's STACK_OF(X509)

namespace sallyport::tls {

struct CredentialFiles {
  std::string label;             // "platform", "domain example.com"; used in faults
  std::string certificate_path;  // PEM: leaf first, then intermediates
  std::string key_path;          // PEM, not encrypted
};

enum class KeyFamily : uint8_t { rsa, ecdsa };
const char* name_of(KeyFamily family);  // "rsa", "ecdsa"

// Intermediates, without the leaf, in the form that OpenSSL sends them from. Immutable: ten thousand certificates of one authority share one.
using IntermediateChain = std::shared_ptr<stack_st_X509>;
IntermediateChain make_intermediate_chain(const std::vector<std::shared_ptr<X509>>& links);
std::vector<std::shared_ptr<X509>> links_of(const IntermediateChain& chain);

struct Credential {
  std::string label;
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
  IntermediateChain chain;
};

std::shared_ptr<const Credential> make_credential(std::string label, std::shared_ptr<X509> certificate, std::shared_ptr<EVP_PKEY> key, IntermediateChain chain);

// A certificate that is read when a handshake first asks for it, and then kept: ten thousand of them cost little until they are used.
// Immutable but for what get() keeps; any thread (two first handshakes may both read it).
class HeldCredential {
 public:
  using Loader = std::function<Outcome<std::shared_ptr<const Credential>>()>;

  HeldCredential(std::string label, KeyFamily family, std::vector<std::string> names, std::string home, Loader loader)
      : label_(std::move(label)), family_(family), names_(std::move(names)), home_(std::move(home)), loader_(std::move(loader)) {}
  // Null: it could not be read; then the next best one serves, and failures() counts.
  std::shared_ptr<const Credential> get() const;
  bool is_loaded() const { return loaded_.load() != nullptr; }
  const std::string& label() const { return label_; }
  KeyFamily family() const { return family_; }
  const std::vector<std::string>& names() const { return names_; }  // DNS names of the SAN, lower case
  // The domain it was installed for: there it comes before certificates of others that carry the name too. Empty: none.
  const std::string& home() const { return home_; }
  uint64_t failures() const { return failures_.load(std::memory_order_relaxed); }

 private:
  const std::string label_;
  const KeyFamily family_;
  const std::vector<std::string> names_;
  const std::string home_;
  const Loader loader_;
  mutable std::atomic<std::shared_ptr<const Credential>> loaded_;
  mutable std::atomic<uint64_t> failures_{0};
};
using HeldCredentialPtr = std::shared_ptr<const HeldCredential>;

struct TrustedCertificate {
  std::shared_ptr<X509> certificate;
  std::string origin;  // "trust traversal", for the remedy
};

// A certificate of an authority that only few trust: shown to a client that names this issuer in certificate_authorities (RFC 8446 4.2.4).
struct AskedCredential {
  std::string issuer;  // DER of the name
  HeldCredentialPtr held;
};

struct CredentialSource {
  CredentialFiles platform;               // served without SNI or for an unknown name; empty paths: none (client without certificate)
  std::vector<CredentialFiles> domains;   // each served for the DNS names in its own SAN
  std::vector<std::string> ca_paths;      // PEM bundles
  // Beside the files, what the store holds. A held platform certificate takes the place of the file's; with one of each key family
  // the client's abilities decide which is served.
  std::vector<HeldCredentialPtr> held_platform;
  std::vector<HeldCredentialPtr> held;
  std::vector<AskedCredential> asked;
  std::vector<TrustedCertificate> trusted;  // together with ca_paths; both empty: trusts nobody
  std::vector<std::string> withdrawn_keys;  // SHA-256 of the SubjectPublicKeyInfo, hex: a peer with such a key is refused, whoever vouches for it
};

// What is served for a name: one certificate, or one of each key family, the client's abilities decide. Empty: none.
struct ServedCredential {
  std::shared_ptr<const Credential> first, second;
  explicit operator bool() const { return first != nullptr; }
  const Credential* operator->() const { return first.get(); }
};

class CredentialSnapshot {
 public:
  // Exact SNI, then wildcard, then platform; empty when there is no platform certificate. Case does not matter.
  ServedCredential find(std::string_view sni) const;
  ServedCredential platform() const { return load(platform_); }
  // By the body of a certificate_authorities extension; empty: it names no issuer of ours.
  ServedCredential find_asked(std::string_view authorities) const;
  ServedCredential first_asked() const;
  bool is_withdrawn(X509* peer) const;
  // How find() came to its answer, and whose it is, without reading the certificate.
  enum class Match : uint8_t { none, exact, wildcard, platform };
  struct Explanation {
    Match match = Match::none;
    std::vector<HeldCredentialPtr> served;  // one or two
  };
  Explanation explain(std::string_view sni) const;
  bool covers(std::string_view sni) const;  // by a name of its own, not merely by the platform certificate's being there for all
  X509_STORE* trust() const { return trust_.get(); }
  const std::string& trust_origin() const { return trust_origin_; }  // "/etc/sallyport/ca.pem, /etc/ssl/more.pem"
  const std::vector<PeerCertificate>& trusted() const { return trusted_; }
  const std::vector<HeldCredentialPtr>& credentials() const { return all_; }
  const std::vector<std::string>& warnings() const { return warnings_; }  // "key file k.pem can be read by everyone; chmod 0640"
  uint64_t revision() const { return revision_; }

 private:
  friend class CredentialStore;
  struct Families {
    HeldCredentialPtr rsa, ecdsa;
    bool is_empty() const { return rsa == nullptr && ecdsa == nullptr; }
  };
  using Index = std::unordered_map<std::string, Families>;
  static ServedCredential load(const Families& families);
  const Families* look_up(std::string_view sni, Match& match) const;
  void add(const HeldCredentialPtr& held);
  static void offer(Families& families, const HeldCredentialPtr& held, std::string_view name);

  Families platform_;
  std::vector<AskedCredential> asked_;
  std::vector<std::string> withdrawn_keys_;
  Index exact_;
  Index wildcard_;  // key: parent of the star
  std::vector<HeldCredentialPtr> all_;
  std::shared_ptr<X509_STORE> trust_;
  std::string trust_origin_;
  std::vector<PeerCertificate> trusted_;
  std::vector<std::string> warnings_;
  uint64_t revision_ = 0;
};

// Names that clients asked for and no certificate covers, with how often (requirement B27). Bounded: who asks for ever new names only
// raises the count of the rest. Any thread.
class UncoveredNames {
 public:
  void note(std::string_view sni);
  std::vector<std::pair<std::string, uint64_t>> list() const;  // most asked first
  uint64_t total() const;
  void forget_covered(const CredentialSnapshot& snapshot);

 private:
  static constexpr size_t most_names = 256;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, uint64_t> asked_;
  uint64_t total_ = 0;
};

class CredentialStore {
 public:
  // Loads at once; a Fault names file, reason and remedy.
  static Outcome<std::shared_ptr<CredentialStore>> load(CredentialSource source);
  // All or nothing, from the same files or from a new set of them.
  Outcome<> reload();
  Outcome<> reload(CredentialSource source);
  // The two halves of it, for who changes several stores or none: read() changes nothing, take() cannot fail.
  static Outcome<std::shared_ptr<CredentialSnapshot>> read(const CredentialSource& source);
  void take(CredentialSource source, std::shared_ptr<CredentialSnapshot> snapshot);
  std::shared_ptr<const CredentialSnapshot> snapshot() const;
  UncoveredNames& uncovered() const { return uncovered_; }

 private:
  CredentialStore() = default;
  mutable UncoveredNames uncovered_;
  mutable std::mutex mutex_;
  CredentialSource source_;
  std::shared_ptr<const CredentialSnapshot> current_;
  uint64_t revision_ = 0;
};

}  // namespace sallyport::tls
