// SPDX-License-Identifier: Apache-2.0
#include "controlplane/api/api_json.h"

#include <boost/json.hpp>

namespace sallyport::api {
namespace {

namespace json = boost::json;

json::value text_list(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

json::value json_of(const DataplaneView& view) {
  return json::object{{"running", view.running}, {"state", view.state}, {"pid", view.pid}, {"profile", view.profile}, {"crypto", view.crypto},
                      {"steering", view.steering}, {"workers", view.workers}, {"flows", view.flows}, {"flow_capacity", view.flow_capacity}, {"epoch", view.epoch}};
}

json::value json_of(const CertificateView& view) {
  return json::object{{"use", view.use}, {"subject", view.subject}, {"issuer", view.issuer}, {"serial", view.serial}, {"not_after", view.not_after}, {"names", text_list(view.names)}};
}

json::value json_of(const AlarmView& view) { return json::object{{"kind", view.kind}, {"since", view.since}, {"text", view.text}, {"impairs", view.impairs}}; }

json::value json_of(const CallControlView& view) {
  return json::object{{"name", view.name}, {"host", view.host}, {"port", view.port}, {"transport", view.transport}, {"state", view.state},
                      {"reason", view.reason}, {"registrar_mode", view.registrar_mode}, {"since", view.since}};
}

json::value json_of(const PeerView& view) {
  return json::object{{"name", view.name}, {"address", view.address}, {"state", view.state}, {"reason", view.reason}, {"since", view.since},
                      {"warning", view.warning}, {"tls", view.tls}, {"media_link", view.media_link}, {"connects", view.connects}, {"failures", view.failures},
                      {"keepalives", view.keepalives}, {"round_trip_us", view.round_trip_us}, {"multiplex", view.multiplex}, {"channels", view.channels},
                      {"multiplex_round_trip_us", view.multiplex_round_trip_us}};
}

template <class Number>
json::value json_of(const std::optional<Number>& number) {
  return number ? json::value(*number) : json::value(nullptr);
}

json::value json_of(const StreamView& view) {
  json::object stream{{"kind", view.kind}, {"direction", view.direction}, {"component", view.component}, {"suite", view.suite}, {"local", view.local},
                      {"remote", view.remote}, {"latch", view.latch}, {"flow", view.flow}, {"multiplex_id", json_of(view.multiplex_id)}, {"packets", view.packets},
                      {"bytes", view.bytes}, {"lost", json_of(view.lost)}, {"dropped", view.dropped}, {"jitter_ms", json_of(view.jitter_ms)}};
  stream["told_by"] = view.told_by;
  stream["loss_percent"] = json_of(view.loss_percent);
  stream["round_trip_ms"] = json_of(view.round_trip_ms);
  stream["mos"] = json_of(view.mos);
  return stream;
}

json::value json_of(const TestStepView& view) {
  return json::object{{"peer", view.peer}, {"layer", view.layer}, {"verdict", view.verdict}, {"detail", view.detail}, {"took_us", view.took_us}};
}

json::value json_of(const LegView& view);
json::value json_of(const config::Finding& finding);
json::value json_of(const store::PlanLine& line);

template <class View>
json::value list_of(const std::vector<View>& views) {
  json::array list;
  for (const View& view : views) list.push_back(json_of(view));
  return list;
}

json::value json_of(const LegView& view) {
  return json::object{{"side", view.side}, {"remote_party", view.remote_party}, {"codec", view.codec}, {"rtcp", view.rtcp}, {"mos_basis", view.mos_basis}, {"streams", list_of(view.streams)}};
}

json::value json_of(const config::Finding& finding) {
  return json::object{{"file", finding.file}, {"line", finding.line}, {"column", finding.column}, {"key", finding.key}, {"code", name_of(finding.code)},
                      {"cause", finding.cause}, {"remedy", finding.remedy}, {"text", finding.text()}};
}

json::value json_of(const store::PlanLine& line) {
  return json::object{{"action", store::name_of(line.action)}, {"kind", line.kind}, {"name", line.name}, {"details", text_list(line.details)}, {"effect", line.effect}, {"text", line.text()}};
}

}  // namespace

const char* name_of(FaultCode code) {
  switch (code) {
    case FaultCode::invalid: return "invalid";
    case FaultCode::missing: return "missing";
    case FaultCode::refused: return "refused";
    case FaultCode::unreachable: return "unreachable";
    case FaultCode::timeout: return "timeout";
    case FaultCode::exhausted: return "exhausted";
    case FaultCode::conflict: return "conflict";
    case FaultCode::internal: return "internal";
  }
  return "internal";
}

json::value to_json(const StatusView& view) {
  return json::object{{"node", view.node}, {"role", view.role}, {"fqdn", view.fqdn}, {"version", view.version}, {"pid", view.pid},
                      {"instance", view.instance}, {"started", view.started}, {"uptime_s", view.uptime_s}, {"state", view.state}, {"site_revision", view.site_revision},
                      {"dataplane", json_of(view.dataplane)}, {"registrations", view.registrations}, {"calls", view.calls},
                      {"client_connections", view.client_connections}, {"transactions", view.transactions}, {"call_control", list_of(view.call_control)},
                      {"certificates", list_of(view.certificates)}, {"alarms", list_of(view.alarms)}};
}

json::value to_json(const ZoneView& view) {
  return json::object{{"name", view.name}, {"type", view.type}, {"role", view.role}, {"port", view.port}, {"user", view.user}, {"transport", view.transport},
                      {"tls_verify", view.tls_verify}, {"media_encryption", view.media_encryption}, {"authentication_policy", view.authentication_policy},
                      {"tls_verify_subject_names", text_list(view.tls_verify_subject_names)}, {"sip_domains", text_list(view.sip_domains)}, {"peers", list_of(view.peers)}};
}

json::value to_json(const RegistrationView& view) {
  return json::object{{"aor", view.aor}, {"contact", view.contact}, {"instance", view.instance}, {"source", view.source}, {"user_agent", view.user_agent},
                      {"transport", view.transport}, {"state", view.state}, {"zone", view.zone}, {"expires_in_s", view.expires_in_s}, {"outbound", view.outbound}};
}

json::value to_json(const CallView& view) {
  return json::object{{"id", view.id}, {"call_id", view.call_id}, {"from", view.from}, {"to", view.to}, {"state", view.state}, {"started", view.started},
                      {"answered", view.answered}, {"ended", view.ended}, {"duration_s", view.duration_s}, {"end_reason", view.end_reason}, {"mos", json_of(view.mos)}, {"worst_leg", view.worst_leg}, {"legs", list_of(view.legs)}};
}

json::value to_json(const FlowView& view) {
  return json::object{{"index", view.index}, {"generation", view.generation}, {"worker", view.worker}, {"call", view.call}, {"verbs", view.verbs}, {"stream", json_of(view.stream)}};
}

json::value to_json(const TraversalTestView& view) {
  return json::object{{"zone", view.zone}, {"passed", view.passed}, {"summary", view.summary}, {"steps", list_of(view.steps)}};
}

json::value to_json(const DiscoveryView& view) { return json::object{{"domain", view.domain}, {"passed", view.passed}, {"steps", list_of(view.steps)}}; }

json::value to_json(const ProbedView& view) {
  json::array chain;
  for (const ProbedCertificateView& each : view.chain)
    chain.emplace_back(json::object{{"subject", each.subject}, {"issuer", each.issuer}, {"serial", each.serial}, {"fingerprint_sha256", each.fingerprint}, {"not_after", each.not_after}, {"names", each.names}, {"self_signed", each.is_self_signed}, {"pem", each.pem}});
  return json::object{{"address", view.address}, {"tls_version", view.tls_version}, {"tls_cipher", view.tls_cipher}, {"trusted", view.is_trusted}, {"chain", std::move(chain)}, {"findings", json::array(view.findings.begin(), view.findings.end())}};
}

json::value to_json(const UpgradeView& view) { return json::object{{"from", view.from}, {"to", view.to}, {"binary", view.binary}}; }

json::value to_json(const LogLine& line) {
  return json::object{{"sequence", line.sequence}, {"at", line.at}, {"level", name_of(line.level)}, {"kind", line.kind}, {"text", line.text}};
}

json::value to_json(const store::SitePlan& plan) {
  return json::object{{"applied", plan.applied}, {"revision", plan.revision}, {"lines", list_of(plan.lines)}, {"refusals", list_of(plan.refusals)}, {"warnings", list_of(plan.warnings)}};
}

json::value to_json(const store::HistoryEntry& entry) {
  return json::object{{"revision", entry.revision}, {"at", entry.at}, {"actor", entry.actor}, {"change", entry.change}};
}

json::value to_json(const std::vector<Metric>& metrics) {
  json::array list;
  for (const Metric& metric : metrics) {
    for (const Sample& sample : metric.samples) {
      json::object labels;
      for (auto& [label, value] : sample.labels) labels[label] = value;
      list.push_back(json::object{{"name", metric.name}, {"labels", std::move(labels)}, {"value", sample.value}});
    }
  }
  return list;
}

json::value to_json(const Fault& fault) {
  return json::object{{"error", json::object{{"code", name_of(fault.code)}, {"subject", fault.subject}, {"cause", fault.cause}, {"remedy", fault.remedy}, {"text", fault.text()}}}};
}

template <class View>
json::value to_json_list(const std::vector<View>& views) {
  json::array list;
  for (const View& view : views) list.push_back(to_json(view));
  return list;
}
template json::value to_json_list(const std::vector<ZoneView>&);
template json::value to_json_list(const std::vector<RegistrationView>&);
template json::value to_json_list(const std::vector<CallView>&);
template json::value to_json_list(const std::vector<FlowView>&);
template json::value to_json_list(const std::vector<TraversalTestView>&);
template json::value to_json_list(const std::vector<DiscoveryView>&);
template json::value to_json_list(const std::vector<LogLine>&);
template json::value to_json_list(const std::vector<store::HistoryEntry>&);

}  // namespace sallyport::api
