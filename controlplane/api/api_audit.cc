// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_audit.h"

#include <algorithm>
#include <boost/json.hpp>

#include "controlplane/api/api_routes.h"
#include "controlplane/api/metric_table.h"

namespace sallyport::api {
namespace {

namespace json = boost::json;
constexpr double rows_per_s = 2, rows_at_once = 50;
constexpr std::size_t max_value_chars = 100;

void append(std::string& text, std::string_view name, std::string_view value) {
  text += (text.empty() ? "" : ", ") + std::string(name) + "=" + std::string(value.substr(0, max_value_chars));
}

void append_members(std::string& text, const ApiRequest& request, std::string_view names) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 8;
  const json::value body = json::parse(request.body, error, {}, options);
  if (error || !body.is_object()) return;
  for_each_name(names, [&](std::string_view name) {
    const json::value* member = body.get_object().if_contains(name);
    if (member != nullptr && member->is_string()) append(text, name, std::string_view(member->get_string()));
    if (member != nullptr && member->is_bool()) append(text, name, member->get_bool() ? "true" : "false");
  });
}

}  // namespace

bool is_change(const ApiRequest& request) { return request.method != "GET" && request.method != "HEAD"; }

std::string object_of(const ApiRequest& request) {
  std::string text = request.object;
  const RouteInfo* route = find_route(request.method, request.path).route;
  if (route == nullptr) return text;
  // Only what the route knows: a secret that was put into the target by mistake is not written.
  for_each_name(route->query, [&](std::string_view name) {
    const auto found = request.query.find(std::string(name));
    if (found != request.query.end()) append(text, name, found->second);
  });
  if (!route->object.empty() && text.empty()) append_members(text, request, route->object);
  return text;
}

AuditTrail::AuditTrail(accounts::AuditLog& log, EventLog& events, MetricRegistry& metrics)
    : log_(log), events_(events), entries_(metrics.counters("audit_entries_total", MetricRow("audit_entries_total").help(), "outcome", {"written", "summed_up", "failed"})), tokens_(rows_at_once) {}

bool AuditTrail::may_write() {
  const auto now = std::chrono::steady_clock::now();
  tokens_ = std::min(rows_at_once, tokens_ + std::chrono::duration<double>(now - filled_).count() * rows_per_s);
  filled_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void AuditTrail::note(const ApiRequest& request, unsigned status) {
  if (!is_change(request)) return;
  accounts::AuditEntry entry;
  entry.actor = request.actor;
  entry.source = request.source;
  entry.method = request.method;
  entry.path = request.path;
  entry.object = object_of(request);
  entry.status = status;
  const bool is_strangers = request.actor == stranger;
  if (is_strangers && !may_write()) {
    ++unwritten_;
    entries_.of("summed_up").add();
    return;
  }
  if (is_strangers) entry.more = std::exchange(unwritten_, 0);
  const std::string line = entry.actor + " from " + entry.source + ": " + entry.method + " " + entry.path + (entry.object.empty() ? "" : " " + entry.object) + ": " + std::to_string(status) +
                           (entry.more > 0 ? "; " + std::to_string(entry.more) + " more before it" : "");
  events_.write(accounts::is_refused(entry) ? LogLevel::warn : LogLevel::info, "audit", line);
  const Outcome<> written = log_.write(entry);
  entries_.of(written ? "written" : "failed").add();
  if (!written) events_.error("audit_failed", written.fault().text());
}

}  // namespace sallyport::api
