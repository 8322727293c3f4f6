// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rules between the keys of a node file: names that must exist or be unique, ranges that must not overlap. Pure, any thread.

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "controlplane/config/finding.h"
#include "controlplane/config/node_config.h"

namespace sallyport::config {

// Where each key that was given stands: "media.link", "address[1].port" -> line, column.
using Places = std::map<std::string, std::pair<std::uint32_t, std::uint32_t>>;
std::string place_of(std::string_view section, std::size_t index, std::string_view key, bool repeated);

void check_relations(const NodeConfig& config, const Places& places, Findings& errors, Findings& warnings);

}  // namespace sallyport::config
