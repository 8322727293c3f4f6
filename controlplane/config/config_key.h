// SPDX-License-Identifier: Apache-2.0
#pragma once
// The table of configuration keys: one row defines type, unit, default, bounds, whether a change applies live, which role has the
// key, and one sentence. Validation, `sallyport help-config` and docs/configuration.md are generated from it. Immutable; any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/config/node_config.h"

namespace sallyport::config {

enum class KeyType : std::uint8_t { text, integer, text_list, integer_list };
enum class KeyRole : std::uint8_t { edge, core, both };
enum class Applies : std::uint8_t { live, at_restart };

// What a text value must be, beyond being text.
enum class TextRule : std::uint8_t {
  any, not_empty, name, fqdn, host, ip, ip_or_host, socket_address, absolute_path, absolute_path_or_dash, choice, address_slot, port_name,
};

// A value as read: exactly one member is meaningful, by the key's type.
struct KeyValue {
  std::string text;
  std::int64_t integer = 0;
  std::vector<std::string> texts;
  std::vector<std::int64_t> integers;

  std::string toml(KeyType type) const;  // as a TOML literal
};

struct ConfigKey {
  std::string_view section;  // "sip"; "address" for [[address]]
  std::string_view name;
  KeyType type;
  std::string_view unit;           // "ms", "bytes", ""
  std::string_view edge_default;   // TOML literal; empty: must be given
  std::string_view core_default;
  std::int64_t min, max;           // of an integer, of each integer of a list, or of the length of a text
  TextRule rule;
  std::string_view choices;        // "auto on off", for TextRule::choice
  Applies applies;
  KeyRole role;
  std::string_view sentence;
  void (*set)(NodeConfig&, const KeyValue&);     // into the last element, for [[sections]]
  KeyValue (*get)(const NodeConfig&, std::size_t index);  // index: element of a [[section]], else 0

  bool is_for(Role node_role) const;
  std::string_view default_for(Role node_role) const;
};

struct ConfigSection {
  std::string_view name;
  bool repeated;  // [[name]]
  KeyRole role;
  std::uint32_t min_count, max_count;  // of a repeated section
  std::string_view sentence;
  std::size_t (*count)(const NodeConfig&);
  void (*append)(NodeConfig&, std::uint32_t line);  // repeated sections only
};

std::span<const ConfigSection> config_sections();
std::span<const ConfigKey> config_keys();  // in the order of the sections
const ConfigKey* find_config_key(std::string_view section, std::string_view name);

// The page configuration_page() makes, for a terminal; `section` empty: all.
std::string configuration_help(std::string_view section);

}  // namespace sallyport::config
