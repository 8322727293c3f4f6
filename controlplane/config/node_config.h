// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeConfig: the facts of one node, read from its TOML file. Immutable after load(); a reload makes a new one. What each key
// means, its default and bounds stand in key_table.cc, which also generates docs/configuration.md.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::config {

enum class Role : uint8_t { e, c };

struct NodeSection {
  std::string name, fqdn, run_dir, state_dir, log_level = "info", log_file = "-";
  Role role = Role::e;
};
struct AddressSection {
  std::string name, ip, advertised, port;
};
struct PortSection {
  std::string name, profile = "packet", device;
  uint32_t queues = 1, mtu = 1500;
};
struct DataplaneSection {
  std::string socket, hugepages = "auto";
  std::vector<uint32_t> lcores = {0};
  uint32_t sleep_idle_us = 50, flows = 16384, memory_mb = 128;
};
struct MediaSection {
  uint32_t port_min = 36002, port_max = 59999, link_rtp_port = 36000, link_rtcp_port = 36001, keepalive_s = 5, max_packets_per_s = 1000;
  std::vector<std::string> suites = {"AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"};
  std::string outer = "outside", inner = "inside", link = "inside", inner_encryption = "off";
};
struct SipSection {
  std::string client_address = "outside", inner_address = "inside", record_route_host;
  std::vector<std::string> domains;
  uint32_t client_port = 5061, inner_port = 5060, flow_timer_s = 120, max_head_bytes = 65536, max_body_bytes = 131072;
  uint32_t connections = 20000, connections_per_source = 200, handshakes_per_source_per_s = 50, unregistered_idle_s = 32, transactions = 50000;
  uint32_t t1_ms = 500, t2_ms = 4000, t4_ms = 5000;
};
struct CallControlSection {
  std::string name, host, transport = "udp", registrar_mode = "auto";
  uint32_t port = 5060, priority = 10, options_interval_s = 30;
};
struct TraversalSection {
  std::string address = "inside";
  uint32_t port = 7001, local_port_min = 25000, local_port_max = 29999, keepalive_s = 30;
};
struct TlsSection {
  std::string certificate, key, ca_file;
};
struct DnsSection {
  std::vector<std::string> servers;
};
struct ApiSection {
  std::string socket, metrics_listen;
};

struct NodeConfig {
  NodeSection node;
  std::vector<AddressSection> addresses;
  std::vector<PortSection> ports;
  DataplaneSection dataplane;
  MediaSection media;
  SipSection sip;
  std::vector<CallControlSection> call_control;
  TraversalSection traversal;
  TlsSection tls;
  DnsSection dns;
  ApiSection api;

  bool is_e() const { return node.role == Role::e; }
  const AddressSection* address(std::string_view name) const;
};

// Reads and checks a node file. The Fault names file, line, column, key, what is wrong and what to do; nothing is applied in part.
Outcome<NodeConfig> load_node_config(const std::string& path);
// The same from text; `path` only names the source.
Outcome<NodeConfig> parse_node_config(std::string_view text, const std::string& path);
// docs/configuration.md, from the key table.
std::string configuration_page();

}  // namespace sallyport::config
