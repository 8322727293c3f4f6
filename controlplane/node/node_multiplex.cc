// SPDX-License-Identifier: Apache-2.0
// The node's stream multiplex: E listens on one port for all of its zones, C dials every peer of every zone; both tell their facts.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <set>

#include "controlplane/node/node.h"
#include "controlplane/xmpp/stream_text.h"

namespace sallyport::node {

namespace {

multiplex::SessionSettings session_settings(const config::NodeConfig& config) {
  multiplex::SessionSettings settings;
  settings.keepalive = std::chrono::seconds(config.traversal.keepalive_s);
  return settings;
}

}  // namespace

tls::TlsPolicyOptions Node::multiplex_tls(tls::TlsRole role) const {
  tls::TlsPolicyOptions options = tls_options(role);
  options.tls13_only = true;
  options.alpn = {"h2"};
  return options;
}

std::vector<zones::MultiplexZone> Node::multiplex_zones() const {
  std::vector<zones::MultiplexZone> known;
  const auto site = store_->snapshot();
  for (const store::Zone& zone : site->zones) known.push_back({zone.name, zone.user, realm_of(zone), zone.tls_verify_subject_names});
  return known;
}

Outcome<> Node::open_multiplex() {
  multiplex_server_ = std::make_unique<zones::MultiplexServer>(
      io_, wheel_, session_settings(config_), [this] { return multiplex_zones(); },
      [this](std::string_view user, sip::DigestAlgorithm algorithm) { return ha1_of(user, algorithm); });
  multiplex_server_->log = log_;
  multiplex_server_->on_facts = [this] { on_peer_facts(); };
  pair_server_ = std::make_unique<zones::PairServer>(io_, [this](const zones::PairRequest& request, const tls::TlsFacts& facts, const tls::SocketAddress& source) { return pair_keeper_->answer(request, facts, source); });
  tls::TlsPolicyOptions tls = multiplex_tls(tls::TlsRole::server_verifies_client);
  tls.pairing_protocol = zones::pair_protocol;
  auto policy = tls::TlsPolicy::create(std::move(tls), credentials_.listeners());
  if (!policy) return policy.fault();
  tls::ListenerOptions options;
  options.name = "stream multiplex";
  options.bind_patience = tls::start_patience;
  auto address = slot_address(config_.traversal.address, config_.traversal.multiplex_port);
  if (!address) return address.fault();
  options.address = *address;
  options.freebind = true;
  options.tls = *policy;
  options.limits = std::make_shared<tls::SourceLimits>(tls::SourceLimitOptions{.connections_per_source = 64, .handshakes_per_source_per_s = 20, .handshake_burst = 40, .connections_total = 256});
  auto listener = tls::Listener::open(
      *engine_, std::move(options), [this](tls::StreamPtr stream) {
        if (stream->tls_facts().alpn == zones::pair_protocol) return pair_server_->on_stream(std::move(stream));
        multiplex_server_->on_stream(std::move(stream));
      },
      [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { multiplex_server_->on_handshake_failure(source, failure); });
  if (!listener) return listener.fault();
  multiplex_listener_ = std::move(*listener);
  return Done{};
}

void Node::join_multiplex(const store::Zone& zone, const std::string& peer, const std::string& password) {
  for (uint32_t number = 1; number <= config_.traversal.multiplex_connections; ++number) {
    const bool is_there = std::any_of(multiplex_clients_.begin(), multiplex_clients_.end(), [&](const auto& client) {
      return !client->is_retired() && client->settings().zone == zone.name && client->settings().peer == peer && client->settings().number == number;
    });
    if (!is_there) dial_multiplex(zone, peer, password, number);
  }
}

void Node::dial_multiplex(const store::Zone& zone, const std::string& peer, const std::string& password, uint32_t number) {
  zones::MultiplexClientSettings settings;
  settings.zone = zone.name;
  settings.peer = peer;
  settings.number = number;
  settings.port = config_.traversal.multiplex_port;
  settings.username = zone.user;
  settings.password = password;
  if (const auto local = slot_address(config_.traversal.address, 0)) settings.local = *local;
  settings.local_port_low = config_.traversal.local_port_min;
  settings.local_port_high = config_.traversal.local_port_max;
  settings.backoff_min_ms = config_.traversal.reconnect_min_ms;
  settings.backoff_max_ms = config_.traversal.reconnect_max_ms;
  settings.session = session_settings(config_);
  auto client = std::make_shared<zones::MultiplexClient>(settings, *engine_, *resolver_, zone_policies(peer).multiplex, wheel_);
  client->log = log_;
  client->on_channel = [this](const multiplex::ChannelPtr& channel) { on_multiplex_channel(channel); };
  client->set_facts(newest_facts());
  multiplex_clients_.push_back(client);
  boost::asio::co_spawn(io_, zones::MultiplexClient::run(client), boost::asio::detached);
}

void Node::use_multiplex_connections(uint32_t wanted) {
  if (config_.is_e() || config_.traversal.multiplex_connections == wanted) return;
  log_(fmt::format("stream multiplex: {} instead of {} connections to each peer", wanted, config_.traversal.multiplex_connections));
  config_.traversal.multiplex_connections = wanted;
  for (const auto& client : multiplex_clients_)
    if (client->settings().number > wanted && !client->is_retired()) client->retire("fewer connections are wanted");
  forget_retired_multiplex();
  const auto site = store_->snapshot();
  for (const store::Zone& zone : site->zones) {
    const auto password = store_->zone_password(zone.name);
    if (!password) continue;  // the zone has no connection at all, which was told when it was joined
    for (const std::string& peer : zone.peers) join_multiplex(zone, peer, std::string(password->reveal()));
  }
}

void Node::forget_retired_multiplex() {
  std::erase_if(multiplex_clients_, [](const std::shared_ptr<zones::MultiplexClient>& client) { return client->has_ended(); });
}

void Node::leave_multiplex(const std::string& zone) {
  if (multiplex_server_ != nullptr) multiplex_server_->close_zone(zone, "the zone was removed");
  std::erase_if(multiplex_clients_, [&](const std::shared_ptr<zones::MultiplexClient>& client) {
    if (client->settings().zone != zone) return false;
    client->stop();
    return true;
  });
}

void Node::on_multiplex_channel(const multiplex::ChannelPtr& channel) {
  if (channel->purpose() == onboarding::onboarding_purpose) return take_onboarding_channel(channel);
  if (channel->purpose() != xmpp::client_purpose) return channel->refuse(404, "no channel of this kind is taken here");
  if (presence_access_ == nullptr) return channel->refuse(404, "this C has no presence server");
  presence_access_->on_channel(channel);
}

zones::PeerFacts Node::own_facts() const {
  zones::PeerFacts facts{config_.node.name, config_.node.fqdn, config_.is_e() ? "E" : "C", version_, {}, {}, {}, {}, {}, {}, run_, facts_revision_};
  std::set<std::string> domains(config_.sip.domains.begin(), config_.sip.domains.end());
  const auto site = store_->snapshot();
  for (const store::Zone& zone : site->zones) domains.insert(zone.sip_domains.begin(), zone.sip_domains.end());
  facts.sip_domains.assign(domains.begin(), domains.end());
  if (config_.is_e()) return facts;
  facts.registration_domains = site->unified.registration_domains;
  facts.federation_domains = site->unified.federation_domains;
  facts.chat_node_aliases = chat_node_aliases();
  const auto onboarding = onboarding_store_->snapshot();
  if (site->unified.activation_code_onboarding && onboarding->authority != nullptr) facts.onboarding_authority = certificates::pem_of(onboarding->authority.get());
  if (presence_access_ != nullptr) facts.xmpp_domains = presence_access_->domains();
  return facts;
}

zones::PeerFacts Node::newest_facts() {
  ++facts_revision_;
  return own_facts();
}

void Node::tell_facts() {
  facts_told_ms_ = wheel_.now_ms();
  const zones::PeerFacts facts = newest_facts();
  if (multiplex_server_ != nullptr) multiplex_server_->set_facts(facts);
  for (const auto& client : multiplex_clients_) client->set_facts(facts);
}

std::vector<MultiplexState> Node::multiplex_states(std::string_view zone, std::string_view peer) const {
  std::vector<MultiplexState> states;
  const auto add = [&](uint32_t number, const zones::PeerStatus& status, const multiplex::Session* session) {
    MultiplexState state;
    state.number = number;
    state.state = status.state;
    const bool is_active = status.state == zones::PeerState::active && session != nullptr;
    state.text = is_active ? fmt::format("{} {}", status.tls_version, status.cipher) : status.reason.empty() ? zones::name_of(status.state) : status.reason;
    state.address = status.address;
    state.changed_ms = status.changed_ms;
    state.connects = status.attempts;
    state.failures = status.failures;
    if (session != nullptr) {
      state.is_retired = is_active && !session->takes_channels();
      state.channels = session->channels();
      state.round_trip_us = static_cast<uint64_t>(session->round_trip().count());
    }
    states.push_back(std::move(state));
  };
  for (const auto& client : multiplex_clients_)
    if (client->settings().zone == zone && client->settings().peer == peer && !client->has_ended()) add(client->settings().number, client->status(), client->session());
  if (multiplex_server_ != nullptr)
    for (const zones::MultiplexPeer& each : multiplex_server_->peers())
      if (each.session != nullptr && each.zone == zone && each.facts.fqdn == peer) add(each.number, each.status, each.session.get());
  std::stable_sort(states.begin(), states.end(), [](const MultiplexState& one, const MultiplexState& other) { return one.number < other.number; });
  if (states.empty()) {
    MultiplexState absent;
    absent.text = config_.is_e() ? fmt::format("C has not connected to port {}", config_.traversal.multiplex_port) : "there is no such peer";
    states.push_back(std::move(absent));
  }
  return states;
}

}  // namespace sallyport::node
