// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_routes.h"

#include <boost/json.hpp>
#include <algorithm>
#include <charconv>

#include "controlplane/api/api_accounts.h"
#include "controlplane/api/api_capture.h"
#include "controlplane/api/api_certificates.h"
#include "controlplane/api/api_json.h"
#include "controlplane/api/api_onboarding.h"
#include "controlplane/api/api_pair.h"
#include "controlplane/api/api_xmpp.h"
#include "controlplane/api/openapi.h"

namespace sallyport::api {
namespace {

namespace json = boost::json;
using Answer = boost::asio::awaitable<ApiAnswer>;
constexpr std::size_t default_limit = 1000;
constexpr std::size_t max_limit = 100000;
constexpr std::size_t default_log_lines = 100;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool percent_decode(std::string_view text, std::string& decoded) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) return false;
    decoded += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return decoded.find('\0') == std::string::npos;
}

unsigned status_of(FaultCode code) {
  switch (code) {
    case FaultCode::invalid: return 400;
    case FaultCode::missing: return 404;
    case FaultCode::refused: return 403;
    case FaultCode::unreachable: return 502;
    case FaultCode::timeout: return 504;
    case FaultCode::exhausted: return 503;
    case FaultCode::conflict: return 409;
    case FaultCode::internal: return 500;
  }
  return 500;
}

// The registry's metrics and the node's own, joined by name.
boost::asio::awaitable<std::vector<Metric>> read_metrics(ApiParts parts) {
  std::vector<Metric> metrics = parts.metrics.read();
  std::vector<CounterView> counters = co_await parts.node.counters();
  for (CounterView& counter : counters) {
    if (!counter.name.starts_with("sallyport_")) counter.name.insert(0, "sallyport_");
    auto found = std::find_if(metrics.begin(), metrics.end(), [&](const Metric& metric) { return metric.name == counter.name; });
    if (found == metrics.end()) {
      bool is_counter = counter.name.ends_with("_total");
      found = metrics.insert(metrics.end(), Metric{counter.name, counter.help, is_counter ? MetricType::counter : MetricType::gauge, {}});
    }
    found->samples.push_back({std::move(counter.labels), counter.value});
  }
  co_return metrics;
}

// GCC 12 destroys temporaries twice that live in one expression with a co_await: what is awaited gets a name.
Answer get_status(const ApiRequest&, ApiParts parts) {
  StatusView status = co_await parts.node.status();
  co_return answer_json(to_json(status));
}

Answer get_zones(const ApiRequest&, ApiParts parts) {
  std::vector<ZoneView> zones = co_await parts.node.zones();
  co_return answer_json(to_json_list(zones));
}

Answer get_registrations(const ApiRequest& request, ApiParts parts) {
  std::size_t limit = number_parameter(request, "limit", default_limit);
  std::vector<RegistrationView> registrations = co_await parts.node.registrations(limit);
  co_return answer_json(to_json_list(registrations));
}

Answer get_calls(const ApiRequest& request, ApiParts parts) {
  CallQuery query{.with_ended = !is_set(request, "active"), .limit = number_parameter(request, "limit", default_limit), .with_quality = is_set(request, "quality")};
  std::vector<CallView> calls = co_await parts.node.calls(query);
  co_return answer_json(to_json_list(calls));
}

Answer get_call(const ApiRequest& request, ApiParts parts) {
  std::string id = request.path.substr(std::string_view("/v1/calls/").size());
  std::optional<CallView> call = co_await parts.node.call(id);
  if (!call) co_return answer_fault({FaultCode::missing, "call " + id, "is not known", "list the calls with `sallyport calls`"});
  co_return answer_json(to_json(*call));
}

Answer get_flows(const ApiRequest& request, ApiParts parts) {
  std::size_t limit = number_parameter(request, "limit", default_limit);
  std::vector<FlowView> flows = co_await parts.node.flows(limit);
  co_return answer_json(to_json_list(flows));
}

Answer get_counters(const ApiRequest&, ApiParts parts) {
  std::vector<Metric> metrics = co_await read_metrics(parts);
  co_return answer_json(to_json(metrics));
}

Answer get_metrics(const ApiRequest&, ApiParts parts) {
  std::vector<Metric> metrics = co_await read_metrics(parts);
  ApiAnswer answer{200, "text/plain; version=0.0.4; charset=utf-8", MetricRegistry::prometheus_text(metrics)};
  co_return answer;
}

