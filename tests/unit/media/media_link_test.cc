// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/media_link.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/media/media_node.h"

namespace sallyport::media {
namespace {

struct MediaLinkTest : testing::Test {
  boost::asio::io_context context;
  TestDirectory directory;
};

TEST_F(MediaLinkTest, GrantPutsTheLinkToEveryWorkerAndIsTheSameWhenAskedAgain) {
  MediaNode e(context, Role::e, directory);
  const auto first = e.plane->links().grant("peer-1");
  ASSERT_TRUE(first.has_value());
  e.settle();
  EXPECT_NE(first->session, 0u);
  EXPECT_EQ(e.dataplane->executed.size(), 2u);
  const abi::LinkSpec spec = e.dataplane->link(0).spec;
  EXPECT_EQ(spec.role, abi::LinkRole::e_side);
  EXPECT_EQ(spec.session, first->session);
  EXPECT_EQ(std::memcmp(spec.key, first->key.data(), 32), 0);
  EXPECT_EQ(spec.local_slot, 1);
  EXPECT_EQ(spec.local_rtp_port, 36000);
  EXPECT_FALSE(spec.remote_rtp.is_set());
  const auto again = e.plane->links().grant("peer-1");
  EXPECT_EQ(again->session, first->session);
  e.settle();
  EXPECT_EQ(e.dataplane->executed.size(), 2u);
  const auto other = e.plane->links().grant("peer-2");
  EXPECT_NE(other->session, first->session);
  EXPECT_NE(other->key, first->key);
  e.settle();
  ASSERT_EQ(e.plane->links().status().size(), 2u);
  EXPECT_TRUE(e.plane->links().status()[1].installed);
}

TEST_F(MediaLinkTest, CoreInstallsWhatTheEdgeGaveAndReplacesItWhenItChanges) {
  MediaNode c(context, Role::c, directory);
  LinkGrant grant;
  grant.session = 11;
  const auto remote = *parse_address("192.0.2.10", 7001);
  ASSERT_TRUE(c.plane->links().install("edge-1", grant, remote).has_value());
  c.settle();
  EXPECT_EQ(c.dataplane->executed.size(), 3u);
  const abi::LinkSpec spec = c.dataplane->link(0).spec;
  EXPECT_EQ(spec.role, abi::LinkRole::c_side);
  EXPECT_EQ(spec.remote_rtp.port, 36000);
  EXPECT_EQ(spec.remote_rtcp.port, 36001);
  EXPECT_TRUE(spec.remote_rtp.same_ip(remote));
  ASSERT_TRUE(c.plane->links().install("edge-1", grant, remote).has_value());
  c.settle();
  EXPECT_EQ(c.dataplane->executed.size(), 3u);
  grant.session = 12;
  ASSERT_TRUE(c.plane->links().install("edge-1", grant, remote).has_value());
  c.settle();
  EXPECT_EQ(c.dataplane->executed.size(), 6u);
  EXPECT_GT(c.dataplane->link(0).spec.generation, spec.generation);
}

TEST_F(MediaLinkTest, RestartedControlPlaneKeepsTheLinkThatRuns) {
  MediaNode e(context, Role::e, directory);
  (void)e.plane->links().grant("peer-0");
  const auto before = e.plane->links().grant("peer-1");
  e.settle();
  e.stop();
  e.start();
  e.dataplane->executed.clear();
  const auto after = e.plane->links().grant("peer-1");
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->session, before->session);
  EXPECT_EQ(after->key, before->key);
  e.settle();
  EXPECT_TRUE(e.dataplane->executed.empty());
  EXPECT_EQ(e.plane->links().find("peer-1"), std::optional<uint16_t>(1));
}

TEST_F(MediaLinkTest, LinkComesBackWithAFreshDataplane) {
  MediaNode e(context, Role::e, directory);
  const auto grant = e.plane->links().grant("peer-1");
  e.settle();
  e.dataplane.reset();
  ASSERT_TRUE(run_until(context, [&] { return !e.plane->dataplane().is_connected(); }));
  FakeShape shape = shape_of(Role::e);
  shape.adopts = false;
  e.dataplane = std::make_unique<FakeDataplane>(context, e.settings.dataplane_socket, shape);
  ASSERT_TRUE(run_until(context, [&] { return e.plane->dataplane().is_running(); }));
  e.settle();
  EXPECT_EQ(e.dataplane->link(0).spec.session, grant->session);
  EXPECT_NE(e.dataplane->link(0).state.generation_live, 0u);
}

TEST_F(MediaLinkTest, StateOfTheRegionIsWhatStatusSays) {
  MediaNode e(context, Role::e, directory);
  (void)e.plane->links().grant("peer-1");
  e.settle();
  EXPECT_FALSE(e.plane->links().is_up(0));
  e.dataplane->link(0).state.rtp_up = 1;
  EXPECT_FALSE(e.plane->links().is_up(0));
  e.dataplane->link(0).state.rtcp_up = 1;
  e.dataplane->link(0).state.peer_rtp[0] = *parse_address("192.0.2.99", 36000);
  EXPECT_TRUE(e.plane->links().is_up(0));
  EXPECT_EQ(address_text(e.plane->links().status()[0].peer_rtp), "192.0.2.99");
  abi::Event event;
  event.type = abi::EventType::link_down;
  event.link = 0;
  e.dataplane->raise(0, event);
  ASSERT_TRUE(run_until(context, [&] { return !e.listener.links.empty(); }));
  EXPECT_FALSE(e.listener.links[0].second);
}

}  // namespace
}  // namespace sallyport::media
