// SPDX-License-Identifier: Apache-2.0
#pragma once
// InnerRouter: C's role, the proxy between the traversal zone and call control. Requests of clients go to a call control node
// (with failover), requests of call control go to the E that holds the client, named by a token in our Path, Record-Route or
// Contact. Two registrar modes: `path` (RFC 3327) and `contact`. One thread; owns no connection.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "controlplane/proxy/call_control.h"
#include "controlplane/proxy/contact_binding.h"
#include "controlplane/proxy/registration_table.h"
#include "controlplane/proxy/route_set.h"
#include "controlplane/proxy/router.h"
#include "controlplane/sip/flow_token.h"

namespace sallyport::proxy {

struct InnerSettings {
  std::string agent;            // node's FQDN, also the host of our Record-Route on the traversal side
  uint16_t traversal_port = 7001;
  std::string inner_host;       // address in Record-Route, Path and Contact towards call control
  uint16_t inner_port = 5060;
};

struct InnerCounters {
  uint64_t registers = 0, foreign_route = 0, no_call_control = 0, no_link = 0, bad_token = 0, failovers = 0, unknown_source = 0;
};

class InnerRouter final : public Router {
 public:
  InnerRouter(InnerSettings settings, OwnNames own, sip::FlowTokens link_tokens, sip::FlowTokens contact_tokens, CallControl& call_control,
              RegistrationTable& registrations, std::function<uint64_t()> now_ms);

  // link_id is stable over reconnects and restarts: tokens carry it.
  void set_link(uint64_t link_id, std::shared_ptr<Hop> hop) { links_[link_id] = std::move(hop); }
  void clear_link(uint64_t link_id) { links_.erase(link_id); }
  std::function<void(const std::shared_ptr<Hop>&, const sip::Message&, int)> answer;
  std::function<void(CallControlNode&)> on_node_failed;

  Route route(Inbound& inbound) override;
  void on_response(RelayTransaction& transaction, const sip::Message& response, sip::Edit& edit) override;
  bool may_retry(RelayTransaction& transaction, ClientFailure failure) override;
  bool take(const sip::Message& request, const std::shared_ptr<Hop>& hop) override;
  const std::string& agent() const override { return settings_.agent; }
  const InnerCounters& counters() const { return counters_; }

 private:
  Route from_zone(Inbound& inbound);
  Route from_call_control(Inbound& inbound);
  void record_route(Inbound& inbound, uint64_t link_id, Transport inner_transport, bool towards_client);
  void bind_by_path(Inbound& inbound, uint64_t link_id, Transport transport);
  bool bind_by_contact(Inbound& inbound, uint64_t link_id, Transport transport);
  void restore_contacts(const sip::Message& response, sip::Edit& edit);
  std::string inner_uri(std::string_view user, Transport transport, std::string_view scheme = "sip") const;
  std::optional<uint64_t> link_of(uint64_t hop_id) const;
  bool uses_contact_mode(const CallControlNode& node) const;

  const InnerSettings settings_;
  const OwnNames own_;
  const sip::FlowTokens link_tokens_;
  const sip::FlowTokens contact_tokens_;
  CallControl& call_control_;
  RegistrationTable& registrations_;
  std::function<uint64_t()> now_ms_;
  std::unordered_map<uint64_t, std::shared_ptr<Hop>> links_;
  InnerCounters counters_;
};

}  // namespace sallyport::proxy
