// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/metric_page.h"

#include <fmt/format.h>

#include <vector>

#include "controlplane/accounts/doorkeeper.h"
#include "controlplane/api/metric_table.h"
#include "controlplane/media/media_counters.h"
#include "controlplane/node/quality_census.h"
#include "controlplane/node/steering_name.h"
#include "controlplane/tls/listener.h"
#include "controlplane/tls/refused_names.h"
#include "controlplane/xmpp/client_streams.h"
#include "dataplane/abi/region.h"

namespace sallyport::node {
namespace {

constexpr std::string_view refused_prefix = "refused_";

const char* type_of(std::string_view name) { return name.ends_with("_total") ? "counter" : "gauge"; }

std::string ticked(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "`" : ", `") + value + "`";
  return text;
}

std::string labels_text(std::string_view labels) {
  std::vector<std::string> names;
  for (size_t from = 0; from < labels.size();) {
    const size_t end = std::min(labels.find(',', from), labels.size());
    names.emplace_back(labels.substr(from, end - from));
    from = end + 1;
  }
  return ticked(names);
}

template <class Values>
std::vector<std::string> texts(const Values& values) {
  return std::vector<std::string>(std::begin(values), std::end(values));
}

template <class Enum>
std::vector<std::string> names_of(size_t count) {
  std::vector<std::string> names;
  for (size_t at = 0; at < count; ++at) names.emplace_back(tls::name_of(static_cast<Enum>(at)));
  return names;
}

template <class Enum>
std::vector<std::string> names_of_xmpp(size_t count) {
  std::vector<std::string> names;
  for (size_t at = 0; at < count; ++at) names.emplace_back(xmpp::name_of(static_cast<Enum>(at)));
  return names;
}

struct LabelValues {
  std::string metrics, label;
  std::string values;
};

std::vector<LabelValues> label_values() {
  std::vector<std::string> refusals;
  for (const auto& info : media::media_counter_info)
    if (std::string_view(info.name).starts_with(refused_prefix)) refusals.emplace_back(info.name + refused_prefix.size());
  return {{"`dataplane_*`, `rtcp_*`", "worker", fmt::format("`0` to `{}`, as many as the node has", abi::max_workers - 1)},
          {"`dataplane_stage_*`, `dataplane_drops_total`", "stage", ticked(texts(abi::stage_names))},
          {"`dataplane_drops_total`", "reason", "below"},
          {"`dataplane_steering`", "steering", ticked(texts(steering_names))},
          {"`call_directions*`", "leg", ticked(texts(census_legs))},
          {"`call_directions*`", "direction", ticked(texts(census_directions))},
          {"`call_directions`", "quality", ticked(texts(census_qualities))},
          {"`call_directions_beyond_limit`", "limit", ticked(texts(census_limits))},
          {"`media_refused_total`", "reason", ticked(refusals)},
          {"`tls_*`", "listener", "`clients`, `xmpp`, `traversal`, `multiplex`, `onboarding`, `administration`"},
          {"`tls_admissions_total`", "result", ticked(names_of<tls::Admission>(tls::admissions))},
          {"`tls_handshake_failures_total`", "reason", ticked(names_of<tls::HandshakeReason>(tls::handshake_reasons))},
          {"`xmpp_streams`", "state", ticked(names_of_xmpp<xmpp::ClientState>(xmpp::client_states))},
          {"`xmpp_streams_total`", "event", "`accepted`, `authenticated`, `login_failed` (each attempt, on E), `ended`"},
          {"`xmpp_refused_total`", "reason", ticked(names_of_xmpp<xmpp::ClientRefusal>(xmpp::client_refusals)) + ", `no_presence_domain`, `presence_unreachable`"},
          {"`xmpp_bytes_total`", "direction", "`from_client`, `to_client`"},
          {"`presence_nodes`", "state", "`up`, `failing`, `unknown`"},
          {"`tls_certificate_refusals_total`", "name", fmt::format("`(none)`, the first {} names asked for, `(others)`", tls::RefusedNames::most_names)},
          {"`certificates`, `certificate_expiry_seconds`", "slot", "`server`, `client`, `domain`"},
          {"`tls_staples_total`", "result", "`sent`, `missing`"},
          {"`ocsp_requests_total`", "result", "`good`, `revoked`, `unknown`, `failed`"},
          {"`crl_requests_total`", "result", "`read`, `failed`"},
          {"`certificate_revocation`", "state", "`unchecked`, `good`, `revoked`, `unknown`"},
          {"`onboarding_requests_total`", "outcome", "`enrolled`, `renewed`, `told`, `refused`, `invalid`, `failed`"},
          {"`pair_certificates_total`", "outcome", "`token`, `joined`, `renewed`, `refused`, `failed`"},
          {"`acme_orders_total`", "outcome", "`begun`, `issued`, `failed`"},
          {"`acme_slots`", "state", "`pending`, `ready`, `deployed`, `failed`"},
          {"`trusted_authorities`", "purpose", "`traversal`, `call_control`, `presence`, `endpoints`, `federation`, `guests`"},
          {"`multiplex_refused_total`", "reason", "`wrong_credential`, `certificate_name`, `no_answer`"},
          {"`zone_refused_total`", "reason", "`wrong_credential`, `unknown_user`, `not_authenticated`, `certificate_name`"},
          {"`api_requests_total`", "outcome", "`answered`, `refused`, `broken`"},
          {"`administration_logins_total`", "outcome", ticked(texts(accounts::login_verdicts))},
          {"`administration_requests_total`", "outcome", ticked(texts(accounts::judgements))},
          {"`audit_entries_total`", "outcome", "`written`, `summed_up`, `failed`"}};
}

}  // namespace

std::string metric_page() {
  std::string page =
      "# Metrics\n\n"
      "Generated by `sallyport-controlplane --print-metrics` from `controlplane/api/metric_table.h` and the lists it names; a test fails when it is not current.\n"
      "`/metrics` on the Unix socket, and on `api.metrics_listen` if set, serves them as Prometheus text 0.0.4; `sallyport counters` shows the same.\n"
      "Every label has a finite set of values; none is ever a user, a call or an address.\n\n"
      "| Name | Type | Labels | Says |\n|---|---|---|---|\n";
  for (const api::MetricInfo& row : api::metric_table)
    page += fmt::format("| `sallyport_{}` | {} | {} | {} |\n", row.name, type_of(row.name), labels_text(row.labels), row.help);
  for (const auto& info : media::media_counter_info)
    if (!std::string_view(info.name).starts_with(refused_prefix)) page += fmt::format("| `sallyport_media_{}_total` | counter |  | {} |\n", info.name, info.help);
  page += "\n## Values of labels\n\n| Metric | Label | Values |\n|---|---|---|\n";
  for (const LabelValues& each : label_values()) page += fmt::format("| {} | `{}` | {} |\n", each.metrics, each.label, each.values);
  page += "\n## Drop reasons\n\n| Reason | Stage | The packet is |\n|---|---|---|\n";
  for (const abi::DropReasonInfo& info : abi::drop_reason_info) page += fmt::format("| `{}` | `{}` | {} |\n", info.name, info.stage, info.help);
  return page;
}

}  // namespace sallyport::node
