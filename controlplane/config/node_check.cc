// SPDX-License-Identifier: Apache-2.0
#include "controlplane/config/node_check.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <regex>
#include <set>

#include "controlplane/config/config_key.h"
#include "controlplane/config/fqdn.h"

namespace sallyport::config {

std::string place_of(std::string_view section, std::size_t index, std::string_view key, bool repeated) {
  std::string place(section);
  if (repeated) place += "[" + std::to_string(index) + "]";
  return key.empty() ? place : place + "." + std::string(key);
}

namespace {

// An address in one form, IPv4 in IPv6 as IPv4; no bytes: it is none.
struct ParsedIp {
  std::string bytes;
  bool is_any = false;
};

ParsedIp parse_ip(const std::string& text) {
  std::array<char, 16> bytes{};
  ParsedIp parsed;
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) parsed.bytes.assign(bytes.data(), 4);
  else if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) parsed.bytes.assign(bytes.data(), 16);
  if (parsed.bytes.starts_with(std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12))) parsed.bytes = parsed.bytes.substr(12);
  parsed.is_any = !parsed.bytes.empty() && parsed.bytes.find_first_not_of('\0') == std::string::npos;
  return parsed;
}

class RelationCheck {
 public:
  RelationCheck(const NodeConfig& config, const Places& places, Findings& errors, Findings& warnings)
      : config_(config), places_(places), errors_(errors), warnings_(warnings) {}

  void run() {
    names_are_unique();
    references_exist();
    addresses();
    ports();
    media();
    sip();
    xmpp();
    traversal();
    tls();
    onboarding();
    administration();
  }

 private:
  Finding at(const std::string& place, std::string cause, std::string remedy) const {
    Finding finding{.file = config_.file, .cause = std::move(cause), .remedy = std::move(remedy)};
    // A default that clashes has no place of its own: the section's, or the document's.
    auto found = places_.find(place);
    if (found == places_.end()) found = places_.find(place.substr(0, place.rfind('.')));
    if (found != places_.end()) std::tie(finding.line, finding.column) = found->second;
    finding.key = std::regex_replace(place, std::regex("\\[[0-9]+\\]"), "");
    return finding;
  }
  void refuse(const std::string& place, std::string cause, std::string remedy) { errors_.push_back(at(place, std::move(cause), std::move(remedy))); }

  void names_are_unique() {
    for (const ConfigSection& section : config_sections()) {
      const ConfigKey* key = section.repeated ? find_config_key(section.name, "name") : nullptr;
      std::set<std::string> seen;
      for (std::size_t i = 0; key && i < section.count(config_); ++i) {
        std::string name = key->get(config_, i).text;
        if (!name.empty() && !seen.insert(name).second) {
          refuse(place_of(section.name, i, "name", true), "\"" + name + "\" is the name of another [[" + std::string(section.name) + "]]", "choose a name of its own");
        }
      }
    }
  }

  bool is_port(const std::string& name) const {
    return std::any_of(config_.ports.begin(), config_.ports.end(), [&](const PortSection& port) { return port.name == name; });
  }

  void references_exist() {
    for (const ConfigSection& section : config_sections()) {
      for (const ConfigKey& key : config_keys()) {
        bool to_slot = key.rule == TextRule::address_slot, to_port = key.rule == TextRule::port_name;
        if (key.section != section.name || !key.is_for(config_.node.role) || (!to_slot && !to_port)) continue;
        for (std::size_t i = 0; i < section.count(config_); ++i) {
          std::string name = key.get(config_, i).text;
          if (name.empty() || (to_slot ? config_.address(name) != nullptr : is_port(name))) continue;
          const char* kind = to_slot ? "[[address]]" : "[[port]]";
          refuse(place_of(section.name, i, key.name, section.repeated), std::string("no ") + kind + " has the name \"" + name + "\"",
                 std::string("add such a ") + kind + " or name one that exists");
        }
      }
    }
  }

