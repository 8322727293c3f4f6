// SPDX-License-Identifier: Apache-2.0
#pragma once
// needed_names(): the SAN entries that a certificate of this node needs, by role and feature, in the order in which a request carries
// them (requirements B06 to B36, C06). Pure; any thread.

#include <string>
#include <vector>

#include "controlplane/certificates/request.h"
#include "controlplane/certificates/slot.h"
#include "controlplane/config/node_config.h"
#include "controlplane/store/site_config.h"

namespace sallyport::certificates {

struct NameFacts {
  config::Role role = config::Role::edge;
  std::string node_fqdn;
  store::UnifiedCommunications features;  // on E with what its C nodes told (B14, B28, B35)
};

struct NeededName {
  tls::CertificateName name;
  std::string reason;  // "this node", "chat node alias (B23)"
};

struct NeededNames {
  std::vector<NeededName> names;
  std::vector<std::string> warnings;
};

// Fault: a profile name that no certificate can carry (B17).
Outcome<NeededNames> needed_names(const Slot& slot, const NameFacts& facts);

// The names of `needed` that the certificate lacks; a wildcard counts for what it covers.
std::vector<NeededName> missing_names(const NeededNames& needed, const tls::PeerCertificate& certificate);

}  // namespace sallyport::certificates
