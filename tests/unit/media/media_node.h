// SPDX-License-Identifier: Apache-2.0
#pragma once
// MediaNode: one node's MediaPlane with its fake dataplane, and a record of what its listener was told. MediaPair: E and C with a link.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/media/flow_specs.h"
#include "controlplane/media/media_plane.h"
#include "controlplane/media/sdp_anchor.h"
#include "tests/unit/media/fake_dataplane.h"

namespace sallyport::media {

struct RecordingListener : MediaListener {
  void on_dataplane(DataplaneState state, const std::string& text) override { states.emplace_back(state, text); }
  void on_link(uint16_t link, bool up) override { links.emplace_back(link, up); }
  void on_exhausted(const Fault&, bool raised) override { exhausted.push_back(raised); }
  void on_session_failed(MediaSession& session, const Fault& fault) override {
    failed.emplace_back(session.call_tag(), fault.text());
  }
  void on_session_event(MediaSession& session, uint32_t line, FlowRole role, const abi::Event& event) override {
    events.push_back({session.call_tag(), line, role, event});
  }
  void on_restored(std::vector<std::unique_ptr<MediaSession>> sessions) override {
    ++restorations;
    restored = std::move(sessions);
  }
  struct SessionEvent {
    uint64_t call_tag;
    uint32_t line;
    FlowRole role;
    abi::Event event;
  };
  std::vector<std::pair<DataplaneState, std::string>> states;
  std::vector<std::pair<uint16_t, bool>> links;
  std::vector<bool> exhausted;
  std::vector<std::pair<uint64_t, std::string>> failed;
  std::vector<SessionEvent> events;
  std::vector<std::unique_ptr<MediaSession>> restored;
  int restorations = 0;
};

inline MediaSettings settings_of(Role role, const TestDirectory& directory) {
  MediaSettings settings;
  settings.role = role;
  const std::string name = role == Role::e ? "e" : "c";
  settings.dataplane_socket = directory.path(name + ".sock");
  settings.faces = {{role == Role::e ? "outside" : "lan", ""}};
  settings.link = {role == Role::e ? "inside" : "lan", ""};
  settings.journal_path = directory.path(name + ".calls");
  return settings;
}

inline FakeShape shape_of(Role role) {
  FakeShape shape;
  if (role == Role::c) {
    shape.slots = {{"lan", "10.20.0.10"}};
    shape.workers = 3;
    shape.port_min = 37002;
    shape.port_max = 37301;
  }
  return shape;
}

struct MediaNode {
  MediaNode(boost::asio::io_context& io, Role role, const TestDirectory& directory)
      : MediaNode(io, settings_of(role, directory), shape_of(role)) {}
  MediaNode(boost::asio::io_context& io, MediaSettings given, FakeShape shape)
      : context(io), settings(std::move(given)),
        dataplane(std::make_unique<FakeDataplane>(io, settings.dataplane_socket, std::move(shape))) {
    start();
  }
  ~MediaNode() { stop(); }
  void start() {
    plane = std::make_unique<MediaPlane>(context, settings, listener);
    auto started = plane->start();
    EXPECT_TRUE(started.has_value());
    EXPECT_TRUE(run_until(context, [&] { return plane->dataplane().is_running(); }));
  }
  // As a control plane that ends in good order; its calls go on.
  void stop() {
    if (plane) plane->stop();
    listener.restored.clear();
    plane.reset();
  }
  // Commands sent and answered.
  void settle() {
    EXPECT_TRUE(run_until(context, [&] { return plane->dataplane().in_flight() == 0; }));
  }
  std::unique_ptr<MediaSession> open(const std::string& call_id = "call-1") {
    auto opened = plane->open({call_id, "from-tag", "corr-1", "peer-1", ""});
    EXPECT_TRUE(opened.has_value());
    return std::move(*opened);
  }
  abi::FlowSpec spec(const MediaSession& session, uint32_t line, FlowRole role) {
    for (const abi::FlowSpec& spec : dataplane->live()) {
      if (spec.call_tag == session.call_tag() && line_of(spec.stream_tag) == line && role_of(spec.stream_tag) == role) return spec;
    }
    return {};
  }
  uint64_t count(MediaCounter counter) const { return plane->counters().value(counter); }

