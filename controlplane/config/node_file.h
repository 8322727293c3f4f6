// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads node files. A document is taken whole or refused whole: unknown keys, wrong types, values out of bounds, names that refer
// to nothing and keys of the other role are findings, never ignored. Blocking file reads: call at start, on reload and in tools only.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/finding.h"
#include "controlplane/config/node_config.h"

namespace sallyport::config {

struct NodeFileResult {
  std::shared_ptr<const NodeConfig> config;  // null if there are errors
  Findings errors;                           // in document order
  Findings warnings;
};

// Limit of a node file; larger ones are refused unread.
inline constexpr std::size_t max_node_file_bytes = 1 << 20;

NodeFileResult check_node_text(std::string_view text, const std::string& file_name);
NodeFileResult check_node_file(const std::string& path);

struct ConfigChange {
  std::string key;  // "media.keepalive_s", "address.outside.ip", "call_control.cm1" (added or removed)
  std::string before, after;
  bool applies_live = false;
};

// What a reload would change. Empty: nothing. If one change does not apply live, a reload refuses whole and names it.
std::vector<ConfigChange> compare(const NodeConfig& before, const NodeConfig& after);

// Both together for SIGHUP: reads the file again; a fault if it is broken or changes a key that needs a restart.
struct Reload {
  NodeConfig config;
  std::vector<ConfigChange> changes;
};
Outcome<Reload> reload_node_file(const NodeConfig& current);

}  // namespace sallyport::config
