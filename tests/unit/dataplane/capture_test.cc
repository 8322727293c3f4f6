// SPDX-License-Identifier: Apache-2.0
// Copies of a call's packets: which, where, how much of them, and when no longer.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

using abi::CapturePoint;

constexpr uint64_t seconds = 1000 * ms;

class Capture : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.open_call());
    ASSERT_TRUE(pair.establish());
  }
  void allow(TestNode& node, uint64_t for_ns) { area(node).until_ns.store(pair.now_ns + for_ns); }
  abi::CaptureArea& area(TestNode& node) { return node.node().region->worker(0).capture; }
  abi::WorkerCounters& counters(TestNode& node) { return node.node().region->worker(0).counters; }
  abi::CommandStatus capture(TestNode& node, abi::FlowSpec spec, uint16_t flags = abi::flow_capture) {
    abi::Command command;
    command.type = abi::CommandType::modify_flow;
    command.flow_index = spec.flow_index;
    command.generation = spec.generation;
    spec.flags |= flags;
    spec.call_tag = 0xca11;
    spec.stream_tag = spec.flow_index;
    command.flow = spec;
    return node.run(command);
  }
  std::vector<abi::CapturedFrame> taken(TestNode& node) {
    std::vector<abi::CapturedFrame> frames;
    abi::CapturedFrame frame;
    while (area(node).frames.pop_and_wipe(frame)) frames.push_back(frame);
    return frames;
  }
  static Bytes bytes_of(const abi::CapturedFrame& frame) { return {frame.frame, frame.frame + frame.kept_bytes}; }
  static bool holds(const Bytes& bytes, const Bytes& part) { return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end(); }

  TestPair pair;
};

const Bytes clear_a(40, 0x11), clear_b(40, 0x22);

TEST_F(Capture, BothLegsOfEAreCopiedAsPacketsComeAndGo) {
  allow(pair.e, 2 * seconds);
  ASSERT_EQ(capture(pair.e, TestPair::from_a()), abi::CommandStatus::done);
  ASSERT_EQ(capture(pair.e, TestPair::to_a()), abi::CommandStatus::done);
  for (int i = 0; i < 10; ++i) {
    const Bytes came = build_frame(phone_a, relay_a, pair.next_a());
    inject(pair.outer, came);
    pair.step();
    const auto up = taken(pair.e);
    ASSERT_EQ(up.size(), 2u);
    EXPECT_EQ(up[0].point, CapturePoint::received);
    EXPECT_EQ(bytes_of(up[0]), came);
    EXPECT_EQ(up[0].frame_bytes, came.size());
    EXPECT_EQ(up[0].call_tag, 0xca11u);
    EXPECT_EQ(up[0].stream_tag, 0u);
    Frame sent;
    EXPECT_EQ(up[1].point, CapturePoint::sent);
    ASSERT_TRUE(read_frame(bytes_of(up[1]), sent));
    EXPECT_EQ(sent.destination, link_c);
    EXPECT_TRUE(sent.checksums_hold);
    const auto out = pair.say_b(pair.next_b());
    ASSERT_TRUE(out);
    const auto down = taken(pair.e);
    ASSERT_EQ(down.size(), 2u);
    ASSERT_TRUE(read_frame(bytes_of(down[1]), sent));
    EXPECT_EQ(sent.payload, out->payload);
    EXPECT_EQ(sent.destination, phone_a);
    for (const auto& frame : {up[0], up[1], down[0], down[1]}) {
      EXPECT_FALSE(holds(bytes_of(frame), clear_a) || holds(bytes_of(frame), clear_b));
    }
  }
  EXPECT_EQ(counters(pair.e).captured, 40u);
}

TEST_F(Capture, NothingIsCopiedWhenNobodyListens) {
  ASSERT_EQ(capture(pair.e, TestPair::from_a()), abi::CommandStatus::done);
  EXPECT_TRUE(pair.say_a(phone_a, pair.next_a()));
  allow(pair.e, 3600 * seconds);  // no control plane of ours asks for so long
  EXPECT_TRUE(pair.say_a(phone_a, pair.next_a()));
  EXPECT_TRUE(taken(pair.e).empty());
  EXPECT_EQ(counters(pair.e).captured, 0u);
}

