// SPDX-License-Identifier: Apache-2.0
// One relay flow seen packet by packet: each row is a sentence, a packet in, and the packet out or the reason of the drop.

#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/dataplane/test_node.h"

namespace sallyport::test {
namespace {

using abi::DropReason;

const abi::Address phone = address("203.0.113.9", 4000);
const abi::Address relay = address("198.51.100.1", 40000);
const abi::Address inside = address("10.0.0.9", 5000);
constexpr uint64_t ms = 1'000'000;

abi::FlowSpec relay_spec(uint32_t index = 0) {
  abi::FlowSpec spec;
  spec.flow_index = index;
  spec.generation = 1;
  spec.latch = abi::Latch::expected_ip;
  spec.expected_source = address("203.0.113.9", 0);
  spec.local_slot = 0;
  spec.local_port = static_cast<uint16_t>(40000 + 2 * index);
  spec.egress_slot = 1;
  spec.egress_port = 42000;
  spec.destination = inside;
  spec.max_packet_bytes = 1400;
  return spec;
}

class Relay : public testing::Test {
 protected:
  Relay() : node({{&cable, false}}, {{"198.51.100.1", 0}, {"10.0.0.1", 0}, {"2001:db8::1", 0}}) {}

  // Feeds packets until one is through, so that the next hop is known; then forgets them.
  void warm_up(const Bytes& frame) {
    for (int i = 0; i < 3; ++i) {
      inject(cable, frame);
      node.poll(node.now_ns + 200 * ms);
    }
    while (take(cable)) continue;
    node.new_drop();
  }
  std::optional<Bytes> pass(const Bytes& frame) {
    inject(cable, frame);
    node.poll(node.now_ns + 20 * ms);
    return take(cable);
  }