Answer get_logs(const ApiRequest& request, ApiParts parts) {
  std::size_t lines = log_lines_wanted(request);
  std::uint64_t newest = parts.log.newest_sequence();
  co_return answer_json(to_json_list(parts.log.lines_after(newest > lines ? newest - lines : 0, lines)));
}

Answer get_history(const ApiRequest& request, ApiParts parts) {
  auto history = parts.store.history(number_parameter(request, "limit", 100));
  co_return history ? answer_json(to_json_list(*history)) : answer_fault(history.fault());
}

Answer get_export(const ApiRequest&, ApiParts parts) {
  auto document = parts.store.export_document();
  co_return document ? ApiAnswer{200, "application/toml", *document} : answer_fault(document.fault());
}

Answer post_traversal_test(const ApiRequest& request, ApiParts parts) {
  std::string zone = parameter(request, "zone");
  auto tests = co_await parts.node.test_traversal(zone);
  co_return tests ? answer_json(to_json_list(*tests)) : answer_fault(tests.fault());
}

Answer post_discovery_test(const ApiRequest& request, ApiParts parts) {
  std::string domain = parameter(request, "domain");
  auto views = co_await parts.node.test_discovery(std::move(domain));
  co_return views ? answer_json(to_json_list(*views)) : answer_fault(views.fault());
}

Answer post_apply(const ApiRequest& request, ApiParts parts) {
  std::string file = parameter(request, "file");
  if (file.empty()) file = "site document";
  bool dry_run = is_set(request, "dry_run");
  const auto origin = request.is_local ? store::DocumentOrigin::node : store::DocumentOrigin::network;
  auto plan = dry_run ? parts.store.plan(request.body, file, origin) : parts.store.apply(request.body, file, request.actor + " by apply", origin);
  if (!plan) co_return answer_fault(plan.fault());
  if (plan->is_refused()) {
    parts.log.warn("site_refused", request.actor + ": " + plan->refusals.front().text());
    bool conflict = std::any_of(plan->refusals.begin(), plan->refusals.end(), [](const config::Finding& finding) { return finding.code == FaultCode::conflict; });
    co_return answer_json(to_json(*plan), conflict ? 409 : 422);
  }
  if (!dry_run) {
    for (const std::string& line : store::told_lines(plan->lines)) parts.log.info("site_changed", request.actor + ": " + line);
  }
  co_return answer_json(to_json(*plan));
}

Answer post_upgrade(const ApiRequest& request, ApiParts parts) {
  std::string binary = parameter(request, "binary");
  // Who administers over the network does not choose which program of the machine is run.
  if (!request.is_local && !binary.empty()) co_return answer_fault({FaultCode::refused, request.path, "takes no program over HTTPS", "use sallyport upgrade on the node itself, or leave it out for the installed one"});
  auto upgrade = co_await parts.node.upgrade(binary);
  if (!upgrade) {
    parts.log.warn("upgrade_refused", request.actor + ": " + upgrade.fault().text());
    co_return answer_fault(upgrade.fault());
  }
  parts.log.info("upgrade", request.actor + ": " + upgrade->from + " gives way to " + upgrade->to + ", " + upgrade->binary);
  co_return answer_json(to_json(*upgrade));
}

struct Route : RouteInfo {
  Answer (*answer)(const ApiRequest&, ApiParts);
};

Answer get_openapi(const ApiRequest&, ApiParts) { co_return ApiAnswer{200, "application/json", openapi_document()}; }

using accounts::Role;

