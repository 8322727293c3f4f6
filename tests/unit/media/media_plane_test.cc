// SPDX-License-Identifier: Apache-2.0
// Restarts of either process, limits, and what the SIP side is told of them.
#include "controlplane/media/media_plane.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "tests/unit/media/media_node.h"

namespace sallyport::media {
namespace {

const std::string key(40, 'K');
const std::string client = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n"
                           "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\r\n";
const std::string phone = "v=0\r\no=- 1 1 IN IP4 10.20.0.7\r\ns=-\r\nc=IN IP4 10.20.0.7\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n";

void establish(MediaPair& pair) {
  ASSERT_TRUE(pair.inward({}, client).ok());
  ASSERT_TRUE(pair.outward({.from = Side::face, .status = 200, .branch = "b"}, phone).ok());
  pair.final_outward(1, "INVITE", "b", 200);
  pair.settle();
}

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

TEST(MediaPlane, WithoutADataplaneCallsAreRefusedWith503AndTheReasonIsKept) {
  boost::asio::io_context context;
  TestDirectory directory;
  RecordingListener listener;
  MediaPlane plane(context, settings_of(Role::e, directory), listener);
  ASSERT_TRUE(plane.start().has_value());
  auto session = plane.open({"id", "tag", "", "peer-1", ""});
  ASSERT_TRUE(session.has_value());
  const SdpResult refused = pass(**session, {.from = Side::face}, client);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(plane.counters().value(MediaCounter::refused_no_dataplane), 1u);
  EXPECT_NE(plane.dataplane().fault().text().find("start sallyport-dataplane"), std::string::npos);
  FakeDataplane dataplane(context, settings_of(Role::e, directory).dataplane_socket);
  ASSERT_TRUE(run_until(context, [&] { return plane.dataplane().is_running(); }));
  (void)plane.links().grant("peer-1");
  EXPECT_TRUE(pass(**session, {.from = Side::face, .cseq = 2}, client).ok());
}

TEST(MediaPlane, ControlPlaneRestartTakesCallsOverAndHoldAndHangUpStillWork) {
  MediaPair pair;
  establish(pair);
  const auto flows_e = pair.e.dataplane->live(), flows_c = pair.c.dataplane->live();
  const uint64_t tag = pair.c_call->call_tag();
  pair.e.plane->stop();
  pair.c.plane->stop();
  pair.e_call.reset();
  pair.c_call.reset();
  pair.e.stop();
  pair.c.stop();
  pair.e.dataplane->executed.clear();
  pair.c.dataplane->executed.clear();
  pair.e.start();
  pair.c.start();
  pair.settle();
  ASSERT_EQ(pair.e.listener.restored.size(), 1u);
  ASSERT_EQ(pair.c.listener.restored.size(), 1u);
  EXPECT_EQ(pair.c.count(MediaCounter::sessions_adopted), 1u);
  EXPECT_TRUE(pair.e.dataplane->executed.empty());
  EXPECT_TRUE(pair.c.dataplane->executed.empty());
  pair.e_call = std::move(pair.e.listener.restored[0]);
  pair.c_call = std::move(pair.c.listener.restored[0]);
  EXPECT_EQ(pair.c_call->call_tag(), tag);
  EXPECT_EQ(pair.c_call->start().call_id, "call-1");
  // The client holds: same ports and ID, and C answers with the key it read back from the region.
  (void)pair.e.plane->links().grant("peer-1");
  const SdpResult held = pair.inward({.from = Side::face, .cseq = 2, .branch = "b"}, client + "a=sendonly\r\n");
  ASSERT_TRUE(held.ok()) << held.warning;
  const SdpResult answer = pair.outward({.from = Side::face, .status = 200, .cseq = 2, .branch = "b"}, phone);
  ASSERT_TRUE(answer.ok()) << answer.warning;
  pair.final_outward(2, "INVITE", "b", 200);
  pair.settle();
  EXPECT_TRUE(pair.c.dataplane->executed.empty());
  ASSERT_EQ(pair.c.dataplane->live().size(), flows_c.size());
  for (size_t i = 0; i < flows_c.size(); ++i) {
    EXPECT_EQ(std::memcmp(&pair.c.dataplane->live()[i], &flows_c[i], sizeof flows_c[i]), 0);
  }
  ASSERT_EQ(pair.e.dataplane->live().size(), flows_e.size());
  pair.e_call->release();
  pair.c_call->release();
  pair.settle();
  EXPECT_EQ(pair.e.dataplane->live_count(), 0u);
  EXPECT_EQ(pair.c.dataplane->live_count(), 0u);
}

TEST(MediaPlane, JournalsHoldNoKey) {
  MediaPair pair;
  establish(pair);
  const abi::FlowSpec up = pair.c.spec(*pair.c_call, 0, FlowRole::up_rtp);
  ASSERT_NE(up.generation, 0u);
  for (const std::string& path : {pair.e.settings.journal_path, pair.c.settings.journal_path}) {
    const std::string text = read_file(path);
    EXPECT_NE(text.find("call-1"), std::string::npos);
    EXPECT_EQ(text.find(key.substr(0, 8)), std::string::npos);
    EXPECT_EQ(text.find("inline"), std::string::npos);
    EXPECT_EQ(text.find(std::string(reinterpret_cast<const char*>(up.seal_key.key), 8)), std::string::npos);
  }
}

TEST(MediaPlane, EdgeRegionHoldsNoKeyByteOfTheCall) {
  MediaPair pair;
  establish(pair);
  const abi::FlowSpec up = pair.c.spec(*pair.c_call, 0, FlowRole::up_rtp), down = pair.c.spec(*pair.c_call, 0, FlowRole::down_rtp);
  const auto& header = pair.e.dataplane->header();
  const std::string_view region(reinterpret_cast<const char*>(&header), header.region_bytes);
  for (const uint8_t* bytes : {up.seal_key.key, down.open_key.key}) {
    EXPECT_EQ(region.find(std::string_view(reinterpret_cast<const char*>(bytes), 16)), std::string_view::npos);
  }
  const auto& inner = pair.c.dataplane->header();
  const std::string_view c_region(reinterpret_cast<const char*>(&inner), inner.region_bytes);
  EXPECT_NE(c_region.find(std::string_view(reinterpret_cast<const char*>(down.open_key.key), 16)), std::string_view::npos);
}

TEST(MediaPlane, FlowsOfUnknownCallsAreRemovedAtStart) {
  MediaPair pair;
  establish(pair);
  pair.e.plane->stop();
  pair.e_call.reset();
  pair.e.stop();
  std::remove(pair.e.settings.journal_path.c_str());
  pair.e.start();
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.e.dataplane->live_count() == 0; }));
  EXPECT_EQ(pair.e.count(MediaCounter::flows_orphaned), 4u);
  EXPECT_EQ(pair.e.listener.restorations, 2);
  EXPECT_TRUE(pair.e.listener.restored.empty());
}