  Cable cable;
  TestNode node;
};

struct Row {
  const char* sentence;
  std::function<Bytes()> frame;
  std::optional<DropReason> drop;  // nothing: sent on
};

Bytes changed(Bytes frame, const std::function<void(Bytes&)>& change, bool fix) {
  change(frame);
  if (fix) fix_checksums(frame);
  return frame;
}

Bytes good(uint16_t seq = 7) { return build_frame(phone, relay, rtp(seq)); }

const Row rows[] = {
    {"an RTP packet from the expected address is sent on", [] { return good(); }, {}},
    {"a VLAN tag is tolerated", [] { return build_frame(phone, relay, rtp(8), 1); }, {}},
    {"two VLAN tags are tolerated", [] { return build_frame(phone, relay, rtp(8), 2); }, {}},
    {"a missing UDP checksum is allowed over IPv4", [] { return changed(good(), [](Bytes& f) { f[40] = f[41] = 0; }, false); }, {}},
    {"an IP header with options is read", [] {
       Bytes f = good();
       f.insert(f.begin() + 34, {1, 1, 1, 1});
       f[14] = 0x46;
       f[17] = static_cast<uint8_t>(f[17] + 4);
       fix_checksums(f);
       return f;
     }, {}},
    {"padding of a short Ethernet frame is not media", [] {
       Bytes f = good();
       f.insert(f.end(), 6, 0);
       return f;
     }, {}},
    {"a frame of another protocol is the kernel's", [] { return changed(good(), [](Bytes& f) { f[12] = 8, f[13] = 6; }, false); }, DropReason::not_ours},
    {"a datagram to another address is the kernel's", [] { return build_frame(phone, address("198.51.100.2", 40000), rtp(1)); }, DropReason::not_ours},
    {"a datagram below the relay range is the kernel's", [] { return build_frame(phone, address("198.51.100.1", 5060), rtp(1)); }, DropReason::not_ours},
    {"TCP to a relay port is the kernel's", [] { return changed(good(), [](Bytes& f) { f[23] = 6; }, false); }, DropReason::not_ours},
    {"a runt is the kernel's", [] { return Bytes(10, 0); }, DropReason::not_ours},
    {"a wrong IP checksum", [] { return changed(good(), [](Bytes& f) { f[24] ^= 1; }, false); }, DropReason::bad_checksum},
    {"a first fragment", [] { return changed(good(), [](Bytes& f) { f[20] = 0x20; }, true); }, DropReason::fragment},
    {"a later fragment has no ports, so it is the kernel's", [] { return changed(good(), [](Bytes& f) { f[21] = 9; }, true); }, DropReason::not_ours},
    {"an IP length beyond the frame", [] { return changed(good(), [](Bytes& f) { f[17] = static_cast<uint8_t>(f[17] + 1); }, true); }, DropReason::bad_length},
    {"a UDP length beyond the IP length", [] { return changed(good(), [](Bytes& f) { f[39] = static_cast<uint8_t>(f[39] + 1); }, true); }, DropReason::bad_length},
    {"a UDP length below its header", [] { return changed(good(), [](Bytes& f) { f[38] = 0, f[39] = 7; }, true); }, DropReason::bad_length},
    {"a relay port without a flow", [] { return build_frame(phone, address("198.51.100.1", 40100), rtp(1)); }, DropReason::no_flow},
    {"STUN", [] { return build_frame(phone, relay, Bytes{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); }, DropReason::not_rtp},
    {"DTLS", [] { return build_frame(phone, relay, Bytes(40, 22)); }, DropReason::not_rtp},
    {"RTCP on a port for RTP alone", [] { return build_frame(phone, relay, rtcp()); }, DropReason::not_rtp},
    {"an empty datagram", [] { return build_frame(phone, relay, {}); }, DropReason::truncated},
    {"an RTP header cut short", [] { return build_frame(phone, relay, Bytes{0x80, 0, 0, 1, 0, 0, 0, 0}); }, DropReason::truncated},
    {"more than the flow's limit", [] { return build_frame(phone, relay, rtp(1, 1, 1, 1400)); }, DropReason::oversized},
    {"another port of the expected address, once the first is known", [] { return build_frame(address("203.0.113.9", 4002), relay, rtp(1)); }, DropReason::wrong_source},
    {"another address", [] { return build_frame(address("203.0.113.66", 4000), relay, rtp(1)); }, DropReason::wrong_source},
};

TEST_F(Relay, EveryRowEndsAsItsSentenceSays) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  warm_up(good());
  for (const Row& row : rows) {
    SCOPED_TRACE(row.sentence);
    const auto out = pass(row.frame());
    EXPECT_EQ(out.has_value(), !row.drop.has_value());
    EXPECT_EQ(node.new_drop(), row.drop);
  }
}

TEST_F(Relay, WhatIsSentOnHasItsNewAddressesAndHoldingChecksums) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  warm_up(good());
  const Bytes payload = rtp(99, 0xabc, 0x42);
  const auto out = pass(build_frame(phone, relay, payload));
  Frame frame;
  ASSERT_TRUE(out && read_frame(*out, frame));
  EXPECT_EQ(frame.source, address("10.0.0.1", 42000));
  EXPECT_EQ(frame.destination, inside);
  EXPECT_EQ(frame.payload, payload);
  EXPECT_TRUE(frame.checksums_hold);
  EXPECT_EQ(frame.dscp, 46);
  EXPECT_EQ(frame.hop_limit, 64);
  EXPECT_EQ((*out)[20], 0x40) << "not to be fragmented";
  const Bytes next_hop = {2, 0, 0, 0, 0, 0x77};
  EXPECT_TRUE(std::equal(next_hop.begin(), next_hop.end(), out->begin()));
}

// RFC 1624: what is relayed unopened keeps its checksum's word about the payload, right or wrong.
TEST_F(Relay, ErrorInThePayloadStaysAnErrorInTheChecksum) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  warm_up(good());
  for (const size_t at : {54, 60, 61, 100, 201}) {
    const auto out = pass(changed(good(), [at](Bytes& f) { f[at] ^= 1; }, false));
    Frame frame;
    ASSERT_TRUE(out && read_frame(*out, frame)) << at;
    EXPECT_FALSE(frame.checksums_hold) << at;
  }
}

