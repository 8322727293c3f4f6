// SPDX-License-Identifier: Apache-2.0
// The express lane (stage_relay.cc) against the stages: two nodes alike, one without the lane, are given the same frames, whole and
// damaged, and must send the same bytes and drop, count and measure the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

constexpr uint32_t flow_count = 8;
constexpr uint32_t plain_flow = 4, policed_flow = 5, ipv6_flow = 6, paused_flow = 7;
const abi::Address caller = address("203.0.113.20", 7000), caller_v6 = address("2001:db8::20", 7000);
const abi::Address far_side = address("203.0.113.30", 7100);
// Never seen before the comparison: the next hop is not known, and the source neither.
const abi::Address stranger = address("203.0.113.99", 4000);

abi::FlowSpec plain_spec(uint32_t index) {
  abi::FlowSpec spec;
  spec.flow_index = index;
  spec.generation = 1;
  spec.latch = abi::Latch::expected_ip;
  spec.expected_source = address("203.0.113.20", 0);
  spec.local_slot = 0;
  spec.local_port = static_cast<uint16_t>(40000 + 2 * index);
  spec.egress_slot = 0;
  spec.egress_port = static_cast<uint16_t>(42000 + 2 * index);
  spec.destination = far_side;
  return spec;
}

abi::Address port_of(uint32_t flow) { return address("198.51.100.1", static_cast<uint16_t>(40000 + 2 * flow)); }

class ExpressLane : public testing::Test {
 protected:
  struct Sent {
    Bytes frame;
    bool from_link;
  };

  void SetUp() override {
    std::vector<Bytes> first;
    for (uint32_t flow = plain_flow; flow < flow_count; ++flow) first.push_back(intact(flow).frame);
    for (TestPair* pair : pairs_) {
      ASSERT_TRUE(pair->open_call());
      ASSERT_TRUE(pair->establish());
      ASSERT_EQ(pair->e.add(plain_spec(plain_flow)), abi::CommandStatus::done);
      abi::FlowSpec policed = plain_spec(policed_flow);
      policed.max_packets_per_s = 200;
      policed.max_packet_bytes = 200;
      ASSERT_EQ(pair->e.add(policed), abi::CommandStatus::done);
      abi::FlowSpec v6 = plain_spec(ipv6_flow);
      v6.local_slot = 2;
      v6.expected_source = address("2001:db8::20", 0);
      ASSERT_EQ(pair->e.add(v6), abi::CommandStatus::done);
      abi::FlowSpec paused = plain_spec(paused_flow);
      paused.flags = abi::flow_paused;
      ASSERT_EQ(pair->e.add(paused), abi::CommandStatus::done);
      // Sources and next hops become known.
      for (int i = 0; i < 3; ++i) {
        for (const Bytes& frame : first) inject(pair->outer, frame);
        pair->e.poll(pair->e.now_ns + 100 * ms);
      }
      take_all(*pair);
    }
    now_ns_ = link_seen_ns_ = with_.e.now_ns;
    without_.e.worker().has_express_lane = false;
  }

  // One packet of a flow of E's, or of none of them.
  Sent intact(uint32_t flow) {
    const uint16_t seq = seq_++;
    const size_t bytes = random_() % 8 == 0 ? random_() % 1500 : 20 + random_() % 160;
    Bytes media = rtp(seq, 0x1111 * (flow + 1), static_cast<uint8_t>(random_()), bytes);
    if (random_() % 32 == 0) media.resize(random_() % 12);
    switch (flow) {
      case 0: return {build_frame(phone_a, relay_a, media), false};
      case 1: return {build_frame(link_c, link_e, multiplexed(id_to_e | (random_() % 16 == 0 ? random_() % 4 : 0), media)), true};
      case 2: return {build_frame(phone_a_rtcp, relay_a_rtcp, rtcp(seq)), false};
      case 3: return {build_frame(address("192.0.2.2", 36001), address("192.0.2.1", 36001), multiplexed(id_to_e, rtcp(seq))), true};
      case ipv6_flow: return {build_frame(caller_v6, address("2001:db8::1", port_of(flow).port), media), false};
      case plain_flow: case policed_flow: case paused_flow: return {build_frame(caller, port_of(flow), media), false};
      case flow_count: return {build_frame(stranger, random_() % 2 == 0 ? relay_a : port_of(plain_flow), media), false};
      case flow_count + 1: return {build_frame(caller, address("198.51.100.1", 45000), media), false};
      case flow_count + 2: return {build_frame(link_c, link_e, multiplexed(0x00abc000u, media)), true};
      case flow_count + 3: return {build_frame(address("192.0.2.77", 36000), link_e, multiplexed(id_to_e, media)), true};
      case flow_count + 4: return {build_frame(caller, port_of(plain_flow), rtcp(seq)), false};
      default: return {build_frame(caller, address("198.51.100.9", 5060), media), false};
    }
  }

