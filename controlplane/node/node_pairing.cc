// SPDX-License-Identifier: Apache-2.0
// How the node's zones come to use the pair's certificates (pair_keeper.h), and what the administration interface shows of them.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "controlplane/config/fqdn.h"
#include "controlplane/config/utc.h"
#include "controlplane/node/node.h"
#include "controlplane/node/node_facts.h"

namespace sallyport::node {

using config::utc;

void Node::start_pairing() {
  PairKeeperSettings settings;
  settings.is_e = config_.is_e();
  settings.fqdn = config_.node.fqdn;
  settings.own_names = {config_.node.fqdn};
  settings.multiplex_port = static_cast<uint16_t>(config_.traversal.multiplex_port);
  settings.certificate_life_s = config_.traversal.pair_certificate_s;
  if (const config::AddressSection* address = config_.address(config_.traversal.address)) {
    settings.own_names.push_back(address->ip);
    if (!address->advertised.empty()) settings.own_names.push_back(address->advertised);
  }
  if (!config_.is_e()) {
    if (const auto local = slot_address(config_.traversal.address, 0)) settings.local = *local;
    settings.local_port_low = static_cast<uint16_t>(config_.traversal.local_port_min);
    settings.local_port_high = static_cast<uint16_t>(config_.traversal.local_port_max);
  }
  auto find_zones = [this] {
    std::vector<PairZone> zones;
    const auto site = store_->snapshot();
    for (const store::Zone& zone : site->zones) zones.push_back({zone.name, zone.user, zone.port, zone.tls_verify_subject_names, zone.sip_domains});
    return zones;
  };
  pair_keeper_ = std::make_shared<PairKeeper>(io_, *engine_, *resolver_, *pair_store_, std::move(settings), std::move(find_zones), log_);
  pair_store_->set_listener([this] {
    apply_certificates();
    use_pairs();
  });
  use_pairs();
  boost::asio::co_spawn(io_, PairKeeper::run(pair_keeper_), boost::asio::detached);
}

// C's next connections use what the pair store holds now; nothing that is connected ends.
void Node::use_pairs() {
  if (config_.is_e()) return;
  paired_policies_.clear();
  const auto set = pair_store_->snapshot();
  for (const certificates::PairIdentity& identity : set->identities) {
    const auto credentials = credentials_.paired(identity.peer);
    if (credentials == nullptr) continue;
    tls::TlsPolicyOptions zone = tls_options(tls::TlsRole::client), multiplex = multiplex_tls(tls::TlsRole::client);
    zone.named_authorities = multiplex.named_authorities = {identity.authority};
    auto zone_policy = tls::TlsPolicy::create(std::move(zone), credentials);
    auto multiplex_policy = tls::TlsPolicy::create(std::move(multiplex), credentials);
    if (!zone_policy || !multiplex_policy) {
      log_("pair: " + (zone_policy ? multiplex_policy.fault() : zone_policy.fault()).text());
      continue;
    }
    paired_policies_[identity.peer] = {std::move(*zone_policy), std::move(*multiplex_policy)};
  }
  for (const auto& client : zone_clients_) client->use_tls(zone_policies(client->settings().peer).zone);
  for (const auto& client : multiplex_clients_) client->use_tls(zone_policies(client->settings().peer).multiplex);
}

Node::ZonePolicies Node::zone_policies(const std::string& peer) const {
  const auto found = paired_policies_.find(config::lower_case(peer));
  return found == paired_policies_.end() ? ZonePolicies{zone_policy_, multiplex_policy_} : found->second;
}

NodeFacts::Awaitable<api::PairView> NodeFacts::pair() {
  const auto set = node_.pair_store().snapshot();
  const PairKeeper& keeper = node_.pair_keeper();
  api::PairView view;
  view.role = node_.config().is_e() ? "E" : "C";
  if (set->authority != nullptr) {
    const tls::PeerCertificate said = tls::describe_certificate(set->authority.get());
    view.authority = said.subject;
    view.authority_fingerprint = said.fingerprint_sha256;
    view.authority_not_after = utc(said.not_after_s);
  }
  for (const certificates::PairIdentity& identity : set->identities) {
    api::PairIdentityView shown{identity.peer, identity.zone, identity.description.serial, identity.description.names_text(), utc(identity.description.not_after_s), {}, {}};
    if (const PairKeeper::Renewal* renewal = keeper.renewal(identity.peer)) {
      shown.next_renewal = utc(renewal->due_s);
      shown.failure = renewal->reason;
    }
    view.identities.push_back(std::move(shown));
  }
  for (const certificates::PairedNode& node : set->nodes) view.nodes.push_back({node.fqdn, node.zone, node.serial, utc(node.joined_s), utc(node.issued_s), utc(node.not_after_s)});
  for (const certificates::OpenToken& token : set->tokens) view.tokens.push_back({token.id, token.zone, utc(token.expires_s)});
  co_return view;
}

NodeFacts::Awaitable<Outcome<api::JoinTokenView>> NodeFacts::make_join_token(std::string zone, std::int64_t seconds, std::string host, std::string actor) {
  auto made = node_.pair_keeper().make_token(zone, seconds, host, actor);
  if (!made) co_return made.fault();
  api::JoinTokenView view{made->text(), made->id_text(), {}, {}, made->host, made->port};
  const auto set = node_.pair_store().snapshot();
  for (const certificates::OpenToken& token : set->tokens) {
    if (token.id != view.id) continue;
    view.zone = token.zone;
    view.expires = utc(token.expires_s);
  }
  co_return view;
}

NodeFacts::Awaitable<Outcome<api::JoinedView>> NodeFacts::join_pair(std::string token, std::string actor) {
  const auto parsed = zones::JoinToken::parse(token);
  if (!parsed) co_return parsed.fault();
  zones::JoinToken wanted = *parsed;
  auto joined = co_await node_.pair_keeper().join(std::move(wanted), std::move(actor));
  if (!joined) co_return joined.fault();
  co_return api::JoinedView{joined->peer, joined->serial, utc(joined->valid_until_s), joined->zone.zone, joined->zone.user, joined->zone.zone_port, joined->zone.sip_domains};
}

NodeFacts::Awaitable<Outcome<>> NodeFacts::renew_pair(std::string peer) { co_return node_.pair_keeper().renew_now(peer); }

NodeFacts::Awaitable<Outcome<>> NodeFacts::remove_pair(std::string node, std::string actor) {
  co_return node_.config().is_e() ? node_.pair_store().withdraw_node(node, actor) : node_.pair_store().forget_identity(node, actor);
}

NodeFacts::Awaitable<Outcome<>> NodeFacts::withdraw_join_token(std::string id, std::string actor) { co_return node_.pair_store().withdraw_token(id, actor); }

}  // namespace sallyport::node
