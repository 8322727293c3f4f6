// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads one value of a TOML document by a row of the key table: type, bounds and text rule. Pure functions, any thread.

#include <toml++/toml.h>

#include <optional>
#include <string>

#include "controlplane/config/config_key.h"

namespace sallyport::config {

struct Objection {
  std::string cause;
  std::string remedy;
};

// Fills `value`, or says what is wrong with the node. References to slots and ports are checked later, when all are known.
std::optional<Objection> read_value(const ConfigKey& key, const toml::node& node, KeyValue& value);
// The default of the row. Precondition: the role has one.
KeyValue default_value(const ConfigKey& key, Role role);

// "ip:port" or "[ip6]:port"; with `port_optional` a bare IP literal too.
bool is_socket_address(const std::string& text, bool port_optional);

}  // namespace sallyport::config
