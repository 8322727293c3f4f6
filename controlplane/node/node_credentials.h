// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeCredentials: the certificates of a node by use, each with the CAs it trusts there: its listeners, the traversal zone (C may
// present another certificate to E) and call control (C may trust other CAs there). What the store holds comes before the node
// file's; trust is what both have. Any thread, as CredentialStore.

#include <memory>
#include <string>
#include <vector>

#include "controlplane/certificates/certificate_set.h"
#include "controlplane/config/node_config.h"
#include "controlplane/tls/credential.h"

namespace sallyport::node {

class NodeCredentials {
 public:
  static Outcome<NodeCredentials> load(const config::TlsSection& files, const certificates::CertificateSet& set);
  // All or nothing over all of them.
  Outcome<> reload(const config::TlsSection& files, const certificates::CertificateSet& set);

  const std::shared_ptr<tls::CredentialStore>& listeners() const { return listeners_; }
  const std::shared_ptr<tls::CredentialStore>& zone() const { return zone_; }
  const std::shared_ptr<tls::CredentialStore>& call_control() const { return call_control_; }

 private:
  std::shared_ptr<tls::CredentialStore> listeners_, zone_, call_control_;
};

}  // namespace sallyport::node
