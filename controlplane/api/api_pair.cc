// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_pair.h"

#include <algorithm>
#include <boost/json.hpp>

#include "controlplane/api/api_body.h"
#include "controlplane/api/api_json.h"

namespace sallyport::api {

namespace json = boost::json;
using Answer = boost::asio::awaitable<ApiAnswer>;

namespace {

constexpr std::int64_t default_token_life_s = 600;

std::string quoted(const std::string& text) { return json::serialize(json::string(text)); }  // TOML's basic strings are written alike

// The zone that C joins, as a section of its site document.
std::string zone_section(const JoinedView& joined, const std::string& password) {
  std::string domains;
  for (const std::string& domain : joined.sip_domains) domains += (domains.empty() ? "" : ", ") + quoted(domain);
  return "\n[[zone]]\nname = " + quoted(joined.zone) + "\ntype = \"uc_traversal\"\nport = " + std::to_string(joined.zone_port) + "\nuser = " + quoted(joined.user) + "\npassword = " + quoted(password) + "\npeers = [" +
         quoted(joined.peer) + "]\nsip_domains = [" + domains + "]\n";
}

// What is done for the zone, or left to do, in words. A Fault: the site refused the zone; the certificate is kept.
Outcome<std::string> set_up_zone(const JoinedView& joined, const std::string& password, const std::string& actor, ApiParts parts) {
  const auto site = parts.store.snapshot();
  for (const store::Zone& zone : site->zones) {
    if (std::find(zone.peers.begin(), zone.peers.end(), joined.peer) != zone.peers.end()) return "zone \"" + zone.name + "\" uses the certificate from its next connection to " + joined.peer + " on";
  }
  if (!site->zones.empty()) return "add \"" + joined.peer + "\" to the peers of zone \"" + site->zones.front().name + "\": sallyport export, then sallyport apply";
  if (password.empty()) return "create the zone \"" + joined.zone + "\" with user \"" + joined.user + "\" and peer \"" + joined.peer + "\": sallyport apply";
  const auto document = parts.store.export_document();
  if (!document) return document.fault();
  const auto plan = parts.store.apply(*document + zone_section(joined, password), "join token", actor + " by join");
  if (!plan) return plan.fault();
  if (plan->is_refused()) return Fault{FaultCode::conflict, "zone \"" + joined.zone + "\"", "the pair stands, but the zone cannot be made: " + plan->refusals.front().text(), "create it by sallyport apply"};
  return "zone \"" + joined.zone + "\" is made and connects to " + joined.peer;
}

}  // namespace

Answer get_pair(const ApiRequest&, ApiParts parts) {
  const PairView view = co_await parts.node.pair();
  json::array identities, nodes, tokens;
  for (const PairIdentityView& each : view.identities)
    identities.emplace_back(json::object{{"peer", each.peer}, {"zone", each.zone}, {"serial", each.serial}, {"names", each.names}, {"not_after", each.not_after}, {"next_renewal", each.next_renewal}, {"failure", each.failure}});
  for (const PairedNodeView& each : view.nodes)
    nodes.emplace_back(json::object{{"fqdn", each.fqdn}, {"zone", each.zone}, {"serial", each.serial}, {"joined", each.joined}, {"issued", each.issued}, {"not_after", each.not_after}});
  for (const OpenTokenView& each : view.tokens) tokens.emplace_back(json::object{{"id", each.id}, {"zone", each.zone}, {"expires", each.expires}});
  co_return answer_json(json::object{{"role", view.role}, {"authority", view.authority}, {"authority_fingerprint_sha256", view.authority_fingerprint}, {"authority_not_after", view.authority_not_after},
                                     {"certificates", std::move(identities)}, {"nodes", std::move(nodes)}, {"tokens", std::move(tokens)}});
}

Answer post_join_token(const ApiRequest& request, ApiParts parts) {
  const auto body = ApiBody::read(request, {"zone", "seconds", "host"});
  if (!body) co_return answer_fault(body.fault());
  std::string zone = body->text("zone"), host = body->text("host"), actor = request.actor;
  const std::int64_t seconds = body->number("seconds", default_token_life_s);
  const auto made = co_await parts.node.make_join_token(std::move(zone), seconds, std::move(host), std::move(actor));
  if (!made) co_return answer_fault(made.fault());
  parts.log.info("join_token", request.actor + ": token " + made->id + " for zone " + made->zone + ", until " + made->expires);
  co_return answer_json(json::object{{"token", made->token}, {"id", made->id}, {"zone", made->zone}, {"expires", made->expires}, {"host", made->host}, {"port", made->port}}, 201);
}

Answer delete_join_token(const ApiRequest& request, ApiParts parts) {
  std::string id = parameter(request, "id"), actor = request.actor;
  const auto done = co_await parts.node.withdraw_join_token(id, std::move(actor));
  if (!done) co_return answer_fault(done.fault());
  parts.log.info("join_token", request.actor + ": token " + id + " withdrawn");
  co_return answer_json(json::object{{"id", id}, {"withdrawn", true}});
}

Answer post_join(const ApiRequest& request, ApiParts parts) {
  const auto body = ApiBody::read(request, {"token", "password"});
  if (!body) co_return answer_fault(body.fault());
  std::string token = body->text("token"), actor = request.actor;
  const auto joined = co_await parts.node.join_pair(std::move(token), std::move(actor));
  if (!joined) {
    parts.log.warn("join_refused", request.actor + ": " + joined.fault().text());
    co_return answer_fault(joined.fault());
  }
  parts.log.info("joined", request.actor + ": zone " + joined->zone + " of " + joined->peer + ", serial " + joined->serial);
  const auto zone = set_up_zone(*joined, body->text("password"), request.actor, parts);
  if (!zone) co_return answer_fault(zone.fault());
  co_return answer_json(json::object{{"peer", joined->peer}, {"serial", joined->serial}, {"not_after", joined->not_after}, {"zone", joined->zone}, {"user", joined->user}, {"zone_port", joined->zone_port}, {"next", *zone}}, 201);
}

Answer post_pair_renewal(const ApiRequest& request, ApiParts parts) {
  const auto body = ApiBody::read(request, {"peer"});
  if (!body) co_return answer_fault(body.fault());
  std::string peer = body->text("peer");
  const auto begun = co_await parts.node.renew_pair(peer);
  if (!begun) co_return answer_fault(begun.fault());
  co_return answer_json(json::object{{"peer", peer}, {"renewal", true}}, 202);
}

Answer delete_pair(const ApiRequest& request, ApiParts parts) {
  std::string node = parameter(request, "node"), actor = request.actor;
  const auto removed = co_await parts.node.remove_pair(node, std::move(actor));
  if (!removed) co_return answer_fault(removed.fault());
  parts.log.info("pair_removed", request.actor + ": " + node);
  co_return answer_json(json::object{{"node", node}, {"removed", true}});
}

}  // namespace sallyport::api