TEST(MediaPlane, RecordOfACallWhoseFlowsAreGoneIsDropped) {
  MediaPair pair;
  establish(pair);
  pair.e.plane->stop();
  pair.e_call.reset();
  pair.e.stop();
  pair.e.dataplane->flow(pair.e.dataplane->live()[0].flow_index).generation_live = 0;
  pair.e.start();
  EXPECT_TRUE(pair.e.listener.restored.empty());
  EXPECT_EQ(pair.e.count(MediaCounter::sessions_lost), 1u);
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.e.dataplane->live_count() == 0; }));
  EXPECT_EQ(read_file(pair.e.settings.journal_path).find("call-1"), read_file(pair.e.settings.journal_path).rfind("call-1"));
}

TEST(MediaPlane, DataplaneRestartWithAdoptionKeepsEveryFlow) {
  MediaPair pair;
  establish(pair);
  const auto before = pair.c.dataplane->live();
  pair.c.dataplane.reset();
  ASSERT_TRUE(run_until(pair.context, [&] { return !pair.c.plane->dataplane().is_connected(); }));
  EXPECT_EQ(pair.c.listener.states.back().first, DataplaneState::down);
  auto refused = pair.c.open("call-2");
  EXPECT_EQ(pass(*refused, {.from = Side::face}, phone).status, 503);
  pair.c.dataplane = std::make_unique<FakeDataplane>(pair.context, pair.c.settings.dataplane_socket, shape_of(Role::c));
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.c.plane->dataplane().is_running(); }));
  pair.settle();
  const auto after = pair.c.dataplane->live();
  ASSERT_EQ(after.size(), before.size());
  for (size_t i = 0; i < after.size(); ++i) EXPECT_EQ(std::memcmp(&after[i], &before[i], sizeof after[i]), 0);
  EXPECT_TRUE(pair.c.listener.failed.empty());
  EXPECT_TRUE(pass(*refused, {.from = Side::face, .cseq = 2}, phone).ok());
}

TEST(MediaPlane, EdgeInstallsItsFlowsInAFreshRegion) {
  MediaPair pair;
  establish(pair);
  pair.e.dataplane.reset();
  ASSERT_TRUE(run_until(pair.context, [&] { return !pair.e.plane->dataplane().is_connected(); }));
  FakeShape shape = shape_of(Role::e);
  shape.adopts = false;
  pair.e.dataplane = std::make_unique<FakeDataplane>(pair.context, pair.e.settings.dataplane_socket, shape);
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.e.dataplane->live_count() == 4; }));
  EXPECT_TRUE(pair.e.listener.failed.empty());
}