  boost::asio::io_context& context;
  MediaSettings settings;
  RecordingListener listener;
  std::unique_ptr<FakeDataplane> dataplane;
  std::unique_ptr<MediaPlane> plane;
};

// Builds the message that carries an SDP; the dialog's tags and CSeq as a test says.
struct Carry {
  Side from;
  std::string method = "INVITE";
  uint16_t status = 0;
  Side request_from = Side::face;
  uint32_t cseq = 1;
  std::string branch = "";
  std::string source = "203.0.113.5";
};

inline SdpResult pass(MediaSession& session, const Carry& carry, const std::string& sdp) {
  SdpMessage message;
  message.from = carry.from;
  message.sdp = sdp;
  message.method = carry.method;
  message.status = carry.status;
  message.request_from = carry.request_from;
  message.cseq = carry.cseq;
  message.branch = carry.branch;
  if (const auto source = parse_address(carry.source, 5061)) message.source = *source;
  return session.rewrite(message);
}

struct MediaPair {
  explicit MediaPair(bool inner_srtp = false) : e(context, Role::e, directory), c(context, core_settings(inner_srtp), shape_of(Role::c)) {
    auto grant = e.plane->links().grant("peer-1");
    EXPECT_TRUE(grant.has_value());
    EXPECT_TRUE(c.plane->links().install("peer-1", *grant, *parse_address("192.0.2.10", 0)).has_value());
    settle();
    e_call = e.open();
    c_call = c.open();
  }
  ~MediaPair() {
    e_call.reset();
    c_call.reset();
  }
  MediaSettings core_settings(bool inner_srtp) {
    MediaSettings settings = settings_of(Role::c, directory);
    settings.inner_srtp = inner_srtp;
    return settings;
  }
  void settle() {
    e.settle();
    c.settle();
  }
  // From the client through E and C to call control, or back.
  SdpResult inward(Carry carry, const std::string& sdp) {
    carry.from = Side::face;
    carry.request_from = carry.status == 0 ? Side::face : Side::traversal;
    SdpResult middle = pass(*e_call, carry, sdp);
    if (!middle.ok()) return middle;
    between = middle.sdp;
    carry.from = Side::traversal;
    carry.request_from = carry.status == 0 ? Side::traversal : Side::face;
    return pass(*c_call, carry, middle.sdp);
  }
  SdpResult outward(Carry carry, const std::string& sdp) {
    carry.from = Side::face;
    carry.request_from = carry.status == 0 ? Side::face : Side::traversal;
    SdpResult middle = pass(*c_call, carry, sdp);
    if (!middle.ok()) return middle;
    between = middle.sdp;
    carry.from = Side::traversal;
    carry.request_from = carry.status == 0 ? Side::traversal : Side::face;
    return pass(*e_call, carry, middle.sdp);
  }
  // The final response to a request that came from outside, or from inside.
  void final_outward(uint32_t cseq, const std::string& method, const std::string& branch, uint16_t status) {
    c_call->on_final(Side::traversal, cseq, method, branch, status);
    e_call->on_final(Side::face, cseq, method, branch, status);
  }
  void final_inward(uint32_t cseq, const std::string& method, const std::string& branch, uint16_t status) {
    e_call->on_final(Side::traversal, cseq, method, branch, status);
    c_call->on_final(Side::face, cseq, method, branch, status);
  }

  boost::asio::io_context context;
  TestDirectory directory;
  MediaNode e, c;
  std::unique_ptr<MediaSession> e_call, c_call;
  std::string between;   // the SDP on the traversal leg
};

}  // namespace sallyport::media
