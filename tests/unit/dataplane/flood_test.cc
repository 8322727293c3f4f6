// SPDX-License-Identifier: Apache-2.0
// Floods between the packets of a call: whatever the mix, no good packet is lost, and each bad one is counted under its reason.

#include <gtest/gtest.h>

#include <array>

#include "tests/unit/dataplane/flood.h"
#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

using abi::DropReason;
using Counts = std::array<uint64_t, static_cast<size_t>(DropReason::count)>;

const FloodTarget target = {phone_a, relay_a, address("198.51.100.1", 40100), link_c, link_e, address("192.0.2.66", 4000), address("198.51.100.254", 0)};

Counts drops_of(TestNode& node) {
  Counts counts;
  for (size_t reason = 0; reason < counts.size(); ++reason) counts[reason] = node.drops(static_cast<DropReason>(reason));
  return counts;
}

uint64_t grown(const Counts& before, const Counts& after, DropReason reason) {
  return after[static_cast<size_t>(reason)] - before[static_cast<size_t>(reason)];
}

class Flood : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pair.open_call());
    ASSERT_TRUE(pair.establish());
    // Until the phone's stream is known: that takes a second of it.
    for (int i = 0; i < 150; ++i) {
      ASSERT_TRUE(pair.say_a(phone_a, pair.next_a()));
      ASSERT_TRUE(pair.say_b(pair.next_b()));
      pair.step(20 * ms);
    }
    before_e = drops_of(pair.e);
    before_c = drops_of(pair.c);
  }

  // 20 ms of a call, with these frames before, between and after its two packets.
  void round(const std::vector<Bytes>& hostile) {
    const size_t cut = hostile.empty() ? 0 : random() % hostile.size();
    for (size_t i = 0; i < cut; ++i) inject(pair.outer, hostile[i]);
    inject(pair.outer, build_frame(phone_a, relay_a, pair.next_a()));
    for (size_t i = cut; i < hostile.size(); ++i) inject(pair.outer, hostile[i]);
    inject(pair.inner, build_frame(phone_b, relay_b, pair.next_b()));
    for (size_t polled = 0; polled <= hostile.size() + 2; polled += dataplane::burst_size) pair.step(10'000);
    pair.step(20 * ms);
    ++rounds;
    flooded += hostile.size();
    while (auto bytes = take(pair.inner)) to_b += is_sound(*bytes, phone_b);
    while (auto bytes = take(pair.outer)) to_a += is_sound(*bytes, phone_a) && pair.a.unprotect(last_payload);
  }
  bool is_sound(const Bytes& bytes, const abi::Address& to) {
    Frame frame;
    if (!read_frame(bytes, frame) || !(frame.destination == to)) return false;
    last_payload = frame.payload;
    return frame.checksums_hold;
  }
  uint64_t at_e(DropReason reason) { return grown(before_e, drops_of(pair.e), reason); }
  uint64_t at_c(DropReason reason) { return grown(before_c, drops_of(pair.c), reason); }
  uint64_t dropped() {
    uint64_t total = 0;
    for (size_t reason = 0; reason < before_e.size(); ++reason) {
      total += at_e(static_cast<DropReason>(reason)) + at_c(static_cast<DropReason>(reason));
    }
    return total;
  }
  void expect_nothing_lost() {
    EXPECT_EQ(to_b, rounds);
    EXPECT_EQ(to_a, rounds);
    EXPECT_EQ(dropped(), flooded) << "what was not good was dropped and counted";
    EXPECT_EQ(pair.e.state(0).latched, phone_a);
    EXPECT_EQ(pair.e.state(0).latch_moves, 0u);
  }

  TestPair pair;
  std::mt19937 random{7};
  Counts before_e, before_c;
  uint64_t rounds = 0, flooded = 0, to_a = 0, to_b = 0;
  Bytes last_payload;
};

TEST_F(Flood, EveryFrameAloneIsDroppedForItsReason) {
  for (size_t kind = 0; kind < std::size(flood_names); ++kind) {
    for (const FloodFrame& frame : flood_frames(static_cast<FloodKind>(kind), target, random)) {
      SCOPED_TRACE(std::string(flood_names[kind]) + ": " + frame.what);
      const Counts was_e = drops_of(pair.e), was_c = drops_of(pair.c);
      round({frame.bytes});
      if (frame.drop) {
        EXPECT_EQ(grown(was_e, drops_of(pair.e), *frame.drop), 1u);
      } else {
        EXPECT_EQ(grown(was_c, drops_of(pair.c), DropReason::auth_failed) + grown(was_e, drops_of(pair.e), DropReason::policed), 1u);
      }
      ASSERT_EQ(to_b, rounds);
      ASSERT_EQ(to_a, rounds);
    }
  }
  expect_nothing_lost();
}

// Forty times the packets of the call, of one kind after the other, a second each.
TEST_F(Flood, OfOneKindLosesNoGoodPacket) {
  for (size_t kind = 0; kind < std::size(flood_names); ++kind) {
    SCOPED_TRACE(flood_names[kind]);
    for (int i = 0; i < 50; ++i) {
      std::vector<Bytes> hostile;
      while (hostile.size() < 80) {
        for (FloodFrame& frame : flood_frames(static_cast<FloodKind>(kind), target, random)) hostile.push_back(std::move(frame.bytes));
      }
      round(hostile);
    }
    ASSERT_EQ(to_b, rounds);
    ASSERT_EQ(to_a, rounds);
  }
  expect_nothing_lost();
}

