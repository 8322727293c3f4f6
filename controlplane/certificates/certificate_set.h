// SPDX-License-Identifier: Apache-2.0
#pragma once
// CertificateSet: what the store holds of certificates, domains, requests and trust, as an immutable snapshot. Private keys are not in
// it: a HeldCredential reads its own when a handshake first needs it. Small, since there may be ten thousand domains.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/certificates/intake.h"
#include "controlplane/certificates/slot.h"
#include "controlplane/certificates/upload_verdict.h"
#include "controlplane/tls/credential.h"

namespace sallyport::certificates {

// What a trusted authority may vouch for.
enum class TrustPurpose : std::uint8_t { traversal, call_control, presence, endpoints, federation, guests };
inline constexpr std::size_t trust_purposes = 6;
const char* name_of(TrustPurpose purpose);
std::optional<TrustPurpose> trust_purpose_from(std::string_view name);
std::string trust_purpose_list();  // "traversal, call_control, ..."

struct StoredCertificate {
  std::int64_t id = 0;  // another one for each that is installed
  Slot slot;
  tls::KeyFamily family = tls::KeyFamily::rsa;
  std::string key;     // "RSA 2048"
  std::string serial;  // hex, upper case
  std::string origin;  // "upload", "acme", "pair"
  std::int64_t not_before_s = 0, not_after_s = 0, installed_s = 0;
  bool is_complete = false;  // its chain led to an authority that was known when it was installed
  bool allows_client_auth = false;
  bool may_tell_revocation = false;  // it has an extension that could name who tells
  tls::HeldCredentialPtr held;
};

struct StoredRequest {
  Slot slot;
  std::string pem;
  std::string key, digest;  // "RSA 2048", "sha256"
  std::int64_t made_s = 0;
  std::string made_on;  // node name: a request and its key belong to one peer (C31)
};

struct TrustedAuthority {
  TrustPurpose purpose = TrustPurpose::traversal;
  CertificatePtr certificate;
  tls::PeerCertificate description;
  std::string key_digest;
  std::int64_t added_s = 0;
};

struct CertificateSet {
  std::uint64_t revision = 0;
  StoreMode mode = StoreMode::two_store;
  bool allow_duplicate_self_signed = false;  // B03
  bool allow_weak_keys = false;              // C18
  std::vector<StoredCertificate> certificates;  // by slot
  std::vector<std::string> domains;             // C15, by name
  std::vector<StoredRequest> requests;          // without their keys
  std::vector<TrustedAuthority> trust;          // by purpose, then subject

  const StoredCertificate* find(const Slot& slot, tls::KeyFamily family) const;
  const StoredRequest* find_request(const Slot& slot) const;
  bool has_domain(std::string_view name) const;
  std::vector<tls::HeldCredentialPtr> held(SlotKind kind) const;
  std::vector<CertificatePtr> authorities() const;
};

}  // namespace sallyport::certificates
