// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/node_config.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <toml++/toml.h>

#include "controlplane/config/key_table.h"

namespace sallyport::config {

namespace {

constexpr size_t max_file_bytes = 1 << 20;

// One reading of one file: keeps where things stand, so that every fault can say so.
class Reader {
 public:
  Reader(NodeConfig& config, const std::string& path) : config_(config), path_(path) {}

  Outcome<> read(const toml::table& root) {
    if (Outcome<> role = read_role(root); !role) return role;
    for (const auto& [name, value] : root) {
      if (Outcome<> done = read_section(name.str(), value); !done) return done;
    }
    for (const Key& key : key_table()) {
      if (!is_array_section(key.section) && !root.contains(key.section) && is_needed(key))
        return missing(fmt::format("[{}] {}", key.section, key.name), root.source());
    }
    return check();
  }

 private:
  Outcome<> read_role(const toml::table& root) {
    const auto role = root["node"]["role"].value<std::string>();
    if (!role || (*role != "E" && *role != "C")) return fault("[node] role", root.source(), "must be \"E\" (DMZ) or \"C\" (inside)", "set role");
    config_.node.role = *role == "E" ? Role::e : Role::c;
    return Done{};
  }

  Outcome<> read_section(std::string_view section, const toml::node& value) {
    if (!is_known(section)) return fault(fmt::format("[{}]", section), value.source(), "is no section of a node file", "remove it or correct its name");
    if (!is_array_section(section)) {
      const toml::table* table = value.as_table();
      if (table == nullptr) return fault(fmt::format("[{}]", section), value.source(), "must be a table", fmt::format("write [{}]", section));
      return read_table(section, *table);
    }
    const toml::array* array = value.as_array();
    if (array == nullptr || array->size() > 64) return fault(fmt::format("[[{}]]", section), value.source(), "must be a list of at most 64 tables", fmt::format("write [[{}]]", section));
    for (const toml::node& element : *array) {
      const toml::table* table = element.as_table();
      if (table == nullptr) return fault(fmt::format("[[{}]]", section), element.source(), "must be a table", fmt::format("write [[{}]]", section));
      if (section == "address") config_.addresses.emplace_back();
      if (section == "port") config_.ports.emplace_back();
      if (section == "call_control") config_.call_control.emplace_back();
      if (Outcome<> done = read_table(section, *table); !done) return done;
    }
    return Done{};
  }

  Outcome<> read_table(std::string_view section, const toml::table& table) {
    std::set<std::string_view> known;
    if (section == "node") known.insert("role");
    for (const Key& key : key_table()) {
      if (key.section != section) continue;
      known.insert(key.name);
      const toml::node* value = table.get(key.name);
      if (value == nullptr) {
        if (is_needed(key)) return missing(fmt::format("[{}] {}", section, key.name), table.source());
        continue;
      }
      if (Outcome<> done = read_key(key, *value); !done) return done;
    }
    for (const auto& [name, value] : table)
      if (!known.contains(name.str())) return fault(fmt::format("[{}] {}", section, name.str()), value.source(), "is no key of this section", "remove it or correct its name; docs/configuration.md lists all keys");
    return Done{};
  }

  Outcome<> read_key(const Key& key, const toml::node& value) {
    const std::string name = fmt::format("[{}] {}", key.section, key.name);
    return std::visit([&](auto* target) { return store(key, name, value, *target); }, key.target(config_));
  }

  Outcome<> store(const Key& key, const std::string& name, const toml::node& value, std::string& target) {
    const auto text = value.value_exact<std::string>();
    if (!text) return fault(name, value.source(), "must be a text in quotes", "write \"...\"");
    if (!key.choices.empty() && !is_choice(key.choices, *text)) return fault(name, value.source(), fmt::format("\"{}\" is not known", *text), fmt::format("use one of {}", key.choices));
    target = *text;
    return Done{};
  }
  Outcome<> store(const Key& key, const std::string& name, const toml::node& value, uint32_t& target) {
    const auto number = value.value_exact<int64_t>();
    if (!number || *number < key.low || *number > key.high)
      return fault(name, value.source(), fmt::format("must be a whole number from {} to {}{}{}", key.low, key.high, key.unit.empty() ? "" : " ", key.unit), "correct it");
    target = static_cast<uint32_t>(*number);
    return Done{};
  }
  template <class Element>
  Outcome<> store(const Key& key, const std::string& name, const toml::node& value, std::vector<Element>& target) {
    const toml::array* array = value.as_array();
    if (array == nullptr || array->size() > 256) return fault(name, value.source(), "must be a list of at most 256 values", "write [ ... ]");
    target.clear();
    for (const toml::node& element : *array) {
      Element one{};
      if (Outcome<> done = store(key, name, element, one); !done) return done;
      target.push_back(std::move(one));
    }
    return Done{};
  }

  static bool is_choice(std::string_view choices, std::string_view text) {
    for (size_t at = 0; at <= choices.size();) {
      const size_t end = std::min(choices.find('|', at), choices.size());
      if (choices.substr(at, end - at) == text) return true;
      at = end + 1;
    }
    return false;
  }
  static bool is_known(std::string_view section) {
    for (const Key& key : key_table())
      if (key.section == section) return true;
    return false;
  }
  bool is_needed(const Key& key) const {
    if (key.needed == Needed::e_only) return config_.is_e();
    if (key.needed == Needed::c_only) return !config_.is_e() && key.section != "call_control";
    return key.needed == Needed::both;
  }

