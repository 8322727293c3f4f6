// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_routes.h"

#include <boost/json.hpp>
#include <algorithm>
#include <charconv>

#include "controlplane/api/api_certificates.h"
#include "controlplane/api/api_json.h"
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

Answer post_apply(const ApiRequest& request, ApiParts parts) {
  std::string file = parameter(request, "file");
  if (file.empty()) file = "site document";
  bool dry_run = is_set(request, "dry_run");
  auto plan = dry_run ? parts.store.plan(request.body, file) : parts.store.apply(request.body, file, request.actor + " by apply");
  if (!plan) co_return answer_fault(plan.fault());
  if (plan->is_refused()) {
    parts.log.warn("site_refused", request.actor + ": " + plan->refusals.front().text());
    bool conflict = std::any_of(plan->refusals.begin(), plan->refusals.end(), [](const config::Finding& finding) { return finding.code == FaultCode::conflict; });
    co_return answer_json(to_json(*plan), conflict ? 409 : 422);
  }
  if (!dry_run) {
    for (const store::PlanLine& line : plan->lines) parts.log.info("site_changed", request.actor + ": " + line.text());
  }
  co_return answer_json(to_json(*plan));
}

Answer post_upgrade(const ApiRequest& request, ApiParts parts) {
  std::string binary = parameter(request, "binary");
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

constexpr Route routes[] = {
    {{"GET", "/v1/status", "What the node is and how it does", "", ""}, get_status},
    {{"GET", "/v1/zones", "Traversal zones and the state of each peer", "", ""}, get_zones},
    {{"GET", "/v1/registrations", "Clients registered through this node", "limit", ""}, get_registrations},
    {{"GET", "/v1/calls", "Calls, also those that ended lately", "active,limit,quality", ""}, get_calls},
    {{"GET", "/v1/calls/", "One call with its legs and streams", "", ""}, get_call},
    {{"GET", "/v1/flows", "Flows of the dataplane", "limit", ""}, get_flows},
    {{"GET", "/v1/counters", "Every counter and gauge", "", ""}, get_counters},
    {{"GET", "/v1/logs", "Newest events; with follow=1 a line each as they come", "lines,follow", ""}, get_logs},
    {{"GET", "/v1/certificates", "Certificates; of one slot with its chain, or as text", "slot,family,form,limit", ""}, get_certificates},
    {{"POST", "/v1/certificates", "Judges a certificate and installs it unless dry_run", "", "slot,certificate,key,passphrase,file,dry_run"}, post_certificate},
    {{"DELETE", "/v1/certificates", "Deletes the certificates of a slot", "slot,family", ""}, delete_certificate},
    {{"POST", "/v1/certificates/checks", "Asks the authority now whether the certificates of a slot were revoked", "", "slot"}, post_certificate_check},
    {{"GET", "/v1/certificates/explain", "Which certificate is served for a name, and why", "sni,port", ""}, get_explanation},
    {{"GET", "/v1/requests", "Open signing requests; of one slot, or as text", "slot,form", ""}, get_requests},
    {{"POST", "/v1/requests", "Makes a key and a signing request, or only previews its names", "", "slot,key,digest,names,common_name,organization,unit,locality,state,country,preview"}, post_request},
    {{"DELETE", "/v1/requests", "Discards a request and its key", "slot", ""}, delete_request},
    {{"GET", "/v1/domains", "Domains with certificates of their own", "limit", ""}, get_domains},
    {{"POST", "/v1/domains", "Creates a domain", "", "name"}, post_domain},
    {{"DELETE", "/v1/domains", "Deletes a domain with its certificates", "name", ""}, delete_domain},
    {{"GET", "/v1/trust", "Trusted authorities", "purpose", ""}, get_trust},
    {{"POST", "/v1/trust", "Trusts the authorities of a PEM text", "", "purpose,certificates,file"}, post_trust},
    {{"DELETE", "/v1/trust", "Trusts an authority no more; with preview=1 only tells what depends on it", "purpose,fingerprint,preview", ""}, delete_trust},
    {{"GET", "/v1/acme", "Slots kept by ACME, authorities and settings", "", ""}, get_acme},
    {{"POST", "/v1/acme/authorities", "Adds or changes an authority", "", "name,directory_url,contacts,ca_file,preferred_root,profile,agrees_to_terms,external_key_id,external_hmac_key"}, post_acme_authority},
    {{"DELETE", "/v1/acme/authorities", "Deletes an authority and the account there", "name", ""}, delete_acme_authority},
    {{"POST", "/v1/acme/settings", "Changes a setting", "", "name,value"}, post_acme_setting},
    {{"POST", "/v1/acme/slots", "Switches ACME on or off for a slot", "", "slot,on"}, post_acme_slot},
    {{"POST", "/v1/acme/keys", "Gives the account at an authority a new key", "", "authority"}, post_acme_key},
    {{"POST", "/v1/acme/renewals", "Orders a certificate now", "", "slot"}, post_acme_renewal},
    {{"GET", "/v1/certificate-settings", "How certificates are judged", "", ""}, get_certificate_settings},
    {{"POST", "/v1/certificate-settings", "Changes how certificates are judged", "", "name,value"}, post_certificate_setting},
    {{"GET", "/v1/history", "Who changed the site, newest first", "limit", ""}, get_history},
    {{"GET", "/v1/export", "The site as a TOML document", "", ""}, get_export},
    {{"GET", "/metrics", "Every counter and gauge as Prometheus text", "", ""}, get_metrics},
    {{"POST", "/v1/traversal/test", "Tries the layers between C and E one by one", "zone", ""}, post_traversal_test},
    {{"POST", "/v1/apply", "Plans a site document (the body, TOML) and applies it unless dry_run=1", "file,dry_run", "*"}, post_apply},
    {{"POST", "/v1/backup", "The store with its keys, sealed by a passphrase", "", "passphrase"}, post_backup},
    {{"POST", "/v1/upgrade", "Replaces the running control plane by another program", "binary", ""}, post_upgrade},
    {{"GET", "/v1/openapi", "This description", "", ""}, get_openapi},
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

std::vector<RouteInfo> route_list() { return {std::begin(routes), std::end(routes)}; }

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

bool is_traversal_test(const ApiRequest& request) { return request.path == "/v1/traversal/test"; }
bool is_log_stream(const ApiRequest& request) { return request.method == "GET" && request.path == "/v1/logs" && is_set(request, "follow"); }
std::size_t log_lines_wanted(const ApiRequest& request) { return number_parameter(request, "lines", default_log_lines); }

ApiAnswer answer_fault(const Fault& fault) { return answer_json(to_json(fault), status_of(fault.code)); }

boost::asio::awaitable<ApiAnswer> answer_request(ApiRequest request, ApiParts parts) {
  bool path_known = false;
  for (const Route& route : routes) {
    if (!fits(route, request.path)) continue;
    path_known = true;
    if (request.method != route.method) continue;
    if (const std::string odd = unknown_parameter(route, request); !odd.empty()) {
      co_return answer_fault({FaultCode::invalid, request.path, "does not know the parameter \"" + odd.substr(0, 64) + "\"", route.query.empty() ? "it takes none" : "it knows: " + std::string(route.query)});
    }
    ApiAnswer answer = co_await route.answer(request, parts);
    co_return answer;
  }
  if (!path_known) co_return answer_fault({FaultCode::missing, request.path, "there is no such path", "see docs/openapi.json, or GET /v1/openapi"});
  ApiAnswer wrong_method = answer_fault({FaultCode::invalid, request.path, "does not take " + request.method, "use the method the path is for"});
  wrong_method.status = 405;
  co_return wrong_method;
}

}  // namespace sallyport::api
