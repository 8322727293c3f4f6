// SPDX-License-Identifier: Apache-2.0
#include "dataplane/rtcp_observer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "dataplane/rtp_bytes.h"
#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

using dataplane::RtcpFinding;
using dataplane::note_rtcp;
using dataplane::store_be16;
using dataplane::store_be32;

constexpr uint32_t ssrc_a = 0xaaaa, ssrc_b = 0xbbbb;

struct Block {
  uint32_t ssrc = 0;
  uint8_t fraction = 0;
  int32_t lost = 0;
  uint32_t highest = 0, jitter = 0, last_report = 0, held = 0;
};

// A sender report with ntp_middle, or a receiver report without, and a block for each.
Bytes report(uint32_t ssrc, std::optional<uint32_t> ntp_middle, const std::vector<Block>& blocks) {
  Bytes packet(ntp_middle ? 28 : 8, 0);
  packet[0] = static_cast<uint8_t>(0x80 | blocks.size());
  packet[1] = ntp_middle ? 200 : 201;
  store_be32(&packet[4], ssrc);
  if (ntp_middle) store_be32(&packet[10], *ntp_middle);
  for (const Block& block : blocks) {
    const size_t at = packet.size();
    packet.resize(at + 24);
    store_be32(&packet[at], block.ssrc);
    store_be32(&packet[at + 4], static_cast<uint32_t>(block.lost));
    packet[at + 4] = block.fraction;
    store_be32(&packet[at + 8], block.highest);
    store_be32(&packet[at + 12], block.jitter);
    store_be32(&packet[at + 16], block.last_report);
    store_be32(&packet[at + 20], block.held);
  }
  store_be16(&packet[2], static_cast<uint16_t>(packet.size() / 4 - 1));
  return packet;
}

Bytes operator+(Bytes one, const Bytes& other) {
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

Bytes description() {
  Bytes packet = {0x81, 202, 0, 3, 0, 0, 0, 1, 1, 3, 'l', 'a', 'b', 0, 0, 0};
  return packet;
}

constexpr uint32_t seconds_16(double seconds) { return static_cast<uint32_t>(seconds * 65536); }

struct RtcpObserver : testing::Test {
  RtcpFinding to_b(const Bytes& packet) { return note_rtcp(from_a, &from_b, packet, now_ns); }
  RtcpFinding to_a(const Bytes& packet) { return note_rtcp(from_b, &from_a, packet, now_ns); }
  abi::RtcpObservation from_a, from_b;
  uint64_t now_ns = 1'000'000'000'000;
};

// The example of RFC 3550 6.4.1, figure 2: the sender has A = 0xb710:8000, LSR 0xb705:2000, DLSR 0x0005:4000: 6.125 s.
TEST_F(RtcpObserver, RoundTripOfTheExampleInRfc3550) {
  to_b(report(ssrc_a, 0xb7052000, {}) + description());
  now_ns += 11'375'000'000;  // 0xb7108000 - 0xb7052000 in 65536ths of a second
  EXPECT_EQ(to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .last_report = 0xb7052000, .held = 0x00054000}})), RtcpFinding::round_trip);
  EXPECT_EQ(from_b.round_trips, 1u);
  EXPECT_EQ(from_b.round_trip_ns, 6'125'000'000u);
  EXPECT_EQ(from_a.round_trips, 0u) << "how far A is, nobody has told";
}

TEST_F(RtcpObserver, EachLegHasARoundTripOfItsOwn) {
  to_b(report(ssrc_a, 100, {}));
  now_ns += 30 * ms;
  to_a(report(ssrc_b, 200, {{.ssrc = ssrc_a, .last_report = 100, .held = seconds_16(0.020)}}));
  now_ns += 90 * ms;
  to_b(report(ssrc_a, 101, {{.ssrc = ssrc_b, .last_report = 200, .held = seconds_16(0.010)}}));
  EXPECT_NEAR(static_cast<double>(from_b.round_trip_ns), 10.0 * ms, 20'000) << "to B and back";
  EXPECT_NEAR(static_cast<double>(from_a.round_trip_ns), 80.0 * ms, 20'000) << "to A and back";
}

TEST_F(RtcpObserver, AnyOfTheLastFourSenderReportsMayBeNamedAndNoOther) {
  for (uint32_t stamp = 1; stamp <= 5; ++stamp) {
    to_b(report(ssrc_a, stamp, {}));
    now_ns += 1000 * ms;
  }
  EXPECT_EQ(to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .last_report = 2, .held = seconds_16(3.5)}})), RtcpFinding::round_trip);
  EXPECT_NEAR(static_cast<double>(from_b.round_trip_ns), 500.0 * ms, 20'000);
  EXPECT_EQ(to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .last_report = 1}})), RtcpFinding::nothing) << "forgotten";
  EXPECT_EQ(to_a(report(ssrc_b, std::nullopt, {{.ssrc = 77, .last_report = 5}})), RtcpFinding::nothing) << "of another source";
  EXPECT_EQ(to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .last_report = 0}})), RtcpFinding::nothing) << "it has heard none yet";
  EXPECT_EQ(from_b.round_trips, 1u);
}