  static Bytes multiplexed(uint32_t id, const Bytes& media) {
    Bytes payload = {static_cast<uint8_t>(id >> 24), static_cast<uint8_t>(id >> 16), static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)};
    payload.insert(payload.end(), media.begin(), media.end());
    return payload;
  }

  // What a network or an enemy does to a frame.
  void damage(Bytes& frame) {
    switch (random_() % 9) {
      case 0: frame[random_() % frame.size()] ^= static_cast<uint8_t>(1u << random_() % 8); break;
      case 1: frame[12 + random_() % std::min<size_t>(frame.size() - 12, 46)] = static_cast<uint8_t>(random_()); break;
      case 2: frame.resize(random_() % frame.size()); break;
      case 3: frame.insert(frame.end(), 1 + random_() % 40, 0); break;
      case 4: frame[40] = frame[41] = 0; break;  // no UDP checksum, over IPv4
      case 5: frame.insert(frame.begin() + 12, {0x81, 0x00, 0x00, 0x64}); break;
      case 6: change_and_mend(frame, 20, {static_cast<uint8_t>(random_() & 0xe0), static_cast<uint8_t>(random_() % 3)}); break;
      case 7: change_and_mend(frame, 42, {static_cast<uint8_t>(random_()), static_cast<uint8_t>(random_())}); break;
      default: change_and_mend(frame, 38, {0, static_cast<uint8_t>(random_())}); break;
    }
  }
  static void change_and_mend(Bytes& frame, size_t at, std::array<uint8_t, 2> bytes) {
    std::copy(bytes.begin(), bytes.end(), frame.begin() + static_cast<std::ptrdiff_t>(at));
    fix_checksums(frame);
  }

  static std::vector<Bytes> take_all(TestPair& pair) {
    std::vector<Bytes> taken;
    for (Cable* cable : {&pair.outer, &pair.trunk}) {
      while (auto frame = take(*cable)) taken.push_back(std::move(*frame));
    }
    return taken;
  }

  // C says now and then that it is there.
  void pass_time(uint64_t at_most_ns) {
    now_ns_ += 1 + random_() % at_most_ns;
    if (now_ns_ - link_seen_ns_ < 500 * ms) return;
    for (TestPair* pair : pairs_) {
      pair->now_ns = now_ns_;
      pair->step();
      take_all(*pair);
    }
    link_seen_ns_ = now_ns_ = with_.now_ns;
  }

  // Gives one burst a port to both and compares; `is_exact` where the order of packets in it can't matter. Without it so much time
  // passes that only the flow meant for it is policed.
  void compare(const std::vector<Sent>& frames, bool is_exact) {
    pass_time(is_exact ? ms : 40 * ms);
    std::array<std::vector<Bytes>, 2> out;
    for (size_t i = 0; i < 2; ++i) {
      for (const Sent& sent : frames) inject(sent.from_link ? pairs_[i]->trunk : pairs_[i]->outer, sent.frame);
      pairs_[i]->e.poll(now_ns_);
      out[i] = take_all(*pairs_[i]);
      std::sort(out[i].begin(), out[i].end());
    }
    ASSERT_EQ(out[0], out[1]);
    sent_ += out[0].size();
    for (size_t reason = 0; reason < static_cast<size_t>(abi::DropReason::count); ++reason) {
      const auto named = static_cast<abi::DropReason>(reason);
      ASSERT_EQ(with_.e.drops(named), without_.e.drops(named)) << name_of(named);
    }
    for (uint32_t flow = 0; flow < flow_count; ++flow) {
      SCOPED_TRACE(flow);
      const abi::FlowMeter &one = with_.e.meter(flow), &other = without_.e.meter(flow);
      ASSERT_EQ(one.packets, other.packets);
      ASSERT_EQ(one.bytes, other.bytes);
      ASSERT_EQ(one.last_packet_ns, other.last_packet_ns);
      ASSERT_EQ(with_.e.state(flow).dropped, without_.e.state(flow).dropped);
      if (!is_exact) continue;
      ASSERT_EQ(std::memcmp(&one, &other, sizeof one), 0) << "what was measured of the source";
      ASSERT_EQ(with_.e.state(flow).last_drop, without_.e.state(flow).last_drop);
    }
    const abi::WorkerCounters &one = counters(with_), &other = counters(without_);
    ASSERT_EQ(one.packets_out, other.packets_out);
    ASSERT_EQ(one.bytes_out, other.bytes_out);
  }

  static const char* name_of(abi::DropReason reason) { return abi::drop_reason_info[static_cast<size_t>(reason)].name; }
  static const abi::WorkerCounters& counters(TestPair& pair) { return pair.e.node().region->worker(0).counters; }
  // What the lane has taken out of the bursts.
  static uint64_t express(TestPair& pair) {
    const auto packets = [&](abi::Stage stage) { return counters(pair).stage_packets[static_cast<size_t>(stage)]; };
    return packets(abi::Stage::relay) - packets(abi::Stage::parse);
  }

  std::mt19937 random_{20261128};
  TestPair with_, without_;
  std::array<TestPair*, 2> pairs_{&with_, &without_};
  uint64_t now_ns_ = 0, link_seen_ns_ = 0;
  uint64_t sent_ = 0;
  uint16_t seq_ = 1;
};

