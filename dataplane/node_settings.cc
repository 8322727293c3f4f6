// SPDX-License-Identifier: Apache-2.0
#include "dataplane/node_settings.h"

#include <toml++/toml.h>

#include <fstream>
#include <sstream>

namespace sallyport::dataplane {

namespace {

// Collects the first thing that is wrong; later reads then do nothing.
class Reader {
 public:
  explicit Reader(const std::string& origin) : origin_(origin) {}

  bool failed() const { return failed_; }
  const Fault& fault() const { return fault_; }
  void fail(const std::string& key, const std::string& cause, const std::string& remedy, uint32_t line = 0) {
    if (failed_) return;
    failed_ = true;
    const std::string where = line != 0 ? origin_ + ":" + std::to_string(line) : origin_;
    fault_ = Fault{FaultCode::invalid, where + ": " + key, cause, remedy};
  }

  template <class Number>
  void number(const toml::table& table, const std::string& section, const char* key, int64_t least, int64_t most, Number& out) {
    const toml::node* node = table.get(key);
    if (node == nullptr || failed_) return;
    const auto value = node->value_exact<int64_t>();
    if (!value || *value < least || *value > most) {
      return fail(section + "." + key, "is not a whole number from " + std::to_string(least) + " to " + std::to_string(most),
                  "correct the value", node->source().begin.line);
    }
    out = static_cast<Number>(*value);
  }

  void text(const toml::table& table, const std::string& section, const char* key, bool required, std::string& out) {
    const toml::node* node = table.get(key);
    if (failed_) return;
    if (node == nullptr) {
      if (required) fail(section + "." + key, "is missing", "add it", table.source().begin.line);
      return;
    }
    const auto value = node->value_exact<std::string>();
    if (!value || value->empty()) return fail(section + "." + key, "is not a text", "quote it", node->source().begin.line);
    out = *value;
  }

