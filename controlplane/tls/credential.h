// SPDX-License-Identifier: Apache-2.0
#pragma once
// CredentialStore: certificate chains, keys and trusted CAs of one purpose, as an immutable snapshot that reload() swaps whole.
// New handshakes take the new snapshot, running connections keep what they have; a broken file leaves the old snapshot in force.
// snapshot() and reload() may be called from any thread. Keys stay inside OpenSSL objects, which wipe them on release.

#include <openssl/types.h>

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

struct CredentialSource {
  CredentialFiles platform;               // served without SNI or for an unknown name; empty paths: none (client without certificate)
  std::vector<CredentialFiles> domains;   // each served for the DNS names in its own SAN
  std::vector<std::string> ca_paths;      // PEM bundles; empty: trusts nobody
};

struct Credential {
  std::string label;
  PeerCertificate description;
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;
  std::vector<std::shared_ptr<X509>> chain;  // intermediates, without the leaf
  std::shared_ptr<stack_st_X509> chain_stack;
};

class CredentialSnapshot {
 public:
  // Exact SNI, then wildcard, then platform; nullptr when there is no platform certificate. Case does not matter.
  const Credential* find(std::string_view sni) const;
  const Credential* platform() const { return platform_.get(); }
  X509_STORE* trust() const { return trust_.get(); }
  const std::string& trust_origin() const { return trust_origin_; }  // "/etc/sallyport/ca.pem, /etc/ssl/more.pem"
  const std::vector<PeerCertificate>& trusted() const { return trusted_; }
  const std::vector<std::shared_ptr<const Credential>>& credentials() const { return all_; }
  const std::vector<std::string>& warnings() const { return warnings_; }  // "key file k.pem can be read by everyone; chmod 0640"
  uint64_t revision() const { return revision_; }

 private:
  friend class CredentialStore;
  std::shared_ptr<const Credential> platform_;
  std::unordered_map<std::string, std::shared_ptr<const Credential>> exact_;
  std::unordered_map<std::string, std::shared_ptr<const Credential>> wildcard_;  // key: parent of the star
  std::vector<std::shared_ptr<const Credential>> all_;
  std::shared_ptr<X509_STORE> trust_;
  std::string trust_origin_;
  std::vector<PeerCertificate> trusted_;
  std::vector<std::string> warnings_;
  uint64_t revision_ = 0;
};

class CredentialStore {
 public:
  // Loads at once; a Fault names file, reason and remedy.
  static Outcome<std::shared_ptr<CredentialStore>> load(CredentialSource source);
  // All or nothing, from the same files or from a new set of them.
  Outcome<> reload();
  Outcome<> reload(CredentialSource source);
  std::shared_ptr<const CredentialSnapshot> snapshot() const;

 private:
  CredentialStore() = default;
  mutable std::mutex mutex_;
  CredentialSource source_;
  std::shared_ptr<const CredentialSnapshot> current_;
  uint64_t revision_ = 0;
};

}  // namespace sallyport::tls
