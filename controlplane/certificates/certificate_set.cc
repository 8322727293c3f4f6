// SPDX-License-Identifier: Apache-2.0
#include "controlplane/certificates/certificate_set.h"

#include <algorithm>
#include <array>

namespace sallyport::certificates {
namespace {

constexpr std::array<const char*, trust_purposes> purposes = {"traversal", "call_control", "presence", "endpoints", "federation", "guests"};

}  // namespace

const char* name_of(TrustPurpose purpose) { return purposes[static_cast<std::size_t>(purpose)]; }

std::optional<TrustPurpose> trust_purpose_from(std::string_view name) {
  const auto* found = std::find(purposes.begin(), purposes.end(), name);
  if (found == purposes.end()) return std::nullopt;
  return static_cast<TrustPurpose>(found - purposes.begin());
}

std::string trust_purpose_list() {
  std::string text;
  for (const char* purpose : purposes) text += (text.empty() ? "" : ", ") + std::string(purpose);
  return text;
}

const StoredCertificate* CertificateSet::find(const Slot& slot, tls::KeyFamily family) const {
  const auto found = std::find_if(certificates.begin(), certificates.end(), [&](const StoredCertificate& stored) { return stored.family == family && stored.slot == slot; });
  return found == certificates.end() ? nullptr : &*found;
}

const StoredRequest* CertificateSet::find_request(const Slot& slot) const {
  const auto found = std::find_if(requests.begin(), requests.end(), [&](const StoredRequest& request) { return request.slot == slot; });
  return found == requests.end() ? nullptr : &*found;
}

bool CertificateSet::has_domain(std::string_view name) const { return std::binary_search(domains.begin(), domains.end(), name); }

std::vector<tls::HeldCredentialPtr> CertificateSet::held(SlotKind kind) const {
  std::vector<tls::HeldCredentialPtr> list;
  for (const StoredCertificate& stored : certificates)
    if (stored.slot.kind == kind) list.push_back(stored.held);
  return list;
}

std::vector<CertificatePtr> CertificateSet::authorities() const {
  std::vector<CertificatePtr> list;
  for (const TrustedAuthority& authority : trust) list.push_back(authority.certificate);
  return list;
}

}  // namespace sallyport::certificates
