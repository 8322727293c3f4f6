// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/traversal_test.h"

#include <fmt/format.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace sallyport::node {

namespace {

using api::TestStepView;
using api::TraversalTestView;

uint16_t icmp_sum(const uint8_t* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t at = 0; at + 1 < size; at += 2) sum += static_cast<uint32_t>(bytes[at] << 8 | bytes[at + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// One echo request over IPv4, half a second. Never a verdict: firewalls drop ICMP and everything works.
boost::asio::awaitable<std::string> ask_icmp(boost::asio::io_context& io, tls::SocketAddress target) {
  if (!target.is_v4()) co_return "not asked (IPv6)";
  const int fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
  if (fd < 0) co_return "not asked (needs CAP_NET_RAW)";
  boost::asio::posix::stream_descriptor socket_reader(io, fd);
  uint8_t request[16] = {ICMP_ECHO, 0, 0, 0, 0x53, 0x50, 0, 1};
  const uint16_t sum = icmp_sum(request, sizeof request);
  request[2] = static_cast<uint8_t>(sum >> 8);
  request[3] = static_cast<uint8_t>(sum);
  target.set_port(0);
  if (sendto(fd, request, sizeof request, MSG_NOSIGNAL, target.kernel(), target.kernel_length()) < 0) co_return "ICMP blocked (not an error)";
  boost::asio::steady_timer timer(io);
  for (int round = 0; round < 25; ++round) {
    uint8_t answer[256];
    sockaddr_storage from{};
    socklen_t length = sizeof from;
    const ssize_t got = recvfrom(fd, answer, sizeof answer, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got >= 28 && answer[20] == ICMP_ECHOREPLY && tls::SocketAddress::from_kernel(reinterpret_cast<sockaddr*>(&from), length).ip_bytes() == target.ip_bytes()) co_return "answered";
    boost::system::error_code ignored;
    timer.expires_after(std::chrono::milliseconds(20));
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  co_return "ICMP blocked (not an error)";
}

TestStepView step(const std::string& peer, std::string layer, bool passed, std::string detail) {
  return {peer, std::move(layer), passed ? "passed" : "failed", std::move(detail), 0};
}

void add_media_steps(TraversalTestView& view, Node& node, const std::string& peer, uint64_t link_id) {
  abi::LinkRecord link;
  const int slot = node.media_link_of(link_id);
  const bool known = slot >= 0 && node.dataplane().read_link(static_cast<uint32_t>(slot), link);
  const auto add = [&](const char* layer, bool up, uint64_t round_trip_ns, uint32_t port) {
    std::string detail = !node.dataplane().is_running() ? "dataplane " + node.dataplane().state_text()
                         : !known                      ? "no media link to this peer"
                         : up ? (round_trip_ns != 0 ? fmt::format("UDP {} there and back in {:.2f} ms", port, static_cast<double>(round_trip_ns) / 1e6) : fmt::format("keep-alives of C arrive on UDP {}", port))
                              : fmt::format("no authenticated answer on UDP {}; allow C to E on UDP {} and {}", port, node.config().media.link_rtp_port, node.config().media.link_rtcp_port);
    view.steps.push_back(step(peer, layer, known && up, std::move(detail)));
  };
  add("udp_rtp", known && link.state.rtp_up, known ? link.state.rtp_round_trip_ns : 0, node.config().media.link_rtp_port);
  add("udp_rtcp", known && link.state.rtcp_up, known ? link.state.rtcp_round_trip_ns : 0, node.config().media.link_rtcp_port);
}

void conclude(TraversalTestView& view, bool reachable, const std::string& unreachable_peer) {
  view.passed = !view.steps.empty();
  std::string first;
  for (const TestStepView& each : view.steps) {
    if (each.verdict != "failed") continue;
    view.passed = false;
    if (first.empty()) first = each.layer + " failed for " + each.peer + ": " + each.detail;
  }
  // A21: this text belongs to a peer whose TCP port does not answer, whatever ICMP says.
  view.summary = !reachable ? unreachable_peer + " cannot be reached" : view.passed ? "all layers work" : view.steps.empty() ? "the zone has no peer" : first;
}

}  // namespace

boost::asio::awaitable<TraversalTestView> test_from_c(Node& node, std::string zone) {
  TraversalTestView view;
  view.zone = zone;
  bool reachable = true;
  std::string unreachable_peer;
  for (const auto& client : node.zone_clients()) {
    if (client->settings().zone != zone) continue;
    const std::string peer = client->settings().peer;
    const auto records = co_await node.resolver().resolve_host(peer);
    if (!records || records->empty()) {
      view.steps.push_back(step(peer, "dns", false, records ? "no address" : records.fault().text()));
      for (const char* layer : {"tcp", "tls", "san", "digest", "udp_rtp", "udp_rtcp"}) view.steps.push_back({peer, layer, "skipped", "no address", 0});
      continue;
    }
    view.steps.push_back(step(peer, "dns", true, records->front().address));
    tls::ConnectResult result = co_await tls::dial(node.engine(), node.resolver(), peer, client->settings().port, client->connect_options());
    const bool tcp = result || result.failure->stage == tls::ConnectStage::tls;
    view.steps.push_back(step(peer, "tcp", tcp, tcp ? fmt::format("port {} answers", client->settings().port) : result.failure->fault().text()));
    if (!tcp) {
      reachable = false;
      unreachable_peer = peer;
    }
    const bool only_name = !result && result.failure->handshake && result.failure->handshake->reason == tls::HandshakeReason::name_mismatch;
    if (!tcp) {
      view.steps.push_back({peer, "tls", "skipped", "no TCP connection", 0});
      view.steps.push_back({peer, "san", "skipped", "no TCP connection", 0});
    } else {
      const std::string why = result ? std::string{} : result.failure->fault().text();
      const tls::TlsFacts facts = result ? result.stream->tls_facts() : tls::TlsFacts{};
      view.steps.push_back(step(peer, "tls", result || only_name, result ? facts.version + " " + facts.cipher : only_name ? "chain and validity are good" : why));
      if (result || only_name) view.steps.push_back(step(peer, "san", static_cast<bool>(result), result && facts.peer ? facts.peer->names_text() : why));
      else view.steps.push_back({peer, "san", "skipped", "no TLS connection", 0});
    }
    if (result) result.stream->close("test connection");
    const zones::PeerStatus& status = client->status();
    const bool active = status.state == zones::PeerState::active;
    view.steps.push_back(step(peer, "digest", active, active ? "user " + client->settings().username + " is accepted" : status.reason.empty() ? "not yet authenticated" : status.reason));
    add_media_steps(view, node, peer, client->link_id());
    const auto target = tls::SocketAddress::parse(records->front().address, 0);
    if (target) view.steps.push_back({peer, "icmp", "information", co_await ask_icmp(node.engine().context(), *target), 0});
  }
  conclude(view, reachable, unreachable_peer);
  co_return view;
}

TraversalTestView test_from_e(Node& node, const zones::TraversalServer& server) {
  TraversalTestView view;
  view.zone = server.settings().zone;
  for (const zones::PeerStatus& status : server.status()) {
    const bool active = status.state == zones::PeerState::active;
    view.steps.push_back({status.peer, "dns", "skipped", "E opens nothing towards C", 0});
    view.steps.push_back(step(status.peer, "tcp", true, "connected from " + status.address));
    const bool handshake = !status.tls_version.empty();
    view.steps.push_back(step(status.peer, "tls", handshake, handshake ? status.tls_version + " " + status.cipher : status.reason));
    if (handshake) view.steps.push_back(step(status.peer, "san", true, status.certificate_names));
    else view.steps.push_back({status.peer, "san", "skipped", "no TLS connection", 0});
    if (handshake) view.steps.push_back(step(status.peer, "digest", active, active ? "user " + server.settings().username + " authenticated" : status.reason.empty() ? "not yet authenticated" : status.reason));
    if (active) add_media_steps(view, node, status.peer, zones::link_id_of(view.zone, status.peer));
  }
  conclude(view, true, {});
  if (view.steps.empty()) view.summary = "no C has connected; test from C";
  return view;
}

}  // namespace sallyport::node