TEST_F(RtcpObserver, HeldLongerThanItWasAwayIsNoTimeAtAll) {
  to_b(report(ssrc_a, 9, {}));
  now_ns += 5 * ms;
  EXPECT_EQ(to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .last_report = 9, .held = seconds_16(0.006)}})), RtcpFinding::round_trip);
  EXPECT_EQ(from_b.round_trip_ns, 0u);
}

TEST_F(RtcpObserver, LossAndJitterAreThoseOfTheNewestBlock) {
  to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .fraction = 26, .lost = 10, .highest = 1000, .jitter = 40}}));
  to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .fraction = 13, .lost = 22, .highest = 1250, .jitter = 80}}));
  EXPECT_EQ(from_b.fraction_lost, 13);
  EXPECT_EQ(from_b.reported_lost - from_b.first_lost, 12);
  EXPECT_EQ(from_b.reported_highest_seq - from_b.first_highest_seq, 250u);
  EXPECT_EQ(from_b.reported_jitter, 80u);
  EXPECT_EQ(from_b.reported_ns, now_ns);
  to_a(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .lost = -3, .highest = 1260}}));
  EXPECT_EQ(from_b.reported_lost, -3) << "24 bits with a sign";
  to_a(report(ssrc_b, std::nullopt, {{.ssrc = 5, .lost = 7, .highest = 9}}));
  EXPECT_EQ(from_b.first_lost, 7) << "another source begins anew";
}

TEST_F(RtcpObserver, OfSeveralSourcesTheOneThatPassedHereCounts) {
  to_b(report(ssrc_a, 9, {}));
  to_a(report(ssrc_b, 10, {{.ssrc = 1, .jitter = 1}, {.ssrc = ssrc_a, .jitter = 2, .last_report = 9}, {.ssrc = 3, .jitter = 3}}));
  EXPECT_EQ(from_b.reported_ssrc, ssrc_a);
  EXPECT_EQ(from_b.reported_jitter, 2u);
}

TEST_F(RtcpObserver, MalformedCompoundsAreCountedAndHarmNothing) {
  const Bytes good = report(ssrc_b, 7, {{.ssrc = ssrc_a}});
  Bytes too_long = good, too_many = good, old = good;
  store_be16(&too_long[2], static_cast<uint16_t>(good.size() / 4));
  too_many[0] = 0x9f;
  old[0] = 0x41;
  Bytes many;
  for (int i = 0; i < 17; ++i) many = many + description();
  for (const Bytes& packet : {too_long, too_many, old, good + Bytes{0x80}, good + Bytes{0x80, 200, 0, 0}, many}) {
    EXPECT_EQ(to_a(packet), RtcpFinding::malformed) << packet.size();
  }
  EXPECT_EQ(from_b.malformed, 6u);
  EXPECT_EQ(from_b.compounds, 6u);
  // Every cut of a good one, in memory that ends where it ends.
  for (size_t bytes = 0; bytes < good.size(); ++bytes) {
    const std::unique_ptr<uint8_t[]> exact(new uint8_t[bytes]);
    std::copy_n(good.begin(), bytes, exact.get());
    EXPECT_EQ(note_rtcp(from_b, &from_a, {exact.get(), bytes}, now_ns), bytes == 0 ? RtcpFinding::nothing : RtcpFinding::malformed);
  }
}

TEST_F(RtcpObserver, AnyBytesAreSafe) {
  std::mt19937 dice(4711);
  const Bytes seed = report(ssrc_b, 7, {{.ssrc = ssrc_a, .last_report = 7}}) + description();
  for (int i = 0; i < 20000; ++i) {
    Bytes packet = seed;
    packet.resize(dice() % (packet.size() + 1));
    for (uint32_t hits = dice() % 8; hits != 0 && !packet.empty(); --hits) packet[dice() % packet.size()] = static_cast<uint8_t>(dice());
    from_b.next_mark = static_cast<uint8_t>(dice());  // as a control plane that writes nonsense into the region
    to_a(packet);
  }
  EXPECT_GT(from_b.malformed, 0u);
}

