// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/node_config.h"

namespace sallyport::config {

const AddressSection* NodeConfig::address(std::string_view name) const {
  for (const AddressSection& section : addresses) {
    if (section.name == name) return &section;
  }
  return nullptr;
}

const std::string& NodeConfig::advertised_host(const AddressSection& address) {
  return address.advertised.empty() ? address.ip : address.advertised;
}

}  // namespace sallyport::config
