// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/edge_router.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <charconv>

#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::proxy {

using sip::HeaderId;
using sip::Method;

namespace {

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// Requests that make a dialog get Record-Route; in a dialog it does no harm and repairs a lost route set (RFC 3261 16.6 step 4).
bool makes_dialog(Method method) {
  return method == Method::invite || method == Method::subscribe || method == Method::refer || method == Method::notify ||
         method == Method::update;
}

std::string uri_end(const std::string& host, uint16_t port) { return fmt::format("@{}:{};transport=tls;lr", host, port); }

}  // namespace

EdgeRouter::EdgeRouter(EdgeSettings settings, OwnNames own, sip::FlowTokens tokens, RegistrationTable& registrations,
                       std::function<uint64_t()> now_ms)
    : settings_(std::move(settings)),
      own_(std::move(own)),
      tokens_(std::move(tokens)),
      registrations_(registrations),
      now_ms_(std::move(now_ms)),
      client_side_(uri_end(settings_.client_host, settings_.client_port)),
      traversal_side_(uri_end(settings_.traversal_host, settings_.traversal_port)) {}

void EdgeRouter::remove_client(uint64_t hop_id) {
  clients_.erase(hop_id);
  registrations_.forget_flow(hop_id);
}

void EdgeRouter::add_peer(const std::shared_ptr<Hop>& hop, std::string host, std::string zone) {
  // A C that dials anew replaces its older connection, which may not have noticed yet. Tenants may call theirs alike.
  std::erase_if(peers_, [&](const Peer& peer) { return same_text(peer.host, host) && peer.zone == zone; });
  peers_.push_back({hop, std::move(host), std::move(zone)});
}

void EdgeRouter::remove_peer(uint64_t hop_id) {
  std::erase_if(peers_, [&](const Peer& peer) { return peer.hop->id == hop_id; });
}

Route EdgeRouter::route(Inbound& inbound) {
  return inbound.hop->side == Side::client ? from_client(inbound) : from_zone(inbound);
}

Route EdgeRouter::from_client(Inbound& inbound) {
  const sip::Message& message = inbound.message;
  const StrippedRoutes routes = strip_own_routes(message, inbound.edit, own_);
  if (routes.is_broken) return Route::refuse(400, "Malformed Route");
  if (routes.taken == 0 && routes.next) {
    ++counters_.foreign_route;
    return Route::refuse(403, "Route does not lead through this edge");
  }
  if (message.method() == Method::register_) {
    const auto uri = sip::parse_uri(message.request_uri());
    if (!uri || !is_served(uri->host)) {
      ++counters_.foreign_domain;
      return Route::refuse(403, "Domain not served here");
    }
    ++counters_.registers;
    add_path(inbound);
  }
  const std::shared_ptr<Hop> peer = pick_peer(message, routes.next);
  if (peer == nullptr) {
    if (const auto zone = zone_for(message); zone && zone->empty() && !message.is_in_dialog()) {
      ++counters_.foreign_domain;
      return Route::refuse(403, "Domain not served here");
    }
    ++counters_.no_zone;
    return Route::refuse(503, "Traversal zone is down", "Retry-After: 10\r\n");
  }
  if (makes_dialog(message.method())) record_route(inbound, *inbound.hop, false);
  return Route::to(peer);
}

Route EdgeRouter::from_zone(Inbound& inbound) {
  const StrippedRoutes routes = strip_own_routes(inbound.message, inbound.edit, own_);
  if (routes.is_broken) return Route::refuse(400, "Malformed Route");
  if (routes.tokens.empty()) return Route::refuse(404, "No flow token in Route");
  auto flow_id = tokens_.verify(routes.tokens.back());
  if (!flow_id) {
    ++counters_.bad_token;
    return Route::refuse(403, "Flow token is not ours");
  }
  auto found = clients_.find(*flow_id);
  if (found == clients_.end() || !found->second->is_open()) {
    flow_id = successor_flow(inbound.message, *inbound.hop);
    found = clients_.find(*flow_id);
  }
  if (found == clients_.end() || !found->second->is_open()) {
    ++counters_.flow_failed;
    return Route::refuse(430, "Flow Failed");  // RFC 5626 5.3.1: never a new connection towards the client
  }
  if (makes_dialog(inbound.message.method())) record_route(inbound, *found->second, true);
  return Route::to(found->second);
}

const std::string& EdgeRouter::token_of(Hop& client) const {
  if (client.flow_token.empty()) client.flow_token = tokens_.encode(client.id);
  return client.flow_token;
}

// A client that lost its connection (ours ended, or its network changed) registers anew, and its dialogs go on: their route sets keep the
// old flow's token. The registrar vouches that it is the same user, the contact that it is the same device.
// Of the C's own tenant only: the token told of a flow that is gone, and the user is what this C says.
uint64_t EdgeRouter::successor_flow(const sip::Message& request, const Hop& from) const {
  const auto target = sip::parse_uri(request.request_uri());
  if (!request.is_in_dialog() || !target || !target->has_user()) return 0;
  if (const auto zone = zone_of ? zone_of(request.to()->uri.host) : std::nullopt) {
    const auto peer = std::find_if(peers_.begin(), peers_.end(), [&](const Peer& each) { return each.hop->id == from.id; });
    if (peer == peers_.end() || peer->zone != *zone) return 0;
  }
  return registrations_.flow_of(request.to()->uri, target->user, now_ms_());
}

