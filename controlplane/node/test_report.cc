// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/test_report.h"

#include <fmt/format.h>

#include <array>

namespace sallyport::node {

namespace {
constexpr std::array<const char*, 5> connection_layers = {"dns", "tcp", "tls", "san", "digest"};
}

void TestReport::add(const char* layer, const char* verdict, std::string detail, Clock::time_point done) {
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(done - began_);
  began_ = done;
  steps_.push_back({peer_, layer, verdict, std::move(detail), static_cast<uint32_t>(took.count())});
}

void TestReport::skip_from(const char* layer, const std::string& why) {
  bool reached = false;
  for (const char* each : connection_layers) {
    reached |= std::string_view(each) == layer;
    if (reached) add(each, "skipped", why);
  }
}

void TestReport::judge_port(const char* layer, bool up, uint64_t round_trip_us, uint32_t port, const std::string& absent) {
  if (!absent.empty()) return fail(layer, absent);
  if (up) return pass(layer, fmt::format("UDP {} there and back in {:.2f} ms", port, static_cast<double>(round_trip_us) / 1e3));
  fail(layer, fmt::format("no authenticated answer on UDP {}; let the firewall pass UDP {} and {} from C to E", port, node_->config().media.link_rtp_port,
                          node_->config().media.link_rtcp_port));
}

void TestReport::judge_media(uint64_t link_id, const std::string& zone_state, const std::string& c_says) {
  abi::LinkRecord link;
  const int slot = node_->media_link_of(link_id);
  const bool known = slot >= 0 && node_->dataplane().read_link(static_cast<uint32_t>(slot), link);
  std::string absent;
  if (!node_->dataplane().is_running()) absent = "dataplane " + node_->dataplane().state_text();
  else if (!known) absent = "no media link with this peer: " + zone_state;
  uint64_t rtp_us = known ? link.state.rtp_round_trip_ns / 1000 : 0, rtcp_us = known ? link.state.rtcp_round_trip_ns / 1000 : 0;
  bool rtp_up = known && link.state.rtp_up, rtcp_up = known && link.state.rtcp_up;
  if (node_->config().is_e()) {
    const auto told = zones::parse_media_report(c_says);
    if (absent.empty() && rtp_up && rtcp_up && !told) absent = "keep-alives of C arrive, but C does not say whether the answers reach it";
    rtp_up = rtp_up && told && told->rtp_us != 0;
    rtcp_up = rtcp_up && told && told->rtcp_us != 0;
    if (told) rtp_us = told->rtp_us, rtcp_us = told->rtcp_us;
  }
  judge_port("udp_rtp", rtp_up, rtp_us, node_->config().media.link_rtp_port, absent);
  judge_port("udp_rtcp", rtcp_up, rtcp_us, node_->config().media.link_rtcp_port, absent);
}

void TestReport::judge_multiplex(const std::vector<MultiplexState>& states) {
  for (const MultiplexState& state : states) {
    std::string what = fmt::format("TCP {}", node_->config().traversal.multiplex_port);
    if (states.size() > 1) what += fmt::format(", connection {}", state.number);
    if (state.is_retired) {
      note("multiplex", fmt::format("{}: ends with its last channel, {} channels", what, state.channels));
    } else if (state.state == zones::PeerState::active) {
      pass("multiplex", fmt::format("{} active, {}, {} channels, PING in {:.2f} ms", what, state.text, state.channels, static_cast<double>(state.round_trip_us) / 1e3));
    } else {
      fail("multiplex", fmt::format("{}: {}", what, state.text));
    }
  }
}

api::TraversalTestView conclude(std::string zone, const std::vector<TestReport>& reports) {
  api::TraversalTestView view;
  view.zone = std::move(zone);
  view.passed = !reports.empty();
  for (const TestReport& report : reports) {
    for (const api::TestStepView& step : report.steps()) {
      view.steps.push_back(step);
      if (step.verdict != "failed") continue;
      view.passed = false;
      if (!view.summary.empty()) continue;
      view.summary = step.layer == "tcp" ? report.peer() + " cannot be reached: " + step.detail : step.layer + " failed for " + report.peer() + ": " + step.detail;
    }
  }
  if (view.passed) view.summary = "all layers work";
  if (reports.empty()) view.summary = "the zone has no peer";
  return view;
}

}  // namespace sallyport::node
