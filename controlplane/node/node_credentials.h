// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeCredentials: the certificates of a node by use, each with the CAs it trusts there: its listeners, the traversal zone (C may
// present another certificate to E), call control and presence (C may trust other CAs there). What the store holds comes before the node
// file's; trust is what both have. A peer that C is paired with has its own: with it the pair's certificate is shown, and the pair's
// authority trusted beside the others. Any thread, as CredentialStore, but paired() and trust_phones_of(): the node's thread.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/certificates/certificate_set.h"
#include "controlplane/certificates/pair_store.h"
#include "controlplane/config/node_config.h"
#include "controlplane/tls/credential.h"

namespace sallyport::node {

class NodeCredentials {
 public:
  static Outcome<NodeCredentials> load(const config::TlsSection& files, const certificates::CertificateSet& set, const certificates::PairSet& pairs);
  // All or nothing over all of them.
  Outcome<> reload(const config::TlsSection& files, const certificates::CertificateSet& set, const certificates::PairSet& pairs);

  const std::shared_ptr<tls::CredentialStore>& listeners() const { return listeners_; }
  const std::shared_ptr<tls::CredentialStore>& zone() const { return zone_; }
  const std::shared_ptr<tls::CredentialStore>& call_control() const { return call_control_; }
  const std::shared_ptr<tls::CredentialStore>& presence() const { return presence_; }
  // E: of the listener for phones that are onboarded. It trusts the authorities of endpoints (A13) and those below, and no file's.
  const std::shared_ptr<tls::CredentialStore>& onboarding() const { return onboarding_; }
  // From the next handshake of a phone on; the other uses are left alone.
  Outcome<> trust_phones_of(std::vector<certificates::CertificatePtr> authorities, const config::TlsSection& files, const certificates::CertificateSet& set);
  std::shared_ptr<tls::CredentialStore> paired(const std::string& peer) const;  // null: not paired with it

 private:
  std::shared_ptr<tls::CredentialStore> listeners_, zone_, call_control_, onboarding_, presence_;
  std::vector<certificates::CertificatePtr> phone_authorities_;
  std::map<std::string, std::shared_ptr<tls::CredentialStore>> paired_;  // by peer
};

}  // namespace sallyport::node