TEST_F(Relay, ChecksumOfWhatWillBeSealedMustHold) {
  abi::FlowSpec spec = relay_spec();
  spec.verbs = abi::verb_seal;
  spec.seal_key = test_key(1);
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  warm_up(good(1));
  EXPECT_FALSE(pass(changed(good(2), [](Bytes& f) { f[60] ^= 1; }, false)));
  EXPECT_EQ(node.new_drop(), DropReason::bad_checksum);
  const auto out = pass(good(3));
  Frame frame;
  ASSERT_TRUE(out && read_frame(*out, frame));
  EXPECT_TRUE(frame.checksums_hold);
}

// Every payload once, of odd and even lengths: the sum that is carried agrees with the sum over all.
TEST_F(Relay, CarriedChecksumHoldsForAnyPayload) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  warm_up(good());
  for (uint32_t i = 0; i < 2000; ++i) {
    const Bytes payload = rtp(static_cast<uint16_t>(i), i * 2654435761u, static_cast<uint8_t>(i * 7), i % 300);
    const auto out = pass(build_frame(phone, relay, payload));
    Frame frame;
    ASSERT_TRUE(out && read_frame(*out, frame)) << i;
    ASSERT_TRUE(frame.checksums_hold) << i;
    ASSERT_EQ(frame.payload, payload) << i;
  }
}

// Headers are made once a flow; what they were made from may change.
TEST_F(Relay, NextHopThatMovesIsFollowedByTheNextPacket) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  warm_up(good());
  drivers::HopKey key{1, 4, {}};
  std::memcpy(key.ip, inside.ip, sizeof key.ip);
  drivers::NextHopTable& hops = node.node().hops;
  const uint32_t index = hops.find(key, drivers::no_hop);
  ASSERT_NE(index, drivers::no_hop);
  hops.set(index, drivers::HopState::usable, {{2, 9, 9, 9, 9, 9}, {2, 8, 8, 8, 8, 8}});
  const auto out = pass(good(9));
  const Bytes macs = {2, 9, 9, 9, 9, 9, 2, 8, 8, 8, 8, 8};
  ASSERT_TRUE(out);
  EXPECT_TRUE(std::equal(macs.begin(), macs.end(), out->begin()));
  hops.set(index, drivers::HopState::unreachable, {});
  EXPECT_FALSE(pass(good(10)));
  EXPECT_EQ(node.new_drop(), DropReason::no_neighbour);
}

TEST_F(Relay, SenderFollowsTheReverseFlowWhereverItLatches) {
  abi::FlowSpec back = relay_spec(1);
  back.destination_flow = 0;
  back.destination = {};
  back.local_slot = 1;
  back.expected_source = inside;
  back.egress_slot = 0;
  back.egress_port = 40000;
  ASSERT_EQ(node.add(back), abi::CommandStatus::done);
  const Bytes from_inside = build_frame(inside, address("10.0.0.1", 40002), rtp(1));
  EXPECT_FALSE(pass(from_inside));
  EXPECT_EQ(node.new_drop(), DropReason::not_latched);
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done) << "after the flow that sends to its source";
  const auto destination_of = [&](const std::optional<Bytes>& out) {
    Frame frame;
    return out && read_frame(*out, frame) ? frame.destination : abi::Address{};
  };
  warm_up(good());
  warm_up(from_inside);
  EXPECT_EQ(destination_of(pass(from_inside)), phone);
  abi::Command again;
  again.type = abi::CommandType::modify_flow;
  again.flow = relay_spec();
  again.flow_index = 0;
  again.generation = 1;
  again.modify_flags = abi::modify_reset_latch;
  ASSERT_EQ(node.run(again), abi::CommandStatus::done);
  EXPECT_FALSE(pass(from_inside));
  EXPECT_EQ(node.new_drop(), DropReason::not_latched);
  const abi::Address moved = address("203.0.113.9", 4444);
  pass(build_frame(moved, relay, rtp(2)));
  EXPECT_EQ(destination_of(pass(from_inside)), moved);
  abi::Command removal;
  removal.type = abi::CommandType::remove_flow;
  removal.flow_index = 0;
  removal.generation = 1;
  ASSERT_EQ(node.run(removal), abi::CommandStatus::done);
  node.new_drop();
  EXPECT_FALSE(pass(from_inside));
  EXPECT_EQ(node.new_drop(), DropReason::not_latched);
}

