// SPDX-License-Identifier: Apache-2.0
#pragma once
// SiteFile: the zones and credentials of this node as they stand in state_dir/site.toml (mode 0600), and the key of its flow
// tokens in state_dir/flow.key. Read at start and on SIGHUP; a broken file is refused whole and the site of before stays.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/config/node_config.h"
#include "controlplane/sip/digest.h"
#include "controlplane/sip/flow_token.h"

namespace sallyport::node {

struct ZoneSite {
  std::string name, user, password;  // password: C only
  uint16_t port = 7001;
  std::vector<std::string> peers;                     // C
  std::vector<std::string> tls_verify_subject_names;  // E
};
struct CredentialSite {
  std::string name, password;
};
struct Site {
  std::vector<ZoneSite> zones;
  std::vector<CredentialSite> credentials;

  // For digest: H(user:realm:password); empty when there is no such user.
  std::string ha1(std::string_view user, std::string_view realm, sip::DigestAlgorithm algorithm) const;
};

// No file: an empty site. Requirements A03, A24, A25, A27, A28, A30, A31.
Outcome<Site> load_site(const std::string& path, const config::NodeConfig& config);
Outcome<sip::FlowKey> load_flow_key(const std::string& path);

}  // namespace sallyport::node
