// SPDX-License-Identifier: Apache-2.0
// The counters of a node, as one table: SIP, zones, media, TLS, and those of the dataplane's region by stage and drop reason.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "controlplane/api/metric_table.h"
#include "controlplane/node/node_facts.h"
#include "controlplane/node/quality_census.h"
#include "controlplane/node/steering_name.h"

namespace sallyport::node {

using api::CounterView;

namespace {

constexpr std::size_t most_judged = 1000;  // calls that the census looks at

void add(std::vector<CounterView>& out, api::MetricRow row, double value, std::vector<std::pair<std::string, std::string>> labels = {}) {
  CounterView& entry = out.emplace_back();
  entry.name = "sallyport_" + row.name();
  entry.help = row.help();
  entry.labels = std::move(labels);
  entry.value = value;
}

void add(std::vector<CounterView>& out, api::MetricRow row, uint64_t value, std::vector<std::pair<std::string, std::string>> labels = {}) {
  add(out, row, static_cast<double>(value), std::move(labels));
}

void add_dataplane(std::vector<CounterView>& out, const media::RegionMap* region) {
  if (region == nullptr) return;
  add(out, "dataplane_steering", uint64_t{1}, {{"steering", std::string(steering_name(region->header().steering))}});
  add(out, "dataplane_tsc_hz", region->header().tsc_hz);
  for (uint32_t worker = 0; worker < region->worker_count(); ++worker) {
    const abi::WorkerCounters counters = region->counters(worker);
    const std::pair<std::string, std::string> who{"worker", std::to_string(worker)};
    add(out, "dataplane_packets_in_total", counters.packets_in, {who});
    add(out, "dataplane_packets_out_total", counters.packets_out, {who});
    add(out, "dataplane_bytes_in_total", counters.bytes_in, {who});
    add(out, "dataplane_bytes_out_total", counters.bytes_out, {who});
    add(out, "dataplane_handed_over_total", counters.handed_over, {who});
    add(out, "dataplane_polls_total", counters.polls, {who});
    add(out, "dataplane_empty_polls_total", counters.empty_polls, {who});
    add(out, "dataplane_sleeps_total", counters.sleeps, {who});
    add(out, "dataplane_commands_total", counters.commands, {who});
    add(out, "dataplane_commands_refused_total", counters.commands_refused, {who});
    add(out, "dataplane_events_lost_total", counters.events_lost, {who});
    add(out, "dataplane_captured_total", counters.captured, {who});
    add(out, "dataplane_captures_lost_total", counters.captures_lost, {who});
    add(out, "dataplane_to_kernel_total", counters.to_kernel, {who});
    add(out, "dataplane_from_kernel_total", counters.from_kernel, {who});
    add(out, "rtcp_compounds_total", counters.rtcp_compounds, {who});
    add(out, "rtcp_malformed_total", counters.rtcp_malformed, {who});
    add(out, "rtcp_round_trips_total", counters.rtcp_round_trips, {who});
    add(out, "rtcp_round_trip_seconds_total", static_cast<double>(counters.rtcp_round_trip_ns) / 1e9, {who});
    for (size_t stage = 0; stage < static_cast<size_t>(abi::Stage::count); ++stage) {
      add(out, "dataplane_stage_packets_total", counters.stage_packets[stage], {who, {"stage", abi::stage_names[stage]}});
      add(out, "dataplane_stage_cycles_total", counters.stage_cycles[stage], {who, {"stage", abi::stage_names[stage]}});
    }
    for (size_t reason = 0; reason < static_cast<size_t>(abi::DropReason::count); ++reason)
      add(out, "dataplane_drops_total", counters.drops[reason], {who, {"stage", abi::drop_reason_info[reason].stage}, {"reason", abi::drop_reason_info[reason].name}});
  }
}

void add_quality(std::vector<CounterView>& out, const calls::CallTable& calls, bool is_e) {
  QualityCensus census;
  std::size_t judged = 0;
  for (const calls::Call* call : calls.list()) {
    if (call->session == nullptr) continue;
    if (++judged > most_judged) break;
    census.count(call->session->snapshot(), is_e);
  }
  for (size_t leg = 0; leg < std::size(census_legs); ++leg) {
    for (size_t direction = 0; direction < std::size(census_directions); ++direction) {
      const std::pair<std::string, std::string> where{"leg", census_legs[leg]}, which{"direction", census_directions[direction]};
      for (size_t at = 0; at < std::size(census_qualities); ++at)
        add(out, "call_directions", census.audio[leg][direction][at], {where, which, {"quality", std::string(census_qualities[at])}});
      for (size_t at = 0; at < std::size(census_limits); ++at)
        add(out, "call_directions_beyond_limit", census.beyond_limit[leg][direction][at], {where, which, {"limit", std::string(census_limits[at])}});
    }
  }
}

// One family for what is refused, the reason as its label; every other counter by its own name.
void add_media(std::vector<CounterView>& out, const media::MediaCounters& counters) {
  for (size_t at = 0; at < static_cast<size_t>(media::MediaCounter::count); ++at) {
    const std::string_view name = media::media_counter_info[at].name;
    const uint64_t value = counters.value(static_cast<media::MediaCounter>(at));
    if (name.starts_with("refused_")) add(out, "media_refused_total", value, {{"reason", std::string(name.substr(8))}});
    else out.push_back({fmt::format("sallyport_media_{}_total", name), {}, static_cast<double>(value), media::media_counter_info[at].help});
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

// Sums over listeners of one kind: `listener` is "clients", "xmpp", "traversal", "multiplex", "onboarding" or "administration".
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

void add_multiplex(std::vector<CounterView>& out, const Node& node) {
  uint64_t sessions = 0, channels = 0;
  const auto count = [&](const zones::PeerStatus& status, const multiplex::Session* session) {
    if (status.state != zones::PeerState::active || session == nullptr) return;
    ++sessions;
    channels += session->channels();
  };
  for (const auto& client : node.multiplex_clients()) count(client->status(), client->session());
  if (const zones::MultiplexServer* server = node.multiplex_server()) {
    for (const zones::MultiplexPeer& peer : server->peers()) count(peer.status, peer.session.get());
    const zones::MultiplexServerCounters& counters = server->counters();
    add(out, "multiplex_authenticated_total", counters.authenticated);
    add(out, "multiplex_refused_total", counters.wrong_credential, {{"reason", "wrong_credential"}});
    add(out, "multiplex_refused_total", counters.wrong_name, {{"reason", "certificate_name"}});
    add(out, "multiplex_refused_total", counters.no_answer, {{"reason", "no_answer"}});
    add_listeners(out, "multiplex", {node.multiplex_listener()});
    if (node.onboarding_listener() != nullptr) add_listeners(out, "onboarding", {node.onboarding_listener()});
  }
  add(out, "multiplex_sessions", sessions);
  add(out, "multiplex_channels", channels);
}

void add_administration(std::vector<CounterView>& out, Node& node, const tls::Listener* listener) {
  const accounts::DoorkeeperCounters& counters = node.doorkeeper().counters();
  for (size_t at = 0; at < std::size(accounts::login_verdicts); ++at) add(out, "administration_logins_total", counters.logins[at], {{"outcome", accounts::login_verdicts[at]}});
  for (size_t at = 0; at < std::size(accounts::judgements); ++at) add(out, "administration_requests_total", counters.requests[at], {{"outcome", accounts::judgements[at]}});
  add(out, "administration_sessions", uint64_t{node.doorkeeper().sessions().list().size()});
  if (listener != nullptr) add_listeners(out, "administration", {listener});
}

void add_certificates(std::vector<CounterView>& out, Node& node) {
  const auto set = node.vault().snapshot();
  const int64_t now_s = std::time(nullptr);
  uint64_t failures = 0;
  for (const certificates::SlotKind kind : {certificates::SlotKind::server, certificates::SlotKind::client, certificates::SlotKind::domain}) {
    const char* slot = kind == certificates::SlotKind::server ? "server" : kind == certificates::SlotKind::client ? "client" : "domain";
    uint64_t count = 0;
    std::optional<int64_t> first_s;
    for (const certificates::StoredCertificate& stored : set->certificates) {
      if (stored.slot.kind != kind) continue;
      ++count;
      failures += stored.held->failures();
      first_s = std::min(first_s.value_or(stored.not_after_s), stored.not_after_s);
    }
    if (kind == certificates::SlotKind::server && count == 0) {
      if (const tls::ServedCredential platform = node.credentials().snapshot()->platform()) first_s = tls::describe_certificate(platform->certificate.get()).not_after_s;
    }
    add(out, "certificates", count, {{"slot", slot}});
    if (first_s) add(out, "certificate_expiry_seconds", static_cast<double>(*first_s - now_s), {{"slot", slot}});
  }
  const onboarding::OnboardingCounters& phones = node.onboarding_counters();
  for (const auto& [outcome, count] : {std::pair{"enrolled", phones.enrolled}, {"renewed", phones.renewed}, {"told", phones.told}, {"refused", phones.refused}, {"invalid", phones.invalid}, {"failed", phones.failed}})
    add(out, "onboarding_requests_total", count, {{"outcome", outcome}});
  const bool is_onboarding = node.config().is_e() ? node.onboarding_listener() != nullptr : node.site_store().snapshot()->unified.activation_code_onboarding;
  add(out, "onboarding_on", uint64_t{is_onboarding});
  const PairCounters& pairs = node.pair_keeper().counters();
  for (const auto& [outcome, count] : {std::pair{"token", pairs.tokens}, {"joined", pairs.joined}, {"renewed", pairs.renewed}, {"refused", pairs.refused}, {"failed", pairs.failed}})
    add(out, "pair_certificates_total", count, {{"outcome", outcome}});
  const AcmeCounters& orders = node.acme_keeper().counters();
  add(out, "acme_orders_total", orders.orders, {{"outcome", "begun"}});
  add(out, "acme_orders_total", orders.issued, {{"outcome", "issued"}});
  add(out, "acme_orders_total", orders.failed, {{"outcome", "failed"}});
  const auto kept = node.acme_keeper().status();
  for (const acme::DomainState state : {acme::DomainState::pending, acme::DomainState::ready, acme::DomainState::deployed, acme::DomainState::failed}) {
    const auto count = std::count_if(kept.begin(), kept.end(), [&](const auto& entry) { return entry.second.state == state; });
    add(out, "acme_slots", static_cast<uint64_t>(count), {{"state", acme::name_of(state)}});
  }
  const RevocationCounters& asked = node.revocation_keeper().counters();
  const std::pair<const char*, uint64_t> answers[] = {{"good", asked.good}, {"revoked", asked.revoked}, {"unknown", asked.unknown}, {"failed", asked.failed}};
  for (const auto& [result, count] : answers) add(out, "ocsp_requests_total", count, {{"result", result}});
  add(out, "crl_requests_total", asked.lists_read, {{"result", "read"}});
  add(out, "crl_requests_total", asked.lists_failed, {{"result", "failed"}});
  std::array<uint64_t, revocation::revocation_states> by_state{};
  node.revocation_keeper().each([&](const RevocationStatus& status) { ++by_state[static_cast<size_t>(status.finding.state)]; });
  for (size_t state = 0; state < by_state.size(); ++state) add(out, "certificate_revocation", by_state[state], {{"state", revocation::name_of(static_cast<revocation::RevocationState>(state))}});
  add(out, "ocsp_staples", uint64_t{node.staples().fresh()});
  add(out, "tls_staples_total", node.staples().counters().sent, {{"result", "sent"}});
  add(out, "tls_staples_total", node.staples().counters().missing, {{"result", "missing"}});
  add(out, "certificate_requests", uint64_t{set->requests.size()});
  add(out, "tls_certificate_failures_total", failures);
  // The first line is there from the beginning, so that a rate can be taken of it.
  const auto refused = node.refused_names().list(0);
  if (std::none_of(refused.begin(), refused.end(), [](const tls::RefusedName& each) { return each.name.empty(); })) add(out, "tls_certificate_refusals_total", uint64_t{0}, {{"name", "(none)"}});
  for (const tls::RefusedName& each : refused) add(out, "tls_certificate_refusals_total", each.times, {{"name", each.name.empty() ? "(none)" : each.name}});
  add(out, "tls_uncovered_names_total", node.credentials().uncovered().total());
  for (size_t purpose = 0; purpose < certificates::trust_purposes; ++purpose) {
    const auto wanted = static_cast<certificates::TrustPurpose>(purpose);
    const auto count = std::count_if(set->trust.begin(), set->trust.end(), [&](const certificates::TrustedAuthority& authority) { return authority.purpose == wanted; });
    add(out, "trusted_authorities", static_cast<uint64_t>(count), {{"purpose", certificates::name_of(wanted)}});
  }
}

// A node that carries no XMPP has the same lines, all 0.
void add_xmpp(std::vector<CounterView>& out, const Node& node) {
  const xmpp::ClientStreams* streams = node.client_streams();
  const xmpp::PresenceAccess* access = node.presence_access();
  const xmpp::ClientStreamCounters clients = streams == nullptr ? xmpp::ClientStreamCounters{} : streams->counters();
  const xmpp::PresenceCounters presence = access == nullptr ? xmpp::PresenceCounters{} : access->counters();
  const size_t established = access == nullptr ? 0 : access->established();
  for (size_t at = 0; at < xmpp::client_states; ++at) {
    const auto state = static_cast<xmpp::ClientState>(at);
    uint64_t count = streams == nullptr ? 0 : streams->count(state);
    if (access != nullptr && state == xmpp::ClientState::established) count = established;
    if (access != nullptr && state == xmpp::ClientState::authenticating) count = access->count() - established;
    add(out, "xmpp_streams", count, {{"state", xmpp::name_of(state)}});
  }
  add(out, "xmpp_streams_total", clients.accepted + presence.accepted, {{"event", "accepted"}});
  add(out, "xmpp_streams_total", clients.authenticated + presence.authenticated, {{"event", "authenticated"}});
  add(out, "xmpp_streams_total", clients.failed_logins, {{"event", "login_failed"}});
  add(out, "xmpp_streams_total", clients.ended + presence.ended, {{"event", "ended"}});
  for (size_t at = 0; at < xmpp::client_refusals; ++at) add(out, "xmpp_refused_total", clients.refused[at], {{"reason", xmpp::name_of(static_cast<xmpp::ClientRefusal>(at))}});
  add(out, "xmpp_refused_total", presence.refused_domain, {{"reason", "no_presence_domain"}});
  add(out, "xmpp_refused_total", presence.refused_unreachable, {{"reason", "presence_unreachable"}});
  add(out, "xmpp_stanzas_total", clients.stanzas);
  add(out, "xmpp_bytes_total", clients.from_client_bytes, {{"direction", "from_client"}});
  add(out, "xmpp_bytes_total", clients.to_client_bytes, {{"direction", "to_client"}});
  add(out, "xmpp_slowed_total", clients.slowed);
  add(out, "xmpp_features_hidden_total", presence.mechanisms_hidden);
  uint64_t up = 0, failing = 0, unknown = 0;
  if (access != nullptr)
    for (const xmpp::PresenceNodeView& each : access->nodes()) ++(each.is_failing ? failing : each.connects > 0 ? up : unknown);
  add(out, "presence_nodes", up, {{"state", "up"}});
  add(out, "presence_nodes", failing, {{"state", "failing"}});
  add(out, "presence_nodes", unknown, {{"state", "unknown"}});
}

}  // namespace

api::NodeView::Awaitable<std::vector<CounterView>> NodeFacts::counters() {
  std::vector<CounterView> out;
  add_xmpp(out, node_);
  if (!node_.xmpp_listeners().empty()) {
    std::vector<const tls::Listener*> listeners;
    for (const auto& listener : node_.xmpp_listeners()) listeners.push_back(listener.get());
    add_listeners(out, "xmpp", listeners);
  }
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
  add_multiplex(out, node_);
  add_administration(out, node_, administration);
  add_certificates(out, node_);
  const api::StatusView status_now = co_await status();
  add(out, "alarms", uint64_t{status_now.alarms.size()});
  add_media(out, node_.media().counters());
  add(out, "calls_running", uint64_t{node_.calls().running()});
  add(out, "registrations", uint64_t{node_.registrations().size()});
  add(out, "calls_begun_total", node_.calls().counters().begun);
  add(out, "calls_confirmed_total", node_.calls().counters().confirmed);
  add(out, "calls_ended_total", node_.calls().counters().ended);
  add(out, "calls_refused_total", node_.calls().counters().refused);
  add(out, "calls_swept_total", node_.calls().counters().swept);
  add(out, "calls_link_lost_total", node_.calls().counters().link_lost);
  add(out, "calls_adopted_total", node_.calls().counters().adopted);
  add_quality(out, node_.calls(), node_.config().is_e());
  add_dataplane(out, node_.dataplane().region());
  co_return out;
}

}  // namespace sallyport::node
