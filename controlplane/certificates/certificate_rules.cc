// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_rules.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

namespace sallyport::certificates {
namespace {

bool is_self_signed(X509* certificate) {
  const bool is = X509_self_signed(certificate, 0) == 1;
  ERR_clear_error();
  return is;
}

}  // namespace

Outcome<> judge_certificate_setting(std::string_view name, std::string_view value) {
  const std::string subject = "certificate setting " + std::string(name.substr(0, 64));
  const std::pair<std::string_view, std::pair<std::string_view, std::string_view>> known[] = {{"mode", {"two", "single"}}, {"duplicate_self_signed_cn", {"refuse", "allow"}}, {"weak_keys", {"refuse", "allow"}}};
  const auto* found = std::find_if(std::begin(known), std::end(known), [&](const auto& each) { return each.first == name; });
  if (found == std::end(known)) return Fault{FaultCode::missing, subject, "is none", "give mode, duplicate_self_signed_cn or weak_keys"};
  if (value == found->second.first || value == found->second.second) return Done{};
  return Fault{FaultCode::invalid, subject, "cannot be \"" + std::string(value.substr(0, 64)) + "\"", "give " + std::string(found->second.first) + " or " + std::string(found->second.second)};
}

Outcome<> judge_single_store(const CertificateSet& set, bool uses_unified_communications) {
  if (!uses_unified_communications) return Done{};
  for (const StoredCertificate& stored : set.certificates) {
    if (stored.slot.kind != SlotKind::server || stored.allows_client_auth) continue;
    return Fault{FaultCode::refused, "certificate setting mode", "server certificate " + stored.serial + " lacks clientAuth, which single-store mode needs while a unified communications zone exists (A05)", "install one that has it first"};
  }
  return Done{};
}

Outcome<> judge_trusted(const CertificateSet& set, TrustPurpose purpose, X509* certificate, const tls::PeerCertificate& said, const std::string& subject) {
  const bool self_signed = is_self_signed(certificate);
  if (X509_check_ca(certificate) == 0 && !self_signed) {
    return Fault{FaultCode::invalid, subject, "\"" + said.subject + "\" is no authority: it was issued by \"" + said.issuer + "\" and may not issue others", "give the certificate of its authority"};
  }
  if (said.not_after_s < std::time(nullptr)) return Fault{FaultCode::invalid, subject, "\"" + said.subject + "\" (serial " + said.serial + ") has expired", "give the authority's present certificate"};
  if (!self_signed || set.allow_duplicate_self_signed) return Done{};
  // B03: of two self-signed certificates with one CN other systems find only one.
  for (const TrustedAuthority& other : set.trust) {
    if (other.purpose != purpose || said.common_name.empty() || other.description.common_name != said.common_name || !is_self_signed(other.certificate.get())) continue;
    return Fault{FaultCode::conflict, subject, "self-signed certificate " + said.serial + " has the CN \"" + said.common_name + "\" of " + other.description.serial + " (fingerprint " + other.description.fingerprint_sha256.substr(0, 16) + "), which is trusted already",
                 "give them different CNs, have them signed by an authority, or allow it: sallyport cert set duplicate_self_signed_cn allow"};
  }
  return Done{};
}

}  // namespace sallyport::certificates