TEST(MediaPlane, CoreEndsCallsRatherThanSealTwiceUnderTheSameKey) {
  MediaPair pair;
  establish(pair);
  pair.c.dataplane.reset();
  ASSERT_TRUE(run_until(pair.context, [&] { return !pair.c.plane->dataplane().is_connected(); }));
  FakeShape shape = shape_of(Role::c);
  shape.adopts = false;
  pair.c.dataplane = std::make_unique<FakeDataplane>(pair.context, pair.c.settings.dataplane_socket, shape);
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.c.plane->dataplane().is_running(); }));
  pair.settle();
  ASSERT_EQ(pair.c.listener.failed.size(), 1u);
  EXPECT_EQ(pair.c.listener.failed[0].first, pair.c_call->call_tag());
  EXPECT_EQ(pair.c.dataplane->live_count(), 0u);
  pair.c_call = pair.c.open("call-2");
  EXPECT_TRUE(pass(*pair.c_call, {.from = Side::face}, phone).ok());
}

TEST(MediaPlane, OtherGeometryEndsTheCallsOfTheEdgeToo) {
  MediaPair pair;
  establish(pair);
  pair.e.dataplane.reset();
  ASSERT_TRUE(run_until(pair.context, [&] { return !pair.e.plane->dataplane().is_connected(); }));
  FakeShape shape = shape_of(Role::e);
  shape.workers = 1;
  pair.e.dataplane = std::make_unique<FakeDataplane>(pair.context, pair.e.settings.dataplane_socket, shape);
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.e.plane->dataplane().is_running(); }));
  EXPECT_EQ(pair.e.listener.failed.size(), 1u);
  pair.e_call = pair.e.open("call-2");
  EXPECT_TRUE(pass(*pair.e_call, {.from = Side::face}, client).ok());
}

TEST(MediaPlane, FlowThatAWorkerRefusesFailsItsCall) {
  MediaPair pair;
  pair.c.dataplane->answer = abi::CommandStatus::no_memory;
  ASSERT_TRUE(pair.inward({}, client).ok());
  ASSERT_TRUE(pair.outward({.from = Side::face, .status = 200, .branch = "b"}, phone).ok());
  ASSERT_TRUE(run_until(pair.context, [&] { return !pair.c.listener.failed.empty(); }));
  EXPECT_NE(pair.c.listener.failed[0].second.find("memory"), std::string::npos);
}

TEST(MediaPlane, EventsReachTheirCallWithLineAndRole) {
  MediaPair pair;
  establish(pair);
  const abi::FlowSpec down = pair.c.spec(*pair.c_call, 0, FlowRole::down_rtcp);
  abi::Event event;
  event.type = abi::EventType::auth_failing;
  event.flow_index = down.flow_index;
  event.generation = down.generation;
  event.call_tag = down.call_tag;
  event.value = 50;
  pair.c.dataplane->raise(0, event);
  event.generation += 1;
  pair.c.dataplane->raise(0, event);
  ASSERT_TRUE(run_until(pair.context, [&] { return pair.c.count(MediaCounter::events_unknown) == 1; }));
  ASSERT_EQ(pair.c.listener.events.size(), 1u);
  EXPECT_EQ(pair.c.listener.events[0].role, FlowRole::down_rtcp);
  EXPECT_EQ(pair.c.listener.events[0].call_tag, pair.c_call->call_tag());
}

TEST(MediaPlane, SessionsAreLimited) {
  boost::asio::io_context context;
  TestDirectory directory;
  MediaSettings settings = settings_of(Role::e, directory);
  settings.max_sessions = 2;
  MediaNode e(context, settings, shape_of(Role::e));
  auto one = e.open("1"), two = e.open("2");
  const auto three = e.plane->open({"3", "t", "", "peer-1", ""});
  ASSERT_FALSE(three.has_value());
  EXPECT_EQ(three.fault().code, FaultCode::exhausted);
  one.reset();
  EXPECT_TRUE(e.plane->open({"3", "t", "", "peer-1", ""}).has_value());
  EXPECT_EQ(e.count(MediaCounter::refused_sessions), 1u);
}

TEST(MediaPlane, AddressThatTheDataplaneLacksIsNamed) {
  boost::asio::io_context context;
  TestDirectory directory;
  MediaSettings settings = settings_of(Role::e, directory);
  settings.faces[0].slot_name = "nowhere";
  MediaNode e(context, settings, shape_of(Role::e));
  ASSERT_FALSE(e.listener.states.empty());
  EXPECT_NE(e.listener.states.back().second.find("nowhere"), std::string::npos);
  auto session = e.open();
  EXPECT_EQ(pass(*session, {.from = Side::face}, client).status, 503);
}

}  // namespace
}  // namespace sallyport::media
