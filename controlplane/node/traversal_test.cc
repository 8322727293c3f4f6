// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/traversal_test.h"

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "controlplane/node/icmp_echo.h"
#include "controlplane/node/test_report.h"
#include "controlplane/zones/traversal_probe.h"

namespace sallyport::node {

namespace {

using api::TraversalTestView;
using Client = std::shared_ptr<zones::TraversalClient>;
using Layer = zones::ProbeVerdict::Layer;

// Together below what the administration interface waits for.
constexpr std::chrono::milliseconds connect_deadline{4000}, handshake_deadline{6000}, answer_deadline{6000}, multiplex_deadline{3000}, multiplex_look_interval{20};
// A refusal older than this says nothing about now: C tries at least every half minute.
constexpr uint64_t recent_ms = 90'000;

std::string state_text(const zones::PeerStatus& status) {
  return std::string("the zone's connection is in state ") + zones::name_of(status.state) + (status.reason.empty() ? "" : ", " + status.reason);
}

void judge_connection(TestReport& report, const Client& client, const tls::ConnectResult& result, TestReport::Clock::time_point tcp_done) {
  const bool is_tcp = result || result.failure->stage == tls::ConnectStage::tls;
  const std::string why = result ? std::string{} : result.failure->fault().text();
  if (!is_tcp) {
    report.fail("tcp", why);
    return report.skip_from("tls", "no TCP connection");
  }
  report.pass("tcp", result ? result.stream->peer_address().text() + " answers" : fmt::format("port {} answers", client->settings().port), tcp_done);
  if (result) return;
  const bool only_name = result.failure->handshake && result.failure->handshake->reason == tls::HandshakeReason::name_mismatch;
  if (!only_name) {
    report.fail("tls", why);
    return report.skip_from("san", "no TLS connection");
  }
  report.pass("tls", "chain, validity and usage of the peer's certificate are good");
  report.fail("san", why);
  report.skip_from("digest", "no TLS connection");
}

void judge_probe(TestReport& report, const tls::TlsFacts& facts, const zones::ProbeVerdict& verdict) {
  if (verdict.refused_by == Layer::tls) {
    report.fail("tls", verdict.text);
    return report.skip_from("san", "no TLS connection");
  }
  report.pass("tls", facts.version + " " + facts.cipher + ", both certificates are trusted");
  if (verdict.refused_by == Layer::name) {
    report.fail("san", verdict.text);
    return report.skip_from("digest", "the peer did not get so far");
  }
  report.pass("san", "the peer is " + (facts.peer ? facts.peer->names_text() : std::string("nameless")) + " and accepts our names");
  if (verdict.refused_by == Layer::digest) report.fail("digest", verdict.text);
  else report.pass("digest", verdict.text);
}

// Connections that are on their way are given the time they need.
boost::asio::awaitable<std::vector<MultiplexState>> settle_multiplex(Node& node, std::string zone, std::string peer) {
  boost::asio::steady_timer timer(node.engine().context());
  const auto deadline = TestReport::Clock::now() + multiplex_deadline;
  const auto is_under_way = [](const MultiplexState& state) { return state.state != zones::PeerState::active && state.state != zones::PeerState::failed; };
  std::vector<MultiplexState> states = node.multiplex_states(zone, peer);
  while (std::any_of(states.begin(), states.end(), is_under_way) && TestReport::Clock::now() < deadline) {
    boost::system::error_code ignored;
    timer.expires_after(multiplex_look_interval);
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    states = node.multiplex_states(zone, peer);
  }
  co_return states;
}

boost::asio::awaitable<TestReport> test_peer(Node& node, Client client) {
  const zones::TraversalClientSettings& settings = client->settings();
  TestReport report(node, settings.peer);
  const dns::Family family = !settings.local.is_set() ? dns::Family::any : settings.local.is_v6() ? dns::Family::v6 : dns::Family::v4;
  const std::string name = settings.peer;
  const auto records = co_await node.resolver().resolve_host(name, family);
  if (!records || records->empty()) {
    report.fail("dns", records ? "no address" : records.fault().text());
    report.skip_from("tcp", "no address");
    report.judge_media(client->link_id(), state_text(client->status()), {});
    co_return report;
  }
  const std::string address = records->front().address;
  report.pass("dns", address == name ? "an IP address, nothing to resolve" : address);
  tls::ConnectOptions options = client->connect_options();
  options.connect_deadline = connect_deadline;
  options.handshake_deadline = handshake_deadline;
  TestReport::Clock::time_point tcp_done;
  options.progress = [&tcp_done](tls::ConnectStage stage) {
    if (stage == tls::ConnectStage::tls) tcp_done = TestReport::Clock::now();
  };
  tls::ConnectResult result = co_await tls::dial(node.engine(), node.resolver(), name, settings.port, options);
  judge_connection(report, client, result, tcp_done);
  if (result) {
    const tls::TlsFacts facts = result.stream->tls_facts();
    const zones::ProbeVerdict verdict = co_await zones::probe_zone(result.stream, settings, answer_deadline);
    judge_probe(report, facts, verdict);
  }
  report.judge_media(client->link_id(), state_text(client->status()), {});
  const std::string zone = settings.zone;
  const std::vector<MultiplexState> multiplex = co_await settle_multiplex(node, zone, name);
  report.judge_multiplex(multiplex);
  const auto target = tls::SocketAddress::parse(address, 0);
  if (!target) co_return report;
  const std::string icmp = co_await ask_icmp(node.engine().context(), *target);
  report.note("icmp", icmp);
  co_return report;
}

// Reports of peers that are tested at the same time; the last one done wakes the test.
struct Gathering {
  explicit Gathering(boost::asio::io_context& io) : all_done(io, boost::asio::steady_timer::time_point::max()) {}
  std::vector<TestReport> reports;
  size_t missing = 0;
  boost::asio::steady_timer all_done;
};

boost::asio::awaitable<void> gather(Node& node, Client client, std::shared_ptr<Gathering> gathering, size_t number) {
  TestReport report = co_await test_peer(node, client);
  gathering->reports[number] = std::move(report);
  if (--gathering->missing == 0) gathering->all_done.cancel();
}

// One peer as E sees it: it connected, was refused lately, or is on its way.
void judge_arrival(TestReport& report, const zones::TraversalServer& server, const zones::PeerStatus& status) {
  report.note("dns", "E opens nothing towards C; C resolves E");
  report.pass("tcp", "connected from " + status.address);
  if (status.refused_by == "tls") {
    report.fail("tls", status.reason);
    return report.skip_from("san", "no TLS connection");
  }
  report.pass("tls", status.tls_version + " " + status.cipher + ", both certificates are trusted");
  if (status.refused_by == "san") {
    report.fail("san", status.reason);
    return report.skip_from("digest", "refused by name");
  }
  report.pass("san", "C is " + status.certificate_names);
  if (status.refused_by == "digest") return report.fail("digest", status.reason);
  if (status.state == zones::PeerState::active) return report.pass("digest", "user " + server.settings().username + " authenticated");
  report.note("digest", "not yet authenticated");
}

bool counts_as_failure(const zones::PeerStatus& status, uint64_t now_ms) { return now_ms - std::min(now_ms, status.changed_ms) <= recent_ms && status.has_certificate; }

boost::asio::awaitable<TraversalTestView> test_from_c(Node& node, std::string zone) {
  const auto gathering = std::make_shared<Gathering>(node.engine().context());
  std::vector<Client> clients;
  for (const Client& client : node.zone_clients())
    if (client->settings().zone == zone) clients.push_back(client);
  for (const Client& client : clients) gathering->reports.emplace_back(node, client->settings().peer);
  gathering->missing = clients.size();
  for (size_t number = 0; number < clients.size(); ++number)
    boost::asio::co_spawn(node.engine().context(), gather(node, clients[number], gathering, number), boost::asio::detached);
  if (gathering->missing != 0) {
    boost::system::error_code ignored;
    co_await gathering->all_done.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  co_return conclude(std::move(zone), gathering->reports);
}

boost::asio::awaitable<TraversalTestView> test_from_e(Node& node, std::string zone) {
  std::vector<TestReport> reports;
  zones::TraversalServer* server = node.zone_server(zone);
  const std::vector<zones::PeerStatus> peers = server == nullptr ? std::vector<zones::PeerStatus>() : server->status();
  bool is_connected = false;
  for (const zones::PeerStatus& status : peers) {
    const bool is_active = status.state == zones::PeerState::active;
    if (status.state == zones::PeerState::failed && !counts_as_failure(status, node.now_ms())) continue;
    TestReport report(node, status.peer);
    judge_arrival(report, *server, status);
    if (is_active) {
      is_connected = true;
      const std::string peer = status.peer;
      const std::string c_says = co_await server->ask_media(peer, answer_deadline);
      report.judge_media(zones::link_id_of(zone, peer), state_text(status), c_says);
      const std::vector<MultiplexState> multiplex = co_await settle_multiplex(node, zone, peer);
      report.judge_multiplex(multiplex);
    }
    report.note("icmp", "not asked: E sends nothing towards C");
    reports.push_back(std::move(report));
  }
  TraversalTestView view = conclude(zone, reports);
  const bool has_found = is_connected || (!reports.empty() && !view.passed);
  if (has_found) co_return view;
  view.passed = false;
  view.summary = fmt::format("no C is connected to port {}; run the test on C", server == nullptr ? 0 : server->settings().port);
  co_return view;
}

}  // namespace

boost::asio::awaitable<TraversalTestView> run_traversal_test(Node& node, std::string zone) {
  return node.config().is_e() ? test_from_e(node, std::move(zone)) : test_from_c(node, std::move(zone));
}

}  // namespace sallyport::node
