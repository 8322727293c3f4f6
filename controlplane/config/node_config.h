// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeConfig: the facts of one machine, read from its node file (conf/*.toml) and immutable afterwards. Each member is one key;
// config_key.h is the table that gives type, unit, default, bounds and meaning, so a struct made by hand holds no defaults.
// Share it as shared_ptr<const NodeConfig>; any thread may read it. What operators change at run time is in store/site_config.h.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/abi/fault.h"

namespace sallyport::config {

enum class Role : std::uint8_t { edge, core };  // "E" in the DMZ, "C" inside
inline const char* name_of(Role role) { return role == Role::edge ? "E" : "C"; }

struct NodeSection {
  std::string name;
  Role role = Role::edge;
  std::string fqdn;       // a SAN of the node's certificate
  std::string run_dir;    // sockets
  std::string state_dir;  // store and sealing key
  std::string log_level;  // debug, info, warn, error
  std::string log_file;   // "-": standard error
  std::uint32_t drain_s = 0;  // how long SIGTERM waits for calls to end
};

// A local address; its index in NodeConfig::addresses is the dataplane's address slot.
struct AddressSection {
  std::string name;
  std::string ip;          // IPv4 or IPv6 literal, checked
  std::string advertised;  // IP literal or host name told to peers behind static NAT; empty: ip
  std::string port;        // PortSection::name
  std::uint16_t vlan = 0;  // 802.1Q; 0: none
  std::uint32_t line = 0;
};

struct PortSection {
  std::string name;
  std::string profile;  // packet, xdp, vfio, memif, ring
  std::string device;   // interface name, PCI address or device of DPDK's
  std::string peer_mac;  // profiles without ARP (memif, ring): where everything is sent
  std::uint32_t mtu = 0;  // bytes
  std::uint32_t kernel_packets_per_s = 0;  // vfio: of each worker
  std::uint32_t line = 0;
};

struct DataplaneSection {
  std::string socket;
  std::vector<std::int64_t> lcores;
  std::uint32_t sleep_idle_us = 0;  // 0: spin
  std::uint32_t flows = 0;
  std::uint32_t memory_mb = 0;
  std::string hugepages;  // auto, on, off
};

struct MediaSection {
  std::uint16_t port_min = 0, port_max = 0;
  std::uint16_t link_rtp_port = 0, link_rtcp_port = 0;
  std::uint32_t keepalive_s = 0;
  std::uint32_t link_loss_s = 0;
  std::vector<std::string> suites;  // SDES names, strongest first; what offers carry, in order
  std::uint32_t max_packets_per_s = 0;
  std::uint8_t dscp_audio = 0, dscp_video = 0;
  std::int8_t dscp_rtcp = 0;     // -1: as its media
  std::string outer;             // E: address slot towards clients
  std::string inner;             // C: address slot towards call control and inside phones
  std::string link;              // address slot of the media link
  std::string inner_encryption;  // C: off, sdes
  std::string decrypted_capture;  // C: off, on
};

struct SipSection {
  std::string client_address;        // E: address slot of the public listener
  std::uint16_t client_port = 0;     // E
  std::string record_route_host;     // E; empty: node.fqdn
  std::vector<std::string> domains;  // E; empty: the SIP domains of the zones
  std::uint32_t flow_timer_s = 0;    // E
  std::uint32_t connections = 0, connections_per_source = 0, handshakes_per_source_per_s = 0;  // E
  std::uint32_t unregistered_idle_s = 0;                                                       // E
  std::string inner_address;         // C: address slot towards call control
  std::uint16_t inner_port = 0;      // C: UDP and TCP
  std::uint32_t max_head_bytes = 0, max_body_bytes = 0, max_headers = 0;
  std::uint32_t transactions = 0;
  std::uint32_t t1_ms = 0, t2_ms = 0, t4_ms = 0;  // RFC 3261 17
  std::uint32_t timer_c_s = 0;
};

struct XmppSection {
  std::string client_address;       // E: address slot of the public listeners
  std::uint16_t client_port = 0, direct_port = 0;  // E; 0: off
  std::uint32_t connections = 0, connections_per_source = 0, handshakes_per_source_per_s = 0, unauthenticated_per_source = 0;  // E
  std::uint32_t authentication_s = 0, idle_s = 0;                    // E
  std::uint32_t unauthenticated_stanza_bytes = 0, stanza_bytes = 0;  // E
  std::uint32_t stanza_s = 0, stanzas_per_s = 0, bytes_per_s = 0;    // E: of one client
};

// C.
struct PresenceSection {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  std::string transport;  // starttls, tls
  std::uint32_t priority = 0;
  std::vector<std::string> domains;
  std::uint32_t line = 0;
};

struct CallControlSection {
  std::string name;
  std::string host;
  std::uint16_t port = 0;
  std::string transport;  // udp, tcp, tls
  std::uint32_t priority = 0;
  std::string registrar_mode;  // auto, path, contact
  std::uint32_t options_interval_s = 0;
  std::uint32_t line = 0;
};

struct TraversalSection {
  std::string address;                                // address slot: E listens on it, C dials from it
  std::uint16_t port = 0;                             // E: of the first zone; the next take port + 1, ...
  std::uint16_t multiplex_port = 0;                   // of the stream multiplex on E
  std::uint32_t pair_certificate_s = 0;               // E: life of what its pair authority issues
  std::uint16_t local_port_min = 0, local_port_max = 0;  // C
  std::uint32_t keepalive_s = 0;
  std::uint32_t reconnect_min_ms = 0, reconnect_max_ms = 0;  // C: jittered back-off
};

struct TlsSection {
  std::string certificate, key;                // of the listeners; C presents it to E too unless the next two are given
  std::string client_certificate, client_key;  // C; empty: as certificate and key
  std::string ca_file;                         // trusted for the other node
  std::string call_control_ca_file;            // C: trusted for call control over TLS; empty: ca_file
  std::string min_version;                     // "1.2", "1.3"
};

struct CertificatesSection {
  std::string revocation;  // on, off
  std::uint32_t revocation_requests_per_min = 0;
};

// Of phones by activation code (B37).
struct OnboardingSection {
  std::uint16_t port = 0;            // E: at sip.client_address
  std::uint32_t certificate_s = 0;   // C: life of what phones are given
  std::uint32_t connections = 0, connections_per_source = 0;  // E
};

struct DnsSection {
  std::vector<std::string> servers;  // empty: /etc/resolv.conf
  std::uint32_t timeout_ms = 0, tries = 0;
};

struct ApiSection {
  std::string socket;
  std::string metrics_listen;  // "127.0.0.1:9464"; empty: none
  std::uint32_t connections = 0, max_body_bytes = 0, idle_s = 0;
};

// The REST interface over HTTPS.
struct AdministrationSection {
  std::string listen;  // "192.0.2.10:8443"; empty: off
  std::vector<std::string> names;  // by which it is reached, beside node.fqdn and its address
  std::uint32_t session_idle_s = 0, session_s = 0, sessions = 0;
  std::uint32_t requests_per_s = 0;  // of a session
  std::uint32_t connections = 0, connections_per_source = 0;
  std::uint32_t audit_rows = 0;
};

struct NodeConfig {
  std::string file;  // as named by the operator
  NodeSection node;
  std::vector<AddressSection> addresses;
  std::vector<PortSection> ports;
  DataplaneSection dataplane;
  MediaSection media;
  SipSection sip;
  XmppSection xmpp;
  std::vector<PresenceSection> presence;          // C, in file order
  std::vector<CallControlSection> call_control;  // C, in file order
  TraversalSection traversal;
  TlsSection tls;
  CertificatesSection certificates;
  OnboardingSection onboarding;
  DnsSection dns;
  ApiSection api;
  AdministrationSection administration;

  bool is_e() const { return node.role == Role::edge; }
  const AddressSection* address(std::string_view name) const;  // nullptr: none
  // What peers must be told for this slot: advertised, or else ip.
  static const std::string& advertised_host(const AddressSection& address);
};

// Reads and checks a node file, all or nothing; node_file.h has every finding and the reload.
Outcome<NodeConfig> load_node_config(const std::string& path);
// docs/configuration.md, from the key table.
std::string configuration_page();

}  // namespace sallyport::config