void EdgeRouter::record_route(Inbound& inbound, Hop& client, bool towards_client) {
  const std::string& token = token_of(client);
  const std::string_view scheme = inbound.message.request_uri().starts_with("sips:") ? "<sips:" : "<sip:";
  // The side of the next hop stands on top (RFC 5658).
  inbound.edit.push_front(HeaderId::record_route, {scheme, token, towards_client ? traversal_side_ : client_side_, ">"});
  inbound.edit.push_front(HeaderId::record_route, {scheme, token, towards_client ? client_side_ : traversal_side_, ">"});
}

void EdgeRouter::add_path(Inbound& inbound) {
  const sip::Message& message = inbound.message;
  auto wish = std::make_unique<RegistrationWish>(message, inbound.transaction->request());
  const bool has_reg_id = std::any_of(wish->contacts.begin(), wish->contacts.end(), [](const auto& contact) { return contact.has_reg_id; });
  // RFC 5626 5.1: "ob" says that this flow is kept by keep-alives, which only an outbound client does.
  const bool outbound = has_reg_id && sip::lists_token(message, HeaderId::supported, "outbound");
  inbound.edit.push_front(HeaderId::path, {"<sip:", token_of(*inbound.hop), client_side_, outbound ? ";ob>" : ">"});
  if (!sip::lists_token(message, HeaderId::supported, "path")) inbound.edit.push_back(HeaderId::supported, "path");
  inbound.transaction->routing = std::move(wish);
}

// Whose client it is: of a REGISTER the domain it registers in, else the domain that the client says it is of, as call control lets it.
std::optional<std::string> EdgeRouter::zone_for(const sip::Message& message) const {
  if (!zone_of) return std::nullopt;
  if (message.method() == Method::register_) {
    const auto uri = sip::parse_uri(message.request_uri());
    return uri ? zone_of(uri->host) : std::nullopt;
  }
  const sip::NameAddr* from = message.from();
  return from == nullptr ? std::nullopt : zone_of(from->uri.host);
}

std::shared_ptr<Hop> EdgeRouter::pick_peer(const sip::Message& message, const std::optional<sip::Uri>& next) const {
  const std::optional<std::string> zone = zone_for(message);
  const auto is_ours = [&](const Peer& peer) { return !zone || peer.zone == *zone; };
  // Within a dialog a client may go by another name, such as call control gave it; then its route alone tells.
  const bool is_nobodys = zone && zone->empty() && message.is_in_dialog();
  if (next)
    for (const Peer& peer : peers_)
      if ((is_ours(peer) || is_nobodys) && same_text(peer.host, next->host)) return peer.hop->is_open() ? peer.hop : nullptr;
  if (peers_.empty() || (next && message.is_in_dialog())) return nullptr;
  // A client stays with one C as long as the set of peers does not change.
  const sip::NameAddr* from = message.from();
  const size_t start = peers_.size() == 1 ? 0 : std::hash<std::string_view>{}(from != nullptr ? from->uri.text : std::string_view{});
  for (size_t step = 0; step < peers_.size(); ++step) {
    const Peer& peer = peers_[(start + step) % peers_.size()];
    if (is_ours(peer) && peer.hop->is_open()) return peer.hop;
  }
  return nullptr;
}

bool EdgeRouter::is_served(std::string_view host) const {
  if (const auto zone = zone_of ? zone_of(host) : std::nullopt) return !zone->empty();
  if (settings_.domains.empty()) return true;
  for (const std::string& domain : settings_.domains)
    if (same_text(domain, host)) return true;
  return false;
}

void EdgeRouter::on_response(RelayTransaction& transaction, const sip::Message& response, sip::Edit& edit) {
  if (transaction.method() != Method::register_ || response.status() / 100 != 2 || transaction.server_hop()->side != Side::client) return;
  const auto* wish = static_cast<const RegistrationWish*>(transaction.routing.get());
  if (wish == nullptr) return;
  Hop& client = *transaction.server_hop();
  const uint32_t granted_s = registrations_.learn(*wish, response, client.id, client.name, now_ms_());
  uint32_t flow_timer_s = settings_.flow_timer_s;
  if (const sip::Header* timer = response.first(HeaderId::flow_timer))
    std::from_chars(timer->value.data(), timer->value.data() + timer->value.size(), flow_timer_s);
  else if (granted_s > 0 && sip::lists_token(response, HeaderId::require, "outbound"))
    edit.push_back(HeaderId::flow_timer, fmt::format("{}", flow_timer_s));
  // RFC 3608: the chain begins with us when the registrar gave one.
  if (response.has(HeaderId::service_route))
    edit.push_front(HeaderId::service_route, fmt::format("<sip:{}:{};transport=tls;lr>", settings_.client_host, settings_.client_port));
  if (on_registered) on_registered(client, granted_s, flow_timer_s);
}

bool EdgeRouter::take(const sip::Message& request, const std::shared_ptr<Hop>& hop) {
  if (hop->side == Side::traversal) return take_from_zone && take_from_zone(request, hop);
  if (request.method() != Method::options || request.has(HeaderId::route)) return false;
  const auto uri = sip::parse_uri(request.request_uri());
  if (!uri || uri->has_user() || !own_.is_own(*uri)) return false;
  if (answer) answer(hop, request, 200);
  return true;
}

}  // namespace sallyport::proxy
