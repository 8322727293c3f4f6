// SPDX-License-Identifier: Apache-2.0
#pragma once
// PairStore: what makes two nodes a pair, in the node's store beside the certificates: on E its pair authority, join tokens that were not used
// yet and what was issued to whom; on both their own certificates for the traversal link. As CertificateVault: one transaction a change,
// a history line, snapshots; any thread. Of a token only the SHA-256 of its secret is kept, private keys are sealed.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/issuing_authority.h"
#include "controlplane/tls/credential.h"

namespace sallyport::certificates {

inline constexpr std::size_t max_join_tokens = 32;   // unused at a time
inline constexpr std::size_t max_paired_nodes = 64;
inline constexpr std::size_t max_node_certificates = 16;  // valid ones of a node: renewed at two thirds it has two
inline constexpr std::int64_t max_token_life_s = 3600, default_token_life_s = 600;

// A certificate of this node for the traversal link.
struct PairIdentity {
  std::string peer;  // C: E's host as it is dialled. E: empty, its own.
  std::uint16_t port = 0;  // C: where it is renewed
  std::string zone;
  CertificatePtr certificate, authority;
  tls::PeerCertificate description;
  tls::HeldCredentialPtr held;
};

// E: a C node that joined, with the newest certificate it was given.
struct PairedNode {
  std::string fqdn, zone, serial;
  std::int64_t joined_s = 0, issued_s = 0, not_after_s = 0;
};

struct OpenToken {
  std::string id;  // hex
  std::string zone;
  std::int64_t made_s = 0, expires_s = 0;
};

struct PairSet {
  CertificatePtr authority;  // E: null until a token was made
  std::vector<PairIdentity> identities;
  std::vector<PairedNode> nodes;
  std::vector<OpenToken> tokens;
  std::vector<std::string> withdrawn_keys;  // SHA-256 of the SubjectPublicKeyInfo, hex; of certificates that are valid still

  const PairIdentity* find(std::string_view peer) const;  // case does not matter
  const PairedNode* find_node(std::string_view fqdn) const;
};

struct TokenSecret {
  std::string id, secret;  // hex
};

struct PairEnrolment {
  std::string fqdn, zone;
  std::vector<std::string> names;
  KeyPtr key;  // public
  std::uint32_t lifetime_s = 0;
  std::int64_t now_s = 0;
};

class PairStore {
 public:
  using Listener = std::function<void()>;

  // After the SiteStore, which makes the tables.
  static Outcome<std::unique_ptr<PairStore>> open(const std::string& state_dir, const std::string& node_fqdn);
  virtual ~PairStore() = default;

  virtual std::shared_ptr<const PairSet> snapshot() const = 0;
  virtual void set_listener(Listener listener) = 0;

  // E. The authority is made with the first token. The caller draws id and secret.
  virtual Outcome<CertificatePtr> add_token(const TokenSecret& token, const std::string& zone, std::int64_t now_s, std::int64_t life_s, const std::string& actor) = 0;
  virtual Outcome<> withdraw_token(const std::string& id, const std::string& actor) = 0;
  // The zone a token is for, if its secret fits and it was neither used nor is over. Uses nothing up.
  virtual Outcome<std::string> judge_token(const TokenSecret& token, std::int64_t now_s) = 0;
  // Uses the token up and issues, or neither.
  virtual Outcome<CertificatePtr> redeem(const TokenSecret& token, const PairEnrolment& wish) = 0;
  // To a node that is paired still.
  virtual Outcome<CertificatePtr> renew(const PairEnrolment& wish) = 0;
  // Its certificates are refused from the next handshake on, and not renewed.
  virtual Outcome<> withdraw_node(const std::string& fqdn, const std::string& actor) = 0;
  // E's own certificate from its own authority.
  virtual Outcome<> issue_own(const PairEnrolment& wish) = 0;

  // C: what E issued. The key belongs to the certificate.
  virtual Outcome<> keep_identity(const std::string& peer, std::uint16_t port, const std::string& zone, const std::vector<CertificatePtr>& chain, const KeyPtr& key, const std::string& actor) = 0;
  virtual Outcome<> forget_identity(const std::string& peer, const std::string& actor) = 0;
};

}  // namespace sallyport::certificates
