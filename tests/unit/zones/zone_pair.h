// SPDX-License-Identifier: Apache-2.0
#pragma once
// ZonePair: both ends of a traversal zone over TLS on the loopback, each with a proxy and certificates of its own, and a name
// server for the peer's name. A test changes the settings of one end, starts both and waits for a state, against a deadline.

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "controlplane/sip/digest.h"
#include "controlplane/zones/traversal_client.h"
#include "controlplane/zones/traversal_server.h"
#include "tests/unit/dns/name_server.h"
#include "tests/unit/tls/engine_fixture.h"

namespace sallyport::zones {

using tls_test::backend_name;
using tls_test::Issued;
using tls_test::LeafWish;
using namespace std::chrono_literals;

inline constexpr const char* edge_name = "edge.example.com";
inline constexpr const char* core_name = "c1.inside.example.com";
inline constexpr const char* cluster_name = "c-cluster.inside.example.com";
inline constexpr const char* zone_user = "exampleauth";
inline constexpr const char* zone_password = "s3cret";
inline constexpr const char* zone_realm = "sallyport-traversal";

// Routes nothing: the zone's requests are taken before.
class ZoneRouter final : public proxy::Router {
 public:
  proxy::Route route(proxy::Inbound&) override { return proxy::Route::refuse(404); }
  void on_response(proxy::RelayTransaction&, const sip::Message&, sip::Edit&) override {}
  bool may_retry(proxy::RelayTransaction&, proxy::ClientFailure) override { return false; }
  bool take(const sip::Message& request, const std::shared_ptr<proxy::Hop>& hop) override { return on_request && on_request(request, hop); }
  const std::string& agent() const override { return agent_; }
  std::function<bool(const sip::Message&, const std::shared_ptr<proxy::Hop>&)> on_request;

 private:
  std::string agent_ = "node.example.com";
};

class NoMedia final : public proxy::Anchor {
 public:
  proxy::AnchorVerdict on_request(proxy::RelayTransaction*, const sip::Message&, const proxy::Hop&, const proxy::Hop&, sip::Edit&) override { return {}; }
  proxy::AnchorVerdict on_response(proxy::RelayTransaction&, const sip::Message&, proxy::Side, sip::Edit&) override { return {}; }
  void on_failed(proxy::RelayTransaction&, int) override {}
};

class ZonePair : public tls_test::EngineTest {
 public:
  void SetUp() override;
  void TearDown() override;

  // E's certificate and C's, as good ones unless a test writes others before start.
  LeafWish edge_wish{.common_name = edge_name, .subject_alt_names = "DNS:edge.example.com"};
  LeafWish core_wish{.common_name = core_name, .subject_alt_names = "DNS:c1.inside.example.com,DNS:c-cluster.inside.example.com"};
  std::string core_issuer = "ca";
  TraversalServerSettings server_settings;
  TraversalClientSettings client_settings;
  std::set<sip::DigestAlgorithm> known_hashes{sip::DigestAlgorithm::md5, sip::DigestAlgorithm::sha256};
  bool has_media = true;

  void start_server();  // on the port of before, if it ran
  void stop_server();
  void start_client();
  void start() {
    start_server();
    start_client();
  }
  // The state and the reason of C's peer; fails the test after the deadline.
  void await_state(PeerState state);
  std::string await_failure();
  void await(const std::function<bool()>& condition) { run_until(condition); }
  // Of E: the last entry that did not get in.
  std::string server_failure() const;
  std::string joined_log() const;

  Issued edge_certificate, core_certificate;
  std::shared_ptr<tls::CredentialStore> edge_credentials, core_credentials;
  std::unique_ptr<dns::NameServer> names;
  std::unique_ptr<dns::Resolver> resolver;
  std::unique_ptr<proxy::TimerWheel> wheel;
  proxy::TimerSettings timers;
  NoMedia anchor;
  ZoneRouter edge_router, core_router;
  std::unique_ptr<proxy::Proxy> edge_proxy, core_proxy;
  std::unique_ptr<TraversalServer> server;
  std::unique_ptr<tls::Listener> port;
  std::shared_ptr<TraversalClient> client;
  std::string seen_edge_serial, seen_core_serial;  // of the last connection that became active
  std::vector<std::string> lines;   // both logs
  std::vector<PeerState> states;    // of C's peer, as they changed
  int active_on_c = 0, lost_on_c = 0, active_on_e = 0, lost_on_e = 0, links_offered = 0;

 private:
  uint64_t next_hop_id_ = 1;
  uint16_t port_number_ = 0;
};

}  // namespace sallyport::zones