TEST_F(Capture, FlagsGoOffWhenTheListenerIsGone) {
  allow(pair.c, seconds);
  ASSERT_EQ(capture(pair.c, TestPair::to_b(), abi::flow_capture | abi::flow_capture_clear), abi::CommandStatus::done);
  EXPECT_TRUE(pair.say_a(phone_a, pair.next_a()));
  EXPECT_EQ(taken(pair.c).size(), 1u);
  for (int i = 0; i < 30; ++i) pair.step(100 * ms);
  EXPECT_EQ(pair.c.worker().flows->entry(0).flags, abi::flow_confirms);
  EXPECT_EQ(pair.c.node().region->flow(0).spec.flags, abi::flow_confirms) << "a dataplane that takes over must not go on with it";
  EXPECT_EQ(pair.c.worker().flows->captured_flows, 0u);
  allow(pair.c, seconds);
  EXPECT_TRUE(pair.say_a(phone_a, pair.next_a()));
  EXPECT_TRUE(taken(pair.c).empty());
}

TEST_F(Capture, ClearPayloadIsCutOffOnC) {
  allow(pair.c, 2 * seconds);
  ASSERT_EQ(capture(pair.c, TestPair::to_b()), abi::CommandStatus::done);
  ASSERT_EQ(capture(pair.c, TestPair::from_b()), abi::CommandStatus::done);
  ASSERT_TRUE(pair.say_a(phone_a, pair.next_a()));
  const auto down = taken(pair.c);
  ASSERT_EQ(down.size(), 2u);
  EXPECT_EQ(down[0].kept_bytes, down[0].frame_bytes) << "sealed, so whole";
  EXPECT_EQ(down[1].kept_bytes, 42u + 12) << "clear, so no more than the RTP header";
  EXPECT_EQ(down[1].frame_bytes, 42u + 12 + 160);
  ASSERT_TRUE(pair.say_b(pair.next_b()));
  const auto up = taken(pair.c);
  ASSERT_EQ(up.size(), 2u);
  EXPECT_EQ(up[0].kept_bytes, 42u + 12);
  EXPECT_EQ(up[1].kept_bytes, up[1].frame_bytes);
  for (const auto& frame : {down[0], down[1], up[0], up[1]}) {
    EXPECT_FALSE(holds(bytes_of(frame), clear_a) || holds(bytes_of(frame), clear_b));
  }
}

TEST_F(Capture, ClearCopiesStandOnceBetweenOpeningAndSealing) {
  constexpr uint16_t both = abi::flow_capture | abi::flow_capture_clear;
  allow(pair.c, 2 * seconds);
  ASSERT_EQ(capture(pair.c, TestPair::to_b(), both), abi::CommandStatus::done);
  ASSERT_EQ(capture(pair.c, TestPair::from_b(), both), abi::CommandStatus::done);
  const uint16_t seq = pair.seq_a;
  ASSERT_TRUE(pair.say_a(phone_a, pair.next_a()));
  const Bytes said = pair.next_b();
  ASSERT_TRUE(pair.say_b(said));
  const auto frames = taken(pair.c);
  ASSERT_EQ(frames.size(), 2u);
  Frame down, up;
  ASSERT_TRUE(read_frame(bytes_of(frames[0]), down) && read_frame(bytes_of(frames[1]), up));
  EXPECT_EQ(frames[0].point, CapturePoint::clear);
  EXPECT_EQ(down.payload, rtp(seq, 0xaaaa, 0x11));
  EXPECT_EQ(down.destination, phone_b);
  EXPECT_EQ(up.payload, said) << "without multiplexID and tag";
  EXPECT_EQ(up.destination, link_e);
  EXPECT_EQ(frames[1].kept_bytes, frames[1].frame_bytes);
}

