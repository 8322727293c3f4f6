// SPDX-License-Identifier: Apache-2.0
#pragma once
// EdgeRouter: E's role, an RFC 5626 edge proxy. Requests of clients go to the C peer of the traversal zone, requests of C go to
// the client's own connection, named by a flow token; E never opens a connection. Digest, Request-URI and unknown headers pass.
// One thread. Owns no connection: client flows and zone peers are registered by the node as they come and go.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/proxy/registration_table.h"
#include "controlplane/proxy/route_set.h"
#include "controlplane/proxy/router.h"
#include "controlplane/sip/flow_token.h"

namespace sallyport::proxy {

struct EdgeSettings {
  std::string agent;               // node's FQDN
  std::string client_host;         // in Record-Route and Path towards clients: a name in E's certificate
  uint16_t client_port = 5061;
  std::string traversal_host;      // towards C
  uint16_t traversal_port = 7001;
  std::vector<std::string> domains;  // REGISTER is taken for these only
  uint32_t flow_timer_s = 120;
};

struct EdgeCounters {
  uint64_t registers = 0, flow_failed = 0, foreign_route = 0, foreign_domain = 0, no_zone = 0, bad_token = 0;
};

class EdgeRouter final : public Router {
 public:
  EdgeRouter(EdgeSettings settings, OwnNames own, sip::FlowTokens tokens, RegistrationTable& registrations,
             std::function<uint64_t()> now_ms);

  void add_client(const std::shared_ptr<Hop>& hop) { clients_[hop->id] = hop; }
  void remove_client(uint64_t hop_id);
  // `host` is what C's own Record-Route carries, so that a dialog returns to the C that holds its media. zone: of the tenant it serves.
  void add_peer(const std::shared_ptr<Hop>& hop, std::string host, std::string zone = {});
  void remove_peer(uint64_t hop_id);
  size_t peers() const { return peers_.size(); }
  // C01: the zone of the tenant that a client's domain belongs to, empty: of none. nullopt: there are no tenants, one zone serves all.
  // Asked for each request.
  std::function<std::optional<std::string>(std::string_view domain)> zone_of;
  // Called when a 200 to REGISTER was seen; seconds 0 means unregistered.
  std::function<void(Hop& client, uint32_t granted_s, uint32_t flow_timer_s)> on_registered;
  // SIP messages that are for E itself (OPTIONS of the zone, digest): the zone server's.
  std::function<bool(const sip::Message&, const std::shared_ptr<Hop>&)> take_from_zone;
  std::function<void(const std::shared_ptr<Hop>&, const sip::Message&, int)> answer;

  Route route(Inbound& inbound) override;
  void on_response(RelayTransaction& transaction, const sip::Message& response, sip::Edit& edit) override;
  bool may_retry(RelayTransaction&, ClientFailure) override { return false; }
  bool take(const sip::Message& request, const std::shared_ptr<Hop>& hop) override;
  const std::string& agent() const override { return settings_.agent; }
  const EdgeCounters& counters() const { return counters_; }

 private:
  struct Peer {
    std::shared_ptr<Hop> hop;
    std::string host, zone;
  };
  Route from_client(Inbound& inbound);
  Route from_zone(Inbound& inbound);
  // The flow a client came back on, for dialogs whose own flow is gone; 0: none.
  uint64_t successor_flow(const sip::Message& request, const Hop& from) const;
  // Made when it is first needed: an HMAC for every message would cost more than parsing it.
  const std::string& token_of(Hop& client) const;
  void record_route(Inbound& inbound, Hop& client, bool towards_client);
  void add_path(Inbound& inbound);
  std::shared_ptr<Hop> pick_peer(const sip::Message& message, const std::optional<sip::Uri>& next) const;
  std::optional<std::string> zone_for(const sip::Message& message) const;
  bool is_served(std::string_view host) const;

  const EdgeSettings settings_;
  const OwnNames own_;
  const sip::FlowTokens tokens_;
  RegistrationTable& registrations_;
  std::function<uint64_t()> now_ms_;
  // What follows the token in our URIs: "@edge.example.com:5061;transport=tls;lr".
  const std::string client_side_, traversal_side_;
  std::unordered_map<uint64_t, std::shared_ptr<Hop>> clients_;
  std::vector<Peer> peers_;
  EdgeCounters counters_;
};

}  // namespace sallyport::proxy
