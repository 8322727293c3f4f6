// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/node_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

#include "controlplane/config/config_key.h"
#include "controlplane/config/config_value.h"
#include "controlplane/config/near_word.h"
#include "controlplane/config/node_check.h"

namespace sallyport::config {
namespace {

// One document on its way to a NodeConfig; collects everything that is wrong with it.
class NodeReader {
 public:
  explicit NodeReader(const std::string& file_name) { config_.file = file_name; }

  NodeFileResult read(std::string_view text) {
    NodeFileResult result;
    try {
      root_ = toml::parse(text, config_.file);
      read_document();
    } catch (const toml::parse_error& error) {
      refuse(error.source(), "", "is not TOML: " + std::string(error.description()), "correct the line");
    }
    if (errors_.empty()) check_relations(config_, places_, errors_, warnings_);
    auto by_place = [](const Finding& a, const Finding& b) { return std::pair(a.line, a.column) < std::pair(b.line, b.column); };
    std::stable_sort(errors_.begin(), errors_.end(), by_place);
    if (errors_.empty()) result.config = std::make_shared<const NodeConfig>(std::move(config_));
    result.errors = std::move(errors_);
    result.warnings = std::move(warnings_);
    return result;
  }

 private:
  void refuse(const toml::source_region& where, std::string key, std::string cause, std::string remedy) {
    errors_.push_back({.file = config_.file,
                       .line = where.begin.line,
                       .column = where.begin.column,
                       .key = std::move(key),
                       .cause = std::move(cause),
                       .remedy = std::move(remedy)});
  }

  // The role decides which keys there are, so it is read before everything else.
  bool read_role() {
    const ConfigKey* key = find_config_key("node", "role");
    const toml::node* node = root_["node"]["role"].node();
    if (!node) {
      const toml::node* section = root_.get("node");
      refuse(section ? section->source() : toml::source_region{}, "node.role", "is missing", "add role = \"E\" or role = \"C\" to [node]");
      return false;
    }
    KeyValue value;
    if (auto objection = read_value(*key, *node, value)) {
      refuse(node->source(), "node.role", objection->cause, objection->remedy);
      return false;
    }
    key->set(config_, value);
    return true;
  }

  void read_document() {
    if (!read_role()) return;
    for (auto&& [name, node] : root_) {
      auto known = std::find_if(config_sections().begin(), config_sections().end(), [&](const ConfigSection& s) { return s.name == name.str(); });
      if (known == config_sections().end()) refuse_unknown(node.source(), std::string(name.str()), section_names(), "section");
    }
    for (const ConfigSection& section : config_sections()) read_section(section);
  }

  void read_section(const ConfigSection& section) {
    toml::node* node = root_.get(section.name);
    std::string name(section.name);
    bool foreign = section.role != KeyRole::both && (section.role == KeyRole::edge) != (config_.node.role == Role::edge);
    if (foreign) {
      if (node) refuse(node->source(), name, "is a section of the other role; this node is " + std::string(name_of(config_.node.role)), "remove it");
      return;
    }
    if (section.repeated) return read_repeated(section, node);
    if (node && !node->is_table()) return refuse(node->source(), name, "must be a section", "write it as [" + name + "]");
    if (!node && section.min_count > 0) return refuse({}, name, "is missing", "add a section [" + name + "]");
    read_keys(section, node ? node->as_table() : nullptr, 0);
  }

  void read_repeated(const ConfigSection& section, toml::node* node) {
    std::string name(section.name);
    toml::array* array = node ? node->as_array() : nullptr;
    if (node && (!array || !array->is_homogeneous(toml::node_type::table))) {
      return refuse(node->source(), name, "must be a list of sections", "write each as [[" + name + "]]");
    }
    std::size_t size = array ? array->size() : 0;
    if (size < section.min_count) {
      return refuse(node ? node->source() : toml::source_region{}, name, "is missing: at least one is needed", "add a section [[" + name + "]]");
    }
    if (size > section.max_count) {
      return refuse((*array)[section.max_count].source(), name, "at most " + std::to_string(section.max_count) + " are allowed, there are " + std::to_string(size), "remove some");
    }
    for (std::size_t i = 0; i < size; ++i) {
      section.append(config_, (*array)[i].source().begin.line);
      read_keys(section, (*array)[i].as_table(), i);
    }
  }

  void read_keys(const ConfigSection& section, const toml::table* table, std::size_t index) {
    if (table) {
      auto begin = table->source().begin;
      places_[place_of(section.name, index, "", section.repeated)] = {begin.line, begin.column};
      for (auto&& [name, node] : *table) {
        if (!find_config_key(section.name, name.str())) refuse_unknown(node.source(), std::string(section.name) + "." + std::string(name.str()), key_names(section), "key");
      }
    }
    for (const ConfigKey& key : config_keys()) {
      if (key.section == section.name) read_key(key, section, table, index);
    }
  }

  void read_key(const ConfigKey& key, const ConfigSection& section, const toml::table* table, std::size_t index) {
    std::string path = std::string(key.section) + "." + std::string(key.name);
    const toml::node* node = table ? table->get(key.name) : nullptr;
    if (!key.is_for(config_.node.role)) {
      if (node) refuse(node->source(), path, "is a key of role " + std::string(key.role == KeyRole::edge ? "E" : "C") + "; this node is " + name_of(config_.node.role), "remove it");
      return;
    }
    if (!node) {
      if (key.default_for(config_.node.role).empty()) return refuse(table ? table->source() : toml::source_region{}, path, "is missing", "add it; " + std::string(key.sentence));
      return key.set(config_, default_value(key, config_.node.role));
    }
    KeyValue value;
    if (auto objection = read_value(key, *node, value)) return refuse(node->source(), path, objection->cause, objection->remedy);
    places_[place_of(section.name, index, key.name, section.repeated)] = {node->source().begin.line, node->source().begin.column};
    key.set(config_, value);
  }