TEST_F(Flood, OfAllKindsAtOnceLosesNoGoodPacket) {
  for (int i = 0; i < 200; ++i) {
    std::vector<Bytes> hostile;
    for (size_t kind = 0; kind < std::size(flood_names); ++kind) {
      for (FloodFrame& frame : flood_frames(static_cast<FloodKind>(kind), target, random)) hostile.push_back(std::move(frame.bytes));
    }
    std::shuffle(hostile.begin(), hostile.end(), random);
    round(hostile);
  }
  expect_nothing_lost();
  for (const DropReason reason : {DropReason::not_ours, DropReason::bad_length, DropReason::bad_checksum, DropReason::fragment, DropReason::no_flow,
                                  DropReason::unknown_multiplex_id, DropReason::wrong_link_source, DropReason::not_rtp, DropReason::truncated,
                                  DropReason::policed, DropReason::bad_source, DropReason::bad_control}) {
    EXPECT_GT(at_e(reason), 0u) << abi::drop_reason_info[static_cast<size_t>(reason)].name;
  }
  EXPECT_GT(at_c(DropReason::auth_failed), 0u);
}

// Ten times what the flow may carry, in the phone's own name: without keys E can tell its stream only by where it stands.
TEST_F(Flood, InThePhonesNameLeavesThePhoneItsShare) {
  for (int i = 0; i < 250; ++i) {
    std::vector<Bytes> hostile;
    while (hostile.size() < 600) hostile.push_back(flood_frames(FloodKind::forged_source, target, random)[0].bytes);
    round(hostile);
  }
  expect_nothing_lost();
  EXPECT_GT(at_e(DropReason::policed), flooded * 8 / 10) << "C need not look at most of it";
  EXPECT_EQ(at_e(DropReason::policed) + at_c(DropReason::auth_failed) + at_c(DropReason::policed), flooded);
}

TEST_F(Flood, OfReplaysLeavesThePhoneItsShare) {
  std::vector<Bytes> recorded;
  for (int i = 0; i < 250; ++i) {
    // What was recorded on the way is genuine in every byte.
    recorded.push_back(build_frame(phone_a, relay_a, pair.next_a()));
    inject(pair.outer, recorded.back());
    pair.step();
    ASSERT_TRUE(pair.last(pair.inner));
    std::vector<Bytes> hostile;
    while (hostile.size() < 600) hostile.push_back(recorded[random() % recorded.size()]);
    round(hostile);
  }
  expect_nothing_lost();
  EXPECT_EQ(at_e(DropReason::policed) + at_c(DropReason::policed) + at_c(DropReason::replay) + at_c(DropReason::too_old), flooded);
}

// RFC 8200, RFC 4291 2.7: what IPv6 forbids, to a relay port of an IPv6 address.
TEST_F(Flood, OfIpv6ThatNoHostMaySendIsDroppedForItsReason) {
  abi::FlowSpec spec = TestPair::from_a();
  spec.flow_index = 20;
  spec.local_slot = 2;
  spec.egress_multiplex_id = abi::make_multiplex_id(0x133, 30);
  ASSERT_EQ(pair.e.add(spec), abi::CommandStatus::done);
  const abi::Address relay = address("2001:db8::1", 40000), phone = address("2001:db8:1::9", 4000);
  const auto from = [&](const char* ip) { return build_frame(address(ip, 4000), relay, rtp(1)); };
  const auto changed = [&](size_t at, uint8_t value) {
    Bytes frame = build_frame(phone, relay, rtp(1));
    frame[at] = value;
    return frame;
  };
  Bytes no_checksum = changed(60, 0);
  no_checksum[61] = 0;
  const struct {
    const char* what;
    Bytes frame;
    DropReason reason;
  } rows[] = {
      {"a multicast source", from("ff02::1"), DropReason::bad_source},
      {"no address", from("::"), DropReason::bad_source},
      {"the loopback address", from("::1"), DropReason::bad_source},
      {"our own address", from("2001:db8::1"), DropReason::bad_source},
      {"no UDP checksum", no_checksum, DropReason::bad_checksum},
      {"a payload length beyond the frame", changed(18, 0x7f), DropReason::bad_length},
      {"a payload length below UDP's", changed(19, 20), DropReason::bad_length},
      {"a routing header", changed(20, 43), DropReason::not_ours},
      {"a fragment header", changed(20, 44), DropReason::not_ours},
      {"a hop-by-hop header", changed(20, 0), DropReason::not_ours},
      {"IP version 4 in a frame of IPv6", changed(14, 0x45), DropReason::not_ours},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    const Counts was = drops_of(pair.e);
    round({row.frame});
    EXPECT_EQ(grown(was, drops_of(pair.e), row.reason), 1u);
  }
  expect_nothing_lost();
}

// RFC 3550: a phone that begins anew under another SSRC, in the middle of it all, is served again once it was heard for a while.
TEST_F(Flood, StreamThatChangesItsSourceIsNotTurnedAway) {
  for (uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(pair.say_a(phone_a, pair.a.protect(rtp(static_cast<uint16_t>(i), 0xcccc, 0x33)))) << i;
}

}  // namespace
}  // namespace sallyport::test
