// SPDX-License-Identifier: Apache-2.0
// The counters of a node, as one table: SIP, zones, media, TLS, and those of the dataplane's region by stage and drop reason.
#include <fmt/format.h>

#include "controlplane/node/node_facts.h"

namespace sallyport::node {

using api::CounterView;

namespace {

void add(std::vector<CounterView>& out, const char* name, uint64_t value, std::vector<std::pair<std::string, std::string>> labels = {}) {
  CounterView& entry = out.emplace_back();
  entry.name = std::string("sallyport_") + name;
  entry.labels = std::move(labels);
  entry.value = static_cast<double>(value);
}

void add_dataplane(std::vector<CounterView>& out, const media::RegionMap* region) {
  if (region == nullptr) return;
  for (uint32_t worker = 0; worker < region->worker_count(); ++worker) {
    const abi::WorkerCounters counters = region->counters(worker);
    const std::pair<std::string, std::string> who{"worker", std::to_string(worker)};
    add(out, "dataplane_packets_in_total", counters.packets_in, {who});
    add(out, "dataplane_packets_out_total", counters.packets_out, {who});
    add(out, "dataplane_bytes_in_total", counters.bytes_in, {who});
    add(out, "dataplane_bytes_out_total", counters.bytes_out, {who});
    add(out, "dataplane_handed_over_total", counters.handed_over, {who});
    add(out, "dataplane_sleeps_total", counters.sleeps, {who});
    add(out, "dataplane_commands_total", counters.commands, {who});
    add(out, "dataplane_commands_refused_total", counters.commands_refused, {who});
    add(out, "dataplane_events_lost_total", counters.events_lost, {who});
    add(out, "dataplane_captured_total", counters.captured, {who});
    add(out, "dataplane_captures_lost_total", counters.captures_lost, {who});
    for (size_t stage = 0; stage < static_cast<size_t>(abi::Stage::count); ++stage) {
      add(out, "dataplane_stage_packets_total", counters.stage_packets[stage], {who, {"stage", abi::stage_names[stage]}});
      add(out, "dataplane_stage_cycles_total", counters.stage_cycles[stage], {who, {"stage", abi::stage_names[stage]}});
    }
    for (size_t reason = 0; reason < static_cast<size_t>(abi::DropReason::count); ++reason)
      add(out, "dataplane_drops_total", counters.drops[reason], {who, {"stage", abi::drop_reason_info[reason].stage}, {"reason", abi::drop_reason_info[reason].name}});
  }
}

// One family for what is refused, the reason as its label; every other counter by its own name.
void add_media(std::vector<CounterView>& out, const media::MediaCounters& counters) {
  for (size_t at = 0; at < static_cast<size_t>(media::MediaCounter::count); ++at) {
    const std::string_view name = media::media_counter_info[at].name;
    const uint64_t value = counters.value(static_cast<media::MediaCounter>(at));
    if (name.starts_with("refused_")) add(out, "media_refused_total", value, {{"reason", std::string(name.substr(8))}});
    else add(out, fmt::format("media_{}_total", name).c_str(), value);
    out.back().help = media::media_counter_info[at].help;
  }
}

void add_sip(std::vector<CounterView>& out, Node& node) {
  const proxy::ProxyCounters& sip = node.sip_proxy().counters();
  add(out, "sip_requests_total", sip.requests);
  add(out, "sip_responses_total", sip.responses);
  add(out, "sip_forwarded_requests_total", sip.forwarded_requests);
  add(out, "sip_forwarded_responses_total", sip.forwarded_responses);
  add(out, "sip_local_answers_total", sip.local_answers);
  add(out, "sip_retransmissions_total", sip.retransmissions);
  add(out, "sip_stray_responses_total", sip.stray_responses);
  add(out, "sip_forged_responses_total", sip.forged_responses);
  add(out, "sip_malformed_requests_total", sip.malformed_requests);
  add(out, "sip_malformed_responses_total", sip.malformed_responses);
  add(out, "sip_loops_total", sip.loops);
  add(out, "sip_too_many_hops_total", sip.too_many_hops);
  add(out, "sip_transactions_refused_total", sip.table_full);
  add(out, "sip_oversized_total", sip.oversized);
  add(out, "sip_refused_draining_total", sip.drained);
  add(out, "sip_send_failed_total", sip.send_failed);
  add(out, "sip_timeouts_total", sip.timeouts);
  add(out, "sip_callees_released_total", sip.callees_released);
  if (const proxy::EdgeRouter* edge = node.edge_router()) {
    add(out, "sip_flow_failed_total", edge->counters().flow_failed);
    add(out, "sip_foreign_route_total", edge->counters().foreign_route);
    add(out, "sip_foreign_domain_total", edge->counters().foreign_domain);
    add(out, "sip_zone_down_total", edge->counters().no_zone);
    add(out, "sip_bad_token_total", edge->counters().bad_token);
  }
  if (const proxy::InnerRouter* inner = node.inner_router()) {
    add(out, "sip_foreign_route_total", inner->counters().foreign_route);
    add(out, "sip_call_control_down_total", inner->counters().no_call_control);
    add(out, "sip_failovers_total", inner->counters().failovers);
    add(out, "sip_bad_token_total", inner->counters().bad_token);
  }
}

// Sums over listeners of one kind: `listener` is "clients" or "traversal".
void add_listeners(std::vector<CounterView>& out, const char* listener, const std::vector<const tls::Listener*>& listeners) {
  tls::ListenerCounters sum;
  for (const tls::Listener* each : listeners) {
    const tls::ListenerCounters& counters = each->counters();
    sum.accepted += counters.accepted;
    sum.established += counters.established;
    for (size_t at = 0; at < tls::admissions; ++at) sum.admission[at] += counters.admission[at];
    for (size_t at = 0; at < tls::handshake_reasons; ++at) sum.handshake_failed[at] += counters.handshake_failed[at];
  }
  const std::pair<std::string, std::string> which{"listener", listener};
  add(out, "tls_accepted_total", sum.accepted, {which});
  add(out, "tls_established_total", sum.established, {which});
  for (size_t at = 0; at < tls::admissions; ++at) add(out, "tls_admissions_total", sum.admission[at], {which, {"result", tls::name_of(static_cast<tls::Admission>(at))}});
  for (size_t at = 0; at <= static_cast<size_t>(tls::HandshakeReason::other); ++at)
    add(out, "tls_handshake_failures_total", sum.handshake_failed[at], {which, {"reason", tls::name_of(static_cast<tls::HandshakeReason>(at))}});
}

}  // namespace

api::NodeView::Awaitable<std::vector<CounterView>> NodeFacts::counters() {
  std::vector<CounterView> out;
  add_sip(out, node_);
  if (const tls::Listener* listener = node_.client_listener()) add_listeners(out, "clients", {listener});
  std::vector<const tls::Listener*> zone_listeners;
  for (const auto& listener : node_.zone_listeners()) zone_listeners.push_back(listener.get());
  if (node_.config().is_e()) add_listeners(out, "traversal", zone_listeners);
  uint64_t challenged = 0, authenticated = 0, wrong = 0, unknown = 0, early = 0, names = 0;
  for (const auto& server : node_.zone_servers()) {
    const zones::TraversalServerCounters& zone = server->counters();
    challenged += zone.challenged;
    authenticated += zone.authenticated;
    wrong += zone.wrong_credential;
    unknown += zone.unknown_user;
    early += zone.not_authenticated;
    names += zone.wrong_name;
  }
  if (node_.config().is_e()) {
    add(out, "zone_challenges_total", challenged);
    add(out, "zone_authenticated_total", authenticated);
    add(out, "zone_refused_total", wrong, {{"reason", "wrong_credential"}});
    add(out, "zone_refused_total", unknown, {{"reason", "unknown_user"}});
    add(out, "zone_refused_total", early, {{"reason", "not_authenticated"}});
    add(out, "zone_refused_total", names, {{"reason", "certificate_name"}});
  }
  add_media(out, node_.media().counters());
  add(out, "calls_begun_total", node_.calls().counters().begun);
  add(out, "calls_confirmed_total", node_.calls().counters().confirmed);
  add(out, "calls_ended_total", node_.calls().counters().ended);
  add(out, "calls_refused_total", node_.calls().counters().refused);
  add(out, "calls_swept_total", node_.calls().counters().swept);
  add(out, "calls_adopted_total", node_.calls().counters().adopted);
  add_dataplane(out, node_.dataplane().region());
  co_return out;
}

}  // namespace sallyport::node
