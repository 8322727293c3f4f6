// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/config_key.h"

#include <limits>
#include <type_traits>

namespace sallyport::config {
namespace {

void assign(std::string& member, const KeyValue& value) { member = value.text; }
void assign(Role& member, const KeyValue& value) { member = value.text == "C" ? Role::core : Role::edge; }
void assign(std::vector<std::string>& member, const KeyValue& value) { member = value.texts; }
void assign(std::vector<std::int64_t>& member, const KeyValue& value) { member = value.integers; }
// Bounds of the row were checked before and fit the member.
template <class Number>
  requires std::is_integral_v<Number>
void assign(Number& member, const KeyValue& value) { member = static_cast<Number>(value.integer); }

KeyValue value_of(const std::string& member) { return {.text = member}; }
KeyValue value_of(Role member) { return {.text = name_of(member)}; }
KeyValue value_of(const std::vector<std::string>& member) { return {.texts = member}; }
KeyValue value_of(const std::vector<std::int64_t>& member) { return {.integers = member}; }
template <class Number>
  requires std::is_integral_v<Number>
KeyValue value_of(Number member) { return {.integer = member}; }

template <class Section>
Section& newest(Section& section) { return section; }
template <class Section>
Section& newest(std::vector<Section>& sections) { return sections.back(); }
template <class Section>
const Section& element(const Section& section, std::size_t) { return section; }
template <class Section>
const Section& element(const std::vector<Section>& sections, std::size_t index) { return sections.at(index); }

template <auto Section, auto Member>
void set(NodeConfig& config, const KeyValue& value) { assign(newest(config.*Section).*Member, value); }
template <auto Section, auto Member>
KeyValue get(const NodeConfig& config, std::size_t index) { return value_of(element(config.*Section, index).*Member); }

#define KEY(section, type, member) set<&NodeConfig::section, &type::member>, get<&NodeConfig::section, &type::member>

constexpr auto text = KeyType::text;
constexpr auto number = KeyType::integer;
constexpr auto texts = KeyType::text_list;
constexpr auto numbers = KeyType::integer_list;
constexpr auto live = Applies::live;
constexpr auto restart = Applies::at_restart;
constexpr auto E = KeyRole::edge;
constexpr auto C = KeyRole::core;
constexpr auto both = KeyRole::both;
using Rule = TextRule;

constexpr std::string_view all_suites =
    R"(["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_256_CM_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"])";
constexpr std::string_view suite_names =
    "AEAD_AES_256_GCM AEAD_AES_128_GCM AES_256_CM_HMAC_SHA1_80 AES_CM_128_HMAC_SHA1_80 AES_CM_128_HMAC_SHA1_32";
// sun_path holds 108 bytes with the terminating zero.
constexpr std::int64_t max_socket_path = 107;
constexpr std::int64_t max_path = 4095;

// section, key, type, unit, default E, default C (TOML; empty: must be given), min, max, rule, choices, applies, role, sentence
// clang-format off: one row a key
constexpr ConfigKey keys[] = {
    {"node", "name", text, "", "", "", 1, 63, Rule::name, "", restart, both, "Name of the node in logs and metrics.", KEY(node, NodeSection, name)},
    {"node", "role", text, "", "", "", 1, 1, Rule::choice, "E C", restart, both, "E: the node in the DMZ; C: the node inside.", KEY(node, NodeSection, role)},
    {"node", "fqdn", text, "", "", "", 1, 253, Rule::fqdn, "", restart, both, "The node's own name, a DNS name (SAN) in its certificate.", KEY(node, NodeSection, fqdn)},
    {"node", "run_dir", text, "", R"("/run/sallyport")", R"("/run/sallyport")", 1, max_path, Rule::absolute_path, "", restart, both, "Folder of sockets and other files that end with the process.", KEY(node, NodeSection, run_dir)},
    {"node", "state_dir", text, "", R"("/var/lib/sallyport")", R"("/var/lib/sallyport")", 1, max_path, Rule::absolute_path, "", restart, both, "Folder of the store and of the key that seals passwords; only the service user may read it.", KEY(node, NodeSection, state_dir)},
    {"node", "log_level", text, "", R"("info")", R"("info")", 1, 16, Rule::choice, "debug info warn error", live, both, "Least severe event that is logged.", KEY(node, NodeSection, log_level)},
    {"node", "log_file", text, "", R"("-")", R"("-")", 1, max_path, Rule::absolute_path_or_dash, "", restart, both, "File the events are appended to; \"-\" is standard error, which is the journal under systemd.", KEY(node, NodeSection, log_file)},
    {"node", "drain_s", number, "s", "30", "30", 0, 3600, Rule::any, "", restart, both, "On SIGTERM no new call is taken, and the control plane ends when the last call has ended, at the latest after this.", KEY(node, NodeSection, drain_s)},

    {"address", "name", text, "", "", "", 1, 23, Rule::name, "", restart, both, "Name by which other keys refer to this address slot.", KEY(addresses, AddressSection, name)},
    {"address", "ip", text, "", "", "", 1, 45, Rule::ip, "", restart, both, "IPv4 or IPv6 address of the node.", KEY(addresses, AddressSection, ip)},
    {"address", "port", text, "", "", "", 1, 23, Rule::port_name, "", restart, both, "Port of the dataplane this address is reached by.", KEY(addresses, AddressSection, port)},
    {"address", "advertised", text, "", R"("")", R"("")", 0, 253, Rule::ip_or_host, "", restart, both, "What peers are told instead of ip where the node sits behind static NAT; empty: ip.", KEY(addresses, AddressSection, advertised)},
    {"address", "vlan", number, "", "0", "0", 0, 4094, Rule::any, "", restart, both, "802.1Q VLAN of this address: its frames carry this tag, others are dropped; the kernel needs an interface of that VLAN on the port's device; 0: none.", KEY(addresses, AddressSection, vlan)},

    {"port", "name", text, "", "", "", 1, 23, Rule::name, "", restart, both, "Name by which addresses refer to this port.", KEY(ports, PortSection, name)},
    {"port", "profile", text, "", R"("packet")", R"("packet")", 1, 16, Rule::choice, "packet xdp vfio memif ring", restart, both, "How packets reach the dataplane: packet works anywhere, xdp on shared NICs, vfio on a NIC of its own, memif and ring in tests.", KEY(ports, PortSection, profile)},
    {"port", "device", text, "", "", "", 1, 127, Rule::not_empty, "", restart, both, "Interface name, or PCI address for vfio (without a NIC a device of DPDK's: net_af_packet_wan,iface=wan), or socket for memif.", KEY(ports, PortSection, device)},
    {"port", "mtu", number, "bytes", "1500", "1500", 1280, 9000, Rule::any, "", restart, both, "Largest IP packet of the port.", KEY(ports, PortSection, mtu)},
    {"port", "kernel_packets_per_s", number, "packets/s", "50000", "50000", 100, 10000000, Rule::any, "", restart, both, "Profile vfio: what each worker gives the kernel of this port's packets that are not media; what exceeds it is dropped and counted as kernel_policed.", KEY(ports, PortSection, kernel_packets_per_s)},
    {"port", "peer_mac", text, "", R"("")", R"("")", 0, 17, Rule::any, "", restart, both, "MAC address everything is sent to on a port without ARP, as memif or ring; empty: neighbours are looked up.", KEY(ports, PortSection, peer_mac)},

    {"dataplane", "socket", text, "", R"("/run/sallyport/dataplane.sock")", R"("/run/sallyport/dataplane.sock")", 1, max_socket_path, Rule::absolute_path, "", restart, both, "Unix socket on which the dataplane hands over the shared region.", KEY(dataplane, DataplaneSection, socket)},
    {"dataplane", "lcores", numbers, "", "[0]", "[0]", 0, 1023, Rule::any, "", restart, both, "Cores of the workers, one pinned worker each, at most 16.", KEY(dataplane, DataplaneSection, lcores)},
    {"dataplane", "sleep_idle_us", number, "µs", "50", "50", 0, 10000, Rule::any, "", restart, both, "How long an idle worker sleeps; 0: it spins.", KEY(dataplane, DataplaneSection, sleep_idle_us)},
    {"dataplane", "flows", number, "", "16384", "16384", 64, 1048576, Rule::any, "", restart, both, "Flows the shared region can hold; a call with one audio stream takes eight on each node.", KEY(dataplane, DataplaneSection, flows)},
    {"dataplane", "memory_mb", number, "MiB", "128", "128", 32, 65536, Rule::any, "", restart, both, "Memory for DPDK: packet buffers and queues.", KEY(dataplane, DataplaneSection, memory_mb)},
    {"dataplane", "hugepages", text, "", R"("auto")", R"("auto")", 1, 4, Rule::choice, "auto on off", restart, both, "auto: taken if there are enough; on: refuse to start without; off: never.", KEY(dataplane, DataplaneSection, hugepages)},

    {"media", "port_min", number, "", "36002", "36002", 1024, 65534, Rule::any, "", restart, both, "First relay port; even.", KEY(media, MediaSection, port_min)},
    {"media", "port_max", number, "", "59999", "59999", 1025, 65535, Rule::any, "", restart, both, "Last relay port; odd.", KEY(media, MediaSection, port_max)},
    {"media", "link_rtp_port", number, "", "36000", "36000", 1024, 65535, Rule::any, "", restart, both, "UDP port of E for the multiplexed RTP of the C-E link; the same on both nodes.", KEY(media, MediaSection, link_rtp_port)},
    {"media", "link_rtcp_port", number, "", "36001", "36001", 1024, 65535, Rule::any, "", restart, both, "UDP port of E for the multiplexed RTCP of the C-E link; the same on both nodes.", KEY(media, MediaSection, link_rtcp_port)},
    {"media", "keepalive_s", number, "s", "5", "5", 1, 60, Rule::any, "", restart, both, "How often C keeps each port of the media link open; what is not answered is repeated every second.", KEY(media, MediaSection, keepalive_s)},
    {"media", "link_loss_s", number, "s", "120", "120", 0, 86400, Rule::any, "", restart, both, "A call whose media link is down so long is released on both sides; 0: never. A link is down after three keepalive_s of silence.", KEY(media, MediaSection, link_loss_s)},
    {"media", "suites", texts, "", all_suites, all_suites, 1, 5, Rule::choice, suite_names, restart, both, "SRTP suites, in the order in which offers carry them; a suite not listed is refused.", KEY(media, MediaSection, suites)},
    {"media", "max_packets_per_s", number, "packets/s", "1000", "1000", 50, 1000000, Rule::any, "", restart, both, "Packets of one flow; what exceeds it is dropped and counted.", KEY(media, MediaSection, max_packets_per_s)},
    {"media", "dscp_audio", number, "", "46", "46", 0, 63, Rule::any, "", live, both, "DSCP of audio on all legs; 46 is EF (RFC 4594, RFC 8837).", KEY(media, MediaSection, dscp_audio)},
    {"media", "dscp_video", number, "", "34", "34", 0, 63, Rule::any, "", live, both, "DSCP of video on all legs; 34 is AF41 (RFC 4594, RFC 8837).", KEY(media, MediaSection, dscp_video)},
    {"media", "dscp_rtcp", number, "", "-1", "-1", -1, 63, Rule::any, "", live, both, "DSCP of RTCP; -1: that of its media, so that it sees what its media sees (RFC 7657 5.4).", KEY(media, MediaSection, dscp_rtcp)},
    {"media", "outer", text, "", R"("outside")", "", 1, 23, Rule::address_slot, "", restart, E, "Address slot of relay ports towards clients.", KEY(media, MediaSection, outer)},
    {"media", "inner", text, "", "", R"("inside")", 1, 23, Rule::address_slot, "", restart, C, "Address slot of relay ports towards call control and inside phones.", KEY(media, MediaSection, inner)},
    {"media", "link", text, "", R"("inside")", R"("inside")", 1, 23, Rule::address_slot, "", restart, both, "Address slot of the media link.", KEY(media, MediaSection, link)},
    {"media", "inner_encryption", text, "", "", R"("off")", 1, 4, Rule::choice, "off sdes", restart, C, "off: RTP/AVP towards call control; sdes: RTP/SAVP, keys of its own.", KEY(media, MediaSection, inner_encryption)},
    {"media", "decrypted_capture", text, "", "", R"("off")", 1, 3, Rule::choice, "off on", live, C, "Whether `sallyport capture --decrypted` gives out what is said in a call; each use is logged.", KEY(media, MediaSection, decrypted_capture)},

    {"sip", "client_address", text, "", R"("outside")", "", 1, 23, Rule::address_slot, "", restart, E, "Address slot on which clients are taken.", KEY(sip, SipSection, client_address)},
    {"sip", "client_port", number, "", "5061", "", 1024, 65535, Rule::any, "", restart, E, "TCP port for SIP over TLS.", KEY(sip, SipSection, client_port)},
    {"sip", "record_route_host", text, "", R"("")", "", 0, 253, Rule::fqdn, "", restart, E, "Host in Record-Route and Path; phones connect to it and check it against the certificate. Empty: node.fqdn.", KEY(sip, SipSection, record_route_host)},
    {"sip", "domains", texts, "", "[]", "", 0, 1000, Rule::fqdn, "", restart, E, "Domains for which REGISTER is taken; empty: the SIP domains of the zones.", KEY(sip, SipSection, domains)},
    {"sip", "flow_timer_s", number, "s", "120", "", 10, 3600, Rule::any, "", restart, E, "Flow-Timer (RFC 5626): clients send a keep-alive within this time.", KEY(sip, SipSection, flow_timer_s)},
    {"sip", "connections", number, "", "20000", "", 1, 1000000, Rule::any, "", restart, E, "Connections of clients at a time.", KEY(sip, SipSection, connections)},
    {"sip", "connections_per_source", number, "", "200", "", 1, 1000000, Rule::any, "", restart, E, "Connections from one IP address at a time.", KEY(sip, SipSection, connections_per_source)},
    {"sip", "handshakes_per_source_per_s", number, "1/s", "50", "", 1, 100000, Rule::any, "", restart, E, "TLS handshakes begun by one IP address in a second.", KEY(sip, SipSection, handshakes_per_source_per_s)},
    {"sip", "unregistered_idle_s", number, "s", "32", "", 1, 3600, Rule::any, "", restart, E, "A connection without a registration may be silent so long.", KEY(sip, SipSection, unregistered_idle_s)},
    {"sip", "inner_address", text, "", "", R"("inside")", 1, 23, Rule::address_slot, "", restart, C, "Address slot towards call control.", KEY(sip, SipSection, inner_address)},
    {"sip", "inner_port", number, "", "", "5060", 1024, 65535, Rule::any, "", restart, C, "UDP and TCP port for call control; the port after it takes TLS where a call control node has that transport.", KEY(sip, SipSection, inner_port)},
    {"sip", "max_head_bytes", number, "bytes", "65536", "65536", 2048, 1048576, Rule::any, "", restart, both, "Start line and headers of a message together.", KEY(sip, SipSection, max_head_bytes)},
    {"sip", "max_body_bytes", number, "bytes", "131072", "131072", 2048, 1048576, Rule::any, "", restart, both, "Body of a message.", KEY(sip, SipSection, max_body_bytes)},
    {"sip", "max_headers", number, "", "256", "256", 32, 4096, Rule::any, "", restart, both, "Header fields of a message.", KEY(sip, SipSection, max_headers)},
    {"sip", "transactions", number, "", "50000", "50000", 100, 1000000, Rule::any, "", restart, both, "Transactions at a time; more are answered with 503.", KEY(sip, SipSection, transactions)},
    {"sip", "t1_ms", number, "ms", "500", "500", 50, 5000, Rule::any, "", restart, both, "T1 of RFC 3261: estimate of the round trip.", KEY(sip, SipSection, t1_ms)},
    {"sip", "t2_ms", number, "ms", "4000", "4000", 100, 60000, Rule::any, "", restart, both, "T2 of RFC 3261: longest interval between retransmissions.", KEY(sip, SipSection, t2_ms)},
    {"sip", "t4_ms", number, "ms", "5000", "5000", 100, 60000, Rule::any, "", restart, both, "T4 of RFC 3261: how long a message may linger in the network.", KEY(sip, SipSection, t4_ms)},
    {"sip", "timer_c_s", number, "s", "190", "190", 181, 3600, Rule::any, "", restart, both, "Timer C of RFC 3261: an INVITE that only rings ends; more than three minutes.", KEY(sip, SipSection, timer_c_s)},

    {"call_control", "name", text, "", "", "", 1, 63, Rule::name, "", restart, C, "Name of the call control node in logs and status.", KEY(call_control, CallControlSection, name)},
    {"call_control", "host", text, "", "", "", 1, 253, Rule::host, "", restart, C, "Host name or IP address.", KEY(call_control, CallControlSection, host)},
    {"call_control", "port", number, "", "", "5060", 1, 65535, Rule::any, "", restart, C, "SIP port.", KEY(call_control, CallControlSection, port)},
    {"call_control", "transport", text, "", "", R"("udp")", 1, 3, Rule::choice, "udp tcp tls", restart, C, "Transport towards it.", KEY(call_control, CallControlSection, transport)},
    {"call_control", "priority", number, "", "", "10", 0, 65535, Rule::any, "", restart, C, "Lowest is used first, others when it is down.", KEY(call_control, CallControlSection, priority)},
    {"call_control", "registrar_mode", text, "", "", R"("auto")", 1, 7, Rule::choice, "auto path contact", restart, C, "path: it stores Path (RFC 3327); contact: the Contact is rewritten; auto: learnt from the 200 to REGISTER.", KEY(call_control, CallControlSection, registrar_mode)},
    {"call_control", "options_interval_s", number, "s", "", "30", 1, 3600, Rule::any, "", restart, C, "How often it is probed by OPTIONS.", KEY(call_control, CallControlSection, options_interval_s)},

    {"xmpp", "client_address", text, "", R"("outside")", "", 1, 23, Rule::address_slot, "", restart, E, "Address slot on which XMPP clients are taken.", KEY(xmpp, XmppSection, client_address)},
    {"xmpp", "client_port", number, "", "0", "", 0, 65535, Rule::any, "", restart, E, "TCP port for XMPP clients, which turn to TLS by STARTTLS; usually 5222. 0: off.", KEY(xmpp, XmppSection, client_port)},
    {"xmpp", "direct_port", number, "", "0", "", 0, 65535, Rule::any, "", restart, E, "TCP port for XMPP clients with TLS at once (XEP-0368); usually 5223. 0: off.", KEY(xmpp, XmppSection, direct_port)},
    {"xmpp", "connections", number, "", "20000", "", 1, 1000000, Rule::any, "", restart, E, "XMPP clients at a time.", KEY(xmpp, XmppSection, connections)},
    {"xmpp", "connections_per_source", number, "", "200", "", 1, 1000000, Rule::any, "", restart, E, "Of these from one IP address, or IPv6 /64.", KEY(xmpp, XmppSection, connections_per_source)},
    {"xmpp", "handshakes_per_source_per_s", number, "1/s", "50", "", 1, 100000, Rule::any, "", restart, E, "Connections begun by one IP address in a second.", KEY(xmpp, XmppSection, handshakes_per_source_per_s)},
    {"xmpp", "unauthenticated_per_source", number, "", "20", "", 1, 100000, Rule::any, "", restart, E, "Streams of one IP address that are not authenticated, at a time.", KEY(xmpp, XmppSection, unauthenticated_per_source)},
    {"xmpp", "authentication_s", number, "s", "60", "", 5, 3600, Rule::any, "", restart, E, "A stream that is not authenticated by then is ended.", KEY(xmpp, XmppSection, authentication_s)},
    {"xmpp", "idle_s", number, "s", "3600", "", 60, 604800, Rule::any, "", restart, E, "An authenticated client may be silent so long.", KEY(xmpp, XmppSection, idle_s)},
    {"xmpp", "unauthenticated_stanza_bytes", number, "bytes", "65536", "", 10000, 1048576, Rule::any, "", restart, E, "Largest stanza before authentication (RFC 6120 13.12).", KEY(xmpp, XmppSection, unauthenticated_stanza_bytes)},
    {"xmpp", "stanza_bytes", number, "bytes", "1048576", "", 10000, 16777216, Rule::any, "", restart, E, "Largest stanza of an authenticated client.", KEY(xmpp, XmppSection, stanza_bytes)},
    {"xmpp", "stanza_s", number, "s", "60", "", 1, 3600, Rule::any, "", restart, E, "A stanza must be whole within; time for which this node does not read it does not count.", KEY(xmpp, XmppSection, stanza_s)},
    {"xmpp", "bytes_per_s", number, "bytes/s", "1048576", "", 10000, 1000000000, Rule::any, "", restart, E, "Bytes of one client, four times as many at once; who sends more is read more slowly.", KEY(xmpp, XmppSection, bytes_per_s)},
    {"xmpp", "stanzas_per_s", number, "1/s", "100", "", 1, 100000, Rule::any, "", restart, E, "Stanzas of one client, four times as many at once; who sends more is read more slowly.", KEY(xmpp, XmppSection, stanzas_per_s)},

    {"presence", "name", text, "", "", "", 1, 63, Rule::name, "", restart, C, "Name of the presence server in logs and status.", KEY(presence, PresenceSection, name)},
    {"presence", "host", text, "", "", "", 1, 253, Rule::host, "", restart, C, "Host name or IP address; its certificate must hold the host or the domain.", KEY(presence, PresenceSection, host)},
    {"presence", "port", number, "", "", "5222", 0, 65535, Rule::any, "", restart, C, "XMPP port for clients. 0: host is looked up by SRV, `_xmpp-client._tcp` or, with transport tls, `_xmpps-client._tcp`.", KEY(presence, PresenceSection, port)},
    {"presence", "transport", text, "", "", R"("starttls")", 1, 8, Rule::choice, "starttls tls", restart, C, "How it is turned to TLS; tls: at once (XEP-0368).", KEY(presence, PresenceSection, transport)},
    {"presence", "priority", number, "", "", "10", 0, 65535, Rule::any, "", restart, C, "Of those that serve a domain the lowest is used first, others when it cannot be reached.", KEY(presence, PresenceSection, priority)},
    {"presence", "domains", texts, "", "", "", 1, 1000, Rule::fqdn, "", restart, C, "XMPP domains it serves.", KEY(presence, PresenceSection, domains)},
    {"presence", "discovery_user", text, "", "", R"("")", 0, 253, Rule::any, "", restart, C, "user@domain by whom C asks it which chat nodes (group chat services) it has, for certificates; empty: it is not asked.", KEY(presence, PresenceSection, discovery_user)},
    {"presence", "discovery_password_file", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", restart, C, "File with that user's password in its first line; read each time.", KEY(presence, PresenceSection, discovery_password_file)},

    {"traversal", "address", text, "", R"("inside")", R"("inside")", 1, 23, Rule::address_slot, "", restart, both, "E: address slot on which C is expected; C: address slot from which it connects.", KEY(traversal, TraversalSection, address)},
    {"traversal", "port", number, "", "7001", "", 1024, 65535, Rule::any, "", restart, E, "Port proposed for the first zone; the next take the ports after it.", KEY(traversal, TraversalSection, port)},
    {"traversal", "multiplex_port", number, "", "2222", "2222", 1, 65535, Rule::any, "", restart, both, "TCP port of the stream multiplex: E listens there on the same address as for its zones, C dials it at every peer.", KEY(traversal, TraversalSection, multiplex_port)},
    {"traversal", "multiplex_connections", number, "", "", "1", 1, 8, Rule::any, "", live, C, "Connections of the stream multiplex that C keeps to each peer; E spreads its streams over them.", KEY(traversal, TraversalSection, multiplex_connections)},
    {"traversal", "pair_certificate_s", number, "s", "604800", "", 10, 7776000, Rule::any, "", restart, E, "How long the certificates of the pair authority live; both nodes renew them at two thirds of it.", KEY(traversal, TraversalSection, pair_certificate_s)},
    {"traversal", "local_port_min", number, "", "", "25000", 1024, 65535, Rule::any, "", restart, C, "First local TCP port of connections to E and to call control.", KEY(traversal, TraversalSection, local_port_min)},
    {"traversal", "local_port_max", number, "", "", "29999", 1024, 65535, Rule::any, "", restart, C, "Last local TCP port of connections to E and to call control.", KEY(traversal, TraversalSection, local_port_max)},
    {"traversal", "keepalive_s", number, "s", "30", "30", 1, 600, Rule::any, "", restart, both, "How often C sends OPTIONS on each connection; E gives a silent one up after three times as long.", KEY(traversal, TraversalSection, keepalive_s)},
    {"traversal", "reconnect_min_ms", number, "ms", "", "500", 50, 60000, Rule::any, "", restart, C, "Pause after a failed connection; doubled each time, with jitter.", KEY(traversal, TraversalSection, reconnect_min_ms)},
    {"traversal", "reconnect_max_ms", number, "ms", "", "30000", 100, 600000, Rule::any, "", restart, C, "Longest such pause.", KEY(traversal, TraversalSection, reconnect_max_ms)},

    {"tls", "certificate", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", live, both, "PEM file with the node's certificate, then its intermediates. Serves until one is installed with `sallyport cert upload server`. Empty: none.", KEY(tls, TlsSection, certificate)},
    {"tls", "key", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", live, both, "PEM file with the private key, not encrypted, readable by the service user only.", KEY(tls, TlsSection, key)},
    {"tls", "client_certificate", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", live, C, "PEM file presented to E; empty: certificate and key.", KEY(tls, TlsSection, client_certificate)},
    {"tls", "client_key", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", live, C, "Private key of client_certificate.", KEY(tls, TlsSection, client_key)},
    {"tls", "ca_file", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", live, both, "PEM file with the CAs that may have signed the other node's certificate, beside those of `sallyport trust add traversal`. Empty: only those.", KEY(tls, TlsSection, ca_file)},
    {"tls", "call_control_ca_file", text, "", "", R"("")", 0, max_path, Rule::absolute_path, "", live, C, "PEM file with the CAs that may have signed call control's certificate, beside those of `sallyport trust add call_control`; empty: ca_file.", KEY(tls, TlsSection, call_control_ca_file)},
    {"tls", "min_version", text, "", R"("1.2")", R"("1.2")", 1, 3, Rule::choice, "1.2 1.3", restart, both, "Oldest TLS version that is spoken.", KEY(tls, TlsSection, min_version)},

    {"certificates", "revocation", text, "", R"("on")", R"("on")", 2, 3, Rule::choice, "on off", live, both, "on: the authorities that this node's certificates name are asked whether they were revoked (OCSP or revocation list, by HTTP from this node), and what their responders say is stapled.", KEY(certificates, CertificatesSection, revocation)},
    {"certificates", "revocation_requests_per_min", number, "1/min", "120", "120", 1, 6000, Rule::any, "", live, both, "How many of these questions go out a minute at most.", KEY(certificates, CertificatesSection, revocation_requests_per_min)},

    {"onboarding", "port", number, "", "8444", "8444", 1, 65535, Rule::any, "", restart, E, "TCP port at sip.client_address where phones are onboarded by an activation code (EST, mutual TLS); open only while C has onboarding switched on.", KEY(onboarding, OnboardingSection, port)},
    {"onboarding", "certificate_s", number, "s", "31536000", "31536000", 60, 94608000, Rule::any, "", restart, C, "How long the certificates that phones are given are valid.", KEY(onboarding, OnboardingSection, certificate_s)},
    {"onboarding", "connections", number, "", "512", "512", 1, 100000, Rule::any, "", restart, E, "Connections of phones that are onboarded, at a time.", KEY(onboarding, OnboardingSection, connections)},
    {"onboarding", "connections_per_source", number, "", "16", "16", 1, 100000, Rule::any, "", restart, E, "Of these, from one source.", KEY(onboarding, OnboardingSection, connections_per_source)},

    {"dns", "servers", texts, "", "[]", "[]", 0, 8, Rule::socket_address, "", restart, both, "Name servers, IP or IP:port, in order; empty: /etc/resolv.conf.", KEY(dns, DnsSection, servers)},
    {"dns", "timeout_ms", number, "ms", "2000", "2000", 100, 30000, Rule::any, "", restart, both, "Patience for one try.", KEY(dns, DnsSection, timeout_ms)},
    {"dns", "tries", number, "", "3", "3", 1, 10, Rule::any, "", restart, both, "Tries before a name counts as not resolved.", KEY(dns, DnsSection, tries)},

    {"api", "socket", text, "", R"("/run/sallyport/controlplane.sock")", R"("/run/sallyport/controlplane.sock")", 1, max_socket_path, Rule::absolute_path, "", restart, both, "Unix socket of the administration interface; whoever may open it may administer.", KEY(api, ApiSection, socket)},
    {"api", "metrics_listen", text, "", R"("")", R"("")", 0, 64, Rule::socket_address, "", restart, both, "IP:port that serves /metrics, and nothing else, over TCP; empty: none.", KEY(api, ApiSection, metrics_listen)},
    {"api", "connections", number, "", "32", "32", 1, 1024, Rule::any, "", restart, both, "Connections to the administration interface at a time.", KEY(api, ApiSection, connections)},
    {"api", "max_body_bytes", number, "bytes", "8388608", "8388608", 4096, 16777216, Rule::any, "", restart, both, "Largest body of a request, for example of a site document.", KEY(api, ApiSection, max_body_bytes)},
    {"api", "idle_s", number, "s", "30", "30", 1, 3600, Rule::any, "", restart, both, "A connection without a request is closed after this.", KEY(api, ApiSection, idle_s)},

    {"administration", "listen", text, "", R"("")", R"("")", 0, 64, Rule::socket_address, "", restart, both, "IP:port of the REST interface over HTTPS, for accounts (`sallyport account`); one address of its own, never one that clients reach; empty: off.", KEY(administration, AdministrationSection, listen)},
    {"administration", "names", texts, "", "[]", "[]", 0, 16, Rule::host, "", restart, both, "Host names by which it is reached, beside node.fqdn and the address itself; a request for another is refused.", KEY(administration, AdministrationSection, names)},
    {"administration", "session_idle_s", number, "s", "900", "900", 60, 86400, Rule::any, "", restart, both, "A session that is not used ends after this.", KEY(administration, AdministrationSection, session_idle_s)},
    {"administration", "session_s", number, "s", "28800", "28800", 300, 604800, Rule::any, "", restart, both, "Any session ends after this.", KEY(administration, AdministrationSection, session_s)},
    {"administration", "sessions", number, "", "64", "64", 1, 1000, Rule::any, "", restart, both, "Sessions at a time; of one account 8, then its oldest ends.", KEY(administration, AdministrationSection, sessions)},
    {"administration", "requests_per_s", number, "requests/s", "20", "20", 1, 1000, Rule::any, "", restart, both, "Requests of one session, three times as many at once; beyond it the answer is 429.", KEY(administration, AdministrationSection, requests_per_s)},
    {"administration", "connections", number, "", "64", "64", 1, 1024, Rule::any, "", restart, both, "Connections at a time.", KEY(administration, AdministrationSection, connections)},
    {"administration", "connections_per_source", number, "", "16", "16", 1, 1024, Rule::any, "", restart, both, "Of these from one IP address, or IPv6 /64.", KEY(administration, AdministrationSection, connections_per_source)},
    {"administration", "audit_rows", number, "", "100000", "100000", 100, 10000000, Rule::any, "", restart, both, "Rows of the audit log, of the Unix socket too; the oldest go. A quarter of them is for what was refused.", KEY(administration, AdministrationSection, audit_rows)},
};
// clang-format on

template <auto Section>
std::size_t count(const NodeConfig& config) { return (config.*Section).size(); }
std::size_t one(const NodeConfig&) { return 1; }
template <auto Section>
void append(NodeConfig& config, std::uint32_t line) { (config.*Section).emplace_back().line = line; }

// clang-format off
constexpr ConfigSection sections[] = {
    {"node", false, both, 1, 1, "What this node is.", one, nullptr},
    {"address", true, both, 1, 16, "Local addresses; the order gives the dataplane's address slots.", count<&NodeConfig::addresses>, append<&NodeConfig::addresses>},
    {"port", true, both, 1, 16, "Network ports of the dataplane.", count<&NodeConfig::ports>, append<&NodeConfig::ports>},
    {"dataplane", false, both, 0, 1, "The poll-mode process.", one, nullptr},
    {"media", false, both, 0, 1, "Relay ports, the media link, SRTP.", one, nullptr},
    {"sip", false, both, 0, 1, "SIP listeners, limits and timers.", one, nullptr},
    {"call_control", true, C, 1, 32, "Call control nodes (registrars).", count<&NodeConfig::call_control>, append<&NodeConfig::call_control>},
    {"xmpp", false, E, 0, 1, "Listeners for XMPP clients and their limits; off unless a port is given.", one, nullptr},
    {"presence", true, C, 0, 64, "Presence servers (XMPP) inside; their authorities: `sallyport trust add presence`.", count<&NodeConfig::presence>, append<&NodeConfig::presence>},
    {"traversal", false, both, 0, 1, "This node's side of the connection between C and E; the zones themselves are in the store.", one, nullptr},
    {"tls", false, both, 1, 1, "Certificates, keys and trust; the files are read again on reload.", one, nullptr},
    {"certificates", false, both, 0, 1, "What is done about certificates by itself.", one, nullptr},
    {"onboarding", false, both, 0, 1, "Onboarding of phones by an activation code: docs/onboarding.md.", one, nullptr},
    {"dns", false, both, 0, 1, "Name resolution.", one, nullptr},
    {"api", false, both, 0, 1, "Administration on this machine.", one, nullptr},
    {"administration", false, both, 0, 1, "Administration over HTTPS; off unless `listen` is given.", one, nullptr},
};
// clang-format on

}  // namespace

bool ConfigKey::is_for(Role node_role) const {
  return role == KeyRole::both || (role == KeyRole::edge) == (node_role == Role::edge);
}

std::string_view ConfigKey::default_for(Role node_role) const {
  return node_role == Role::edge ? edge_default : core_default;
}

std::span<const ConfigSection> config_sections() { return sections; }
std::span<const ConfigKey> config_keys() { return keys; }

const ConfigKey* find_config_key(std::string_view section, std::string_view name) {
  for (const ConfigKey& key : keys) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

}  // namespace sallyport::config
