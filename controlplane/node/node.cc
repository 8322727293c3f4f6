// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <filesystem>

#include "controlplane/certificates/certificate_part.h"
#include "controlplane/config/fqdn.h"
#include "controlplane/config/node_file.h"

namespace sallyport::node {

namespace {

proxy::TimerSettings timer_settings(const config::SipSection& sip) {
  proxy::TimerSettings timers;
  timers.t1_ms = sip.t1_ms;
  timers.t2_ms = sip.t2_ms;
  timers.t4_ms = sip.t4_ms;
  return timers;
}

std::string uri_host(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

dns::ResolverOptions resolver_options(const config::DnsSection& dns) {
  dns::ResolverOptions options;
  options.servers = dns.servers;
  options.server_timeout = std::chrono::milliseconds(dns.timeout_ms);
  options.tries = static_cast<int>(dns.tries);
  options.deadline = std::max(options.deadline, options.server_timeout * options.tries);
  return options;
}

RevocationSettings revocation_settings(const config::CertificatesSection& section) { return {.is_on = section.revocation == "on", .requests_per_min = section.revocation_requests_per_min}; }

constexpr auto house_interval = std::chrono::seconds(5);
constexpr uint64_t facts_interval_ms = 600'000;  // of telling what did not change: clocks drift apart

}  // namespace

Node::Node(boost::asio::io_context& io, config::NodeConfig config, Log log, std::string version)
    : io_(io),
      config_(std::move(config)),
      log_(std::move(log)),
      version_(std::move(version)),
      wheel_(io),
      timers_(timer_settings(config_.sip)),
      media_(io, media_settings(config_), *this),
      calls_({.link_loss_limit_ms = uint64_t{config_.media.link_loss_s} * 1000, .agent = config_.node.fqdn}, media_, [this](uint64_t hop_id) { return peer_of_hop(hop_id); }, [this] { return wheel_.now_ms(); }),
      registrations_(config_.is_e() ? config_.sip.connections : 100'000),
      house_timer_(io),
      drain_timer_(io),
      facts_timer_(io) {
  // Flow tokens name hops: ids of an earlier life must not meet those of this one.
  RAND_bytes(reinterpret_cast<unsigned char*>(&last_hop_id_), sizeof last_hop_id_);
  last_hop_id_ >>= 2;
  run_ = fmt::format("{:016x}", last_hop_id_);
}

Node::~Node() {
  media_.stop();  // calls go on without us
  for (const auto& client : zone_clients_) client->stop();
  for (const auto& client : multiplex_clients_) client->stop();
  if (call_control_access_ != nullptr) call_control_access_->stop();
  xmpp_listeners_.clear();
  if (client_streams_ != nullptr) client_streams_->close_all("this node ends; try again soon");
  if (chat_node_keeper_ != nullptr) chat_node_keeper_->stop();
  if (presence_access_ != nullptr) presence_access_->close_all("this node ends");
  if (acme_keeper_ != nullptr) acme_keeper_->stop();
  if (revocation_keeper_ != nullptr) revocation_keeper_->stop();
  if (pair_keeper_ != nullptr) pair_keeper_->stop();
}

tls::TlsPolicyOptions Node::tls_options(tls::TlsRole role) const {
  tls::TlsPolicyOptions options{.role = role, .tls13_only = config_.tls.min_version == "1.3"};
  if (role != tls::TlsRole::client) options.staples = staples_;
  return options;
}

zones::TraversalServer* Node::zone_server(std::string_view name) const {
  const auto found = std::find_if(zone_servers_.begin(), zone_servers_.end(), [&](const auto& server) { return server->settings().zone == name; });
  return found == zone_servers_.end() ? nullptr : found->get();
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
  auto resolver = dns::Resolver::create(io_, resolver_options(config_.dns));
  if (!resolver) return resolver.fault();
  resolver_ = std::move(*resolver);
  if (const Outcome<> opened = open_store(); !opened) return opened;
  auto credentials = NodeCredentials::load(config_.tls, *vault_->snapshot(), *pair_store_->snapshot());
  if (!credentials) return credentials.fault();
  credentials_ = std::move(*credentials);
  for (const std::string& warning : credentials_.listeners()->snapshot()->warnings()) log_("tls: " + warning);
  if (const Outcome<> made = make_revocation_keeper(); !made) return made;
  auto client_policy = tls::TlsPolicy::create(tls_options(tls::TlsRole::client), credentials_.call_control());
  if (!client_policy) return client_policy.fault();
  client_policy_ = std::move(*client_policy);
  auto zone_policy = tls::TlsPolicy::create(tls_options(tls::TlsRole::client), credentials_.zone());
  if (!zone_policy) return zone_policy.fault();
  zone_policy_ = std::move(*zone_policy);
  auto multiplex_policy = tls::TlsPolicy::create(multiplex_tls(tls::TlsRole::client), credentials_.zone());
  if (!multiplex_policy) return multiplex_policy.fault();
  multiplex_policy_ = std::move(*multiplex_policy);
  if (const Outcome<> started = start_onboarding(); !started) return started;
  if (const Outcome<> started = config_.is_e() ? start_edge() : start_inner(); !started) return started;
  store_->add_listener([this](std::shared_ptr<const store::SiteConfig> before, std::shared_ptr<const store::SiteConfig> after) { apply_site(*before, *after); });
  if (const Outcome<> opened = media_.start(); !opened) return opened;
  start_acme();
  boost::asio::co_spawn(io_, RevocationKeeper::run(revocation_keeper_), boost::asio::detached);
  start_pairing();
  is_starting_ = false;
  keep_house();
  log_(fmt::format("node {} ({}): engine {}, ready", config_.node.name, config_.is_e() ? "E" : "C", engine_->backend() == tls::EngineBackend::io_uring ? "io_uring" : "epoll"));
  return Done{};
}

Outcome<> Node::open_store() {
  auto opened = store::SiteStore::open({.state_dir = config_.node.state_dir, .role = config_.node.role, .node_name = config_.node.name,
                                        .first_zone_port = static_cast<uint16_t>(config_.traversal.port)});
  if (!opened) return opened.fault();
  store_ = std::move(*opened);
  certificates::VaultOptions options{.state_dir = config_.node.state_dir, .role = config_.node.role, .node_name = config_.node.name, .node_fqdn = config_.node.fqdn};
  auto vault = certificates::CertificateVault::open(std::move(options));
  if (!vault) return vault.fault();
  vault_ = std::move(*vault);
  // Every zone of this product is a UC traversal zone (A16).
  vault_->set_unified_communications([this] { return !store_->snapshot()->zones.empty(); });
  vault_->set_listener([this] { apply_certificates(); });
  auto acme = certificates::AcmeStore::open(config_.node.state_dir, config_.node.role);
  if (!acme) return acme.fault();
  acme_store_ = std::move(*acme);
  store_->set_part(certificates::make_certificate_part(
      *vault_, *acme_store_, [this](certificates::TrustPurpose purpose, const std::string& fingerprint) { return dependants_of(purpose, fingerprint); },
      [this](const Fault& fault) { log_("site: what was applied is stored and not in service: " + fault.text() + "; reload (SIGHUP)"); }));
  auto pairs = certificates::PairStore::open(config_.node.state_dir, config_.node.fqdn);
  if (!pairs) return pairs.fault();
  pair_store_ = std::move(*pairs);
  auto onboarding = certificates::OnboardingStore::open(config_.node.state_dir, config_.node.fqdn);
  if (!onboarding) return onboarding.fault();
  onboarding_store_ = std::move(*onboarding);
  return open_accounts();
}

Outcome<> Node::open_accounts() {
  const config::AdministrationSection& section = config_.administration;
  auto accounts = accounts::AccountStore::open(config_.node.state_dir);
  if (!accounts) return accounts.fault();
  account_store_ = std::move(*accounts);
  auto audit = accounts::AuditLog::open(config_.node.state_dir, section.audit_rows);
  if (!audit) return audit.fault();
  audit_log_ = std::move(*audit);
  accounts::DoorkeeperOptions options;
  options.sessions.idle = std::chrono::seconds(section.session_idle_s);
  options.sessions.lifetime = std::chrono::seconds(section.session_s);
  options.sessions.sessions = section.sessions;
  options.sessions.requests_per_s = section.requests_per_s;
  options.sessions.burst = 3.0 * section.requests_per_s;
  doorkeeper_ = std::make_unique<accounts::Doorkeeper>(*account_store_, options);
  return Done{};
}

Outcome<> Node::make_revocation_keeper() {
  auto store = revocation::RevocationStore::open(config_.node.state_dir);
  if (!store) return store.fault();
  RevocationSurroundings surroundings;
  surroundings.files = [this] { return served_files(); };
  surroundings.authorities = [this] { return known_authorities(); };
  revocation_keeper_ = std::make_shared<RevocationKeeper>(io_, *engine_, *resolver_, *vault_, std::move(*store), staples_, std::move(surroundings), revocation_settings(config_.certificates), log_);
  return Done{};
}

void Node::start_acme() {
  AcmeKeeperSettings settings;
  settings.node_name = config_.node.name;
  if (config_.is_e()) {
    if (const auto address = slot_address(config_.sip.client_address, 80)) settings.http_address = *address;
    if (const auto address = slot_address(config_.sip.client_address, 443)) settings.tls_address = *address;
  }
  acme_keeper_ = std::make_shared<AcmeKeeper>(io_, *engine_, *resolver_, *vault_, *acme_store_, settings, [this](const certificates::Slot& slot) { return certificates::needed_names(slot, name_facts()); }, log_);
  acme_store_->set_listener([this] { acme_keeper_->look_again(); });
  boost::asio::co_spawn(io_, AcmeKeeper::run(acme_keeper_), boost::asio::detached);
}

void Node::apply_certificates() {
  if (const auto other_slots = acme_store_->refresh(); other_slots && *other_slots) acme_keeper_->look_again();
  if (const Outcome<> loaded = credentials_.reload(config_.tls, *vault_->snapshot(), *pair_store_->snapshot()); !loaded) {
    credentials_fault_ = loaded.fault().text();
    log_("tls: " + credentials_fault_);
    return;
  }
  credentials_fault_.clear();
  revocation_keeper_->look_again();
  log_(fmt::format("tls: certificates and trust of revision {} serve the next handshakes", vault_->snapshot()->revision));
}

sip::FlowTokens Node::flow_tokens(std::string_view purpose) const {
  const auto site = store_->snapshot();
  const sip::FlowKey current{site->flow_key.generation, site->flow_key.secret};
  if (!site->previous_flow_key) return sip::FlowTokens(purpose, current);
  const sip::FlowKey previous{site->previous_flow_key->generation, site->previous_flow_key->secret};
  return sip::FlowTokens(purpose, current, &previous);
}

Outcome<> Node::start_edge() {
  const auto client_port = static_cast<uint16_t>(config_.sip.client_port);
  proxy::EdgeSettings settings;
  settings.agent = config_.node.fqdn;
  settings.client_host = config_.sip.record_route_host.empty() ? config_.node.fqdn : config_.sip.record_route_host;
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
  edge_router_ = std::make_unique<proxy::EdgeRouter>(settings, own, flow_tokens("flow"), registrations_, [this] { return wheel_.now_ms(); });
  proxy_ = std::make_unique<proxy::Proxy>(wheel_, timers_, config_.sip.transactions, *edge_router_, calls_);
  proxy_->log = log_;
  calls_.send = [this](const std::shared_ptr<proxy::Hop>& hop, const std::string& request) { originate(hop, request); };
  edge_router_->answer = [this](const std::shared_ptr<proxy::Hop>& hop, const sip::Message& request, int status) { proxy_->answer(hop, request, status); };
  edge_router_->zone_of = [this](std::string_view domain) { return zone_of_sip_domain(domain); };
  edge_router_->take_from_zone = [this](const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) {
    for (const auto& server : zone_servers_)
      if (server->owns(hop->id)) return server->take(request, hop);
    return false;
  };
  clients_ = std::make_unique<proxy::ClientAccess>(
      proxy::ClientAccessSettings{fmt::format("SIP/2.0/TLS {}:{};branch=", uri_host(settings.client_host), client_port), config_.sip.unregistered_idle_s * 1000, framer_limits()},
      io_, *proxy_, *edge_router_);

  auto policy = tls::TlsPolicy::create(tls_options(tls::TlsRole::server), credentials_.listeners());
  if (!policy) return policy.fault();
  server_policy_ = std::move(*policy);
  tls::ListenerOptions options;
  options.name = "sip-tls " + config_.sip.client_address;
  auto address = slot_address(config_.sip.client_address, client_port);
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.tls = server_policy_;
  options.bind_patience = tls::start_patience;
  tls::SourceLimitOptions limits;
  limits.connections_per_source = config_.sip.connections_per_source;
  limits.connections_total = config_.sip.connections;
  limits.handshakes_per_source_per_s = config_.sip.handshakes_per_source_per_s;
  limits.handshake_burst = 2.0 * config_.sip.handshakes_per_source_per_s;
  options.limits = std::make_shared<tls::SourceLimits>(limits);
  auto listener = tls::Listener::open(
      *engine_, std::move(options), [this](tls::StreamPtr stream) { clients_->on_stream(next_hop_id(), std::move(stream)); },
      [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { on_client_handshake_failure(source, failure); });
  if (!listener) return listener.fault();
  client_listener_ = std::move(*listener);
  const auto site = store_->snapshot();
  for (const store::Zone& zone : site->zones)
    if (const Outcome<> opened = open_zone(zone); !opened) return opened;
  if (const Outcome<> opened = open_multiplex(); !opened) return opened;
  if (const Outcome<> opened = open_client_streams(); !opened) return opened;
  tell_facts();
  return Done{};
}

// F02: with a second zone each client belongs to the tenant of its domain.
std::optional<std::string> Node::zone_of_sip_domain(std::string_view domain) const {
  const auto site = store_->snapshot();
  if (site->zones.size() < 2) return std::nullopt;
  const std::string wanted = config::lower_case(domain);
  for (const store::Zone& zone : site->zones)
    if (std::find(zone.sip_domains.begin(), zone.sip_domains.end(), wanted) != zone.sip_domains.end()) return zone.name;
  return std::string();
}

// The stored hashes are for the realm of the user's credential.
std::string Node::realm_of(const store::Zone& zone) const {
  const auto site = store_->snapshot();
  const store::Credential* credential = site->find_credential(zone.user);
  return credential == nullptr ? store::default_realm : credential->realm;
}

Outcome<> Node::open_zone(const store::Zone& zone) {
  zones::TraversalServerSettings settings;
  settings.zone = zone.name;
  settings.realm = realm_of(zone);
  settings.username = zone.user;
  settings.via_head = fmt::format("SIP/2.0/TLS {}:{};branch=", uri_host(config_.node.fqdn), zone.port);
  settings.subject_names = zone.tls_verify_subject_names;
  settings.agent = config_.node.fqdn;
  settings.port = zone.port;
  settings.idle_ms = 3 * config_.traversal.keepalive_s * 1000;
  settings.limits = framer_limits();
  zone_servers_.push_back(std::make_unique<zones::TraversalServer>(settings, io_, wheel_, *proxy_, [this](std::string_view user, sip::DigestAlgorithm algorithm) { return ha1_of(user, algorithm); }));
  const Outcome<> listening = listen_for_zone(zone, *zone_servers_.back());
  if (!listening) zone_servers_.pop_back();
  return listening;
}

std::string Node::ha1_of(std::string_view user, sip::DigestAlgorithm algorithm) const {
  const auto site = store_->snapshot();
  const store::Credential* credential = site->find_credential(std::string(user));
  if (credential == nullptr) return {};
  return algorithm == sip::DigestAlgorithm::sha256 ? credential->ha1_sha256 : algorithm == sip::DigestAlgorithm::md5 ? credential->ha1_md5 : std::string{};
}

Outcome<> Node::listen_for_zone(const store::Zone& zone, zones::TraversalServer& server) {
  server.log = log_;
  server.offer_link = [this, name = zone.name](const std::string& host) { return offer_link(name, host); };
  server.on_active = [this, name = zone.name](const std::shared_ptr<proxy::Hop>& hop, const std::string& host) {
    peer_by_hop_[hop->id] = name_link(zones::link_id_of(name, host), name, host);
    edge_router_->add_peer(hop, host, name);
  };
  server.on_lost = [this](const std::shared_ptr<proxy::Hop>& hop, const std::string&) {
    edge_router_->remove_peer(hop->id);
    peer_by_hop_.erase(hop->id);
  };
  auto policy = tls::TlsPolicy::create(tls_options(tls::TlsRole::server_verifies_client), credentials_.listeners());
  if (!policy) return policy.fault();
  tls::ListenerOptions options;
  options.name = "traversal zone " + zone.name;
  if (is_starting_) options.bind_patience = tls::start_patience;
  auto address = slot_address(config_.traversal.address, zone.port);
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.tls = *policy;
  options.limits = std::make_shared<tls::SourceLimits>(tls::SourceLimitOptions{.connections_per_source = 64, .handshakes_per_source_per_s = 20, .handshake_burst = 40, .connections_total = 256});
  auto listener = tls::Listener::open(
      *engine_, std::move(options), [this, &server](tls::StreamPtr stream) { server.on_stream(next_hop_id(), std::move(stream)); },
      [&server](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { server.on_handshake_failure(source, failure); });
  if (!listener) return listener.fault();
  zone_listeners_.push_back(std::move(*listener));
  return Done{};
}

Outcome<> Node::start_inner() {
  proxy::InnerSettings settings;
  settings.agent = config_.node.fqdn;
  settings.traversal_port = 7001;
  settings.inner_host = slot_text(config_.sip.inner_address);
  settings.inner_port = static_cast<uint16_t>(config_.sip.inner_port);
  proxy::OwnNames own;
  own.add(config_.node.fqdn, 0);
  for (const proxy::Transport transport : {proxy::Transport::udp, proxy::Transport::tls}) {
    const uint16_t port = proxy::inner_port_of(transport, settings.inner_port);
    own.add(settings.inner_host, port);
    own.add(uri_host(config_.address(config_.sip.inner_address)->ip), port);
  }
  inner_router_ = std::make_unique<proxy::InnerRouter>(settings, own, flow_tokens("link"), flow_tokens("contact"), call_control_, registrations_,
                                                       [this] { return wheel_.now_ms(); });
  proxy_ = std::make_unique<proxy::Proxy>(wheel_, timers_, config_.sip.transactions, *inner_router_, calls_);
  proxy_->log = log_;
  calls_.send = [this](const std::shared_ptr<proxy::Hop>& hop, const std::string& request) { originate(hop, request); };
  inner_router_->answer = [this](const std::shared_ptr<proxy::Hop>& hop, const sip::Message& request, int status) {
    proxy_->answer(hop, request, status, {}, media_report_line(hop->id));
  };
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
  std::vector<std::string> secure_nodes;
  for (const proxy::CallControlNode& node : call_control_.nodes())
    if (node.transport == proxy::Transport::tls) secure_nodes.push_back(node.host);
  if (!secure_nodes.empty()) {
    tls::TlsPolicyOptions options = tls_options(tls::TlsRole::server_verifies_client);
    options.peer_names = std::move(secure_nodes);
    auto policy = tls::TlsPolicy::create(std::move(options), credentials_.call_control());
    if (!policy) return policy.fault();
    access.server_tls = std::move(*policy);
  }
  access.limits = framer_limits();
  access.probe_interval_ms = interval_s * 1000;
  access.probe_interval_down_ms = std::min(interval_s * 1000, 5000u);
  access.probe_patience_ms = 8 * config_.sip.t1_ms;  // three retransmissions over UDP
  call_control_access_ = std::make_unique<proxy::CallControlAccess>(access, *engine_, *resolver_, *proxy_, call_control_, [this] { return next_hop_id(); }, [this] { return wheel_.now_ms(); });
  call_control_access_->log = log_;
  inner_router_->on_node_failed = [this](proxy::CallControlNode& node) { call_control_access_->suspect(node); };
  if (const Outcome<> opened = call_control_access_->open(); !opened) return opened;
  if (const Outcome<> opened = open_presence(); !opened) return opened;
  const auto site = store_->snapshot();
  for (const store::Zone& zone : site->zones) join_zone(zone);
  return Done{};
}

void Node::join_zone(const store::Zone& zone) {
  auto password = store_->zone_password(zone.name);
  if (!password) {
    log_(password.fault().text());
    return;
  }
  for (const std::string& peer : zone.peers) {
    zones::TraversalClientSettings settings;
    settings.zone = zone.name;
    settings.peer = peer;
    settings.port = zone.port;
    settings.username = zone.user;
    settings.password = password->reveal();
    settings.own_host = config_.node.fqdn;
    settings.via_head = fmt::format("SIP/2.0/TLS {}:{};branch=", uri_host(config_.node.fqdn), zone.port);
    if (const auto local = slot_address(config_.traversal.address, 0)) settings.local = *local;
    settings.local_port_low = static_cast<uint16_t>(config_.traversal.local_port_min);
    settings.local_port_high = static_cast<uint16_t>(config_.traversal.local_port_max);
    settings.keepalive_ms = config_.traversal.keepalive_s * 1000;
    settings.backoff_min_ms = config_.traversal.reconnect_min_ms;
    settings.backoff_max_ms = config_.traversal.reconnect_max_ms;
    settings.limits = framer_limits();
    auto client = std::make_shared<zones::TraversalClient>(settings, *engine_, *resolver_, zone_policies(peer).zone, wheel_, *proxy_, [this] { return next_hop_id(); });
    client->log = log_;
    client->on_active = [this, name = zone.name, peer](uint64_t link_id, const std::shared_ptr<proxy::Hop>& hop, const zones::LinkOffer& offer) {
      const std::string& link = peer_by_hop_[hop->id] = name_link(link_id, name, peer);
      inner_router_->set_link(link_id, hop);
      install_link(link, offer, hop->remote);
    };
    client->on_lost = [this](uint64_t link_id, const std::shared_ptr<proxy::Hop>& hop) {
      peer_by_hop_.erase(hop->id);
      inner_router_->clear_link(link_id);
    };
    zone_clients_.push_back(client);
    join_multiplex(zone, peer, settings.password);
    boost::asio::co_spawn(io_, zones::TraversalClient::run(client), boost::asio::detached);
  }
}

void Node::close_zone(const std::string& name) {
  leave_multiplex(name);
  for (size_t number = 0; number < zone_servers_.size(); ++number) {
    if (zone_servers_[number]->settings().zone != name) continue;
    zone_servers_[number]->close_all("the zone was removed");
    retired_servers_.push_back(std::move(zone_servers_[number]));
    const auto at = static_cast<std::ptrdiff_t>(number);
    zone_servers_.erase(zone_servers_.begin() + at);
    zone_listeners_.erase(zone_listeners_.begin() + at);
    return;
  }
}

void Node::leave_zone(const std::string& name) {
  leave_multiplex(name);
  std::erase_if(zone_clients_, [&](const std::shared_ptr<zones::TraversalClient>& client) {
    if (client->settings().zone != name) return false;
    client->stop();
    return true;
  });
}

void Node::apply_site(const store::SiteConfig& before, const store::SiteConfig& after) {
  for (const store::Zone& old : before.zones)
    if (after.find_zone(old.name) == nullptr) config_.is_e() ? close_zone(old.name) : leave_zone(old.name);
  for (const store::Zone& zone : after.zones) {
    const store::Zone* old = before.find_zone(zone.name);
    if (config_.is_e()) {
      const bool moved = old != nullptr && old->port != zone.port;
      if (moved) close_zone(zone.name);
      if (old == nullptr || moved) {
        if (const Outcome<> opened = open_zone(zone); !opened) log_(opened.fault().text());
        continue;
      }
      // Names and user apply to the next handshake; what is connected stays.
      for (size_t number = 0; number < zone_servers_.size(); ++number) {
        if (zone_servers_[number]->settings().zone != zone.name) continue;
        zones::TraversalServerSettings settings = zone_servers_[number]->settings();
        settings.subject_names = zone.tls_verify_subject_names;
        settings.realm = realm_of(zone);
        settings.username = zone.user;
        zone_servers_[number]->configure(settings);
      }
      continue;
    }
    auto password = store_->zone_password(zone.name);
    bool same = old != nullptr && *old == zone && password.has_value();
    for (const auto& client : zone_clients_) same = same && (client->settings().zone != zone.name || client->settings().password == password->reveal());
    if (same) continue;
    leave_zone(zone.name);
    join_zone(zone);
  }
  if (const Outcome<> applied = apply_onboarding(); !applied) log_("onboarding: " + applied.fault().text());
  follow_onboarding();
  tell_facts();
  log_(fmt::format("site: revision {} applied", after.revision));
}

Outcome<> Node::reload() {
  const auto file = config::reload_node_file(config_);
  if (!file) return file.fault();
  if (const Outcome<> loaded = credentials_.reload(file->config.tls, *vault_->snapshot(), *pair_store_->snapshot()); !loaded) return loaded;
  credentials_fault_.clear();
  config_.tls = file->config.tls;
  config_.certificates = file->config.certificates;
  revocation_keeper_->configure(revocation_settings(config_.certificates));
  revocation_keeper_->look_again();
  if (const auto taken = vault_->refresh(); !taken) return taken.fault();
  config_.node.log_level = file->config.node.log_level;
  use_multiplex_connections(file->config.traversal.multiplex_connections);
  const auto fresh = store_->refresh();
  if (!fresh) return fresh.fault();
  config_.media.decrypted_capture = file->config.media.decrypted_capture;
  config_.media.dscp_audio = file->config.media.dscp_audio;
  config_.media.dscp_video = file->config.media.dscp_video;
  config_.media.dscp_rtcp = file->config.media.dscp_rtcp;
  media_.set_marking(marking_of(config_.media));
  return Done{};
}

void Node::keep_house() {
  house_timer_.expires_after(house_interval);
  house_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    calls_.sweep();
    registrations_.expire(wheel_.now_ms());
    forget_retired_multiplex();
    if (wheel_.now_ms() - facts_told_ms_ >= facts_interval_ms) tell_facts();
    keep_house();
  });
}

}  // namespace sallyport::node
