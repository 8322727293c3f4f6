// SPDX-License-Identifier: Apache-2.0
#pragma once
// NodeFacts: what the administration interface shows of a running Node (api::NodeView). Everything runs on the node's own thread,
// so it reads the parts directly; counters of the region are copied. Lists are bounded.

#include "controlplane/api/node_view.h"
#include "controlplane/node/node.h"
#include "controlplane/node/successor.h"

namespace sallyport::node {

class NodeFacts final : public api::NodeView {
 public:
  NodeFacts(Node& node, std::string version);

  Awaitable<api::StatusView> status() override;
  Awaitable<std::vector<api::ZoneView>> zones() override;
  Awaitable<std::vector<api::RegistrationView>> registrations(std::size_t limit) override;
  Awaitable<std::vector<api::CallView>> calls(api::CallQuery query) override;
  Awaitable<std::optional<api::CallView>> call(std::string id) override;
  Awaitable<std::vector<api::FlowView>> flows(std::size_t limit) override;
  Awaitable<std::vector<api::CounterView>> counters() override;
  // Of certificates: node_certificates.cc.
  Awaitable<std::vector<api::XmppStreamView>> xmpp_streams(std::size_t limit) override;
  Awaitable<std::vector<api::PresenceView>> presence() override;
  Awaitable<std::vector<api::RefusedNameView>> refused_names() override;
  Awaitable<Outcome<api::ServedView>> explain_sni(std::string sni, std::uint16_t port) override;
  Awaitable<std::vector<api::NeededNameView>> needed_names(std::string slot) override;
  Awaitable<std::vector<api::TrustFileView>> trust_files() override;
  Awaitable<std::vector<api::AcmeView>> acme() override;
  Awaitable<Outcome<>> renew_by_acme(std::string slot) override;
  Awaitable<Outcome<>> change_acme_key(std::string authority) override;
  Awaitable<std::vector<api::RevocationView>> revocation() override;
  Awaitable<Outcome<>> check_revocation(std::string slot) override;
  Awaitable<Outcome<std::vector<api::DiscoveryView>>> test_discovery(std::string domain) override;
  Awaitable<Outcome<api::ProbedView>> probe_certificate(std::string host, std::uint16_t port, std::string purpose) override;
  // Of pairs: node_pairing.cc.
  Awaitable<api::PairView> pair() override;
  Awaitable<Outcome<api::JoinTokenView>> make_join_token(std::string zone, std::int64_t seconds, std::string host, std::string actor) override;
  Awaitable<Outcome<api::JoinedView>> join_pair(std::string token, std::string actor) override;
  Awaitable<Outcome<>> renew_pair(std::string peer) override;
  Awaitable<Outcome<>> remove_pair(std::string node, std::string actor) override;
  Awaitable<Outcome<>> withdraw_join_token(std::string id, std::string actor) override;
  // Of phones: node_onboarding.cc.
  Awaitable<Outcome<api::OnboardingView>> onboarding(std::size_t limit) override;
  Awaitable<Outcome<api::ActivationCodeView>> make_activation_code(std::string device, std::int64_t seconds, std::string actor) override;
  Awaitable<Outcome<>> withdraw_device(std::string device, std::string actor) override;
  Awaitable<std::vector<std::string>> depends_on_authority(std::string purpose, std::string fingerprint) override;
  Awaitable<Outcome<std::vector<api::TraversalTestView>>> test_traversal(std::string zone) override;
  Awaitable<Outcome<std::unique_ptr<api::CaptureFeed>>> capture(api::CaptureQuery query) override;

  Awaitable<Outcome<std::string>> backup(std::string passphrase) override;
  Awaitable<Outcome<api::UpgradeView>> upgrade(std::string binary) override;

  // Of the HTTPS administration address, as long as there is one.
  const tls::Listener* administration = nullptr;
  // Set while SIGTERM is being obeyed.
  bool draining = false;
  // Gives way to a program that was found fit.
  std::function<void(const Successor&)> give_way;

 private:
  std::string time_of(uint64_t monotonic_ms) const;  // of the node's timers, as UTC; "" for 0
  api::CallView view_of(const calls::Call& call, bool with_legs, bool with_quality) const;
  api::PeerView view_of(const zones::PeerStatus& status, std::string_view zone) const;

  Node& node_;
  bool upgrading_ = false;
  const std::string version_;
  mutable int64_t wall_offset_ms_ = 0;  // wall clock less CLOCK_MONOTONIC
  const std::string instance_;
  const uint64_t started_ms_;
};

}  // namespace sallyport::node
