// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node_credentials.h"

namespace sallyport::node {
namespace {

using certificates::CertificateSet;
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

tls::CredentialSource listener_source(const config::TlsSection& files, const CertificateSet& set) {
  tls::CredentialSource source = own_source(files, set);
  source.held = set.held(SlotKind::domain);
  trust(source, files.ca_file, set, TrustPurpose::traversal);
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

tls::CredentialSource call_control_source(const config::TlsSection& files, const CertificateSet& set) {
  tls::CredentialSource source = own_source(files, set);
  trust(source, files.call_control_ca_file.empty() ? files.ca_file : files.call_control_ca_file, set, TrustPurpose::call_control);
  return source;
}

}  // namespace

Outcome<NodeCredentials> NodeCredentials::load(const config::TlsSection& files, const CertificateSet& set) {
  NodeCredentials made;
  auto listeners = tls::CredentialStore::load(listener_source(files, set));
  if (!listeners) return listeners.fault();
  auto zone = tls::CredentialStore::load(zone_source(files, set));
  if (!zone) return zone.fault();
  auto call_control = tls::CredentialStore::load(call_control_source(files, set));
  if (!call_control) return call_control.fault();
  made.listeners_ = std::move(*listeners);
  made.zone_ = std::move(*zone);
  made.call_control_ = std::move(*call_control);
  return made;
}

Outcome<> NodeCredentials::reload(const config::TlsSection& files, const CertificateSet& set) {
  tls::CredentialSource sources[] = {listener_source(files, set), zone_source(files, set), call_control_source(files, set)};
  const std::shared_ptr<tls::CredentialStore> stores[] = {listeners_, zone_, call_control_};
  std::vector<std::shared_ptr<tls::CredentialSnapshot>> read;
  for (const tls::CredentialSource& source : sources) {
    auto snapshot = tls::CredentialStore::read(source);
    if (!snapshot) return snapshot.fault();
    read.push_back(std::move(*snapshot));
  }
  for (size_t use = 0; use < read.size(); ++use) stores[use]->take(std::move(sources[use]), std::move(read[use]));
  return Done{};
}

}  // namespace sallyport::node