  void addresses() {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < config_.addresses.size(); ++i) {
      const AddressSection& address = config_.addresses[i];
      if (!address.ip.empty() && !seen.insert(address.ip).second) {
        refuse(place_of("address", i, "ip", true), address.ip + " is the address of another slot", "give each slot an address of its own");
      }
    }
  }

  void ports() {
    static const std::regex mac("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}");
    // The second kind is a device that DPDK makes itself, to try the profile where there is no NIC for it.
    static const std::regex vfio("[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\\.[0-7]|net_[a-z0-9_]+(,.+)?");
    for (std::size_t i = 0; i < config_.ports.size(); ++i) {
      const PortSection& port = config_.ports[i];
      if (port.profile == "vfio" && !std::regex_match(port.device, vfio)) {
        refuse(place_of("port", i, "device", true), "profile vfio needs a PCI address, not \"" + port.device + "\"", "write it like 0000:3b:00.0");
      }
      // Its exception port is an interface of the kernel's, called "sp-" and the port's name.
      if (port.profile == "vfio" && port.name.size() > 12) {
        refuse(place_of("port", i, "name", true), "\"" + port.name + "\" is too long for its exception port sp-" + port.name, "use at most 12 characters with profile vfio");
      }
      if (!port.peer_mac.empty() && !std::regex_match(port.peer_mac, mac)) {
        refuse(place_of("port", i, "peer_mac", true), "\"" + port.peer_mac + "\" is no MAC address", "write it like 02:00:00:00:00:01");
      }
      bool is_interface = port.profile == "packet" || port.profile == "xdp";
      if (is_interface && port.device.size() > 15) {
        refuse(place_of("port", i, "device", true), "\"" + port.device + "\" is no interface name, it is longer than 15 characters", "name the interface as `ip link` shows it");
      }
    }
  }

  void media() {
    const MediaSection& media = config_.media;
    if (media.port_min == 0 || media.port_max == 0) return;  // already refused
    if (media.port_min % 2 != 0) refuse("media.port_min", "must be even: RTP takes even ports", "use " + std::to_string(media.port_min + 1));
    if (media.port_max % 2 == 0) refuse("media.port_max", "must be odd: RTCP takes the port above RTP", "use " + std::to_string(media.port_max - 1));
    if (media.port_max < media.port_min + 7) {
      refuse("media.port_max", "leaves fewer than 8 ports above port_min", "widen the range; 36002 to 59999 is the default");
    }
    if (media.link_rtp_port == media.link_rtcp_port) refuse("media.link_rtcp_port", "is the same as link_rtp_port", "use the port above it");
    for (auto [key, port] : {std::pair("media.link_rtp_port", media.link_rtp_port), std::pair("media.link_rtcp_port", media.link_rtcp_port)}) {
      if (port >= media.port_min && port <= media.port_max) {
        refuse(key, std::to_string(port) + " lies in the range of relay ports", "choose a port outside port_min to port_max");
      }
    }
  }

  void sip() {
    const SipSection& sip = config_.sip;
    if (sip.t1_ms > sip.t2_ms) refuse("sip.t1_ms", "must not be above t2_ms", "500 and 4000 are the defaults");
    if (config_.node.role == Role::edge && sip.connections_per_source > sip.connections) {
      refuse("sip.connections_per_source", "is above connections", "lower it");
    }
  }

  void xmpp() {
    const XmppSection& xmpp = config_.xmpp;
    if (config_.node.role == Role::edge) {
      if (xmpp.client_port == 0 && xmpp.direct_port == 0) return;
      if (xmpp.client_port == xmpp.direct_port) refuse("xmpp.direct_port", "is client_port too", "5222 and 5223 are usual");
      if (xmpp.connections_per_source > xmpp.connections) refuse("xmpp.connections_per_source", "is above connections", "lower it");
      if (xmpp.unauthenticated_stanza_bytes > xmpp.stanza_bytes) refuse("xmpp.unauthenticated_stanza_bytes", "is above stanza_bytes", "65536 and 1048576 are the defaults");
      if (xmpp.client_address != config_.sip.client_address) return;
      for (const auto& [key, port] : {std::pair{"xmpp.client_port", xmpp.client_port}, {"xmpp.direct_port", xmpp.direct_port}})
        if (port != 0 && port == config_.sip.client_port) refuse(key, "is the port SIP clients are taken on", "5222 and 5223 are usual");
    }
  }

  void traversal() {
    const TraversalSection& traversal = config_.traversal;
    if (config_.node.role == Role::core) {
      if (traversal.local_port_min > traversal.local_port_max) refuse("traversal.local_port_max", "is below local_port_min", "25000 and 29999 are the defaults");
      if (traversal.reconnect_min_ms > traversal.reconnect_max_ms) refuse("traversal.reconnect_max_ms", "is below reconnect_min_ms", "500 and 30000 are the defaults");
      return;
    }
    bool same_address = traversal.address == config_.sip.client_address;
    if (same_address && traversal.port == config_.sip.client_port) {
      refuse("traversal.port", "is the port clients are taken on", "7001 is the default");
    }
  }

  void tls() {
    const TlsSection& tls = config_.tls;
    if (tls.certificate.empty() != tls.key.empty()) refuse(tls.key.empty() ? "tls.certificate" : "tls.key", "certificate and key belong together", "give both, or neither and install one with sallyport cert upload server");
    if (tls.client_certificate.empty() != tls.client_key.empty()) {
      refuse(tls.client_key.empty() ? "tls.client_certificate" : "tls.client_key", "client_certificate and client_key belong together", "give both or neither");
    }
    for (const CallControlSection& node : config_.call_control) {
      if (node.transport != "tls" || !is_ip_literal(node.host)) continue;
      Finding warning{.file = config_.file, .line = node.line, .column = 1, .key = "call_control.host"};
      warning.cause = "\"" + node.name + "\" is reached by TLS at an IP address";
      warning.remedy = "its certificate must have that address as a SAN; a host name is safer";
      warnings_.push_back(warning);
    }
  }

  // "ip:port" as the socket-address rule let it through.
  struct Socket {
    std::string ip;
    unsigned port = 0;
  };
  static Socket socket_of(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    std::string ip = text.substr(0, colon);
    if (ip.size() > 2 && ip.front() == '[') ip = ip.substr(1, ip.size() - 2);
    return {ip, static_cast<unsigned>(std::stoul(text.substr(colon + 1)))};
  }

  void onboarding() {
    if (config_.node.role == Role::edge && config_.onboarding.port == config_.sip.client_port) refuse("onboarding.port", "is where phones speak SIP (sip.client_port)", "choose another port");
    if (config_.onboarding.connections_per_source > config_.onboarding.connections) refuse("onboarding.connections_per_source", "is above connections", "lower it");
  }

  // It must be reached by a face that no client has.
  void administration() {
    const AdministrationSection& administration = config_.administration;
    if (administration.session_idle_s > administration.session_s) refuse("administration.session_idle_s", "is above session_s", "900 and 28800 are the defaults");
    if (administration.connections_per_source > administration.connections) refuse("administration.connections_per_source", "is above connections", "lower it");
    if (administration.listen.empty()) return;
    const char* place = "administration.listen";
    const char* own_address = "give it an address of a face that only administrators reach, or 127.0.0.1";
    const Socket socket = socket_of(administration.listen);
    const bool is_e = config_.node.role == Role::edge;
    const auto parsed = parse_ip(socket.ip);
    if (socket.port == 0) refuse(place, "names no port", "choose one, for example 8443");
    if (parsed.is_any) return refuse(place, "is every address of the node, the public ones too", own_address);
    const auto is_address_of = [&](const std::string& slot) {
      const AddressSection* address = config_.address(slot);
      return address != nullptr && parse_ip(address->ip).bytes == parsed.bytes;
    };
    if (is_e && (is_address_of(config_.sip.client_address) || is_address_of(config_.media.outer))) return refuse(place, socket.ip + " is the address that clients reach", own_address);
    const auto clashes = [&](const std::string& slot, unsigned port, const char* what) {
      if (is_address_of(slot) && socket.port == port) refuse(place, std::string("is ") + what, "choose another port");
    };
    if (is_e) {
      clashes(config_.traversal.address, config_.traversal.port, "where C is expected (traversal.port)");
      clashes(config_.traversal.address, config_.traversal.multiplex_port, "where C is expected (traversal.multiplex_port)");
    } else {
      clashes(config_.sip.inner_address, config_.sip.inner_port, "where call control is taken (sip.inner_port)");
      clashes(config_.sip.inner_address, config_.sip.inner_port + 1u, "where call control is taken over TLS (above sip.inner_port)");
    }
    if (!config_.api.metrics_listen.empty()) {
      const Socket metrics = socket_of(config_.api.metrics_listen);
      if (metrics.port == socket.port && (parse_ip(metrics.ip).bytes == parsed.bytes || parse_ip(metrics.ip).is_any)) refuse(place, "is api.metrics_listen", "choose another port");
    }
  }

  const NodeConfig& config_;
  const Places& places_;
  Findings& errors_;
  Findings& warnings_;
};

}  // namespace

void check_relations(const NodeConfig& config, const Places& places, Findings& errors, Findings& warnings) {
  RelationCheck(config, places, errors, warnings).run();
}

}  // namespace sallyport::config
