// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/zones/zone_pair.h"

#include <boost/asio/detached.hpp>

namespace sallyport::zones {

void ZonePair::SetUp() {
  EngineTest::SetUp();
  names = std::make_unique<dns::NameServer>(context);
  names->add(edge_name, dns::type_a, std::string("\x7f\x00\x00\x01", 4));
  dns::ResolverOptions options;
  options.servers = {names->address()};
  auto made = dns::Resolver::create(context, options);
  ASSERT_TRUE(made) << made.fault().text();
  resolver = std::move(*made);
  wheel = std::make_unique<proxy::TimerWheel>(context);
  edge_proxy = std::make_unique<proxy::Proxy>(*wheel, timers, 64, edge_router, anchor);
  core_proxy = std::make_unique<proxy::Proxy>(*wheel, timers, 64, core_router, anchor);
  server_settings.zone = client_settings.zone = "Traversal zone";
  server_settings.realm = zone_realm;
  server_settings.username = client_settings.username = zone_user;
  server_settings.subject_names = {cluster_name};
  server_settings.agent = edge_name;
  server_settings.via_head = "SIP/2.0/TLS edge.example.com:7001;branch=";
  client_settings.password = zone_password;
  client_settings.peer = edge_name;
  client_settings.own_host = core_name;
  client_settings.via_head = "SIP/2.0/TLS c1.inside.example.com:7001;branch=";
  client_settings.local_port_low = client_settings.local_port_high = 0;
  client_settings.keepalive_ms = 50;
  client_settings.backoff_min_ms = 20;
  client_settings.backoff_max_ms = 80;
}

void ZonePair::TearDown() {
  if (client != nullptr) client->stop();
  stop_server();
  // The coroutines of both ends hold what they serve until they have seen their streams end.
  run_until([&] { return (server == nullptr || !server->has_connections()) && (client == nullptr || client.use_count() == 1); });
  EngineTest::TearDown();
  client = nullptr;
  server = nullptr;
  resolver = nullptr;
}

void ZonePair::start_server() {
  if (edge_credentials == nullptr) {
    edge_certificate = certificates.leaf("edge", edge_wish);
    edge_credentials = store(edge_certificate, trusted());
  }
  if (server == nullptr) {
    server = std::make_unique<TraversalServer>(server_settings, context, *wheel, *edge_proxy, [this](std::string_view user, sip::DigestAlgorithm algorithm) {
      return user == zone_user && known_hashes.contains(algorithm) ? sip::digest_ha1(algorithm, user, zone_realm, zone_password) : std::string{};
    });
    server->log = [this](const std::string& line) { lines.push_back("E " + line); };
    server->offer_link = [this](const std::string&) -> Outcome<LinkOffer> {
      if (!has_media) return Fault{FaultCode::exhausted, "media links", "all are in use", ""};
      ++links_offered;
      return LinkOffer{7, {}, 36000, 36001};
    };
    server->on_active = [this](const std::shared_ptr<proxy::Hop>& hop, const std::string&) {
      ++active_on_e;
      seen_core_serial = static_cast<proxy::StreamHop&>(*hop).stream().tls_facts().peer->serial;
    };
    server->on_lost = [this](const std::shared_ptr<proxy::Hop>&, const std::string&) { ++lost_on_e; };
    edge_router.on_request = [this](const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) { return server->owns(hop->id) && server->take(request, hop); };
  }
  tls::ListenerOptions options;
  options.name = "zone";
  options.address = *tls::SocketAddress::parse("127.0.0.1", port_number_);
  options.tls = policy(tls::TlsRole::server_verifies_client, edge_credentials);
  auto opened = tls::Listener::open(
      *engine, std::move(options), [this](tls::StreamPtr stream) { server->on_stream(next_hop_id_++, std::move(stream)); },
      [this](const tls::SocketAddress& source, const tls::HandshakeFailure& failure) { server->on_handshake_failure(source, failure); });
  ASSERT_TRUE(opened) << opened.fault().text();
  port = std::move(*opened);
  port_number_ = port->address().port();
  client_settings.port = port_number_;
}

void ZonePair::stop_server() {
  port = nullptr;
  if (server != nullptr) server->close_all("stopped");
}

void ZonePair::start_client() {
  if (core_credentials == nullptr) {
    core_certificate = certificates.leaf("core", core_wish, core_issuer);
    core_credentials = store(core_certificate, trusted());
  }
  client = std::make_shared<TraversalClient>(client_settings, *engine, *resolver, policy(tls::TlsRole::client, core_credentials), *wheel, *core_proxy,
                                             [this] { return next_hop_id_++; });
  client->log = [this](const std::string& line) { lines.push_back("C " + line); };
  client->on_active = [this](uint64_t, const std::shared_ptr<proxy::Hop>& hop, const LinkOffer&) {
    ++active_on_c;
    seen_edge_serial = static_cast<proxy::StreamHop&>(*hop).stream().tls_facts().peer->serial;
  };
  client->on_lost = [this](uint64_t, const std::shared_ptr<proxy::Hop>&) { ++lost_on_c; };
  client->on_state = [this](const PeerStatus& status) { states.push_back(status.state); };
  boost::asio::co_spawn(context, TraversalClient::run(client), boost::asio::detached);
}

void ZonePair::await_state(PeerState state) {
  run_until([&] { return client->status().state == state; });
  EXPECT_EQ(client->status().state, state) << client->status().reason;
}

std::string ZonePair::await_failure() {
  await_state(PeerState::failed);
  return client->status().reason;
}

std::string ZonePair::server_failure() const {
  const std::vector<PeerStatus> all = server->status();
  std::string reason;
  for (const PeerStatus& status : all)
    if (status.state == PeerState::failed) reason = status.reason;
  return reason;
}

std::string ZonePair::joined_log() const {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace sallyport::zones