// A real call: SRTCP of the phone outside, plain RTCP inside, through both nodes.
class RtcpOfACall : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.open_link());
    for (const abi::Media media : {abi::Media::rtp, abi::Media::rtcp}) {
      ASSERT_EQ(pair.e.add(TestPair::from_a(media)), abi::CommandStatus::done);
      ASSERT_EQ(pair.e.add(TestPair::to_a(media)), abi::CommandStatus::done);
      abi::FlowSpec down = TestPair::to_b(media), up = TestPair::from_b(media);
      if (media == abi::Media::rtcp) {
        down.reverse_flow = up.flow_index;
        up.reverse_flow = down.flow_index;
      }
      ASSERT_EQ(pair.c.add(down), abi::CommandStatus::done);
      ASSERT_EQ(pair.c.add(up), abi::CommandStatus::done);
    }
    ASSERT_TRUE(pair.establish());
    // Its RTCP port is latched, and the next hops of RTCP are known.
    for (int i = 0; i < 10; ++i) {
      say_a(report(ssrc_a, 1, {}));
      say_b(report(ssrc_b, 2, {}));
      pair.step(200 * ms);
    }
  }
  std::optional<Frame> say_a(const Bytes& packet) {
    inject(pair.outer, build_frame(phone_a_rtcp, relay_a_rtcp, pair.a_rtcp.protect(packet)));
    pair.step();
    return pair.last(pair.inner);
  }
  std::optional<Frame> say_b(const Bytes& packet) {
    inject(pair.inner, build_frame(address("10.9.0.9", 5001), address("10.9.0.1", 41001), packet));
    pair.step();
    return pair.last(pair.outer);
  }
  const abi::RtcpObservation& told_by_a() { return pair.c.state(2).rtcp; }
  const abi::RtcpObservation& told_by_b() { return pair.c.state(3).rtcp; }
  TestPair pair;
};

TEST_F(RtcpOfACall, CMeasuresBothLegsAndESeesNothing) {
  const auto at_b = say_a(report(ssrc_a, 0x10002000, {}) + description());
  ASSERT_TRUE(at_b);
  EXPECT_EQ(at_b->payload, report(ssrc_a, 0x10002000, {}) + description()) << "unchanged";
  pair.step(40 * ms);
  ASSERT_TRUE(say_b(report(ssrc_b, 0x20003000, {{.ssrc = ssrc_a, .fraction = 5, .last_report = 0x10002000, .held = seconds_16(0.030)}})));
  pair.step(70 * ms);
  ASSERT_TRUE(say_a(report(ssrc_a, std::nullopt, {{.ssrc = ssrc_b, .last_report = 0x20003000, .held = seconds_16(0.020)}})));
  EXPECT_EQ(told_by_b().round_trips, 1u);
  EXPECT_NEAR(static_cast<double>(told_by_b().round_trip_ns), 11.0 * ms, 20'000) << "40 ms, 1 ms of a step, less 30 ms";
  EXPECT_EQ(told_by_b().fraction_lost, 5);
  EXPECT_EQ(told_by_a().round_trips, 1u);
  EXPECT_NEAR(static_cast<double>(told_by_a().round_trip_ns), 51.0 * ms, 20'000);
  EXPECT_EQ(pair.c.worker().area->counters.rtcp_round_trips, 2u);
  for (const uint32_t flow : {0u, 1u, 2u, 3u}) EXPECT_EQ(pair.e.state(flow).rtcp.compounds, 0u) << "opaque there";
  EXPECT_EQ(pair.e.worker().area->counters.rtcp_compounds, 0u);
}

TEST_F(RtcpOfACall, ForgedRtcpIsNotListenedTo) {
  const uint32_t before = told_by_a().compounds;
  Bytes forged = pair.a_rtcp.protect(report(ssrc_a, 3, {}));
  forged[forged.size() - 1] ^= 1;
  inject(pair.outer, build_frame(phone_a_rtcp, relay_a_rtcp, forged));
  pair.step();
  EXPECT_EQ(told_by_a().compounds, before);
}

TEST_F(RtcpOfACall, ReverseFlowOfAnotherWorkerOrCallIsRefusedOrIgnored) {
  abi::Command command;
  command.type = abi::CommandType::modify_flow;
  command.flow = TestPair::from_b(abi::Media::rtcp);
  command.flow_index = command.flow.flow_index;
  command.generation = 1;
  command.flow.reverse_flow = 100'000;
  EXPECT_EQ(pair.c.run(command), abi::CommandStatus::bad_reference);
  command.flow.reverse_flow = 2;
  command.flow.call_tag = 99;
  ASSERT_EQ(pair.c.run(command), abi::CommandStatus::done);
  say_a(report(ssrc_a, 0x10002000, {}));
  ASSERT_TRUE(say_b(report(ssrc_b, std::nullopt, {{.ssrc = ssrc_a, .last_report = 0x10002000}})));
  EXPECT_EQ(told_by_b().round_trips, 0u);
}

}  // namespace
}  // namespace sallyport::test
