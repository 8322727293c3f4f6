// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node_credentials.h"

#include <openssl/crypto.h>
#include <openssl/x509.h>

namespace sallyport::node {
namespace {

using certificates::CertificateSet;
using certificates::PairIdentity;
using certificates::PairSet;
using certificates::SlotKind;
using certificates::TrustPurpose;

void trust(tls::CredentialSource& source, const std::string& file, const CertificateSet& set, TrustPurpose purpose) {
  if (!file.empty()) source.ca_paths.push_back(file);
  for (const certificates::TrustedAuthority& authority : set.trust)
    if (authority.purpose == purpose) source.trusted.push_back({authority.certificate, std::string("sallyport trust add ") + certificates::name_of(purpose)});
}

tls::CredentialSource own_source(const config::TlsSection& files, const CertificateSet& set) {
  tls::CredentialSource source;
  source.platform = {"platform", files.certificate, files.key};
  source.held_platform = set.held(SlotKind::server);
  return source;
}

std::string subject_der(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_NAME(X509_get_subject_name(certificate), &der);
  std::string text(reinterpret_cast<const char*>(der), size > 0 ? static_cast<size_t>(size) : 0);
  OPENSSL_free(der);
  return text;
}

tls::CredentialSource listener_source(const config::TlsSection& files, const CertificateSet& set, const PairSet& pairs) {
  tls::CredentialSource source = own_source(files, set);
  source.held = set.held(SlotKind::domain);
  trust(source, files.ca_file, set, TrustPurpose::traversal);
  if (const PairIdentity* own = pairs.find("")) source.asked.push_back({subject_der(own->authority.get()), own->held});
  if (pairs.authority != nullptr) source.trusted.push_back({pairs.authority, "this node's pair authority"});
  source.withdrawn_keys = pairs.withdrawn_keys;
  return source;
}

// Two-store mode: what is shown as a client may be apart (A18). In single-store mode the server certificate plays both parts.
tls::CredentialSource zone_source(const config::TlsSection& files, const CertificateSet& set) {
  tls::CredentialSource source = own_source(files, set);
  if (set.mode == certificates::StoreMode::two_store) {
    if (auto held = set.held(SlotKind::client); !held.empty()) {
      source.held_platform = std::move(held);
    } else if (!files.client_certificate.empty()) {
      source.held_platform.clear();
      source.platform = {"zone client", files.client_certificate, files.client_key};
    }
  }
  trust(source, files.ca_file, set, TrustPurpose::traversal);
  return source;
}

tls::CredentialSource paired_source(const config::TlsSection& files, const CertificateSet& set, const PairIdentity& identity) {
  tls::CredentialSource source;
  source.held_platform = {identity.held};
  trust(source, files.ca_file, set, TrustPurpose::traversal);
  source.trusted.push_back({identity.authority, "the pair authority of " + identity.peer});
  return source;
}

tls::CredentialSource call_control_source(const config::TlsSection& files, const CertificateSet& set) {
  tls::CredentialSource source = own_source(files, set);
  trust(source, files.call_control_ca_file.empty() ? files.ca_file : files.call_control_ca_file, set, TrustPurpose::call_control);
  return source;
}

tls::CredentialSource onboarding_source(const config::TlsSection& files, const CertificateSet& set, const std::vector<certificates::CertificatePtr>& authorities) {
  tls::CredentialSource source = own_source(files, set);
  source.held = set.held(SlotKind::domain);
  trust(source, "", set, TrustPurpose::endpoints);
  for (const certificates::CertificatePtr& authority : authorities) source.trusted.push_back({authority, "the onboarding authority of C"});
  return source;
}

// The node file names no authorities for presence: they come from the store alone. No certificate is shown there: a presence server that
// takes SASL EXTERNAL would let any client outside in as the owner of it.
tls::CredentialSource presence_source(const CertificateSet& set) {
  tls::CredentialSource source;
  trust(source, "", set, TrustPurpose::presence);
  return source;
}

}  // namespace

Outcome<NodeCredentials> NodeCredentials::load(const config::TlsSection& files, const CertificateSet& set, const PairSet& pairs) {
  NodeCredentials made;
  for (auto* store : {&made.listeners_, &made.zone_, &made.call_control_, &made.onboarding_, &made.presence_}) {
    auto empty = tls::CredentialStore::load({});
    if (!empty) return empty.fault();
    *store = std::move(*empty);
  }
  if (const Outcome<> loaded = made.reload(files, set, pairs); !loaded) return loaded.fault();
  return made;
}

Outcome<> NodeCredentials::reload(const config::TlsSection& files, const CertificateSet& set, const PairSet& pairs) {
  std::vector<tls::CredentialSource> sources;
  sources.push_back(listener_source(files, set, pairs));
  sources.push_back(zone_source(files, set));
  sources.push_back(call_control_source(files, set));
  sources.push_back(onboarding_source(files, set, phone_authorities_));
  sources.push_back(presence_source(set));
  std::vector<std::shared_ptr<tls::CredentialStore>> stores = {listeners_, zone_, call_control_, onboarding_, presence_};
  std::map<std::string, std::shared_ptr<tls::CredentialStore>> paired;
  for (const PairIdentity& identity : pairs.identities) {
    if (identity.peer.empty()) continue;
    std::shared_ptr<tls::CredentialStore> store = this->paired(identity.peer);
    if (store == nullptr) {
      auto empty = tls::CredentialStore::load({});
      if (!empty) return empty.fault();
      store = std::move(*empty);
    }
    sources.push_back(paired_source(files, set, identity));
    stores.push_back(paired[identity.peer] = std::move(store));
  }
  std::vector<std::shared_ptr<tls::CredentialSnapshot>> read;
  for (const tls::CredentialSource& source : sources) {
    auto snapshot = tls::CredentialStore::read(source);
    if (!snapshot) return snapshot.fault();
    read.push_back(std::move(*snapshot));
  }
  for (size_t use = 0; use < read.size(); ++use) stores[use]->take(std::move(sources[use]), std::move(read[use]));
  paired_ = std::move(paired);
  return Done{};
}

Outcome<> NodeCredentials::trust_phones_of(std::vector<certificates::CertificatePtr> authorities, const config::TlsSection& files, const CertificateSet& set) {
  phone_authorities_ = std::move(authorities);
  return onboarding_->reload(onboarding_source(files, set, phone_authorities_));
}

std::shared_ptr<tls::CredentialStore> NodeCredentials::paired(const std::string& peer) const {
  const auto found = paired_.find(peer);
  return found == paired_.end() ? nullptr : found->second;
}

}  // namespace sallyport::node
