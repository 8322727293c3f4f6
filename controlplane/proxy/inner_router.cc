// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/inner_router.h"

#include <fmt/format.h>

#include "controlplane/sip/header_values.h"
#include "controlplane/sip/name_addr.h"

namespace sallyport::proxy {

using sip::HeaderId;
using sip::Method;

namespace {

bool makes_dialog(Method method) {
  return method == Method::invite || method == Method::subscribe || method == Method::refer || method == Method::notify ||
         method == Method::update;
}

size_t affinity_of(const sip::Message& message) {
  const sip::NameAddr* from = message.from();
  return std::hash<std::string_view>{}(from != nullptr ? from->uri.text : std::string_view{});
}

}  // namespace

InnerRouter::InnerRouter(InnerSettings settings, OwnNames own, sip::FlowTokens link_tokens, sip::FlowTokens contact_tokens,
                         CallControl& call_control, RegistrationTable& registrations, std::function<uint64_t()> now_ms)
    : settings_(std::move(settings)),
      own_(std::move(own)),
      link_tokens_(std::move(link_tokens)),
      contact_tokens_(std::move(contact_tokens)),
      call_control_(call_control),
      registrations_(registrations),
      now_ms_(std::move(now_ms)) {}

Route InnerRouter::route(Inbound& inbound) {
  return inbound.hop->side == Side::traversal ? from_zone(inbound) : from_call_control(inbound);
}

Route InnerRouter::from_zone(Inbound& inbound) {
  const sip::Message& message = inbound.message;
  const StrippedRoutes routes = strip_own_routes(message, inbound.edit, own_);
  if (routes.is_broken) return Route::refuse(400, "Malformed Route");
  const auto link_id = link_of(inbound.hop->id);
  if (!link_id) return Route::refuse(503, "Traversal link is not active", "Retry-After: 5\r\n");
  CallControlNode* node = nullptr;
  if (routes.next) {
    // Whatever a client writes into Route, it reaches call control and nothing else inside.
    node = call_control_.find(*routes.next);
    if (node == nullptr) {
      ++counters_.foreign_route;
      return Route::refuse(403, "Route does not lead to call control");
    }
    if (inbound.attempt > 0 || node->hop == nullptr || !node->hop->is_open()) node = nullptr;
  } else {
    node = call_control_.pick(affinity_of(message));
  }
  if (node == nullptr) {
    ++counters_.no_call_control;
    return Route::refuse(503, "Call control is not reachable", "Retry-After: 10\r\n");
  }
  if (message.method() == Method::register_) {
    ++counters_.registers;
    const bool bound = !uses_contact_mode(*node) || bind_by_contact(inbound, *link_id, node->transport);
    if (!bound) return Route::refuse(400, "Contact too long for this registrar");
    if (!uses_contact_mode(*node)) bind_by_path(inbound, *link_id, node->transport);
  }
  if (makes_dialog(message.method())) record_route(inbound, *link_id, node->transport, false);
  return Route::to(node->hop);
}

Route InnerRouter::from_call_control(Inbound& inbound) {
  const sip::Message& message = inbound.message;
  const StrippedRoutes routes = strip_own_routes(message, inbound.edit, own_);
  if (routes.is_broken) return Route::refuse(400, "Malformed Route");
  std::optional<uint64_t> link_id;
  if (!routes.tokens.empty()) {
    link_id = link_tokens_.verify(routes.tokens.back());
  } else if (const auto uri = sip::parse_uri(message.request_uri()); uri && own_.is_own(*uri) && uri->has_user()) {
    // Mode `contact`: the binding stands in the Request-URI that call control got from us.
    if (const auto binding = decode_binding(uri->user, contact_tokens_)) {
      link_id = binding->link_id;
      inbound.edit.replace_request_uri(binding->contact_uri);
      inbound.edit.push_front(HeaderId::route, binding->path);
    } else {
      return Route::refuse(404, "No such binding");
    }
  }
  if (!link_id) {
    ++counters_.bad_token;
    return Route::refuse(routes.tokens.empty() ? 404 : 403, routes.tokens.empty() ? "Not a client of this edge" : "Route token is not ours");
  }
  const auto found = links_.find(*link_id);
  if (found == links_.end() || !found->second->is_open()) {
    ++counters_.no_link;
    return Route::refuse(503, "Traversal link is down", "Retry-After: 5\r\n");
  }
  if (makes_dialog(message.method())) record_route(inbound, *link_id, inbound.hop->transport, true);
  return Route::to(found->second);
}

std::optional<uint64_t> InnerRouter::link_of(uint64_t hop_id) const {
  for (const auto& [link_id, hop] : links_)
    if (hop->id == hop_id) return link_id;
  return std::nullopt;
}

std::string InnerRouter::inner_uri(std::string_view user, Transport transport, std::string_view scheme) const {
  const std::string_view name = transport == Transport::udp ? "udp" : transport == Transport::tcp ? "tcp" : "tls";
  return fmt::format("{}:{}@{}:{};transport={}", scheme, user, settings_.inner_host, inner_port_of(transport, settings_.inner_port), name);
}

void InnerRouter::record_route(Inbound& inbound, uint64_t link_id, Transport inner_transport, bool towards_client) {
  const std::string token = link_tokens_.encode(link_id);
  const std::string_view scheme = inbound.message.request_uri().starts_with("sips:") ? "sips" : "sip";
  const std::string inner = fmt::format("<{};lr>", inner_uri(token, inner_transport, scheme));
  const std::string zone = fmt::format("<{}:{}@{}:{};transport=tls;lr>", scheme, token, settings_.agent, settings_.traversal_port);
  inbound.edit.push_front(HeaderId::record_route, towards_client ? inner : zone);
  inbound.edit.push_front(HeaderId::record_route, towards_client ? zone : inner);
}

void InnerRouter::bind_by_path(Inbound& inbound, uint64_t link_id, Transport transport) {
  // Registrars look for "ob" (RFC 5626 6) in the topmost Path: ours repeats what E promised, since we keep to its flow.
  const auto edge = sip::first_value(inbound.message, HeaderId::path);
  const auto edge_path = edge ? sip::parse_name_addr(edge->text) : std::nullopt;
  const bool outbound = edge_path && edge_path->uri.params.has("ob");
  inbound.edit.push_front(HeaderId::path, fmt::format("<{};lr{}>", inner_uri(link_tokens_.encode(link_id), transport), outbound ? ";ob" : ""));
}

bool InnerRouter::bind_by_contact(Inbound& inbound, uint64_t link_id, Transport transport) {
  const auto path = sip::first_value(inbound.message, HeaderId::path);
  for (const sip::HeaderValue& value : sip::values(inbound.message, HeaderId::contact)) {
    const auto contact = sip::parse_name_addr(value.text);
    if (!contact || contact->is_star) continue;
    const std::string user = encode_binding({std::string(contact->uri.text), path ? std::string(path->text) : std::string{}, link_id}, contact_tokens_);
    if (user.empty()) return false;
    inbound.edit.replace_part(contact->uri.text, inner_uri(user, transport));
    // Without Path there is no outbound for the registrar: with reg-id it would answer 439 (RFC 5626 6).
    if (const auto reg_id = contact->params.find("reg-id")) inbound.edit.replace_part(reg_id->whole, "");
  }
  inbound.edit.remove_all(HeaderId::path);
  return true;
}

bool InnerRouter::uses_contact_mode(const CallControlNode& node) const {
  return node.mode == RegistrarMode::contact || (node.mode == RegistrarMode::automatic && node.ignores_path);
}

void InnerRouter::restore_contacts(const sip::Message& response, sip::Edit& edit) {
  for (const sip::HeaderValue& value : sip::values(response, HeaderId::contact)) {
    const auto contact = sip::parse_name_addr(value.text);
    if (!contact || contact->is_star || !own_.is_own(contact->uri)) continue;
    if (const auto binding = decode_binding(contact->uri.user, contact_tokens_)) edit.replace_part(contact->uri.text, binding->contact_uri);
  }
}

void InnerRouter::on_response(RelayTransaction& transaction, const sip::Message& response, sip::Edit& edit) {
  if (transaction.method() != Method::register_ || response.status() / 100 != 2) return;
  const std::shared_ptr<Hop> hop = transaction.client_hop();
  CallControlNode* node = hop == nullptr ? nullptr : call_control_.find_hop(hop->id);
  if (node == nullptr) return;
  restore_contacts(response, edit);
  // RFC 3327 5.3: a registrar that keeps the Path says so in its 200. One that does not cannot be reached that way, and the
  // next REGISTER binds by Contact. Only a 200 that lists a binding tells.
  if (node->mode == RegistrarMode::automatic && !node->ignores_path && response.has(HeaderId::contact)) node->ignores_path = !response.has(HeaderId::path);
  if (response.has(HeaderId::service_route))
    edit.push_front(HeaderId::service_route, fmt::format("<sip:{}:{};transport=tls;lr>", settings_.agent, settings_.traversal_port));
  sip::Message request;
  if (sip::parse(transaction.request(), request).ok())
    registrations_.learn(RegistrationWish(request, request.text()), response, transaction.server_hop()->id, transaction.server_hop()->name, now_ms_());
}

bool InnerRouter::may_retry(RelayTransaction& transaction, ClientFailure failure) {
  if (transaction.server_hop()->side != Side::traversal) return false;
  const std::shared_ptr<Hop> hop = transaction.client_hop();
  CallControlNode* node = hop == nullptr ? nullptr : call_control_.find_hop(hop->id);
  if (node != nullptr) {
    node->is_down = true;  // until a probe says otherwise: the next attempt takes another
    if (on_node_failed) on_node_failed(*node);
  }
  // After a time-out of 32 s the client has given up too: only a broken connection is worth another node.
  if (failure == ClientFailure::timeout || transaction.attempts >= 4) return false;
  ++counters_.failovers;
  return true;
}

bool InnerRouter::take(const sip::Message& request, const std::shared_ptr<Hop>& hop) {
  if (request.method() != Method::options || request.has(HeaderId::route)) return false;
  const auto uri = sip::parse_uri(request.request_uri());
  if (!uri || uri->has_user() || !(own_.is_own(*uri) || hop->side == Side::traversal)) return false;
  if (answer) answer(hop, request, 200);
  return true;
}

}  // namespace sallyport::proxy
