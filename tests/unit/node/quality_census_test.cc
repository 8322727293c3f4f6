// SPDX-License-Identifier: Apache-2.0
#include "controlplane/node/quality_census.h"

#include <gtest/gtest.h>

#include "controlplane/node/steering_name.h"

namespace sallyport::node {
namespace {

media::SessionSnapshot call_with(const char* kind, uint64_t lost_from_phone, uint64_t lost_from_link) {
  media::SessionSnapshot session;
  media::StreamSnapshot& stream = session.streams.emplace_back();
  stream.kind = kind;
  stream.codec = "PCMU/8000";
  for (const auto& [role, lost] : {std::pair{media::FlowRole::up_rtp, lost_from_phone}, {media::FlowRole::down_rtp, lost_from_link}}) {
    media::FlowSnapshot& flow = stream.flows.emplace_back();
    flow.role = role;
    flow.counters.packets = 1000 - lost;
    flow.lost = lost;
  }
  return session;
}

TEST(QualityCensus, CountsEachDirectionOfEachLegOnce) {
  QualityCensus census;
  census.count(call_with("audio", 0, 0), true);
  census.count(call_with("audio", 50, 300), true);
  census.count(call_with("video", 50, 0), true);
  EXPECT_EQ(census.audio[0][0][0], 1u) << "good from the phone outside";
  EXPECT_EQ(census.audio[0][0][1], 1u) << "5 % of G.711 lost is fair";
  EXPECT_EQ(census.audio[1][0][2], 1u) << "30 % is poor";
  EXPECT_EQ(census.audio[0][1][3], 2u) << "to the phone: not known on E";
  EXPECT_EQ(census.beyond_limit[0][0][0], 2u) << "video counts for loss";
  EXPECT_EQ(census.beyond_limit[1][0][0], 1u);
  EXPECT_EQ(census.beyond_limit[1][0][3], 1u);
  QualityCensus inside;
  inside.count(call_with("audio", 300, 0), false);
  EXPECT_EQ(inside.audio[1][0][2], 1u) << "the face of C looks inside";
}

TEST(SteeringName, LabelsStayFinite) {
  EXPECT_EQ(steering_name("rss"), "rss");
  EXPECT_EQ(steering_name("what a broken dataplane wrote"), "other");
}

}  // namespace
}  // namespace sallyport::node
