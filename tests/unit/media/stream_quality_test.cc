// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/stream_quality.h"

#include <gtest/gtest.h>

#include "tests/unit/media/media_node.h"

namespace sallyport::media {
namespace {

FlowSnapshot rtp(FlowRole role, uint64_t received, uint64_t lost, double jitter_ms = 1) {
  FlowSnapshot flow;
  flow.role = role;
  flow.live = true;
  flow.counters.packets = received;
  flow.lost = lost;
  flow.jitter_ms = jitter_ms;
  return flow;
}

FlowSnapshot rtcp(FlowRole role, double round_trip_ms, int32_t lost, uint32_t expected) {
  FlowSnapshot flow;
  flow.role = role;
  flow.live = true;
  flow.rtcp.round_trips = 1;
  flow.rtcp.round_trip_ns = static_cast<uint64_t>(round_trip_ms * 1e6);
  flow.rtcp.reported_ns = 1;
  flow.rtcp.first_lost = 3;
  flow.rtcp.reported_lost = 3 + lost;
  flow.rtcp.first_highest_seq = 100;
  flow.rtcp.reported_highest_seq = 100 + expected;
  flow.rtcp.reported_jitter = 16;
  return flow;
}

StreamSnapshot audio(std::vector<FlowSnapshot> flows) {
  StreamSnapshot stream;
  stream.kind = "audio";
  stream.codec = "PCMU/8000";
  stream.flows = std::move(flows);
  return stream;
}

SessionSnapshot call_of(StreamSnapshot stream) {
  SessionSnapshot session;
  session.streams.push_back(std::move(stream));
  return session;
}

TEST(StreamQuality, WhatArrivesIsMeasuredAndWhatLeavesIsReported) {
  const StreamQuality quality = quality_of(audio({rtp(FlowRole::up_rtp, 990, 10, 2.5), rtp(FlowRole::down_rtp, 1000, 0),
                                                  rtcp(FlowRole::up_rtcp, 12, 20, 1000), rtcp(FlowRole::down_rtcp, 80, 10, 1000)}));
  EXPECT_EQ(quality.face.from.source, QualitySource::measured);
  EXPECT_EQ(quality.face.from.lost, 10u);
  EXPECT_DOUBLE_EQ(quality.face.from.loss_percent, 1);
  EXPECT_EQ(quality.face.from.jitter_ms, 2.5);
  EXPECT_EQ(quality.face.from.round_trip_ms, 12);
  EXPECT_EQ(quality.face.to.source, QualitySource::reported);
  EXPECT_DOUBLE_EQ(quality.face.to.loss_percent, 2) << "20 of 1000, of which none was lost on the way here";
  EXPECT_EQ(quality.face.to.jitter_ms, 2) << "16 units at 8 kHz";
  EXPECT_EQ(quality.face.to.round_trip_ms, 12);
  EXPECT_EQ(quality.link.to.round_trip_ms, 80);
  EXPECT_DOUBLE_EQ(quality.link.to.loss_percent, 0) << "the phone misses what was lost before it came here";
  for (const DirectionQuality& each : {quality.face.from, quality.face.to, quality.link.from, quality.link.to}) {
    ASSERT_TRUE(each.mos);
    EXPECT_GT(*each.mos, 4.0);
  }
  EXPECT_GT(*quality.link.from.mos, *quality.face.to.mos);
}

TEST(StreamQuality, WithoutRtcpInClearWhatLeavesAndRoundTripsAreUnknown) {
  const StreamQuality quality = quality_of(audio({rtp(FlowRole::up_rtp, 500, 0), rtp(FlowRole::down_rtp, 500, 0)}));
  EXPECT_EQ(quality.face.to.source, QualitySource::unknown);
  EXPECT_FALSE(quality.face.to.mos);
  EXPECT_FALSE(quality.face.from.round_trip_ms);
  EXPECT_TRUE(quality.face.from.mos) << "of loss and jitter alone";
}

TEST(StreamQuality, AFewPacketsSayNothingAndOneReportSaysItsFraction) {
  EXPECT_EQ(quality_of(audio({rtp(FlowRole::up_rtp, 24, 1)})).face.from.source, QualitySource::unknown);
  FlowSnapshot single = rtcp(FlowRole::up_rtcp, 1, 0, 0);
  single.rtcp.fraction_lost = 64;
  EXPECT_DOUBLE_EQ(quality_of(audio({single})).face.to.loss_percent, 25);
  // Sequence numbers and counts that make no sense stay within bounds.
  single.rtcp.reported_highest_seq = 0;
  single.rtcp.reported_lost = -100;
  EXPECT_DOUBLE_EQ(quality_of(audio({single})).face.to.loss_percent, 25);
  single.rtcp.reported_highest_seq = 200;
  single.rtcp.reported_lost = 1 << 22;
  EXPECT_DOUBLE_EQ(quality_of(audio({single})).face.to.loss_percent, 100);
}

TEST(StreamQuality, VideoHasNoMos) {
  StreamSnapshot video = audio({rtp(FlowRole::up_rtp, 500, 0)});
  video.kind = "video";
  EXPECT_EQ(quality_of(video).face.from.source, QualitySource::measured);
  EXPECT_FALSE(quality_of(video).face.from.mos);
}

TEST(StreamQuality, WorstLegIsNamedWithItsReason) {
  const StreamSnapshot lossy = audio({rtp(FlowRole::up_rtp, 1000, 5), rtp(FlowRole::down_rtp, 959, 41)});
  EXPECT_EQ(quality_of(call_of(lossy), false).worst, "outside leg, from the phone: 4.1 % lost");
  EXPECT_EQ(quality_of(call_of(lossy), true).worst, "inside leg, from the phone: 4.1 % lost");
  EXPECT_NEAR(*quality_of(call_of(lossy), false).mos, 4, 0.1);
  const StreamSnapshot far = audio({rtp(FlowRole::up_rtp, 1000, 0), rtcp(FlowRole::up_rtcp, 700, 0, 100)});
  EXPECT_EQ(quality_of(call_of(far), false).worst, "inside leg, from the phone: round trip of 700 ms");
  const StreamSnapshot unsteady = audio({rtp(FlowRole::up_rtp, 1000, 0, 60)});
  EXPECT_EQ(quality_of(call_of(unsteady), true).worst, "outside leg, from the phone: jitter of 60 ms");
  const StreamSnapshot deaf = audio({rtp(FlowRole::down_rtp, 1000, 0), rtcp(FlowRole::up_rtcp, 5, 150, 1000)});
  EXPECT_EQ(quality_of(call_of(deaf), false).worst, "inside leg, to the phone: 15.0 % lost");
  StreamSnapshot video = lossy;
  video.kind = "video";
  EXPECT_EQ(quality_of(call_of(video), false).worst, "video of the outside leg, from the phone: 4.1 % lost");
  EXPECT_EQ(quality_of(call_of(audio({rtp(FlowRole::up_rtp, 1000, 5)})), false).worst, "") << "half a percent is no trouble";
}

TEST(StreamQuality, MosBelowTheLimitIsAReasonByItself) {
  StreamSnapshot coded = audio({rtp(FlowRole::up_rtp, 1000, 0, 5), rtcp(FlowRole::up_rtcp, 290, 0, 100)});
  coded.codec = "G729/8000";
  const CallQuality call = quality_of(call_of(coded), false, {.mos = 4.0});
  EXPECT_TRUE(call.worst.starts_with("inside leg, from the phone: estimated MOS 3.")) << call.worst;
}

// What the dataplane wrote into the region arrives in the snapshot: C's RTCP flows name each other, E's do not.
TEST(StreamQuality, RtcpOfTheRegionBecomesTheRoundTripOfALeg) {
  const std::string key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + std::string(40, 'K') + "\r\n";
  const std::string offer = "v=0\r\no=- 1 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0\r\n" + key;
  const std::string answer = "v=0\r\no=- 1 1 IN IP4 10.20.0.5\r\ns=-\r\nc=IN IP4 10.20.0.5\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";
  MediaPair pair;
  ASSERT_TRUE(pair.inward({.from = Side::face}, offer).ok());
  ASSERT_TRUE(pair.outward({.from = Side::face, .status = 200, .branch = "b"}, answer).ok());
  pair.settle();
  const abi::FlowSpec up = pair.c.spec(*pair.c_call, 0, FlowRole::up_rtcp), down = pair.c.spec(*pair.c_call, 0, FlowRole::down_rtcp);
  EXPECT_EQ(up.reverse_flow, down.flow_index);
  EXPECT_EQ(down.reverse_flow, up.flow_index);
  EXPECT_EQ(pair.c.spec(*pair.c_call, 0, FlowRole::up_rtp).reverse_flow, abi::no_flow);
  EXPECT_EQ(pair.e.spec(*pair.e_call, 0, FlowRole::up_rtcp).reverse_flow, abi::no_flow);
  abi::RtcpObservation& told = pair.c.dataplane->flow(down.flow_index).state.rtcp;
  told.round_trips = 4;
  told.round_trip_ns = 33'000'000;
  const SessionSnapshot snapshot = pair.c_call->snapshot();
  ASSERT_EQ(snapshot.streams.size(), 1u);
  EXPECT_EQ(quality_of(snapshot.streams[0]).link.from.round_trip_ms, 33);
  EXPECT_FALSE(quality_of(snapshot.streams[0]).face.from.round_trip_ms);
}

}  // namespace
}  // namespace sallyport::media