  static std::vector<std::string_view> section_names() {
    std::vector<std::string_view> names;
    for (const ConfigSection& section : config_sections()) names.push_back(section.name);
    return names;
  }

  std::vector<std::string_view> key_names(const ConfigSection& section) const {
    std::vector<std::string_view> names;
    for (const ConfigKey& key : config_keys()) {
      if (key.section == section.name && key.is_for(config_.node.role)) names.push_back(key.name);
    }
    return names;
  }

  void refuse_unknown(const toml::source_region& where, const std::string& path, const std::vector<std::string_view>& known, const std::string& kind) {
    std::string_view word = std::string_view(path).substr(path.rfind('.') + 1);
    std::string_view near = nearest_word(word, known);
    refuse(where, path, "there is no such " + kind, near.empty() ? "remove it; docs/configuration.md lists them all" : "did you mean " + std::string(near) + "?");
  }

  NodeConfig config_;
  toml::table root_;
  Places places_;
  Findings errors_, warnings_;
};

NodeFileResult refuse_file(const std::string& path, FaultCode code, std::string cause, std::string remedy) {
  NodeFileResult result;
  result.errors.push_back({.file = path, .code = code, .cause = std::move(cause), .remedy = std::move(remedy)});
  return result;
}

bool is_live_section(const ConfigSection& section) {
  return std::all_of(config_keys().begin(), config_keys().end(),
                     [&](const ConfigKey& key) { return key.section != section.name || key.applies == Applies::live; });
}

// Elements of a repeated section by name; a section that stands once is the element "".
std::map<std::string, std::size_t> elements_of(const ConfigSection& section, const NodeConfig& config) {
  if (!section.repeated) return {{"", 0}};
  std::map<std::string, std::size_t> elements;
  const ConfigKey* name = find_config_key(section.name, "name");
  for (std::size_t i = 0; i < section.count(config); ++i) elements[name->get(config, i).text] = i;
  return elements;
}

void compare_section(const ConfigSection& section, const NodeConfig& before, const NodeConfig& after, std::vector<ConfigChange>& changes) {
  auto old_elements = elements_of(section, before), new_elements = elements_of(section, after);
  std::string prefix(section.name);
  for (auto& [name, index] : old_elements) {
    if (!new_elements.contains(name)) changes.push_back({prefix + "." + name, "present", "removed", is_live_section(section)});
  }
  for (auto& [name, index] : new_elements) {
    auto old = old_elements.find(name);
    if (old == old_elements.end()) {
      changes.push_back({prefix + "." + name, "absent", "added", is_live_section(section)});
      continue;
    }
    for (const ConfigKey& key : config_keys()) {
      if (key.section != section.name) continue;
      std::string was = key.get(before, old->second).toml(key.type), is = key.get(after, index).toml(key.type);
      std::string path = prefix + (name.empty() ? "." : "." + name + ".") + std::string(key.name);
      if (was != is) changes.push_back({path, was, is, key.applies == Applies::live});
    }
  }
}

}  // namespace

NodeFileResult check_node_text(std::string_view text, const std::string& file_name) { return NodeReader(file_name).read(text); }

NodeFileResult check_node_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return refuse_file(path, FaultCode::missing, std::string("cannot be read: ") + std::strerror(errno), "check the path and its permissions");
  std::string text(max_node_file_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) return refuse_file(path, FaultCode::missing, "cannot be read: is it a folder?", "name a node file");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > max_node_file_bytes) return refuse_file(path, FaultCode::invalid, "is larger than 1 MiB", "name a node file");
  return check_node_text(text, path);
}

Outcome<NodeConfig> load_node_config(const std::string& path) {
  NodeFileResult result = check_node_file(path);
  if (!result.config) return first_fault(result.errors);
  return *result.config;
}

std::vector<ConfigChange> compare(const NodeConfig& before, const NodeConfig& after) {
  std::vector<ConfigChange> changes;
  for (const ConfigSection& section : config_sections()) compare_section(section, before, after, changes);
  // The order of addresses gives the dataplane's slots, so moving one is a change although no key differs.
  auto same_name = [](const AddressSection& a, const AddressSection& b) { return a.name == b.name; };
  if (changes.empty() && !std::equal(before.addresses.begin(), before.addresses.end(), after.addresses.begin(), after.addresses.end(), same_name)) {
    changes.push_back({"address", "order", "another order", false});
  }
  return changes;
}

Outcome<Reload> reload_node_file(const NodeConfig& current) {
  auto loaded = load_node_config(current.file);
  if (!loaded) return loaded.fault();
  Reload reload{*loaded, compare(current, *loaded)};
  std::string cold;
  for (const ConfigChange& change : reload.changes) {
    if (!change.applies_live) cold += (cold.empty() ? "" : ", ") + change.key + " (" + change.before + " -> " + change.after + ")";
  }
  if (!cold.empty()) return Fault{FaultCode::conflict, current.file, "changes what does not apply live: " + cold, "undo that, or restart the node; nothing of the file was applied"};
  return reload;
}

}  // namespace sallyport::config
