// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/node_facts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "controlplane/config/utc.h"
#include "controlplane/node/call_legs.h"
#include "controlplane/node/traversal_test.h"

namespace sallyport::node {

using namespace api;
using config::utc;

namespace {

constexpr std::size_t most_judged = 1000;  // calls whose quality one request asks for

uint64_t random_number() {
  std::random_device source;
  return uint64_t{source()} << 32 | source();
}

}  // namespace

NodeFacts::NodeFacts(Node& node, std::string version) : node_(node), version_(std::move(version)), instance_(fmt::format("{:016x}", random_number())), started_ms_(node.now_ms()) {}

std::string NodeFacts::time_of(uint64_t monotonic_ms) const {
  if (monotonic_ms == 0) return {};
  // The same moment is told the same each time, though the two clocks are never read at once; a clock that was set is followed.
  const auto wall_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const int64_t offset_ms = wall_ms - static_cast<int64_t>(node_.now_ms());
  if (std::abs(offset_ms - wall_offset_ms_) > 1000) wall_offset_ms_ = offset_ms;
  return utc((wall_offset_ms_ + static_cast<int64_t>(monotonic_ms)) / 1000);
}

NodeView::Awaitable<StatusView> NodeFacts::status() {
  StatusView view;
  const config::NodeConfig& config = node_.config();
  view.node = config.node.name;
  view.role = config.is_e() ? "E" : "C";
  view.fqdn = config.node.fqdn;
  view.version = version_;
  view.pid = static_cast<uint32_t>(getpid());
  view.instance = instance_;
  view.started = time_of(started_ms_ + 1);
  view.uptime_s = (node_.now_ms() - started_ms_) / 1000;
  view.site_revision = node_.site_store().snapshot()->revision;
  view.registrations = node_.registrations().size();
  view.calls = node_.calls().running();
  view.client_connections = node_.clients() == nullptr ? 0 : node_.clients()->flows();
  view.transactions = node_.sip_proxy().transactions();
  media::DataplaneLink& dataplane = node_.dataplane();
  view.dataplane.running = dataplane.is_running();
  view.dataplane.state = dataplane.state_text();
  if (dataplane.is_running()) {
    const abi::RegionHeader& header = dataplane.region()->header();
    const auto text = [](const char* bytes, size_t size) { return std::string(bytes, strnlen(bytes, size)); };
    view.dataplane.pid = header.dataplane_pid;
    view.dataplane.profile = text(header.profile, sizeof header.profile);
    view.dataplane.crypto = text(header.crypto, sizeof header.crypto);
    view.dataplane.steering = text(header.steering, sizeof header.steering);
    view.dataplane.workers = header.worker_count;
    view.dataplane.flows = static_cast<uint32_t>(dataplane.region()->live_flows().size());
    view.dataplane.flow_capacity = header.flow_capacity;
    view.dataplane.epoch = header.epoch;
  } else {
    view.alarms.push_back({"dataplane_absent", "", "calls are refused with 503: " + dataplane.state_text()});
  }
  if (dataplane.is_running() && !node_.dataplane_text().empty()) view.alarms.push_back({"address_missing", "", node_.dataplane_text()});
  for (const proxy::CallControlNode& each : node_.call_control().nodes()) {
    CallControlView entry;
    entry.name = each.name;
    entry.host = each.host;
    entry.port = each.port;
    entry.transport = each.transport == proxy::Transport::udp ? "udp" : each.transport == proxy::Transport::tcp ? "tcp" : "tls";
    entry.state = each.hop == nullptr || each.is_down ? "down" : "up";
    entry.reason = each.state_text;
    entry.registrar_mode = each.mode == proxy::RegistrarMode::contact || each.ignores_path ? "contact" : "path";
    entry.since = time_of(each.changed_ms);
    if (entry.state == "down") view.alarms.push_back({"call_control_down", entry.since, each.name + ": " + each.state_text});
    view.call_control.push_back(std::move(entry));
  }
  if (const xmpp::PresenceAccess* access = node_.presence_access())
    for (const xmpp::PresenceNodeView& each : access->nodes())
      if (each.is_failing) view.alarms.push_back({"presence_server_down", utc(std::chrono::system_clock::to_time_t(each.changed)), each.node.name + ": " + each.text, access->is_unserved(each.node)});
  const auto snapshot = node_.credentials().snapshot();
  const tls::ServedCredential platform = snapshot->platform();
  for (const auto& credential : {platform.first, platform.second}) {
    if (credential == nullptr) continue;
    const tls::PeerCertificate facts = tls::describe_certificate(credential->certificate.get());
    CertificateView certificate{"server", facts.subject, facts.issuer, facts.serial, utc(facts.not_after_s), {}};
    for (const tls::CertificateName& name : facts.names) certificate.names.push_back(name.value);
    view.certificates.push_back(std::move(certificate));
  }
  for (const certificates::CertificateAlarm& alarm : node_.certificate_alarms()) view.alarms.push_back({alarm.kind, "", alarm.text, alarm.impairs});
  if (!node_.media_exhausted().empty()) view.alarms.push_back({"port_range_exhausted", "", "calls are refused with 503: " + node_.media_exhausted()});
  const bool is_impaired = std::any_of(view.alarms.begin(), view.alarms.end(), [](const AlarmView& alarm) { return alarm.impairs; });
  view.state = draining ? "draining" : is_impaired ? "degraded" : "ready";
  co_return view;
}

PeerView NodeFacts::view_of(const zones::PeerStatus& status, std::string_view zone) const {
  PeerView view;
  view.name = status.peer;
  view.address = status.address;
  view.state = zones::name_of(status.state);
  view.reason = status.reason;
  view.since = time_of(status.changed_ms);
  view.warning = status.warning;
  view.tls = status.tls_version.empty() ? "" : status.tls_version + " " + status.cipher;
  view.connects = status.attempts;
  view.failures = status.failures;
  view.keepalives = status.keepalives_answered;
  abi::LinkRecord link;
  const int slot = node_.media_link_of(zones::link_id_of(zone, status.peer));
  const bool known = slot >= 0 && node_.dataplane().read_link(static_cast<uint32_t>(slot), link);
  view.media_link = !known ? "down: not installed" : link.state.rtp_up && link.state.rtcp_up ? "up" : link.state.rtp_up ? "down: RTCP port silent" : "down: RTP port silent";
  if (known) view.round_trip_us = static_cast<uint32_t>(link.state.rtp_round_trip_ns / 1000);
  show_multiplex(view, node_.multiplex_states(zone, status.peer));
  return view;
}

// One line for all of them, and each for itself.
void NodeFacts::show_multiplex(PeerView& view, const std::vector<MultiplexState>& states) const {
  size_t active = 0, wanted = 0;
  std::string lacking;
  for (const MultiplexState& state : states) {
    MultiplexView each;
    const bool is_active = state.state == zones::PeerState::active && !state.is_retired;
    each.number = state.number;
    each.state = state.is_retired ? "retired" : zones::name_of(state.state);
    each.address = state.address;
    each.since = time_of(state.changed_ms);
    (is_active || state.is_retired ? each.tls : each.reason) = state.text;
    each.channels = state.channels;
    each.connects = state.connects;
    each.failures = state.failures;
    each.round_trip_us = static_cast<uint32_t>(state.round_trip_us);
    view.channels += state.channels;
    if (view.multiplex_round_trip_us == 0 && is_active) view.multiplex_round_trip_us = each.round_trip_us;
    if (!state.is_retired) ++wanted;
    if (is_active) ++active;
    else if (!state.is_retired && lacking.empty()) lacking = fmt::format("{}{}: {}", states.size() > 1 ? fmt::format("connection {} ", state.number) : "", zones::name_of(state.state), state.text);
    if (!state.address.empty() || state.number != 0) view.multiplex_connections.push_back(std::move(each));
  }
  if (active == wanted) view.multiplex = wanted == 0 ? "retired" : wanted == 1 ? "active" : fmt::format("active, {} connections", active);
  else if (active == 0) view.multiplex = lacking;
  else view.multiplex = fmt::format("{} of {} active, {}", active, wanted, lacking);
}

NodeView::Awaitable<std::vector<ZoneView>> NodeFacts::zones() {
  std::vector<ZoneView> views;
  const auto site = node_.site_store().snapshot();
  for (const store::Zone& zone : site->zones) {
    ZoneView view;
    view.name = zone.name;
    view.type = store::Zone::type;
    view.role = store::Zone::role_name(node_.config().node.role);
    view.port = zone.port;
    view.user = zone.user;
    view.transport = store::Zone::transport;
    view.tls_verify = store::Zone::tls_verify;
    view.media_encryption = store::Zone::media_encryption;
    view.authentication_policy = store::Zone::authentication_policy;
    view.tls_verify_subject_names = zone.tls_verify_subject_names;
    view.sip_domains = zone.sip_domains;
    for (const auto& client : node_.zone_clients())
      if (client->settings().zone == zone.name) view.peers.push_back(view_of(client->status(), zone.name));
    for (const auto& server : node_.zone_servers())
      if (server->settings().zone == zone.name)
        for (const zones::PeerStatus& status : server->status()) view.peers.push_back(view_of(status, zone.name));
    views.push_back(std::move(view));
  }
  co_return views;
}

NodeView::Awaitable<std::vector<RegistrationView>> NodeFacts::registrations(std::size_t limit) {
  std::vector<RegistrationView> views;
  const uint64_t now_ms = node_.now_ms();
  for (const proxy::Registration& entry : node_.registrations().list(now_ms)) {
    if (views.size() >= limit) break;
    RegistrationView view;
    view.aor = entry.aor;
    view.contact = entry.contact;
    view.instance = entry.instance;
    view.source = entry.source;
    view.user_agent = entry.user_agent;
    view.transport = "tls";
    view.state = "registered";
    view.expires_in_s = (entry.expires_ms - std::min(entry.expires_ms, now_ms)) / 1000;
    view.outbound = entry.reg_id != 0;
    views.push_back(std::move(view));
  }
  co_return views;
}

CallView NodeFacts::view_of(const calls::Call& call, bool with_legs, bool with_quality) const {
  CallView view;
  view.id = call.id;
  view.call_id = call.call_id;
  view.from = call.from;
  view.to = call.to;
  view.state = calls::name_of(call.state);
  view.started = time_of(call.started_ms);
  view.answered = time_of(call.answered_ms);
  view.ended = time_of(call.ended_ms);
  const uint64_t until_ms = call.ended_ms != 0 ? call.ended_ms : node_.now_ms();
  view.duration_s = call.answered_ms == 0 ? 0 : (until_ms - call.answered_ms) / 1000;
  view.end_reason = call.end_reason;
  if (!with_legs && !with_quality) return view;
  const media::SessionSnapshot media = node_.calls().media_of(call);
  const media::CallQuality quality = media::quality_of(media, node_.config().is_e());
  view.mos = quality.mos;
  view.worst_leg = quality.worst;
  if (with_legs) view.legs = legs_of(call, media, node_.config().is_e());
  return view;
}

NodeView::Awaitable<std::vector<CallView>> NodeFacts::calls(CallQuery query) {
  std::vector<CallView> views;
  for (const calls::Call* call : node_.calls().list()) {
    if (views.size() >= query.limit) break;
    if (call->state == calls::CallState::ended && !query.with_ended) continue;
    views.push_back(view_of(*call, false, query.with_quality && views.size() < most_judged));
  }
  co_return views;
}

NodeView::Awaitable<std::optional<CallView>> NodeFacts::call(std::string id) {
  const calls::Call* call = node_.calls().find(id);
  if (call == nullptr) co_return std::nullopt;
  co_return view_of(*call, true, true);
}

NodeView::Awaitable<std::vector<FlowView>> NodeFacts::flows(std::size_t limit) {
  const media::RegionMap* region = node_.dataplane().region();
  if (region == nullptr) co_return std::vector<FlowView>{};
  std::vector<FlowView> views = flows_of(*region, node_.config().is_e(), limit);
  add_quality(views, node_.calls());
  co_return views;
}

NodeView::Awaitable<Outcome<UpgradeView>> NodeFacts::upgrade(std::string binary) {
  if (upgrading_ || draining || !give_way) co_return Fault{FaultCode::conflict, "this control plane", "is about to end already", "wait for the next one: sallyport status"};
  upgrading_ = true;
  Outcome<Successor> successor = co_await check_successor(binary, node_.config().file);
  upgrading_ = successor.has_value();
  if (!successor) co_return successor.fault();
  give_way(*successor);
  co_return UpgradeView{version_, successor->version, successor->binary};
}

NodeView::Awaitable<Outcome<std::vector<TraversalTestView>>> NodeFacts::test_traversal(std::string zone) {
  std::vector<TraversalTestView> views;
  const auto site = node_.site_store().snapshot();
  for (const store::Zone& each : site->zones) {
    if (!zone.empty() && each.name != zone) continue;
    TraversalTestView view = co_await run_traversal_test(node_, each.name);
    views.push_back(std::move(view));
  }
  if (views.empty()) co_return Fault{FaultCode::missing, zone.empty() ? "traversal zone" : "zone " + zone, "does not exist", "look at `sallyport zones`, create one with `sallyport apply`"};
  co_return views;
}

}  // namespace sallyport::node
