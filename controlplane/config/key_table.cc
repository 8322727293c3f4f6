// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/key_table.h"

namespace sallyport::config {

namespace {

using C = NodeConfig;
#define AT(expression) [](C & c) -> Target { return &c.expression; }

const std::vector<Key> table = {
    {"node", "name", "", "Name of the node in logs and metrics.", Needed::both, Applies::restart, 0, 0, "", AT(node.name)},
    {"node", "fqdn", "", "DNS name of the node; must stand in the SAN of its certificate.", Needed::both, Applies::restart, 0, 0, "", AT(node.fqdn)},
    {"node", "run_dir", "", "Directory of the sockets.", Needed::both, Applies::restart, 0, 0, "", AT(node.run_dir)},
    {"node", "state_dir", "", "Directory of the store, the sealing key and the call journal.", Needed::both, Applies::restart, 0, 0, "", AT(node.state_dir)},
    {"node", "log_level", "", "Least severity that is logged.", Needed::optional, Applies::live, 0, 0, "debug|info|warn|error", AT(node.log_level)},
    {"node", "log_file", "", "File of the log; - is standard error.", Needed::optional, Applies::restart, 0, 0, "", AT(node.log_file)},

    {"address", "name", "", "Name of the address slot.", Needed::both, Applies::restart, 0, 0, "", AT(addresses.back().name)},
    {"address", "ip", "", "IPv4 or IPv6 address of an interface of this machine.", Needed::both, Applies::restart, 0, 0, "", AT(addresses.back().ip)},
    {"address", "advertised", "", "Address that peers are told instead, behind static NAT.", Needed::optional, Applies::restart, 0, 0, "", AT(addresses.back().advertised)},
    {"address", "port", "", "Dataplane port that carries the address.", Needed::both, Applies::restart, 0, 0, "", AT(addresses.back().port)},

    {"port", "name", "", "Name of the dataplane port.", Needed::both, Applies::restart, 0, 0, "", AT(ports.back().name)},
    {"port", "profile", "", "How the dataplane reaches the interface.", Needed::optional, Applies::restart, 0, 0, "packet|xdp|vfio|memif|ring", AT(ports.back().profile)},
    {"port", "device", "", "Interface name, or PCI address for vfio.", Needed::both, Applies::restart, 0, 0, "", AT(ports.back().device)},
    {"port", "queues", "", "Receive queues, one a worker.", Needed::optional, Applies::restart, 1, 16, "", AT(ports.back().queues)},
    {"port", "mtu", "bytes", "Largest IP packet that is sent.", Needed::optional, Applies::restart, 576, 9000, "", AT(ports.back().mtu)},

    {"dataplane", "socket", "", "Unix socket between the two processes of the node.", Needed::both, Applies::restart, 0, 0, "", AT(dataplane.socket)},
    {"dataplane", "lcores", "", "CPU cores of the workers, one each.", Needed::optional, Applies::restart, 0, 1023, "", AT(dataplane.lcores)},
    {"dataplane", "sleep_idle_us", "us", "How long an idle worker sleeps; 0 spins.", Needed::optional, Applies::restart, 0, 10000, "", AT(dataplane.sleep_idle_us)},
    {"dataplane", "flows", "", "Flows the shared region has room for; a call with one stream takes four.", Needed::optional, Applies::restart, 16, 4194304, "", AT(dataplane.flows)},
    {"dataplane", "memory_mb", "MiB", "Memory for packet buffers.", Needed::optional, Applies::restart, 32, 65536, "", AT(dataplane.memory_mb)},
    {"dataplane", "hugepages", "", "Whether hugepages are used; auto falls back and says so.", Needed::optional, Applies::restart, 0, 0, "auto|on|off", AT(dataplane.hugepages)},

    {"media", "port_min", "", "First relay port.", Needed::optional, Applies::restart, 1024, 65534, "", AT(media.port_min)},
    {"media", "port_max", "", "Last relay port.", Needed::optional, Applies::restart, 1025, 65535, "", AT(media.port_max)},
    {"media", "link_rtp_port", "", "UDP port of multiplexed RTP between C and E.", Needed::optional, Applies::restart, 1024, 65535, "", AT(media.link_rtp_port)},
    {"media", "link_rtcp_port", "", "UDP port of multiplexed RTCP between C and E.", Needed::optional, Applies::restart, 1024, 65535, "", AT(media.link_rtcp_port)},
    {"media", "keepalive_s", "s", "Interval in which C keeps the media link open.", Needed::optional, Applies::restart, 1, 15, "", AT(media.keepalive_s)},
    {"media", "max_packets_per_s", "packets/s", "Most packets a flow may carry.", Needed::optional, Applies::restart, 50, 1000000, "", AT(media.max_packets_per_s)},
    {"media", "suites", "", "SRTP suites offered to clients, strongest first.", Needed::optional, Applies::restart, 0, 0, "AEAD_AES_256_GCM|AEAD_AES_128_GCM|AES_256_CM_HMAC_SHA1_80|AES_CM_128_HMAC_SHA1_80|AES_CM_128_HMAC_SHA1_32", AT(media.suites)},
    {"media", "outer", "", "E: address slot of relay ports towards clients.", Needed::optional, Applies::restart, 0, 0, "", AT(media.outer)},
    {"media", "inner", "", "C: address slot of media towards inside phones.", Needed::optional, Applies::restart, 0, 0, "", AT(media.inner)},
    {"media", "link", "", "Address slot of the media link between C and E.", Needed::optional, Applies::restart, 0, 0, "", AT(media.link)},
    {"media", "inner_encryption", "", "C: media towards call control in clear (off) or SRTP with keys in SDP (sdes).", Needed::optional, Applies::restart, 0, 0, "off|sdes", AT(media.inner_encryption)},

    {"sip", "client_address", "", "E: address slot where clients connect.", Needed::optional, Applies::restart, 0, 0, "", AT(sip.client_address)},
    {"sip", "client_port", "", "E: TCP port of SIP TLS for clients.", Needed::optional, Applies::restart, 1, 65535, "", AT(sip.client_port)},
    {"sip", "record_route_host", "", "E: host in Record-Route and Path; a name in the certificate. Default: node.fqdn.", Needed::optional, Applies::restart, 0, 0, "", AT(sip.record_route_host)},
    {"sip", "domains", "", "E: domains whose clients may register.", Needed::e_only, Applies::restart, 0, 0, "", AT(sip.domains)},
    {"sip", "inner_address", "", "C: address slot towards call control.", Needed::optional, Applies::restart, 0, 0, "", AT(sip.inner_address)},
    {"sip", "inner_port", "", "C: UDP and TCP port towards call control.", Needed::optional, Applies::restart, 1, 65535, "", AT(sip.inner_port)},
    {"sip", "flow_timer_s", "s", "E: Flow-Timer told to outbound clients (RFC 5626).", Needed::optional, Applies::restart, 15, 3600, "", AT(sip.flow_timer_s)},
    {"sip", "max_head_bytes", "bytes", "Largest start line and headers of a message.", Needed::optional, Applies::restart, 4096, 1048576, "", AT(sip.max_head_bytes)},
    {"sip", "max_body_bytes", "bytes", "Largest body of a message.", Needed::optional, Applies::restart, 4096, 1048576, "", AT(sip.max_body_bytes)},
    {"sip", "connections", "", "E: most client connections.", Needed::optional, Applies::restart, 1, 1000000, "", AT(sip.connections)},
    {"sip", "connections_per_source", "", "E: most connections of one source address (IPv6: /64).", Needed::optional, Applies::restart, 1, 1000000, "", AT(sip.connections_per_source)},
    {"sip", "handshakes_per_source_per_s", "1/s", "E: TLS handshakes of one source address.", Needed::optional, Applies::restart, 1, 100000, "", AT(sip.handshakes_per_source_per_s)},
    {"sip", "unregistered_idle_s", "s", "E: idle limit of a connection that has not registered.", Needed::optional, Applies::restart, 5, 3600, "", AT(sip.unregistered_idle_s)},
    {"sip", "transactions", "", "Most SIP transactions at once; above it 503.", Needed::optional, Applies::restart, 100, 10000000, "", AT(sip.transactions)},
    {"sip", "t1_ms", "ms", "Timer T1 of RFC 3261.", Needed::optional, Applies::restart, 50, 5000, "", AT(sip.t1_ms)},
    {"sip", "t2_ms", "ms", "Timer T2 of RFC 3261.", Needed::optional, Applies::restart, 100, 60000, "", AT(sip.t2_ms)},
    {"sip", "t4_ms", "ms", "Timer T4 of RFC 3261.", Needed::optional, Applies::restart, 100, 60000, "", AT(sip.t4_ms)},

    {"call_control", "name", "", "Name of the call control node in status and logs.", Needed::c_only, Applies::restart, 0, 0, "", AT(call_control.back().name)},
    {"call_control", "host", "", "Its FQDN or address.", Needed::c_only, Applies::restart, 0, 0, "", AT(call_control.back().host)},
    {"call_control", "port", "", "Its SIP port.", Needed::optional, Applies::restart, 1, 65535, "", AT(call_control.back().port)},
    {"call_control", "transport", "", "How it is reached.", Needed::optional, Applies::restart, 0, 0, "udp|tcp|tls", AT(call_control.back().transport)},
    {"call_control", "priority", "", "Lower numbers first; equals share the clients.", Needed::optional, Applies::restart, 0, 65535, "", AT(call_control.back().priority)},
    {"call_control", "registrar_mode", "", "How requests find the way back: path (RFC 3327), contact, or learnt (auto).", Needed::optional, Applies::restart, 0, 0, "auto|path|contact", AT(call_control.back().registrar_mode)},
    {"call_control", "options_interval_s", "s", "Interval of OPTIONS probes.", Needed::optional, Applies::restart, 1, 3600, "", AT(call_control.back().options_interval_s)},

    {"traversal", "address", "", "Address slot of the traversal zone: E listens there, C connects from there.", Needed::optional, Applies::restart, 0, 0, "", AT(traversal.address)},
    {"traversal", "port", "", "E: TCP port of the first zone; further zones take the next ports.", Needed::optional, Applies::restart, 1, 65535, "", AT(traversal.port)},
    {"traversal", "local_port_min", "", "C: first local port of connections to E.", Needed::optional, Applies::restart, 1024, 65535, "", AT(traversal.local_port_min)},
    {"traversal", "local_port_max", "", "C: last local port of connections to E.", Needed::optional, Applies::restart, 1024, 65535, "", AT(traversal.local_port_max)},
    {"traversal", "keepalive_s", "s", "C: interval of OPTIONS to E.", Needed::optional, Applies::restart, 1, 600, "", AT(traversal.keepalive_s)},

    {"tls", "certificate", "", "PEM file: certificate, then intermediates.", Needed::both, Applies::live, 0, 0, "", AT(tls.certificate)},
    {"tls", "key", "", "PEM file: private key, not encrypted.", Needed::both, Applies::live, 0, 0, "", AT(tls.key)},
    {"tls", "ca_file", "", "PEM file: CAs that may have signed the other node's certificate.", Needed::both, Applies::live, 0, 0, "", AT(tls.ca_file)},

    {"dns", "servers", "", "DNS servers as ip:port; empty: /etc/resolv.conf.", Needed::optional, Applies::restart, 0, 0, "", AT(dns.servers)},

    {"api", "socket", "", "Unix socket of the REST interface and the command sallyport.", Needed::both, Applies::restart, 0, 0, "", AT(api.socket)},
    {"api", "metrics_listen", "", "ip:port that serves /metrics over TCP too; empty: only the socket.", Needed::optional, Applies::restart, 0, 0, "", AT(api.metrics_listen)},
};
#undef AT

}  // namespace

std::span<const Key> key_table() { return table; }

bool is_array_section(std::string_view section) { return section == "address" || section == "port" || section == "call_control"; }

}  // namespace sallyport::config