  // What no single key can say.
  Outcome<> check() {
    if (config_.addresses.empty()) return fault("[[address]]", {}, "the node has no address", "add one [[address]] with name, ip and port");
    for (const AddressSection& address : config_.addresses) {
      bool found = false;
      for (const PortSection& port : config_.ports) found = found || port.name == address.port;
      if (!found) return fault("[[address]] " + address.name, {}, fmt::format("port \"{}\" is not defined", address.port), "add a [[port]] of that name");
    }
    const bool e = config_.is_e();
    const std::pair<const char*, std::string> slots[] = {{"[media] link", config_.media.link}, {"[traversal] address", config_.traversal.address},
                                                         {e ? "[media] outer" : "[media] inner", e ? config_.media.outer : config_.media.inner},
                                                         {e ? "[sip] client_address" : "[sip] inner_address", e ? config_.sip.client_address : config_.sip.inner_address}};
    for (const auto& [key, slot] : slots)
      if (config_.address(slot) == nullptr) return fault(key, {}, fmt::format("address \"{}\" is not defined", slot), "add an [[address]] of that name");
    if (config_.media.port_min >= config_.media.port_max || config_.media.port_min % 2 != 0)
      return fault("[media] port_min", {}, "must be even and below port_max", "correct the range");
    if (config_.media.link_rtp_port + 1 != config_.media.link_rtcp_port) return fault("[media] link_rtcp_port", {}, "must follow link_rtp_port", "correct it");
    if (!e && config_.call_control.empty()) return fault("[[call_control]]", {}, "C has no call control node", "add at least one");
    if (config_.sip.record_route_host.empty()) config_.sip.record_route_host = config_.node.fqdn;
    return Done{};
  }

  Fault fault(const std::string& key, const toml::source_region& where, const std::string& cause, const std::string& remedy) const {
    const std::string place = where.begin.line == 0 ? path_ : fmt::format("{}:{}:{}", path_, where.begin.line, where.begin.column);
    return Fault{FaultCode::invalid, place + ": " + key, cause, remedy};
  }
  Fault missing(const std::string& key, const toml::source_region& where) const { return fault(key, where, "is missing", "add it; docs/configuration.md says what it means"); }

  NodeConfig& config_;
  const std::string& path_;
};

}  // namespace

const AddressSection* NodeConfig::address(std::string_view name) const {
  for (const AddressSection& section : addresses)
    if (section.name == name) return &section;
  return nullptr;
}

Outcome<NodeConfig> parse_node_config(std::string_view text, const std::string& path) {
  if (text.size() > max_file_bytes) return Fault{FaultCode::invalid, path, "is larger than 1 MiB", "is it a node file?"};
  try {
    NodeConfig config;
    const toml::table root = toml::parse(text, path);
    if (const Outcome<> done = Reader(config, path).read(root); !done) return done.fault();
    return config;
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return Fault{FaultCode::invalid, fmt::format("{}:{}:{}", path, at.line, at.column), std::string(error.description()), "correct the TOML syntax"};
  }
}

Outcome<NodeConfig> load_node_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fault{FaultCode::missing, "node file " + path, fmt::format("cannot be read by uid {}", getuid()), "check the path and its permissions"};
  std::ostringstream text;
  text << file.rdbuf();
  return parse_node_config(text.str(), path);
}

std::string configuration_page() {
  std::string page =
      "# Configuration keys\n\nGenerated from `controlplane/config/key_table.cc` by `sallyport-controlplane --print-keys`; do not edit.\n"
      "Commented examples: `conf/edge-e.toml`, `conf/edge-c.toml`. `sallyport check-config FILE` checks a file.\n";
  NodeConfig defaults;
  defaults.addresses.emplace_back();
  defaults.ports.emplace_back();
  defaults.call_control.emplace_back();
  std::string_view section;
  for (const Key& key : key_table()) {
    if (key.section != section) {
      section = key.section;
      page += fmt::format("\n## {}\n\n| Key | Default | Unit or choices | Needed | Applies | Meaning |\n|---|---|---|---|---|---|\n",
                          is_array_section(section) ? fmt::format("[[{}]]", section) : fmt::format("[{}]", section));
      if (section == "node") page += "| `role` | | E, C | both | restart | \"E\" stands in the DMZ, \"C\" inside. |\n";
    }
    std::string initial = std::visit(
        [](auto* value) {
          using T = std::decay_t<decltype(*value)>;
          if constexpr (std::is_same_v<T, std::string>) return value->empty() ? std::string{} : "\"" + *value + "\"";
          else if constexpr (std::is_same_v<T, uint32_t>) return fmt::format("{}", *value);
          else return fmt::format("[{}]", fmt::join(*value, ", "));
        },
        key.target(defaults));
    std::string bounds(key.unit);
    if (key.high != 0) bounds += fmt::format("{}{} to {}", bounds.empty() ? "" : ", ", key.low, key.high);
    for (const char letter : key.choices) bounds += letter == '|' ? std::string(", ") : std::string(1, letter);
    static constexpr const char* needed[] = {"no", "both", "E", "C"};
    page += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", key.name, initial, bounds, needed[static_cast<int>(key.needed)],
                        key.applies == Applies::live ? "live" : "restart", key.sentence);
  }
  return page;
}

}  // namespace sallyport::config
