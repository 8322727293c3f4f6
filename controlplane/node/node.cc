// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <filesystem>

namespace sallyport::node {

namespace {

media::MediaSettings media_settings(const config::NodeConfig& config) {
  media::MediaSettings settings;
  const config::MediaSection& media = config.media;
  settings.is_e = config.is_e();
  settings.near_slot = config.is_e() ? media.outer : media.inner;
  settings.link_slot = media.link;
  const config::AddressSection* near = config.address(settings.near_slot);
  const config::AddressSection* link = config.address(settings.link_slot);
  settings.near_address = near->advertised.empty() ? near->ip : near->advertised;
  settings.link_address = link->advertised.empty() ? link->ip : link->advertised;
  settings.port_min = static_cast<uint16_t>(media.port_min);
  settings.port_max = static_cast<uint16_t>(media.port_max);
  settings.link_rtp_port = static_cast<uint16_t>(media.link_rtp_port);
  settings.link_rtcp_port = static_cast<uint16_t>(media.link_rtcp_port);
  settings.keepalive_ms = media.keepalive_s * 1000;
  settings.max_packets_per_s = media.max_packets_per_s;
  settings.suites = media.suites;
  settings.inner_srtp = media.inner_encryption == "sdes";
  return settings;
}

proxy::TimerSettings timer_settings(const config::SipSection& sip) {
  proxy::TimerSettings timers;
  timers.t1_ms = sip.t1_ms;
  timers.t2_ms = sip.t2_ms;
  timers.t4_ms = sip.t4_ms;
  return timers;
}

abi::Address media_address(const tls::SocketAddress& host, uint16_t port) {
  abi::Address address;
  const std::string_view bytes = host.ip_bytes();
  address.family = bytes.size() == 4 ? 4 : 6;
  address.port = port;
  std::copy(bytes.begin(), bytes.end(), address.ip);
  return address;
}

std::string uri_host(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

constexpr auto house_interval = std::chrono::seconds(5);

}  // namespace

Node::Node(boost::asio::io_context& io, config::NodeConfig config, Log log)
    : io_(io),
      config_(std::move(config)),
      log_(std::move(log)),
      wheel_(io),
      timers_(timer_settings(config_.sip)),
      dataplane_(io, config_.dataplane.socket),
      media_(media_settings(config_), dataplane_, [this] { return wheel_.now_ms(); }),
      calls_({.agent = config_.node.fqdn}, media_, [this](uint64_t hop_id) { return link_of_hop(hop_id); }, [this] { return wheel_.now_ms(); }),
      registrations_(config_.sip.connections),
      house_timer_(io),
      drain_timer_(io) {
  // Flow tokens name hops: ids of an earlier life must not meet those of this one.
  RAND_bytes(reinterpret_cast<unsigned char*>(&last_hop_id_), sizeof last_hop_id_);
  last_hop_id_ >>= 2;
}

Node::~Node() {
  for (const auto& client : zone_clients_) client->stop();
  if (call_control_access_ != nullptr) call_control_access_->stop();
}

uint64_t Node::link_of_hop(uint64_t hop_id) const {
  const auto found = link_by_hop_.find(hop_id);
  return found == link_by_hop_.end() ? 0 : found->second;
}

sip::FramerLimits Node::framer_limits() const { return {.head_bytes = config_.sip.max_head_bytes, .body_bytes = config_.sip.max_body_bytes}; }

Outcome<tls::SocketAddress> Node::slot_address(std::string_view slot, uint16_t port) const {
  return tls::SocketAddress::parse(config_.address(slot)->ip, port);
}

std::string Node::slot_text(std::string_view slot) const {
  const config::AddressSection* section = config_.address(slot);
  return uri_host(section->advertised.empty() ? section->ip : section->advertised);
}

Outcome<> Node::start() {
  std::error_code ignored;
  std::filesystem::create_directories(config_.node.state_dir, ignored);
  auto engine = tls::StreamEngine::create(io_);
  if (!engine) return engine.fault();
  engine_ = std::move(*engine);
  auto resolver = dns::Resolver::create(io_, {.servers = config_.dns.servers});
  if (!resolver) return resolver.fault();
  resolver_ = std::move(*resolver);
  tls::CredentialSource source;
  source.platform = {"platform", config_.tls.certificate, config_.tls.key};
  source.ca_paths = {config_.tls.ca_file};
  auto credentials = tls::CredentialStore::load(std::move(source));
  if (!credentials) return credentials.fault();
  credentials_ = std::move(*credentials);
  for (const std::string& warning : credentials_->snapshot()->warnings()) log_("tls: " + warning);
  auto client_policy = tls::TlsPolicy::create({.role = tls::TlsRole::client}, credentials_);
  if (!client_policy) return client_policy.fault();
  client_policy_ = std::move(*client_policy);
  auto key = load_flow_key(config_.node.state_dir + "/flow.key");
  if (!key) return key.fault();
  auto site = load_site(site_path(), config_);
  if (!site) return site.fault();
  site_ = std::move(*site);
  wire_dataplane();
  if (const Outcome<> started = config_.is_e() ? start_edge(*key) : start_inner(*key); !started) return started;
  dataplane_.start();
  keep_house();
  log_(fmt::format("node {} ({}): engine {}, ready", config_.node.name, config_.is_e() ? "E" : "C", engine_->backend() == tls::EngineBackend::io_uring ? "io_uring" : "epoll"));
  return Done{};
}

void Node::wire_dataplane() {
  dataplane_.log = media_.log = log_;
  dataplane_.on_connected = [this](bool adopted) { media_.on_dataplane(adopted); };
  dataplane_.on_event = [this](const abi::Event& event) {
    if (event.type == abi::EventType::auth_failing) log_(fmt::format("media: flow {}: {} packets in a row failed authentication", event.flow_index, event.value));
    if (event.type == abi::EventType::link_up || event.type == abi::EventType::link_down)
      log_(fmt::format("media link {}: {} {}", event.link, event.value == 0 ? "RTP" : "RTCP", event.type == abi::EventType::link_up ? "up" : "down"));
  };
}

Outcome<> Node::start_edge(const sip::FlowKey& key) {
  const auto client_port = static_cast<uint16_t>(config_.sip.client_port);
  proxy::EdgeSettings settings;
  settings.agent = config_.node.fqdn;
  settings.client_host = config_.sip.record_route_host;
  settings.client_port = client_port;
  settings.traversal_host = config_.node.fqdn;
  settings.traversal_port = static_cast<uint16_t>(config_.traversal.port);
  settings.domains = config_.sip.domains;
  settings.flow_timer_s = config_.sip.flow_timer_s;
  proxy::OwnNames own;
  own.add(settings.client_host, 0);
  own.add(config_.node.fqdn, 0);
  // Clients that find us by DNS write their domain into a preloaded Route.
  for (const std::string& domain : settings.domains) own.add(domain, 0);
  for (const std::string& slot : {config_.sip.client_address, config_.traversal.address}) {
    own.add(slot_text(slot), 0);
    own.add(uri_host(config_.address(slot)->ip), 0);
  }
  edge_router_ = std::make_unique<proxy::EdgeRouter>(settings, own, sip::FlowTokens("flow", key), registrations_, [this] { return wheel_.now_ms(); });
  proxy_ = std::make_unique<proxy::Proxy>(wheel_, timers_, config_.sip.transactions, *edge_router_, calls_);
  edge_router_->answer = [this](const std::shared_ptr<proxy::Hop>& hop, const sip::Message& request, int status) { proxy_->answer(hop, request, status); };
  edge_router_->take_from_zone = [this](const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
    for (const auto& server : zone_servers_)
      if (server->owns(hop->id)) return server->take(request, hop);
    return false;
  };
  clients_ = std::make_unique<proxy::ClientAccess>(
      proxy::ClientAccessSettings{fmt::format("SIP/2.0/TLS {}:{};branch=", uri_host(settings.client_host), client_port), config_.sip.unregistered_idle_s * 1000, framer_limits()},
      io_, *proxy_, *edge_router_);

  auto policy = tls::TlsPolicy::create({.role = tls::TlsRole::server}, credentials_);
  if (!policy) return policy.fault();
  server_policy_ = std::move(*policy);
  tls::ListenerOptions options;
  options.name = "sip-tls " + config_.sip.client_address;
  auto address = slot_address(config_.sip.client_address, client_port);
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.tls = server_policy_;
  tls::SourceLimitOptions limits;
  limits.connections_per_source = config_.sip.connections_per_source;
  limits.connections_total = config_.sip.connections;
  limits.handshakes_per_source_per_s = config_.sip.handshakes_per_source_per_s;
  limits.handshake_burst = 2.0 * config_.sip.handshakes_per_source_per_s;
  options.limits = std::make_shared<tls::SourceLimits>(limits);
  auto listener = tls::Listener::open(*engine_, std::move(options), [this](tls::StreamPtr stream) { clients_->on_stream(next_hop_id(), std::move(stream)); });
  if (!listener) return listener.fault();
  client_listener_ = std::move(*listener);
  for (const ZoneSite& zone : site_.zones)
    if (const Outcome<> opened = open_zone(zone); !opened) return opened;
  return Done{};
}

Outcome<> Node::open_zone(const ZoneSite& zone) {
  zones::TraversalServerSettings settings;
  settings.zone = settings.realm = zone.name;
  settings.username = zone.user;
  settings.via_head = fmt::format("SIP/2.0/TLS {}:{};branch=", uri_host(config_.node.fqdn), zone.port);
  settings.idle_ms = 90'000;
  settings.limits = framer_limits();
  zone_servers_.push_back(std::make_unique<zones::TraversalServer>(
      settings, wheel_, *proxy_, [this, realm = zone.name](std::string_view user, sip::DigestAlgorithm algorithm) { return site_.ha1(user, realm, algorithm); }));
  zones::TraversalServer& server = *zone_servers_.back();
  server.log = log_;
  server.offer_link = [this, name = zone.name](const std::string& host) -> Outcome<zones::LinkOffer> {
    const auto keys = media_.serve_link(zones::link_id_of(name, host));
    if (!keys) return keys.fault();
    return zones::LinkOffer{keys->session, keys->key, static_cast<uint16_t>(config_.media.link_rtp_port), static_cast<uint16_t>(config_.media.link_rtcp_port)};
  };
  server.on_active = [this, name = zone.name](const std::shared_ptr<proxy::Hop>& hop, const std::string& host) {
    link_by_hop_[hop->id] = zones::link_id_of(name, host);
    edge_router_->add_peer(hop, host);
  };
  server.on_lost = [this](const std::shared_ptr<proxy::Hop>& hop, const std::string&) {
    edge_router_->remove_peer(hop->id);
    link_by_hop_.erase(hop->id);
  };
  auto policy = tls::TlsPolicy::create({.role = tls::TlsRole::server_verifies_client, .peer_names = zone.tls_verify_subject_names}, credentials_);
  if (!policy) return policy.fault();
  zone_policies_.push_back(*policy);
  tls::ListenerOptions options;
  options.name = "traversal zone " + zone.name;
  auto address = slot_address(config_.traversal.address, zone.port);
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.tls = *policy;
  options.limits = std::make_shared<tls::SourceLimits>(tls::SourceLimitOptions{.connections_per_source = 64, .handshakes_per_source_per_s = 20, .handshake_burst = 40, .connections_total = 256});
  auto listener = tls::Listener::open(
      *engine_, std::move(options), [this, &server](tls::StreamPtr stream) { server.on_stream(next_hop_id(), std::move(stream), io_); },
      [&server](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { server.on_handshake_failure(source, failure); });
  if (!listener) return listener.fault();
  zone_listeners_.push_back(std::move(*listener));
  return Done{};
}

Outcome<> Node::start_inner(const sip::FlowKey& key) {
  proxy::InnerSettings settings;
  settings.agent = config_.node.fqdn;
  settings.traversal_port = 7001;
  settings.inner_host = slot_text(config_.sip.inner_address);
  settings.inner_port = static_cast<uint16_t>(config_.sip.inner_port);
  proxy::OwnNames own;
  own.add(config_.node.fqdn, 0);
  own.add(settings.inner_host, settings.inner_port);
  own.add(uri_host(config_.address(config_.sip.inner_address)->ip), settings.inner_port);
  inner_router_ = std::make_unique<proxy::InnerRouter>(settings, own, sip::FlowTokens("link", key), sip::FlowTokens("contact", key), call_control_, registrations_,
                                                       [this] { return wheel_.now_ms(); });
  proxy_ = std::make_unique<proxy::Proxy>(wheel_, timers_, config_.sip.transactions, *inner_router_, calls_);
  inner_router_->answer = [this](const std::shared_ptr<proxy::Hop>& hop, const sip::Message& request, int status) { proxy_->answer(hop, request, status); };
  uint32_t interval_s = 30;
  for (const config::CallControlSection& section : config_.call_control) {
    proxy::CallControlNode node;
    node.name = section.name;
    node.host = section.host;
    node.port = static_cast<uint16_t>(section.port);
    node.transport = section.transport == "udp" ? proxy::Transport::udp : section.transport == "tcp" ? proxy::Transport::tcp : proxy::Transport::tls;
    node.priority = section.priority;
    node.mode = section.registrar_mode == "path" ? proxy::RegistrarMode::path : section.registrar_mode == "contact" ? proxy::RegistrarMode::contact : proxy::RegistrarMode::automatic;
    interval_s = std::min(interval_s, section.options_interval_s);
    call_control_.add(std::move(node));
  }
  proxy::CallControlAccessSettings access;
  auto local = slot_address(config_.sip.inner_address, settings.inner_port);
  if (!local) return local.fault();
  access.local = *local;
  access.inner_host = settings.inner_host;
  access.agent = config_.node.fqdn;
  access.tls = client_policy_;
  access.limits = framer_limits();
  access.probe_interval_ms = interval_s * 1000;
  access.probe_interval_down_ms = std::min(interval_s * 1000, 5000u);
  call_control_access_ = std::make_unique<proxy::CallControlAccess>(access, *engine_, *resolver_, *proxy_, call_control_, [this] { return next_hop_id(); }, [this] { return wheel_.now_ms(); });
  call_control_access_->log = log_;
  inner_router_->on_node_failed = [this](proxy::CallControlNode& node) { call_control_access_->suspect(node); };
  if (const Outcome<> opened = call_control_access_->open(); !opened) return opened;
  for (const ZoneSite& zone : site_.zones) join_zone(zone);
  return Done{};
}

void Node::join_zone(const ZoneSite& zone) {
  for (const std::string& peer : zone.peers) {
    zones::TraversalClientSettings settings;
    settings.zone = zone.name;
    settings.peer = peer;
    settings.port = zone.port;
    settings.username = zone.user;
    settings.password = zone.password;
    settings.own_host = config_.node.fqdn;
    settings.via_head = fmt::format("SIP/2.0/TLS {}:{};branch=", uri_host(config_.node.fqdn), zone.port);
    if (const auto local = slot_address(config_.traversal.address, 0)) settings.local = *local;
    settings.local_port_low = static_cast<uint16_t>(config_.traversal.local_port_min);
    settings.local_port_high = static_cast<uint16_t>(config_.traversal.local_port_max);
    settings.keepalive_ms = config_.traversal.keepalive_s * 1000;
    settings.limits = framer_limits();
    auto client = std::make_shared<zones::TraversalClient>(settings, *engine_, *resolver_, client_policy_, wheel_, *proxy_, [this] { return next_hop_id(); });
    client->log = log_;
    client->on_active = [this](uint64_t link_id, const std::shared_ptr<proxy::Hop>& hop, const zones::LinkOffer& offer) {
      link_by_hop_[hop->id] = link_id;
      inner_router_->set_link(link_id, hop);
      const auto joined = media_.join_link(link_id, {offer.session, offer.key}, media_address(hop->remote, offer.rtp_port), media_address(hop->remote, offer.rtcp_port));
      if (!joined) log_(joined.fault().text());
    };
    client->on_lost = [this](uint64_t link_id, const std::shared_ptr<proxy::Hop>& hop) {
      link_by_hop_.erase(hop->id);
      inner_router_->clear_link(link_id);
    };
    zone_clients_.push_back(client);
    boost::asio::co_spawn(io_, zones::TraversalClient::run(client), boost::asio::detached);
  }
}

Outcome<> Node::reload() {
  auto site = load_site(site_path(), config_);
  if (!site) return site.fault();
  if (const Outcome<> loaded = credentials_->reload(); !loaded) return loaded;
  std::vector<ZoneSite> added;
  for (const ZoneSite& zone : site->zones) {
    bool known = false;
    for (size_t number = 0; number < site_.zones.size(); ++number) known = known || site_.zones[number].name == zone.name;
    if (!known) added.push_back(zone);
  }
  site_ = std::move(*site);
  for (size_t number = 0; number < zone_servers_.size(); ++number)
    for (const ZoneSite& zone : site_.zones) {
      if (zone.name != zone_servers_[number]->settings().zone) continue;
      zone_policies_[number]->set_peer_names(zone.tls_verify_subject_names);
      zones::TraversalServerSettings settings = zone_servers_[number]->settings();
      settings.username = zone.user;
      zone_servers_[number]->configure(settings);
    }
  for (const ZoneSite& zone : added) {
    if (config_.is_e()) {
      if (const Outcome<> opened = open_zone(zone); !opened) return opened;
    } else {
      join_zone(zone);
    }
  }
  return Done{};
}

void Node::keep_house() {
  house_timer_.expires_after(house_interval);
  house_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    calls_.sweep();
    registrations_.expire(wheel_.now_ms());
    keep_house();
  });
}

void Node::drain(std::chrono::milliseconds deadline, std::function<void()> done) {
  if (client_listener_ != nullptr) client_listener_->stop_accepting();
  for (const auto& listener : zone_listeners_) listener->stop_accepting();
  drained_ = std::move(done);
  drain_timer_.expires_after(calls_.running() == 0 ? std::chrono::milliseconds(0) : deadline);
  drain_timer_.async_wait([this](const boost::system::error_code&) {
    if (drained_) std::exchange(drained_, nullptr)();
  });
}

}  // namespace sallyport::node
