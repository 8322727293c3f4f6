// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/node_config.h"

namespace sallyport::config {

const AddressSection* NodeConfig::find_address(const std::string& name) const {
  for (const AddressSection& address : addresses) {
    if (address.name == name) return &address;
  }
  return nullptr;
}

const std::string& NodeConfig::advertised_host(const AddressSection& address) {
  return address.advertised.empty() ? address.ip : address.advertised;
}

}  // namespace sallyport::config
