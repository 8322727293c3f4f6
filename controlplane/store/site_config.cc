// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/site_config.h"

#include "controlplane/config/fqdn.h"

namespace sallyport::store {

const Zone* SiteConfig::find_zone(const std::string& name) const {
  for (const Zone& zone : zones) {
    if (config::lower_case(zone.name) == config::lower_case(name)) return &zone;
  }
  return nullptr;
}

const Credential* SiteConfig::find_credential(const std::string& name) const {
  for (const Credential& credential : credentials) {
    if (credential.name == name) return &credential;
  }
  return nullptr;
}

}  // namespace sallyport::store
