// SPDX-License-Identifier: Apache-2.0
// The node's XMPP side: E takes clients' streams and finds the C that serves their domain, C has the presence servers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "controlplane/config/utc.h"
#include "controlplane/node/node_facts.h"
#include "controlplane/xmpp/stream_text.h"

namespace sallyport::node {

namespace {

constexpr auto presence_probe_interval = std::chrono::seconds(30);
constexpr std::string_view xmpp_client_protocol = "xmpp-client";  // ALPN, XEP-0368

tls::SourceLimitOptions source_limits(const config::XmppSection& section) {
  tls::SourceLimitOptions limits;
  limits.connections_per_source = section.connections_per_source;
  limits.connections_total = section.connections;
  limits.handshakes_per_source_per_s = section.handshakes_per_source_per_s;
  limits.handshake_burst = 2.0 * section.handshakes_per_source_per_s;
  return limits;
}

}  // namespace

Outcome<> Node::open_client_streams() {
  const config::XmppSection& section = config_.xmpp;
  if (section.client_port == 0 && section.direct_port == 0) return Done{};
  auto policy = tls::TlsPolicy::create(tls_options(tls::TlsRole::server), credentials_.listeners());
  if (!policy) return policy.fault();
  xmpp::ClientStreamSettings settings;
  settings.before.stanza_bytes = section.unauthenticated_stanza_bytes;
  settings.after.stanza_bytes = section.stanza_bytes;
  settings.authentication = std::chrono::seconds(section.authentication_s);
  settings.idle = std::chrono::seconds(section.idle_s);
  settings.unauthenticated_per_source = section.unauthenticated_per_source;
  settings.stanzas_per_s = section.stanzas_per_s;
  settings.bytes_per_s = section.bytes_per_s;
  settings.stanza = std::chrono::seconds(section.stanza_s);
  client_streams_ = std::make_unique<xmpp::ClientStreams>(settings, io_, *policy, [this](std::string domain, multiplex::Fields fields, std::shared_ptr<std::string> zone) { return open_presence_channel(std::move(domain), std::move(fields), std::move(zone)); });
  client_streams_->log = log_;
  client_streams_->on_handshake_failure = [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { on_client_handshake_failure(source, failure); };
  // One place for both ports: a source's connections are counted together.
  const auto limits = std::make_shared<tls::SourceLimits>(source_limits(section));
  const auto listen = [&](std::uint16_t port, bool is_direct) -> Outcome<> {
    if (port == 0) return Done{};
    tls::ListenerOptions options;
    options.name = fmt::format("xmpp {}{}", section.client_address, is_direct ? ", direct TLS" : "");
    auto address = slot_address(section.client_address, port);
    if (!address) return address.fault();
    options.address = *address;
    options.freebind = true;
    options.bind_patience = tls::start_patience;
    options.limits = limits;
    if (is_direct) {
      tls::TlsPolicyOptions tls = tls_options(tls::TlsRole::server);
      tls.alpn = {std::string(xmpp_client_protocol)};
      tls.strict_alpn = true;  // else a browser's HTTPS request could be led here under the same certificate
      auto direct = tls::TlsPolicy::create(std::move(tls), credentials_.listeners());
      if (!direct) return direct.fault();
      options.tls = std::move(*direct);
    }
    auto listener = tls::Listener::open(
        *engine_, std::move(options), [this, is_direct](tls::StreamPtr stream) { is_direct ? client_streams_->on_secured_stream(std::move(stream)) : client_streams_->on_stream(std::move(stream)); },
        [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { on_client_handshake_failure(source, failure); });
    if (!listener) return listener.fault();
    xmpp_listeners_.push_back(std::move(*listener));
    return Done{};
  };
  if (const Outcome<> opened = listen(section.client_port, false); !opened) return opened;
  return listen(section.direct_port, true);
}

// The zone whose C serves the domain. Of several zones only that to which the operator gave the domain: a C cannot take what is another
// tenant's by telling that it serves it.
std::string Node::zone_of_xmpp_domain(const std::string& domain) const {
  const auto site = store_->snapshot();
  for (const zones::MultiplexPeer& peer : multiplex_server_->peers()) {
    if (peer.session == nullptr || std::find(peer.facts.xmpp_domains.begin(), peer.facts.xmpp_domains.end(), domain) == peer.facts.xmpp_domains.end()) continue;
    const auto zone = std::find_if(site->zones.begin(), site->zones.end(), [&](const store::Zone& each) { return each.name == peer.zone; });
    if (zone == site->zones.end()) continue;
    const auto is_it = [&](const std::string& of_zone) { return xmpp::domain_of(of_zone) == domain; };
    if (site->zones.size() == 1 || std::any_of(zone->sip_domains.begin(), zone->sip_domains.end(), is_it)) return zone->name;
  }
  return {};
}

boost::asio::awaitable<Outcome<multiplex::ChannelPtr>> Node::open_presence_channel(std::string domain, multiplex::Fields fields, std::shared_ptr<std::string> zone) {
  *zone = zone_of_xmpp_domain(domain);
  if (zone->empty()) co_return Fault{FaultCode::missing, "domain " + domain, "no C that is connected serves it", "on C: [[presence]] with this domain; on E, with several zones: the domain in sip_domains of its zone"};
  const std::string name = *zone;
  auto opened = co_await multiplex_server_->open(name, std::string(xmpp::client_purpose), std::move(domain), std::move(fields), multiplex::Weight::interactive);
  co_return opened;
}

Outcome<> Node::open_presence() {
  if (config_.presence.empty()) return Done{};
  tls::TlsPolicyOptions options = tls_options(tls::TlsRole::client);
  options.wildcards = tls::WildcardRule::one_label;  // RFC 6120 13.7.1.2.1, unlike SIP
  auto policy = tls::TlsPolicy::create(options, credentials_.presence());
  if (!policy) return policy.fault();
  tls::TlsPolicyOptions direct_options = options;
  direct_options.alpn = {std::string(xmpp_client_protocol)};
  auto direct = tls::TlsPolicy::create(std::move(direct_options), credentials_.presence());
  if (!direct) return direct.fault();
  std::vector<xmpp::PresenceNode> nodes;
  for (const config::PresenceSection& section : config_.presence) {
    xmpp::PresenceNode node{section.name, section.host, section.port, section.transport == "tls", section.priority, {}};
    for (const std::string& domain : section.domains) node.domains.push_back(xmpp::domain_of(domain));
    nodes.push_back(std::move(node));
  }
  tls::ConnectOptions dialling;
  dialling.connect_deadline = std::chrono::milliseconds(2'000);
  dialling.handshake_deadline = std::chrono::milliseconds(3'000);
  presence_access_ = std::make_unique<xmpp::PresenceAccess>(std::move(nodes), *engine_, *resolver_, *policy, *direct, dialling);
  presence_access_->log = log_;
  presence_access_->watch_nodes(presence_probe_interval);
  return Done{};
}

void Node::on_xmpp_channel(const multiplex::ChannelPtr& channel) {
  if (presence_access_ == nullptr) return channel->refuse(404, "this C has no presence server");
  presence_access_->on_channel(channel);
}

NodeFacts::Awaitable<std::vector<api::XmppStreamView>> NodeFacts::xmpp_streams(std::size_t limit) {
  std::vector<api::XmppStreamView> list;
  const int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (const xmpp::ClientStreams* streams = node_.client_streams())
    for (const xmpp::ClientStreamView& each : streams->streams(limit))
      list.push_back({each.id, each.domain, each.zone, each.source, each.sni, each.tls, xmpp::name_of(each.state), config::utc((now_ms - each.since_ms) / 1000), each.stanzas, each.from_client_bytes, each.to_client_bytes});
  if (const xmpp::PresenceAccess* access = node_.presence_access())
    for (const xmpp::PresenceStreamView& each : access->streams(limit))
      list.push_back({each.id, each.domain, each.node, each.source, "", each.tls, each.is_established ? "established" : "authenticating", config::utc((now_ms - each.since_ms) / 1000), 0, each.from_client_bytes, each.to_client_bytes});
  co_return list;
}

NodeFacts::Awaitable<std::vector<api::PresenceView>> NodeFacts::presence() {
  std::vector<api::PresenceView> list;
  const xmpp::PresenceAccess* access = node_.presence_access();
  if (access == nullptr) co_return list;
  for (const xmpp::PresenceNodeView& each : access->nodes()) {
    const xmpp::PresenceNode& node = each.node;
    const char* state = each.is_failing ? "failing" : each.connects > 0 ? "up" : "unknown";
    list.push_back({node.name, node.host, node.is_direct_tls ? "tls" : "starttls", node.port, node.priority, node.domains, state, each.text, each.streams, each.connects, each.failures});
  }
  co_return list;
}

}  // namespace sallyport::node