constexpr Route routes[] = {
    {{"GET", "/v1/status", Role::read, "What the node is and how it does", "", ""}, get_status},
    {{"GET", "/v1/zones", Role::read, "Traversal zones and the state of each peer", "", ""}, get_zones},
    {{"GET", "/v1/registrations", Role::read, "Clients registered through this node", "limit", ""}, get_registrations},
    {{"GET", "/v1/calls", Role::read, "Calls, also those that ended lately", "active,limit,quality", ""}, get_calls},
    {{"GET", "/v1/calls/", Role::read, "One call with its legs and streams", "", ""}, get_call},
    {{"GET", "/v1/flows", Role::read, "Flows of the dataplane", "limit", ""}, get_flows},
    {{"GET", "/v1/counters", Role::read, "Every counter and gauge", "", ""}, get_counters},
    {{"GET", "/v1/logs", Role::read, "Newest events; with follow=1 a line each as they come", "lines,follow", ""}, get_logs},
    {{"GET", "/v1/certificates", Role::read, "Certificates; of one slot with its chain, or as text", "slot,family,form,limit", ""}, get_certificates},
    {{"POST", "/v1/certificates", Role::administer, "Judges a certificate and installs it unless dry_run", "", "slot,certificate,key,passphrase,file,dry_run", "slot,dry_run"}, post_certificate},
    {{"DELETE", "/v1/certificates", Role::administer, "Deletes the certificates of a slot", "slot,family", ""}, delete_certificate},
    {{"POST", "/v1/certificates/checks", Role::operate, "Asks the authority now whether the certificates of a slot were revoked", "", "slot", "slot"}, post_certificate_check},
    {{"GET", "/v1/certificates/explain", Role::read, "Which certificate is served for a name, and why", "sni,port", ""}, get_explanation},
    {{"GET", "/v1/certificates/refusals", Role::read, "Names whose certificate clients refused, with the alert they sent", "", ""}, get_refusals},
    {{"GET", "/v1/xmpp/streams", Role::read, "XMPP streams of clients through this node", "limit", ""}, get_xmpp_streams},
    {{"GET", "/v1/xmpp/presence", Role::read, "On C: presence servers and how they answered", "", ""}, get_presence},
    {{"GET", "/v1/requests", Role::read, "Open signing requests; of one slot, or as text", "slot,form", ""}, get_requests},
    {{"POST", "/v1/requests", Role::administer, "Makes a key and a signing request, or only previews its names", "", "slot,key,digest,names,common_name,organization,unit,locality,state,country,preview", "slot,key,preview"}, post_request},
    {{"DELETE", "/v1/requests", Role::administer, "Discards a request and its key", "slot", ""}, delete_request},
    {{"GET", "/v1/domains", Role::read, "Domains with certificates of their own", "limit", ""}, get_domains},
    {{"POST", "/v1/domains", Role::administer, "Creates a domain", "", "name", "name"}, post_domain},
    {{"DELETE", "/v1/domains", Role::administer, "Deletes a domain with its certificates", "name", ""}, delete_domain},
    {{"GET", "/v1/trust", Role::read, "Trusted authorities", "purpose", ""}, get_trust},
    {{"POST", "/v1/trust", Role::administer, "Trusts the authorities of a PEM text", "", "purpose,certificates,file", "purpose,file"}, post_trust},
    {{"DELETE", "/v1/trust", Role::administer, "Trusts an authority no more; with preview=1 only tells what depends on it", "purpose,fingerprint,preview", ""}, delete_trust},
    {{"POST", "/v1/trust/probe", Role::operate, "What a TLS server shows on some ports, and what is to be said of it; trusts nothing", "", "host,ports,purpose", "host,ports,purpose"}, post_trust_probe},
    {{"GET", "/v1/acme", Role::read, "Slots kept by ACME, authorities and settings", "", ""}, get_acme},
    {{"POST", "/v1/acme/authorities", Role::administer, "Adds or changes an authority", "", "name,directory_url,contacts,ca_file,preferred_root,profile,agrees_to_terms,external_key_id,external_hmac_key", "name,directory_url"}, post_acme_authority},
    {{"DELETE", "/v1/acme/authorities", Role::administer, "Deletes an authority and the account there", "name", ""}, delete_acme_authority},
    {{"POST", "/v1/acme/settings", Role::administer, "Changes a setting", "", "name,value", "name"}, post_acme_setting},
    {{"POST", "/v1/acme/slots", Role::administer, "Switches ACME on or off for a slot", "", "slot,on", "slot,on"}, post_acme_slot},
    {{"POST", "/v1/acme/keys", Role::administer, "Gives the account at an authority a new key", "", "authority", "authority"}, post_acme_key},
    {{"POST", "/v1/acme/renewals", Role::operate, "Orders a certificate now", "", "slot", "slot"}, post_acme_renewal},
    {{"GET", "/v1/pair", Role::read, "Pair authority, paired nodes, open join tokens, and this node's own pair certificates", "", ""}, get_pair},
    {{"POST", "/v1/pair/tokens", Role::administer, "On E: makes a join token for a C node; shown once", "", "zone,seconds,host", "zone,seconds,host"}, post_join_token},
    {{"DELETE", "/v1/pair/tokens", Role::administer, "Withdraws a join token that was not used", "id", ""}, delete_join_token},
    {{"POST", "/v1/pair/join", Role::administer, "On C: redeems a join token, and makes the zone if there is none and the password of its user comes along", "", "token,password"}, post_join},
    {{"POST", "/v1/pair/renewals", Role::operate, "Renews a pair certificate now", "", "peer", "peer"}, post_pair_renewal},
    {{"DELETE", "/v1/pair", Role::administer, "On E: refuses a node that joined from its next handshake on; on C: forgets a pair certificate", "node", ""}, delete_pair},
    {{"GET", "/v1/onboarding", Role::read, "Onboarding of phones: whether it is on, authorities, open activation codes, phones that were onboarded", "limit", ""}, get_onboarding},
    {{"POST", "/v1/onboarding", Role::administer, "On C: switches onboarding on or off; the authority is made with the first time", "", "on", "on"}, post_onboarding},
    {{"POST", "/v1/onboarding/codes", Role::administer, "On C: makes an activation code for a phone; shown once", "", "device,seconds", "device,seconds"}, post_activation_code},
    {{"DELETE", "/v1/onboarding/devices", Role::administer, "On C: withdraws a phone's activation code and certificates", "device", ""}, delete_onboarded},
    {{"GET", "/v1/certificate-settings", Role::read, "How certificates are judged", "", ""}, get_certificate_settings},
    {{"POST", "/v1/certificate-settings", Role::administer, "Changes how certificates are judged", "", "name,value", "name,value"}, post_certificate_setting},
    {{"GET", "/v1/history", Role::read, "Who changed the site, newest first", "limit", ""}, get_history},
    {{"GET", "/v1/export", Role::read, "The site as a TOML document", "", ""}, get_export},
    {{"GET", "/metrics", Role::read, "Every counter and gauge as Prometheus text", "", ""}, get_metrics},
    {{"POST", "/v1/traversal/test", Role::operate, "Tries the layers between C and E one by one", "zone", ""}, post_traversal_test},
    {{"POST", "/v1/discovery/test", Role::operate, "On E: what clients outside find of its domains by DNS and TLS", "domain", ""}, post_discovery_test},
    {{"POST", "/v1/apply", Role::administer, "Plans a site document (the body, TOML) and applies it unless dry_run=1", "file,dry_run", "*"}, post_apply},
    {{"POST", "/v1/backup", Role::administer, "The store with its keys, sealed by a passphrase", "", "passphrase"}, post_backup},
    {{"POST", "/v1/upgrade", Role::administer, "Replaces the running control plane by another program", "binary", ""}, post_upgrade},
    {{"POST", "/v1/session", Role::read, "Logs in: a cookie and a token against forged requests; HTTPS only", "", "name,password"}, post_session},
    {{"GET", "/v1/session", Role::read, "The session of this request; HTTPS only", "", ""}, get_session},
    {{"DELETE", "/v1/session", Role::read, "Logs out; HTTPS only", "", ""}, delete_session},
    {{"POST", "/v1/session/password", Role::read, "Changes the password of one's own account and ends its other sessions; HTTPS only", "", "old_password,password"}, post_session_password},
    {{"GET", "/v1/sessions", Role::read, "Sessions: one's own, or all of them for who administers", "", ""}, get_sessions},
    {{"DELETE", "/v1/sessions", Role::read, "Ends a session: one's own, or any for who administers", "id", ""}, delete_sessions},
    {{"GET", "/v1/accounts", Role::administer, "Accounts and their roles", "", ""}, get_accounts},
    {{"POST", "/v1/accounts", Role::administer, "Makes an account", "", "name,role,password", "name,role"}, post_account},
    {{"DELETE", "/v1/accounts", Role::administer, "Removes an account and ends its sessions", "name", ""}, delete_account},
    {{"POST", "/v1/accounts/password", Role::administer, "Gives an account another password and ends its sessions", "", "name,password", "name"}, post_account_password},
    {{"POST", "/v1/accounts/role", Role::administer, "Gives an account another role, at once", "", "name,role", "name,role"}, post_account_role},
    {{"GET", "/v1/audit", Role::administer, "Who asked to change what, and what came of it, newest first", "limit,before,actor,path,since,until,outcome", ""}, get_audit},
    {{"GET", "/v1/openapi", Role::read, "This description", "", ""}, get_openapi},
};