TEST_F(ExpressLane, SendsCountsAndDropsAsTheStagesDoPacketByPacket) {
  const uint64_t before = express(with_);
  for (int i = 0; i < 40000 && !HasFatalFailure(); ++i) {
    Sent sent = intact(random_() % (flow_count + 6));
    if (random_() % 2 == 0) damage(sent.frame);
    compare({std::move(sent)}, true);
  }
  EXPECT_GT(express(with_) - before, 5000u);
  EXPECT_EQ(express(without_) - before, 0u) << "both were set up by it";
  EXPECT_GT(sent_, 10000u);
  using enum abi::DropReason;
  for (const abi::DropReason reason : {not_ours, bad_checksum, bad_length, fragment, no_flow, wrong_source, not_rtp, truncated, oversized, paused, policed, above_mtu})
    EXPECT_GT(with_.e.drops(reason), 0u) << name_of(reason);
}

TEST_F(ExpressLane, SendsCountsAndDropsAsTheStagesDoInBursts) {
  const uint64_t before = express(with_);
  for (int i = 0; i < 3000 && !HasFatalFailure(); ++i) {
    std::vector<Sent> burst;
    for (size_t left = 1 + random_() % 32; left > 0; --left) {
      burst.push_back(intact(random_() % (flow_count + 6)));
      // Which packet is one too many, and so which is counted, depends on the order in a policed flow.
      if (random_() % 4 == 0 && burst.back().frame[37] != (port_of(policed_flow).port & 0xff)) damage(burst.back().frame);
    }
    compare(burst, false);
  }
  EXPECT_GT(express(with_) - before, 10000u);
  EXPECT_GT(sent_, 15000u);
  EXPECT_GT(with_.e.drops(abi::DropReason::policed), 0u);
}

TEST_F(ExpressLane, FollowsCommandsFromOnePacketToTheNext) {
  const auto both = [&](const abi::Command& command) {
    for (TestPair* pair : pairs_) ASSERT_EQ(pair->e.run(command), abi::CommandStatus::done);
  };
  uint32_t generation = 1;
  for (int i = 0; i < 2000 && !HasFatalFailure(); ++i) {
    if (i % 20 == 7) {
      abi::Command change;
      change.type = abi::CommandType::modify_flow;
      change.flow = plain_spec(plain_flow);
      change.flow.generation = change.generation = generation;
      change.flow_index = plain_flow;
      change.flow.flags = i % 40 == 7 ? abi::flow_paused : 0;
      change.flow.destination.port = static_cast<uint16_t>(7100 + i % 3);
      both(change);
    }
    if (i % 50 == 31) {
      abi::Command removal;
      removal.type = abi::CommandType::remove_flow;
      removal.flow_index = plain_flow;
      removal.generation = generation;
      both(removal);
      compare({intact(plain_flow)}, true);
      abi::Command addition;
      addition.type = abi::CommandType::add_flow;
      addition.flow = plain_spec(plain_flow);
      addition.flow.generation = ++generation;
      both(addition);
    }
    compare({intact(plain_flow)}, true);
    compare({intact(0), intact(1)}, true);
  }
  EXPECT_GT(sent_, 4000u);
}

TEST_F(ExpressLane, FullPortIsCountedAsTheStagesCountIt) {
  for (int round = 0; round < 60; ++round) {
    now_ns_ += 10 * ms;
    std::vector<Bytes> frames;
    for (int i = 0; i < 32; ++i) frames.push_back(intact(plain_flow).frame);
    for (TestPair* pair : pairs_) {
      for (const Bytes& frame : frames) inject(pair->outer, frame);
      pair->e.poll(now_ns_);
    }
  }
  EXPECT_GT(with_.e.drops(abi::DropReason::port_full), 0u);
  EXPECT_EQ(with_.e.drops(abi::DropReason::port_full), without_.e.drops(abi::DropReason::port_full));
  EXPECT_EQ(with_.e.meter(plain_flow).packets, without_.e.meter(plain_flow).packets);
  EXPECT_EQ(with_.e.meter(plain_flow).bytes, without_.e.meter(plain_flow).bytes);
  EXPECT_EQ(with_.e.state(plain_flow).dropped, without_.e.state(plain_flow).dropped);
  EXPECT_EQ(counters(with_).packets_out, counters(without_).packets_out);
  EXPECT_EQ(counters(with_).bytes_out, counters(without_).bytes_out);
  EXPECT_EQ(take_all(with_), take_all(without_));
}

}  // namespace
}  // namespace sallyport::test
