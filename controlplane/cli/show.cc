// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/show.h"

#include <boost/json.hpp>
#include <cstdio>

#include "controlplane/cli/json_text.h"
#include "controlplane/cli/text_table.h"

namespace sallyport::cli {
namespace {

namespace json = boost::json;

std::string count_of(const json::value& object, std::string_view name) {
  std::string text = at(object, name);
  return text.empty() ? "0" : text;
}

// "1 call", "2 calls".
std::string counted(const json::value& object, std::string_view name, const std::string& noun) {
  std::string count = count_of(object, name);
  return count + " " + noun + (count == "1" ? "" : "s");
}

// A table with a column for each member named; title and member alternate.
std::string table_of(const json::value& list, const std::vector<std::pair<std::string, std::string>>& columns, const std::string& indent, const std::string& if_empty) {
  std::vector<std::string> titles;
  for (auto& [title, name] : columns) titles.push_back(title);
  TextTable table(titles);
  for (const json::value& item : items(list)) {
    std::vector<std::string> row;
    for (auto& [title, name] : columns) row.push_back(at(item, name));
    table.add(std::move(row));
  }
  return table.is_empty() ? indent + if_empty + "\n" : table.text(indent);
}

std::string seconds_text(const json::value& object, std::string_view name) {
  double total = member(object, name).is_number() ? member(object, name).to_number<double>() : 0;
  auto seconds = static_cast<long long>(total);
  char text[48];
  if (seconds >= 86400) std::snprintf(text, sizeof text, "%lldd %02lld:%02lld:%02lld", seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
  else std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60, seconds % 60);
  return text;
}

std::string line(const std::string& label, const std::string& value) {
  return value.empty() ? "" : printable(label + std::string(label.size() < 14 ? 14 - label.size() : 1, ' ') + value) + "\n";
}

std::string show_streams(const json::value& leg) {
  TextTable table({"KIND", "DIRECTION", "PART", "SUITE", "LOCAL", "REMOTE", "LATCH", "PACKETS", "BYTES", "DROPPED", "LOST", "LOST %", "JITTER ms", "ROUND TRIP ms", "MOS", "TOLD BY"});
  for (const json::value& stream : items(member(leg, "streams"))) {
    table.add({at(stream, "kind"), at(stream, "direction"), at(stream, "component"), at(stream, "suite"), at(stream, "local"), at(stream, "remote"), at(stream, "latch"),
               at(stream, "packets"), at(stream, "bytes"), at(stream, "dropped"), at(stream, "lost"), at(stream, "loss_percent"), at(stream, "jitter_ms"),
               at(stream, "round_trip_ms"), at(stream, "mos"), at(stream, "told_by")});
  }
  return table.is_empty() ? "    no media\n" : table.text("    ");
}

}  // namespace

std::string show_status(const json::value& status) {
  const json::value& dataplane = member(status, "dataplane");
  std::string text = line("node", at(status, "node") + " (" + at(status, "role") + ") " + at(status, "fqdn"));
  text += line("state", at(status, "state") + ", up " + seconds_text(status, "uptime_s") + ", version " + at(status, "version") + ", pid " + count_of(status, "pid"));
  std::string media = at(dataplane, "state");
  if (text_of(member(dataplane, "running")) == "yes") {
    media += ", " + count_of(dataplane, "flows") + " of " + count_of(dataplane, "flow_capacity") + " flows, " + counted(dataplane, "workers", "worker") + ", " +
             at(dataplane, "profile") + ", " + at(dataplane, "crypto") + ", " + at(dataplane, "steering");
  }
  text += line("dataplane", media);
  text += line("now", counted(status, "calls", "call") + ", " + counted(status, "registrations", "registration") + ", " +
                          counted(status, "client_connections", "client connection") + ", " + counted(status, "transactions", "transaction"));
  text += line("site", "revision " + count_of(status, "site_revision"));
  if (!items(member(status, "call_control")).empty()) {
    text += "\ncall control\n" + table_of(member(status, "call_control"), {{"NAME", "name"}, {"HOST", "host"}, {"PORT", "port"}, {"TRANSPORT", "transport"}, {"STATE", "state"}, {"MODE", "registrar_mode"}, {"SINCE", "since"}, {"REASON", "reason"}}, "  ", "");
  }
  if (!items(member(status, "certificates")).empty()) {
    text += "\ncertificates\n" + table_of(member(status, "certificates"), {{"USE", "use"}, {"NAMES", "names"}, {"SUBJECT", "subject"}, {"ISSUER", "issuer"}, {"SERIAL", "serial"}, {"NOT AFTER", "not_after"}}, "  ", "");
  }
  text += "\nalarms\n" + table_of(member(status, "alarms"), {{"SINCE", "since"}, {"KIND", "kind"}, {"WHAT", "text"}}, "  ", "none");
  return text;
}

std::string show_zones(const json::value& zones) {
  std::string text;
  for (const json::value& zone : items(zones)) {
    text += printable("zone \"" + at(zone, "name") + "\" (" + at(zone, "type") + ", " + at(zone, "role") + ", port " + count_of(zone, "port") + ")") + "\n";
    text += "  " + line("user", at(zone, "user")) + "  " + line("fixed", "SIP over " + at(zone, "transport") + ", TLS verify " + at(zone, "tls_verify") + ", media encryption " + at(zone, "media_encryption") + ", authentication policy " + at(zone, "authentication_policy"));
    if (!at(zone, "tls_verify_subject_names").empty()) text += "  " + line("subject name", at(zone, "tls_verify_subject_names"));
    if (!at(zone, "sip_domains").empty()) text += "  " + line("domains", at(zone, "sip_domains"));
    text += table_of(member(zone, "peers"), {{"PEER", "name"}, {"ADDRESS", "address"}, {"STATE", "state"}, {"SINCE", "since"}, {"TLS", "tls"}, {"MEDIA LINK", "media_link"}, {"MULTIPLEX", "multiplex"}, {"REASON", "reason"}, {"WARNING", "warning"}}, "  ", "no peer is connected") + "\n";
  }
  return text.empty() ? "no zones; apply a site document: sallyport apply site.toml\n" : text;
}

std::string show_registrations(const json::value& registrations) {
  return table_of(registrations, {{"AOR", "aor"}, {"SOURCE", "source"}, {"TRANSPORT", "transport"}, {"STATE", "state"}, {"EXPIRES s", "expires_in_s"}, {"OUTBOUND", "outbound"}, {"USER AGENT", "user_agent"}, {"CONTACT", "contact"}}, "", "no registrations");
}

std::string show_calls(const json::value& calls) {
  return table_of(calls, {{"ID", "id"}, {"STATE", "state"}, {"FROM", "from"}, {"TO", "to"}, {"STARTED", "started"}, {"SECONDS", "duration_s"}, {"MOS", "mos"}, {"WORST LEG", "worst_leg"}, {"END", "end_reason"}}, "", "no calls");
}

std::string show_call(const json::value& call) {
  std::string text = line("call", at(call, "id") + " " + at(call, "state")) + line("Call-ID", at(call, "call_id")) + line("from", at(call, "from")) + line("to", at(call, "to"));
  text += line("started", at(call, "started")) + line("answered", at(call, "answered")) + line("ended", at(call, "ended"));
  text += line("duration", seconds_text(call, "duration_s")) + line("end reason", at(call, "end_reason"));
  text += line("lowest MOS", at(call, "mos")) + line("worst leg", at(call, "worst_leg"));
  for (const json::value& leg : items(member(call, "legs"))) {
    std::string title = "leg " + at(leg, "side");
    if (!at(leg, "remote_party").empty()) title += ", " + at(leg, "remote_party");
    if (!at(leg, "codec").empty()) title += ", " + at(leg, "codec");
    text += "\n  " + printable(title) + "\n" + show_streams(leg);
    if (!at(leg, "rtcp").empty()) text += "    " + printable("RTCP " + at(leg, "rtcp") + (at(leg, "mos_basis").empty() ? "" : "; MOS by " + at(leg, "mos_basis"))) + "\n";
  }
  return text;
}

std::string show_flows(const json::value& flows) {
  TextTable table({"FLOW", "WORKER", "CALL", "VERBS", "DIRECTION", "PART", "SUITE", "LOCAL", "REMOTE", "MULTIPLEX", "LATCH", "PACKETS", "DROPPED", "LOST", "LOST %", "JITTER ms", "ROUND TRIP ms", "MOS"});
  for (const json::value& flow : items(flows)) {
    const json::value& stream = member(flow, "stream");
    table.add({at(flow, "index"), at(flow, "worker"), at(flow, "call"), at(flow, "verbs"), at(stream, "direction"), at(stream, "component"), at(stream, "suite"), at(stream, "local"),
               at(stream, "remote"), at(stream, "multiplex_id"), at(stream, "latch"), at(stream, "packets"), at(stream, "dropped"), at(stream, "lost"), at(stream, "loss_percent"), at(stream, "jitter_ms"),
               at(stream, "round_trip_ms"), at(stream, "mos")});
  }
  return table.is_empty() ? "no flows\n" : table.text();
}

std::string show_tests(const json::value& tests) {
  std::string text;
  for (const json::value& test : items(tests)) {
    bool passed = at(test, "passed") == "yes";
    text += printable("zone \"" + at(test, "zone") + "\": " + (passed ? "passed" : "failed") + (at(test, "summary").empty() ? "" : ", " + at(test, "summary"))) + "\n";
    text += table_of(member(test, "steps"), {{"PEER", "peer"}, {"LAYER", "layer"}, {"VERDICT", "verdict"}, {"µs", "took_us"}, {"DETAIL", "detail"}}, "  ", "nothing was tested");
  }
  return text.empty() ? "no zones to test; apply a site document: sallyport apply site.toml\n" : text;
}

std::string show_discovery(const json::value& tests) {
  std::string text;
  for (const json::value& test : items(tests)) {
    text += printable(at(test, "domain") + ": " + (at(test, "passed") == "yes" ? "passed" : "failed")) + "\n";
    text += table_of(member(test, "steps"), {{"NAME", "peer"}, {"STEP", "layer"}, {"VERDICT", "verdict"}, {"µs", "took_us"}, {"DETAIL", "detail"}}, "  ", "nothing was tested");
  }
  return text;
}

bool all_tests_passed(const json::value& tests) {
  for (const json::value& test : items(tests)) {
    if (at(test, "passed") != "yes") return false;
  }
  return !items(tests).empty();
}

std::string show_plan(const json::value& plan) {
  std::string text;
  for (const json::value& finding : items(member(plan, "refusals"))) text += "refused: " + printable(at(finding, "text")) + "\n";
  for (const json::value& finding : items(member(plan, "warnings"))) text += "warning: " + printable(at(finding, "text")) + "\n";
  for (const json::value& planned : items(member(plan, "lines"))) text += "  " + printable(at(planned, "text")) + "\n    effect on live users: " + printable(at(planned, "effect")) + "\n";
  if (!items(member(plan, "refusals")).empty()) return text + "nothing was changed\n";
  if (items(member(plan, "lines")).empty()) return text + "nothing to change; the site is as the document says (revision " + count_of(plan, "revision") + ")\n";
  return text;
}

std::string show_history(const json::value& history) {
  return table_of(history, {{"REVISION", "revision"}, {"AT", "at"}, {"WHO", "actor"}, {"CHANGE", "change"}}, "", "no changes yet");
}

std::string show_log_line(const json::value& entry) { return printable(at(entry, "at") + " " + at(entry, "level") + " " + at(entry, "kind") + " " + at(entry, "text")) + "\n"; }

std::string error_text(const std::string& body, unsigned status) {
  json::error_code error;
  json::value answer = json::parse(body, error);
  std::string text = error ? "" : at(member(answer, "error"), "text");
  return text.empty() ? "the control plane answered with status " + std::to_string(status) : printable(text);
}

}  // namespace sallyport::cli