bool fits(const Route& route, std::string_view path) {
  if (!route.path.ends_with('/')) return path == route.path;
  return path.size() > route.path.size() && path.starts_with(route.path) && path.find('/', route.path.size()) == std::string_view::npos;
}

// A parameter that is misspelt must not be taken for one that is absent.
std::string unknown_parameter(const Route& route, const ApiRequest& request) {
  const std::string known = "," + std::string(route.query) + ",";
  for (const auto& [name, value] : request.query)
    if (known.find("," + name + ",") == std::string::npos) return name.empty() ? "=" : name;
  return {};
}

}  // namespace

std::string parameter(const ApiRequest& request, const std::string& name) {
  auto found = request.query.find(name);
  return found == request.query.end() ? std::string() : found->second;
}

bool is_set(const ApiRequest& request, const std::string& name) {
  std::string value = parameter(request, name);
  return value == "1" || value == "true";
}

std::size_t number_parameter(const ApiRequest& request, const std::string& name, std::size_t otherwise) {
  std::string text = parameter(request, name);
  std::size_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return text.empty() || error != std::errc() || end != text.data() + text.size() ? otherwise : std::min(number, max_limit);
}

ApiAnswer answer_json(const json::value& value, unsigned status) { return {status, "application/json", json::serialize(value) + "\n"}; }

