// SPDX-License-Identifier: Apache-2.0
// Two workers: packets that arrive at the wrong one are handed to their owner, once.

#include <gtest/gtest.h>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

const abi::Address phone = address("203.0.113.9", 4000);

abi::FlowSpec spec_for(uint32_t worker) {
  abi::FlowSpec spec;
  spec.flow_index = worker;
  spec.generation = 1;
  spec.latch = abi::Latch::exact;
  spec.expected_source = phone;
  spec.local_slot = 0;
  spec.local_port = static_cast<uint16_t>(40000 + 2 * worker);
  spec.egress_slot = 0;
  spec.egress_port = 42000;
  spec.destination = address("10.0.0.9", 5000);
  return spec;
}

TEST(HandOver, PacketReachesTheOwnerOfItsPort) {
  Cable cable;
  TestNode node({{&cable, false}}, {{"198.51.100.1", 0}}, 2);
  ASSERT_EQ(node.add(spec_for(0)), abi::CommandStatus::done);
  ASSERT_EQ(node.add(spec_for(1)), abi::CommandStatus::done);
  abi::FlowSpec foreign = spec_for(1);
  foreign.flow_index = 2;
  EXPECT_EQ(node.add(foreign), abi::CommandStatus::bad_port) << "worker 0 does not own port 40002";
  for (uint16_t seq = 0; seq < 20; ++seq) {
    inject(cable, build_frame(phone, address("198.51.100.1", 40000), rtp(seq)));
    inject(cable, build_frame(phone, address("198.51.100.1", 40002), rtp(seq)));
    node.poll(node.now_ns + 200 * ms);
    node.poll(node.now_ns + ms);
  }
  EXPECT_GE(node.meter(0).packets, 19u);
  EXPECT_GE(node.meter(1).packets, 19u);
  EXPECT_GT(node.node().region->worker(0).counters.handed_over, 0u);
}

// A driver without rte_flow and RSS: to name "rss" would hide that every packet may have to change its worker.
TEST(HandOver, DriverThatRefusesEveryRuleIsNamedAsHandingOver) {
  Cable cable;
  TestNode node({{&cable, false}}, {{"198.51.100.1", 0}}, 2);
  const drivers::Port& port = *node.node().ports.front();
  EXPECT_STREQ(port.steering(), "hand-over");
  drivers::PortSpec spec = port.spec();
  ASSERT_EQ(spec.queues, 2);
  EXPECT_STREQ(drivers::steer_vfio_port(spec, port.id()), "hand-over");
  spec.queues = 3;
  EXPECT_STREQ(drivers::steer_vfio_port(spec, port.id()), "hand-over") << "a mask tells only powers of two apart";
  spec.queues = 1;
  EXPECT_STREQ(drivers::steer_vfio_port(spec, port.id()), "one worker");
}

// Two phones outside call each other: what C opens for one call is what it seals for the other. Nobody heard anything, since nobody brings
// back what a node sends to its own address.
TEST(HandOver, MediaForARelayPortOfTheSameNodeStaysInIt) {
  TestPair pair;
  ASSERT_TRUE(pair.open_link());
  ASSERT_EQ(pair.e.add(TestPair::from_a()), abi::CommandStatus::done);
  abi::FlowSpec opened = TestPair::to_b();
  opened.destination = address("10.9.0.1", 41002);
  ASSERT_EQ(pair.c.add(opened), abi::CommandStatus::done);
  abi::FlowSpec sealed = TestPair::from_b();
  sealed.flow_index = 4;
  sealed.local_port = 41002;
  sealed.expected_source = address("10.9.0.1", 41000);
  sealed.egress_multiplex_id = abi::make_multiplex_id(0x333, 3);
  ASSERT_EQ(pair.c.add(sealed), abi::CommandStatus::done);
  for (int said = 0; said < 20; ++said) {
    EXPECT_FALSE(pair.say_a(phone_a, pair.next_a())) << "it left by C's inner port";
    pair.step(100 * ms);
  }
  EXPECT_GE(pair.c.meter(0).packets, 19u);
  EXPECT_EQ(pair.c.meter(4).reception.received, pair.c.meter(0).packets);
  EXPECT_GE(pair.c.meter(4).packets, 18u) << "sealed and on the link";
  EXPECT_EQ(pair.c.state(4).latched, address("10.9.0.1", 41000));
}

TEST(HandOver, PacketWithoutAFlowDoesNotCircle) {
  Cable cable;
  TestNode node({{&cable, false}}, {{"198.51.100.1", 0}}, 2);
  inject(cable, build_frame(phone, address("198.51.100.1", 40002), rtp(1)));
  for (int i = 0; i < 5; ++i) node.poll(node.now_ns + ms);
  EXPECT_EQ(node.drops(abi::DropReason::no_flow, 0) + node.drops(abi::DropReason::no_flow, 1), 1u);
}

}  // namespace
}  // namespace sallyport::test