// From IPv4 to IPv6, and tagged: what is copied is untagged and whole all the same.
TEST(CaptureClear, CopyIsWholeWhateverItIsSentAs) {
  Cable cable;
  TestNode node({{&cable, false}}, {{"10.0.0.1", 0}, {"2001:db8::1", 0, 300}});
  abi::FlowSpec spec;
  spec.flow_index = 0;
  spec.generation = 1;
  spec.flags = abi::flow_capture | abi::flow_capture_clear;
  spec.verbs = abi::verb_seal;
  spec.seal_key = test_key(1);
  spec.latch = abi::Latch::expected_ip;
  spec.expected_source = address("10.0.0.9", 0);
  spec.local_slot = 0;
  spec.local_port = 40000;
  spec.egress_slot = 1;
  spec.egress_port = 42000;
  spec.destination = address("2001:db8::9", 4000);
  abi::CaptureArea& area = node.node().region->worker(0).capture;
  area.until_ns.store(node.now_ns + seconds);
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  const Bytes media = rtp(9, 0x77, 0x42, 161);
  abi::CapturedFrame copy;
  for (int i = 0; i < 3; ++i) {  // until the next hop is known
    area.until_ns.store(node.now_ns + seconds);
    inject(cable, build_frame(address("10.0.0.9", 5000), address("10.0.0.1", 40000), media));
    node.poll(node.now_ns + 200 * ms);
  }
  ASSERT_TRUE(area.frames.pop_and_wipe(copy));
  Frame frame;
  ASSERT_TRUE(read_frame(Bytes(copy.frame, copy.frame + copy.kept_bytes), frame));
  EXPECT_EQ(copy.kept_bytes, 62u + media.size());
  EXPECT_EQ(copy.frame_bytes, copy.kept_bytes);
  EXPECT_EQ(frame.payload, media);
  EXPECT_EQ(frame.source, address("2001:db8::1", 42000));
  EXPECT_EQ(frame.destination, spec.destination);
}

TEST_F(Capture, EHasNothingClearToCopy) {
  EXPECT_EQ(capture(pair.e, TestPair::from_a(), abi::flow_capture | abi::flow_capture_clear), abi::CommandStatus::bad_type);
  EXPECT_EQ(capture(pair.c, TestPair::to_b(), abi::flow_capture_clear), abi::CommandStatus::bad_type) << "without flow_capture";
}

TEST_F(Capture, FullRingLosesCopiesAndNoPacket) {
  ASSERT_EQ(capture(pair.e, TestPair::from_a()), abi::CommandStatus::done);
  constexpr uint32_t packets = abi::capture_ring_capacity / 2 + 100;
  for (uint32_t i = 0; i < packets; ++i) {
    allow(pair.e, seconds);
    ASSERT_TRUE(pair.say_a(phone_a, pair.next_a())) << i;
  }
  EXPECT_EQ(counters(pair.e).captured, abi::capture_ring_capacity);
  EXPECT_EQ(counters(pair.e).captures_lost, 200u);
  EXPECT_EQ(taken(pair.e).size(), abi::capture_ring_capacity) << "the oldest ones";
}

TEST_F(Capture, MoreCopiesThanMayBeAreLeftOut) {
  abi::FlowSpec fast = TestPair::from_a();
  fast.max_packets_per_s = 1'000'000;
  ASSERT_EQ(capture(pair.e, fast), abi::CommandStatus::done);
  size_t copies = 0;
  constexpr uint32_t packets = 5000;
  for (uint32_t i = 0; i < packets; ++i) {
    allow(pair.e, seconds);
    inject(pair.outer, build_frame(phone_a, relay_a, rtp(static_cast<uint16_t>(i), 0xaaaa)));
    pair.e.poll(pair.now_ns += 10'000);
    copies += taken(pair.e).size();
    lose_towards_port(pair.trunk);
    while (take(pair.trunk)) continue;
  }
  // 20,000 a second for 50 ms, and 50 ms of them ahead.
  EXPECT_NEAR(static_cast<double>(copies), 2000, 10);
  EXPECT_EQ(copies + counters(pair.e).captures_lost, 2 * packets);
}

}  // namespace
}  // namespace sallyport::test