std::vector<RouteInfo> route_list() {
  std::vector<RouteInfo> list(std::begin(routes), std::end(routes));
  list.push_back(capture_route());
  return list;
}

RouteMatch find_route(std::string_view method, std::string_view path) {
  if (is_capture_path(path)) return {method == capture_route().method ? &capture_route() : nullptr, true};
  RouteMatch match;
  for (const Route& route : routes) {
    if (!fits(route, path)) continue;
    match.is_path_known = true;
    if (method == route.method) match.route = &route;
  }
  return match;
}

Outcome<ApiRequest> parse_target(std::string_view target) {
  Fault malformed{FaultCode::invalid, "request target", "is malformed", "use a path like /v1/status"};
  ApiRequest request;
  std::size_t mark = std::min(target.find('?'), target.size());
  if (target.empty() || target.front() != '/' || !percent_decode(target.substr(0, mark), request.path)) return malformed;
  std::string_view rest = mark < target.size() ? target.substr(mark + 1) : std::string_view();
  while (!rest.empty()) {
    std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name, value;
    if (!percent_decode(pair.substr(0, equals), name)) return malformed;
    if (equals < pair.size() && !percent_decode(pair.substr(equals + 1), value)) return malformed;
    request.query[name] = equals < pair.size() ? value : "1";
  }
  return request;
}

bool may_take_long(const ApiRequest& request) { return request.path == "/v1/traversal/test" || request.path == "/v1/pair/join" || request.path == "/v1/discovery/test" || request.path == "/v1/trust/probe"; }
bool is_log_stream(const ApiRequest& request) { return request.method == "GET" && request.path == "/v1/logs" && is_set(request, "follow"); }
std::size_t log_lines_wanted(const ApiRequest& request) { return number_parameter(request, "lines", default_log_lines); }

ApiAnswer answer_fault(const Fault& fault) { return answer_json(to_json(fault), status_of(fault.code)); }

boost::asio::awaitable<ApiAnswer> answer_request(ApiRequest request, ApiParts parts) {
  const RouteMatch match = find_route(request.method, request.path);
  if (!match.is_path_known) co_return answer_fault({FaultCode::missing, request.path, "there is no such path", "see docs/openapi.json, or GET /v1/openapi"});
  if (match.route == nullptr) {
    ApiAnswer wrong_method = answer_fault({FaultCode::invalid, request.path, "does not take " + request.method, "use the method the path is for"});
    wrong_method.status = 405;
    co_return wrong_method;
  }
  const auto& route = static_cast<const Route&>(*match.route);  // captures do not come here
  if (const std::string odd = unknown_parameter(route, request); !odd.empty()) {
    co_return answer_fault({FaultCode::invalid, request.path, "does not know the parameter \"" + odd.substr(0, 64) + "\"", route.query.empty() ? "it takes none" : "it knows: " + std::string(route.query)});
  }
  ApiAnswer answer = co_await route.answer(request, parts);
  co_return answer;
}

}  // namespace sallyport::api
