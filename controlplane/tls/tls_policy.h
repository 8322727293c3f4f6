// SPDX-License-Identifier: Apache-2.0
#pragma once
// TlsPolicy: the one place that makes an SSL_CTX. TLS 1.2 and 1.3, ECDHE with AEAD only, no renegotiation, no compression.
// One policy a listener or zone; certificates and trust come from its CredentialStore at each handshake, so reload needs no new policy.
// Peers are judged by chain, validity, EKU and SAN; the verdict is kept for each handshake as HandshakeFailure.
// Create anywhere, share between threads by shared_ptr; set_peer_names() may be called while handshakes run.

#include <openssl/types.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/tls/certificate_names.h"
#include "controlplane/tls/challenge_responder.h"
#include "controlplane/tls/credential.h"
#include "controlplane/tls/staple_book.h"
#include "dataplane/abi/fault.h"

namespace sallyport::tls {

enum class TlsRole : uint8_t {
  server,                  // 5061: asks no certificate of the client
  server_verifies_client,  // 7001: no certificate, no connection
  client,                  // presents the store's platform certificate if there is one
};

struct TlsPolicyOptions {
  TlsRole role = TlsRole::server;
  std::vector<std::string> alpn;          // in order of preference; empty: none offered, any accepted
  bool strict_alpn = false;               // server: who offers protocols, and none of these, is refused (RFC 7301 3.2)
  std::vector<std::string> peer_names;    // server_verifies_client: one must be in the SAN; empty: any name
  WildcardRule wildcards = WildcardRule::refuse;
  bool tls13_only = false;
  bool require_eku = true;                // a present EKU must allow the peer's role
  bool verify_peer = true;                // client only; false is for probes that show a certificate, never for traffic
  std::shared_ptr<StapleBook> staples;    // server only: what is stapled for a client that asks; none: nothing
  // Of the pair authority (zones/pair_exchange.h). Server: who offers this protocol alone is shown the certificate of that authority and
  // need not present one. Client: offered alone.
  std::string pairing_protocol;
  std::string pinned_authority;           // client: SHA-256 of an authority's SubjectPublicKeyInfo, hex, which is trusted and nothing else
  std::vector<std::shared_ptr<X509>> named_authorities;  // client: told to the server, which may choose by them what it shows
  std::shared_ptr<ChallengeResponder> challenges;  // server only: answers who offers acme-tls/1 alone (RFC 8737); none: nobody does
};

enum class HandshakeReason : uint8_t {
  timed_out, closed, reset, protocol, alert, no_shared_version, no_shared_cipher, no_certificate, untrusted_issuer, expired,
  not_yet_valid, bad_signature, wrong_usage, name_mismatch, no_credential, other,
};
const char* name_of(HandshakeReason reason);
inline constexpr size_t handshake_reasons = 16;

struct HandshakeFailure {
  HandshakeReason reason = HandshakeReason::other;
  std::string text;    // names issuer, serial, subject and what is missing
  std::string remedy;
  int alert = -1;      // TLS alert number received from the peer, -1: none
  std::optional<PeerCertificate> certificate;  // what the peer presented
  bool refuses_our_certificate = false;        // what the alert says
  std::string sni;     // server: the name the client asked for, lower case; empty: none, or what cannot be one
};

// What a finished handshake agreed on.
struct TlsFacts {
  std::string version;  // "TLSv1.3"
  std::string cipher;
  std::string sni;      // as sent, lower case; empty: none
  std::string alpn;
  bool resumed = false;
  std::optional<PeerCertificate> peer;
  std::string authority;  // SHA-256 fingerprint of the trusted certificate the peer's chain ends at; empty: not verified here
};

class TlsPolicy {
 public:
  static Outcome<std::shared_ptr<TlsPolicy>> create(TlsPolicyOptions options, std::shared_ptr<CredentialStore> credentials);
  ~TlsPolicy();
  TlsPolicy(const TlsPolicy&) = delete;
  TlsPolicy& operator=(const TlsPolicy&) = delete;

  const TlsPolicyOptions& options() const { return options_; }
  bool is_server() const { return options_.role != TlsRole::client; }
  const std::shared_ptr<CredentialStore>& credentials() const { return credentials_; }
  // Replaces options().peer_names for handshakes that begin from now on.
  void set_peer_names(std::vector<std::string> names);
  std::vector<std::string> peer_names() const;
  SSL_CTX* context() const { return context_; }

 private:
  TlsPolicy() = default;
  struct TicketKeys;
  TlsPolicyOptions options_;
  std::shared_ptr<CredentialStore> credentials_;
  mutable std::mutex mutex_;
  std::vector<std::string> peer_names_;
  SSL_CTX* context_ = nullptr;
  std::unique_ptr<TicketKeys> tickets_;
  friend struct TlsPolicyCallbacks;
};

}  // namespace sallyport::tls
