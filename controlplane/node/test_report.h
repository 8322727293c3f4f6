// SPDX-License-Identifier: Apache-2.0
#pragma once
// TestReport: the steps of the layered test of one peer, in the order in which they were tried, each with its own time; and what
// several reports amount to. Used on the node's thread.

#include <chrono>
#include <string>
#include <vector>

#include "controlplane/api/node_view.h"
#include "controlplane/node/node.h"

namespace sallyport::node {

class TestReport {
 public:
  TestReport(Node& node, std::string peer) : node_(&node), peer_(std::move(peer)) {}

  using Clock = std::chrono::steady_clock;
  // done: when the layer was through, if that is not now.
  void pass(const char* layer, std::string detail, Clock::time_point done = Clock::now()) { add(layer, "passed", std::move(detail), done); }
  void fail(const char* layer, std::string detail) { add(layer, "failed", std::move(detail)); }
  void note(const char* layer, std::string detail) { add(layer, "information", std::move(detail)); }
  // This layer and those above it, up to digest, could not be tried.
  void skip_from(const char* layer, const std::string& why);
  // Both ports of the media link there and back. On E the way back is what C says of it (zones::media_header); on C it is empty.
  void judge_media(uint64_t link_id, const std::string& zone_state, const std::string& c_says);
  // The stream multiplex, a step for each of its connections: by the session that runs or why there is none.
  void judge_multiplex(const std::vector<MultiplexState>& states);

  const std::string& peer() const { return peer_; }
  const std::vector<api::TestStepView>& steps() const { return steps_; }

 private:
  void add(const char* layer, const char* verdict, std::string detail, Clock::time_point done = Clock::now());
  void judge_port(const char* layer, bool up, uint64_t round_trip_us, uint32_t port, const std::string& absent);

  Node* node_;
  std::string peer_;
  std::vector<api::TestStepView> steps_;
  Clock::time_point began_ = Clock::now();
};

// Passed: something was tried and nothing failed. "<peer> cannot be reached" stands there only when its TCP step failed (A21).
api::TraversalTestView conclude(std::string zone, const std::vector<TestReport>& reports);

}  // namespace sallyport::node