TEST_F(Relay, CrossesFromIpv6ToIpv4AndBack) {
  abi::FlowSpec spec = relay_spec();
  spec.local_slot = 2;
  spec.expected_source = address("2001:db8::9", 0);
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  abi::FlowSpec back = relay_spec(1);
  back.expected_source = inside;
  back.local_slot = 1;
  back.egress_slot = 2;
  back.egress_port = 40000;
  back.destination = abi::Address{};
  back.destination_flow = 0;
  ASSERT_EQ(node.add(back), abi::CommandStatus::done);
  const abi::Address v6_phone = address("2001:db8::9", 4000), v6_relay = address("2001:db8::1", 40000);
  warm_up(build_frame(v6_phone, v6_relay, rtp(1)));
  Frame frame;
  auto out = pass(build_frame(v6_phone, v6_relay, rtp(2)));
  ASSERT_TRUE(out && read_frame(*out, frame));
  EXPECT_EQ(frame.destination, inside);
  EXPECT_TRUE(frame.checksums_hold);
  const Bytes reply = build_frame(inside, address("10.0.0.1", 40002), rtp(3));
  warm_up(reply);
  out = pass(reply);
  ASSERT_TRUE(out && read_frame(*out, frame));
  EXPECT_EQ(frame.destination, v6_phone) << "the reverse flow goes where the first has latched";
  EXPECT_TRUE(frame.checksums_hold);
  EXPECT_EQ(frame.dscp, 46);
}

TEST_F(Relay, ZeroUdpChecksumIsRefusedOverIpv6) {
  abi::FlowSpec spec = relay_spec();
  spec.local_slot = 2;
  spec.expected_source = address("2001:db8::9", 0);
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  Bytes frame = build_frame(address("2001:db8::9", 4000), address("2001:db8::1", 40000), rtp(1));
  frame[60] = frame[61] = 0;
  EXPECT_FALSE(pass(frame));
  EXPECT_EQ(node.new_drop(), DropReason::bad_checksum);
}

TEST_F(Relay, UnknownReceiverIsDroppedUntilTheReverseFlowLatches) {
  abi::FlowSpec spec = relay_spec();
  spec.destination = abi::Address{};
  spec.destination_flow = 1;
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  EXPECT_FALSE(pass(good()));
  EXPECT_EQ(node.new_drop(), DropReason::not_latched);
}

TEST_F(Relay, PausedFlowCountsButSendsNothing) {
  abi::FlowSpec spec = relay_spec();
  spec.flags = abi::flow_paused;
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  EXPECT_FALSE(pass(good(1)));
  EXPECT_EQ(node.new_drop(), DropReason::paused);
  EXPECT_EQ(node.meter(0).reception.received, 1u);
  EXPECT_EQ(node.meter(0).packets, 0u);
}

TEST_F(Relay, FirstPacketWaitsForNoNeighbourAndIsCounted) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  EXPECT_FALSE(pass(good())) << "the path never waits";
  EXPECT_EQ(node.new_drop(), DropReason::no_neighbour);
  EXPECT_TRUE(pass(good(8))) << "the resolver has answered";
}

TEST_F(Relay, RateAboveTheFlowsLimitIsPoliced) {
  abi::FlowSpec spec = relay_spec();
  spec.max_packets_per_s = 100;
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  warm_up(good());
  int sent = 0;
  for (uint16_t seq = 0; seq < 200; ++seq) {
    inject(cable, good(seq));
    node.poll(node.now_ns + ms);
    sent += take(cable).has_value();
  }
  // 250 ms of tolerance at 100 a second, and what 200 ms allow.
  EXPECT_GE(sent, 40);
  EXPECT_LE(sent, 50);
  EXPECT_EQ(node.drops(DropReason::policed), 200u - static_cast<uint64_t>(sent));
}

