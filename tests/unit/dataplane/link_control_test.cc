// SPDX-License-Identifier: Apache-2.0
#include "dataplane/link_control.h"

#include <gtest/gtest.h>

#include "dataplane/control_datagram.h"
#include "dataplane/rtp_bytes.h"
#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

using abi::DropReason;
using dataplane::ControlMessage;

// RFC 4231 4.3 ("Jefe"), the key padded to the 32 bytes of a link with the zeros HMAC itself pads with.
TEST(ControlMac, AgreesWithRfc4231) {
  const auto mac = dataplane::ControlMac::create();
  ASSERT_TRUE(mac);
  uint8_t key[32] = {'J', 'e', 'f', 'e'};
  const std::string text = "what do ya want for nothing?";
  const uint8_t expected[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
  uint8_t digest[32];
  mac->hmac(key, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, digest);
  EXPECT_EQ(std::memcmp(digest, expected, 32), 0);
}

class LinkControl : public testing::Test {
 protected:
  LinkControl() : mac(std::move(*dataplane::ControlMac::create())) {}

  Bytes control(ControlMessage message) {
    Bytes datagram(dataplane::control_datagram_bytes);
    uint8_t key[32];
    std::memset(key, 0x31, sizeof key);
    write_control(mac, key, message, datagram.data());
    return datagram;
  }
  ControlMessage keepalive(uint64_t counter) {
    ControlMessage message;
    message.session = 77;
    message.counter = counter;
    return message;
  }
  // As if from the network, into E's inner port.
  void to_e(const abi::Address& source, uint16_t port, const Bytes& datagram) {
    inject(pair.trunk, build_frame(source, address("192.0.2.1", port), datagram));
    pair.e.poll(pair.now_ns);
  }
  dataplane::ControlMac mac;
  TestPair pair;
};

TEST_F(LinkControl, ComesUpOnBothPortsAndMeasuresTheRoundTrip) {
  ASSERT_TRUE(pair.open_link());
  const abi::LinkState& state = pair.e.node().region->link(0).state;
  EXPECT_EQ(state.peer_workers, 1);
  EXPECT_EQ(state.peer_rtp[0], link_c);
  EXPECT_EQ(state.peer_rtcp[0], address("192.0.2.2", 36001));
  EXPECT_TRUE(pair.e.take_event(abi::EventType::link_up));
  pair.step(2000 * ms);
  EXPECT_EQ(pair.c.node().region->link(0).state.rtp_up, 1);
}

TEST_F(LinkControl, EOpensNothingTowardsC) {
  ASSERT_EQ(pair.e.run(TestPair::link_command(abi::LinkRole::e_side)), abi::CommandStatus::done);
  for (int i = 0; i < 100; ++i) pair.e.poll(pair.now_ns += 100 * ms);
  EXPECT_EQ(waiting(pair.trunk), 0u);
}

TEST_F(LinkControl, GoesDownAfterThreeMissedAndComesBack) {
  ASSERT_TRUE(pair.open_call());
  while (pair.e.take_event(abi::EventType::link_down)) continue;
  for (int i = 0; i < 40; ++i) pair.e.poll(pair.now_ns += 100 * ms);
  EXPECT_TRUE(pair.e.take_event(abi::EventType::link_down));
  inject(pair.outer, build_frame(phone_a, relay_a, pair.next_a()));
  pair.e.poll(pair.now_ns);
  EXPECT_EQ(pair.e.drops(DropReason::no_link), 1u);
  for (int i = 0; i < 50; ++i) pair.step(50 * ms);
  EXPECT_TRUE(pair.is_up());
}

TEST_F(LinkControl, KeepaliveWithoutAnAnswerIsRepeatedEverySecond) {
  for (const auto& [node, role] : {std::pair{&pair.e, abi::LinkRole::e_side}, {&pair.c, abi::LinkRole::c_side}}) {
    abi::Command command = TestPair::link_command(role);
    command.link_spec.keepalive_ms = 10'000;
    node->now_ns = pair.now_ns;
    ASSERT_EQ(node->run(command), abi::CommandStatus::done);
  }
  for (int i = 0; i < 200 && !pair.is_up(); ++i) pair.step(10 * ms);
  ASSERT_TRUE(pair.is_up());
  const auto sent_within = [&](int seconds) {
    for (int i = 0; i < seconds * 10; ++i) pair.c.poll(pair.now_ns += 100 * ms);
    return lose_towards_port(pair.trunk);
  };
  EXPECT_EQ(sent_within(8), 0u) << "the last one was answered";
  const size_t unanswered = sent_within(6);
  EXPECT_GE(unanswered, 2u * 3) << "RTP and RTCP, the one that was due and its repeats";
  EXPECT_LE(unanswered, 2u * 7);
}

TEST_F(LinkControl, ForgedStaleAndMisplacedDatagramsChangeNothing) {
  ASSERT_TRUE(pair.open_link());
  const abi::Address stranger = address("192.0.2.66", 36000);
  const uint64_t later = (pair.now_ns + 1'000'000'000) << 1;
  const auto held = [&] { return pair.e.node().region->link(0).state.peer_rtp[0] == link_c && pair.e.node().region->link(0).state.peer_rtcp[0] == address("192.0.2.2", 36001); };

  Bytes tampered = control(keepalive(later));
  tampered.back() ^= 1;
  to_e(stranger, 36000, tampered);
  EXPECT_EQ(pair.e.drops(DropReason::bad_control), 1u) << "wrong HMAC";

  to_e(stranger, 36000, control(keepalive(2)));
  EXPECT_EQ(pair.e.drops(DropReason::stale_control), 1u) << "an old counter";

  to_e(stranger, 36001, control(keepalive(later)));
  EXPECT_EQ(pair.e.drops(DropReason::bad_control), 2u) << "meant for the RTP port, sent to the RTCP port";

  ControlMessage other = keepalive(later);
  other.session = 78;
  to_e(stranger, 36000, control(other));
  EXPECT_EQ(pair.e.drops(DropReason::bad_control), 3u) << "another session";

  ControlMessage answer = keepalive(later);
  answer.type = abi::ControlType::keepalive_answer;
  to_e(stranger, 36000, control(answer));
  EXPECT_EQ(pair.e.drops(DropReason::bad_control), 4u) << "E's own kind of datagram sent back to it";

  ControlMessage worker = keepalive(later);
  worker.worker = 3;
  to_e(stranger, 36000, control(worker));
  EXPECT_EQ(pair.e.drops(DropReason::bad_control), 5u) << "a worker the sender does not have";

  to_e(stranger, 36000, Bytes(20, 0));
  EXPECT_EQ(pair.e.drops(DropReason::bad_control), 6u) << "too short";
  EXPECT_TRUE(held());

  to_e(stranger, 36000, control(keepalive(later)));
  EXPECT_FALSE(held()) << "only the genuine one moves the address (C behind a NAT that changed)";
  to_e(address("192.0.2.67", 36000), 36000, control(keepalive(later)));
  EXPECT_EQ(pair.e.node().region->link(0).state.peer_rtp[0], stranger) << "and only once";
}

TEST_F(LinkControl, MultiplexedPacketsAreTakenFromTheLinksPeerAndWithAKnownIdOnly) {
  ASSERT_TRUE(pair.open_call());
  Bytes packet = rtp(1);
  packet.insert(packet.begin(), 4, 0);
  dataplane::store_be32(packet.data(), id_to_e);
  to_e(address("192.0.2.66", 36000), 36000, packet);
  EXPECT_EQ(pair.e.drops(DropReason::wrong_link_source), 1u);
  dataplane::store_be32(packet.data(), abi::make_multiplex_id(5, 999));
  to_e(link_c, 36000, packet);
  EXPECT_EQ(pair.e.drops(DropReason::unknown_multiplex_id), 1u) << "index never allotted";
  dataplane::store_be32(packet.data(), id_to_e ^ 0x40000000);
  to_e(link_c, 36000, packet);
  EXPECT_EQ(pair.e.drops(DropReason::unknown_multiplex_id), 2u) << "right index, wrong random tag";
  to_e(link_c, 36000, {1, 2, 3});
  EXPECT_EQ(pair.e.drops(DropReason::truncated), 1u);
}

TEST_F(LinkControl, SameLinkAddedAgainKeepsMediaFlowing) {
  ASSERT_TRUE(pair.open_call());
  ASSERT_TRUE(pair.establish());
  abi::Command again = TestPair::link_command(abi::LinkRole::e_side);
  again.link_spec.generation = 2;
  ASSERT_EQ(pair.e.run(again), abi::CommandStatus::done);
  EXPECT_TRUE(pair.say_a(phone_a, pair.next_a())) << "told again by a restarted control plane";
}

}  // namespace
}  // namespace sallyport::test