 private:
  std::string origin_;
  bool failed_ = false;
  Fault fault_;
};

const toml::table& section_of(const toml::table& root, const char* name) {
  static const toml::table empty;
  const toml::table* table = root.get_as<toml::table>(name) ? root.get_as<toml::table>(name) : nullptr;
  return table != nullptr ? *table : empty;
}

template <class Take>
void each_table(Reader& reader, const toml::table& root, const char* name, size_t most, Take take) {
  const toml::array* array = root.get_as<toml::array>(name);
  if (array == nullptr || array->empty()) {
    return reader.fail(std::string("[[") + name + "]]", "is missing", "describe at least one");
  }
  if (array->size() > most) return reader.fail(std::string("[[") + name + "]]", "there are too many", "at most " + std::to_string(most));
  for (const toml::node& node : *array) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return reader.fail(name, "is not a table", std::string("write [[") + name + "]]", node.source().begin.line);
    take(*table);
  }
}

void read_lcores(Reader& reader, const toml::table& dataplane, std::vector<uint32_t>& lcores) {
  const toml::node* node = dataplane.get("lcores");
  if (node == nullptr) {
    lcores = {0};
    return;
  }
  const toml::array* array = node->as_array();
  const uint32_t line = node->source().begin.line;
  if (array == nullptr || array->empty() || array->size() > abi::max_workers) {
    return reader.fail("dataplane.lcores", "is not a list of one to sixteen cores", "write lcores = [2, 3]", line);
  }
  for (const toml::node& core : *array) {
    const auto value = core.value_exact<int64_t>();
    if (!value || *value < 0 || *value > 1023) return reader.fail("dataplane.lcores", "holds something else than a core", "cores are numbers from 0", line);
    lcores.push_back(static_cast<uint32_t>(*value));
  }
}

void read_dataplane(Reader& reader, const toml::table& root, NodeSettings& settings) {
  const toml::table& dataplane = section_of(root, "dataplane");
  reader.text(dataplane, "dataplane", "socket", false, settings.socket);
  reader.number(dataplane, "dataplane", "sleep_idle_us", 0, 10000, settings.sleep_idle_us);
  reader.number(dataplane, "dataplane", "flows", 64, 1 << 20, settings.geometry.flow_capacity);
  reader.number(dataplane, "dataplane", "memory_mb", 32, 65536, settings.memory_mb);
  read_lcores(reader, dataplane, settings.lcores);
  std::string hugepages = "auto";
  reader.text(dataplane, "dataplane", "hugepages", false, hugepages);
  if (hugepages == "on") {
    settings.hugepages = Hugepages::on;
  } else if (hugepages == "off") {
    settings.hugepages = Hugepages::off;
  } else if (hugepages != "auto") {
    reader.fail("dataplane.hugepages", "is \"" + hugepages + "\"", "write \"auto\", \"on\" or \"off\"");
  }
  const toml::table& media = section_of(root, "media");
  reader.number(media, "media", "port_min", 1024, 65534, settings.geometry.relay_port_min);
  reader.number(media, "media", "port_max", 1025, 65535, settings.geometry.relay_port_max);
  reader.number(media, "media", "link_rtp_port", 1024, 65535, settings.link_port[0]);
  reader.number(media, "media", "link_rtcp_port", 1024, 65535, settings.link_port[1]);
  if (settings.geometry.relay_port_min % 2 != 0 || settings.geometry.relay_port_max <= settings.geometry.relay_port_min) {
    reader.fail("media.port_min", "must be even and below port_max", "use 36002 and 59999");
  }
}

void read_ports(Reader& reader, const toml::table& root, NodeSettings& settings) {
  each_table(reader, root, "port", max_ports, [&](const toml::table& table) {
    drivers::PortSpec port;
    std::string profile = "packet";
    reader.text(table, "port", "name", true, port.name);
    reader.text(table, "port", "profile", false, profile);
    reader.text(table, "port", "device", true, port.device);
    reader.text(table, "port", "peer_mac", false, port.peer_mac);
    reader.number(table, "port", "mtu", 1280, 9000, port.mtu);
    reader.number(table, "port", "kernel_packets_per_s", 100, 10'000'000, port.kernel_packets_per_s);
    const auto known = drivers::parse_profile(profile);
    if (!known) return reader.fail("port.profile", "\"" + profile + "\" is unknown", known.fault().remedy, table.source().begin.line);
    port.profile = *known;
    // Every worker polls and sends by a queue of its own, whatever the file asks for.
    port.queues = static_cast<uint16_t>(settings.lcores.size());
    port.relay_port_min = settings.geometry.relay_port_min;
    port.relay_port_max = settings.geometry.relay_port_max;
    port.link_ports = {settings.link_port[0], settings.link_port[1]};
    settings.ports.push_back(port);
  });
}

void read_addresses(Reader& reader, const toml::table& root, NodeSettings& settings) {
  each_table(reader, root, "address", abi::max_address_slots, [&](const toml::table& table) {
    AddressSetting address;
    reader.text(table, "address", "name", true, address.name);
    reader.text(table, "address", "ip", true, address.ip);
    reader.text(table, "address", "port", true, address.port);
    reader.number(table, "address", "vlan", 0, 4094, address.vlan);
    bool found = false;
    for (const auto& port : settings.ports) found |= port.name == address.port;
    if (!found) {
      reader.fail("address.port", "names no [[port]]: \"" + address.port + "\"", "use the name of a [[port]]", table.source().begin.line);
    }
    settings.addresses.push_back(address);
  });
}

}  // namespace

Outcome<NodeSettings> parse_node_settings(const std::string& text, const std::string& origin) {
  toml::table root;
  try {
    root = toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    return Fault{FaultCode::invalid, origin + ":" + std::to_string(error.source().begin.line) + ":" + std::to_string(error.source().begin.column),
                 std::string(error.description()), "correct the TOML"};
  }
  Reader reader(origin);
  NodeSettings settings;
  reader.text(section_of(root, "node"), "node", "name", true, settings.name);
  std::string run_dir = "/run/sallyport";
  reader.text(section_of(root, "node"), "node", "run_dir", false, run_dir);
  settings.socket = run_dir + "/dataplane.sock";
  read_dataplane(reader, root, settings);
  read_ports(reader, root, settings);
  read_addresses(reader, root, settings);
  if (reader.failed()) return reader.fault();
  settings.geometry.worker_count = static_cast<uint32_t>(settings.lcores.size());
  return settings;
}

Outcome<NodeSettings> read_node_settings(const std::string& path) {
  std::ifstream file(path);
  if (!file) return Fault{FaultCode::missing, path, "cannot be read", "give the path of the node's configuration with --config"};
  std::ostringstream text;
  text << file.rdbuf();
  return parse_node_settings(text.str(), path);
}

}  // namespace sallyport::dataplane