TEST_F(Relay, PacketAboveTheMtuIsDroppedNotFragmented) {
  abi::FlowSpec spec = relay_spec();
  spec.max_packet_bytes = 0;
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  warm_up(good());
  EXPECT_TRUE(pass(build_frame(phone, relay, rtp(20, 1, 1, 1500 - 28 - 12))));
  EXPECT_FALSE(pass(build_frame(phone, relay, rtp(21, 1, 1, 1500 - 28 - 11))));
  EXPECT_EQ(node.new_drop(), DropReason::above_mtu);
}

// What seal adds counts, too: no packet may become too long by it.
TEST_F(Relay, AuthenticationTagCountsTowardsTheMtu) {
  abi::FlowSpec spec = relay_spec();
  spec.max_packet_bytes = 0;
  spec.verbs = abi::verb_seal;
  spec.seal_key = test_key(1);
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  warm_up(good(1));
  const auto longest = pass(build_frame(phone, relay, rtp(20, 1, 1, 1500 - 28 - 12 - 10)));
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->size(), 14u + 1500);
  EXPECT_FALSE(pass(build_frame(phone, relay, rtp(21, 1, 1, 1500 - 28 - 12 - 9))));
  EXPECT_EQ(node.new_drop(), DropReason::above_mtu);
  EXPECT_EQ(node.state(0).last_drop, static_cast<uint8_t>(DropReason::above_mtu));
}

TEST_F(Relay, FullPortIsCountedAndLosesNoMemory) {
  ASSERT_EQ(node.add(relay_spec()), abi::CommandStatus::done);
  warm_up(good());
  for (uint16_t seq = 0; seq < 1200; ++seq) {
    inject(cable, good(seq));
    node.poll(node.now_ns + 5 * ms);
  }
  EXPECT_GT(node.drops(DropReason::port_full), 0u);
  EXPECT_EQ(node.meter(0).packets - 2, waiting(cable));
}

TEST_F(Relay, RtcpOnTheRtpPortGoesToTheRtcpFlowWhenMuxed) {
  abi::FlowSpec rtcp_flow = relay_spec(1);
  rtcp_flow.media = abi::Media::rtcp;
  rtcp_flow.local_port = 40000;
  rtcp_flow.destination = address("10.0.0.9", 5001);
  ASSERT_EQ(node.add(rtcp_flow), abi::CommandStatus::done);
  abi::FlowSpec spec = relay_spec();
  spec.flags = abi::flow_rtcp_mux;
  spec.rtcp_flow = 1;
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done) << "the RTP flow takes the port over";
  warm_up(build_frame(phone, relay, rtcp()));
  const auto out = pass(build_frame(phone, relay, rtcp()));
  Frame frame;
  ASSERT_TRUE(out && read_frame(*out, frame));
  EXPECT_EQ(frame.destination.port, 5001);
  EXPECT_GT(node.meter(1).packets, 0u);
  EXPECT_EQ(node.meter(0).packets, 0u);
}

TEST_F(Relay, EventsTellOfFirstPacketLatchAndSilence) {
  abi::FlowSpec spec = relay_spec();
  spec.idle_timeout_s = 2;
  spec.call_tag = 0xc0ffee;
  ASSERT_EQ(node.add(spec), abi::CommandStatus::done);
  inject(cable, good());
  node.poll(node.now_ns + ms);
  const auto latched = node.take_event(abi::EventType::latched);
  ASSERT_TRUE(latched);
  EXPECT_EQ(latched->address, phone);
  EXPECT_EQ(latched->call_tag, 0xc0ffeeu);
  EXPECT_TRUE(node.take_event(abi::EventType::first_packet));
  for (int i = 0; i < 400; ++i) node.poll(node.now_ns + 10 * ms);
  const auto idle = node.take_event(abi::EventType::flow_idle);
  ASSERT_TRUE(idle);
  EXPECT_GE(idle->value, 2u);
}

}  // namespace
}  // namespace sallyport::test
