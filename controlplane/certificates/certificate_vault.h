// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificateVault: certificates, sealed keys, domains, requests and trust in the node's store (site.db, beside the site). A change is
// one transaction: durable and published, or nothing happened; each leaves a line in the history. snapshot() from any thread;
// everything else blocks on the disk, serialised by a mutex. Listeners run on the thread that made the change, after it is durable.
// Open it after the SiteStore, which makes the tables. Private keys never leave it but inside OpenSSL's objects.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/certificate_set.h"
#include "controlplane/certificates/request.h"
#include "controlplane/certificates/upload_verdict.h"
#include "controlplane/config/node_config.h"
#include "dataplane/abi/fault.h"

namespace sallyport::certificates {

struct VaultOptions {
  std::string state_dir;
  config::Role role = config::Role::edge;
  std::string node_name;  // a request belongs to the peer that made it
  std::string node_fqdn;
};

inline constexpr std::size_t max_domains = 20'000;
inline constexpr std::size_t max_requests = 1'000;  // open at a time
inline constexpr std::size_t max_authorities = 2'000;

struct InstallWish {
  Slot slot;
  Upload upload;
  std::string origin = "upload";
  bool dry_run = false;
};

struct Installed {
  UploadVerdict verdict;
  std::string replaced;  // serial of what was served before; empty: nothing
  std::uint64_t revision = 0;
};

struct TrustChange {
  std::vector<tls::PeerCertificate> added;
  std::vector<tls::PeerCertificate> present;  // were there already
};

class CertificateVault {
 public:
  using Listener = std::function<void()>;

  static Outcome<std::unique_ptr<CertificateVault>> open(VaultOptions options);
  virtual ~CertificateVault() = default;

  virtual std::shared_ptr<const CertificateSet> snapshot() const = 0;
  virtual void set_listener(Listener listener) = 0;
  // Whether a UC traversal zone exists: single-store mode then insists on clientAuth (A05).
  virtual void set_unified_communications(std::function<bool()> is_used) = 0;

  virtual Outcome<Installed> install(const InstallWish& wish, const std::string& actor) = 0;
  // C13. The platform's last certificate goes too, if it is asked for: the node file's serves then, or none.
  virtual Outcome<> remove(const Slot& slot, std::optional<tls::KeyFamily> family, const std::string& actor) = 0;
  // Leaf first.
  virtual Outcome<std::vector<CertificatePtr>> chain(const Slot& slot, tls::KeyFamily family) = 0;

  // C16: one open request a slot and peer.
  // `key` is made beforehand with make_key(wish.key): that takes long, and nothing is held meanwhile.
  virtual Outcome<StoredRequest> request(const Slot& slot, const RequestWish& wish, const KeyPtr& key, const std::string& actor) = 0;
  virtual Outcome<> discard_request(const Slot& slot, const std::string& actor) = 0;

  virtual Outcome<std::string> add_domain(std::string_view name, const std::string& actor) = 0;
  // With its certificates and its request.
  virtual Outcome<> remove_domain(std::string_view name, const std::string& actor) = 0;

  virtual Outcome<TrustChange> add_trust(TrustPurpose purpose, std::string_view pem, const std::string& file, const std::string& actor) = 0;
  virtual Outcome<TrustedAuthority> find_trust(TrustPurpose purpose, std::string_view fingerprint) const = 0;
  // fingerprint: SHA-256, at least its first eight digits, if they are those of one only.
  virtual Outcome<> remove_trust(TrustPurpose purpose, std::string_view fingerprint, const std::string& actor) = 0;

  // "mode": two, single; "duplicate_self_signed_cn": refuse, allow; "weak_keys": refuse, allow.
  virtual Outcome<> set(std::string_view name, std::string_view value, const std::string& actor) = 0;
  virtual Outcome<bool> refresh() = 0;  // takes in what another process committed
};

}  // namespace sallyport::certificates
