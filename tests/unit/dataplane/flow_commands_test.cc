// SPDX-License-Identifier: Apache-2.0
#include "dataplane/flow_commands.h"

#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

using abi::CommandStatus;

bool is_wiped(const abi::KeyMaterial& key) {
  const abi::KeyMaterial zero{};
  return std::memcmp(key.key, zero.key, sizeof key.key) == 0 && std::memcmp(key.salt, zero.salt, sizeof key.salt) == 0;
}

class FlowCommands : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(pair.open_link()); }
  abi::Command remove(uint32_t index, uint32_t generation) {
    abi::Command command;
    command.type = abi::CommandType::remove_flow;
    command.flow_index = index;
    command.generation = generation;
    return command;
  }
  abi::Command modify(const abi::FlowSpec& spec, uint8_t flags) {
    abi::Command command;
    command.type = abi::CommandType::modify_flow;
    command.flow_index = spec.flow_index;
    command.generation = spec.generation;
    command.modify_flags = flags;
    command.flow = spec;
    return command;
  }
  TestPair pair;
};

struct SpecRow {
  const char* sentence;
  std::function<void(abi::FlowSpec&)> change;
  CommandStatus status;
};

TEST_F(FlowCommands, SpecThatDoesNotHoldIsRefusedWhole) {
  const SpecRow rows[] = {
      {"flow index beyond the region", [](auto& s) { s.flow_index = 256; }, CommandStatus::bad_index},
      {"no generation", [](auto& s) { s.generation = 0; }, CommandStatus::stale_generation},
      {"unknown arrival", [](auto& s) { s.arrival = static_cast<abi::Arrival>(9); }, CommandStatus::bad_type},
      {"unknown medium", [](auto& s) { s.media = static_cast<abi::Media>(0); }, CommandStatus::bad_type},
      {"unknown verb", [](auto& s) { s.verbs = 0x80; }, CommandStatus::bad_type},
      {"unknown flag", [](auto& s) { s.flags = 0x8000; }, CommandStatus::bad_type},
      {"unknown latch", [](auto& s) { s.latch = static_cast<abi::Latch>(77); }, CommandStatus::bad_type},
      {"DSCP of seven bits", [](auto& s) { s.dscp = 64; }, CommandStatus::bad_type},
      {"open relay: a port without any latch", [](auto& s) { s.latch = abi::Latch::none; }, CommandStatus::bad_type},
      {"latch confirmed without a link to ask", [](auto& s) { s.latch = abi::Latch::confirmed, s.verbs = 0; }, CommandStatus::bad_type},
      {"latch authenticated without open", [](auto& s) { s.latch = abi::Latch::authenticated; }, CommandStatus::bad_type},
      {"address family 5", [](auto& s) { s.destination.family = 5; }, CommandStatus::bad_type},
      {"expected_ip without an address", [](auto& s) { s.expected_source = {}; }, CommandStatus::bad_reference},
      {"unknown slot", [](auto& s) { s.local_slot = 2; }, CommandStatus::bad_port},
      {"slot far out", [](auto& s) { s.local_slot = 0xffff; }, CommandStatus::bad_port},
      {"port below the range", [](auto& s) { s.local_port = 36001; }, CommandStatus::bad_port},
      {"port above the range", [](auto& s) { s.local_port = 60000; }, CommandStatus::bad_port},
      {"egress port out of the range", [](auto& s) { s.verbs = 0, s.egress_slot = 1, s.egress_port = 5060; }, CommandStatus::bad_port},
      {"egress link that is not there", [](auto& s) { s.egress_link = 5; }, CommandStatus::bad_link},
      {"egress link far out", [](auto& s) { s.egress_link = 0xffff; }, CommandStatus::bad_link},
      {"multiplexID 0", [](auto& s) { s.egress_multiplex_id = 0; }, CommandStatus::bad_index},
      {"multiplexID with candidate bits", [](auto& s) { s.egress_multiplex_id |= 1; }, CommandStatus::bad_index},
      {"arrival link that is not there", [](auto& s) { s.arrival = abi::Arrival::multiplex, s.arrival_link = 64; }, CommandStatus::bad_link},
      {"unknown suite", [](auto& s) { s.seal_key.suite = static_cast<abi::Suite>(6); }, CommandStatus::bad_suite},
      {"no suite", [](auto& s) { s.seal_key.suite = abi::Suite::none; }, CommandStatus::bad_suite},
      {"MKI longer than any", [](auto& s) { s.seal_key.mki_length = 255; }, CommandStatus::bad_suite},
      {"RTCP flow out of bounds", [](auto& s) { s.flags = abi::flow_rtcp_mux, s.rtcp_flow = 4096; }, CommandStatus::bad_reference},
      {"destination flow out of bounds", [](auto& s) { s.destination_flow = 256; }, CommandStatus::bad_reference},
  };
  for (const SpecRow& row : rows) {
    SCOPED_TRACE(row.sentence);
    abi::FlowSpec spec = TestPair::from_b();
    row.change(spec);
    EXPECT_EQ(pair.c.add(spec), row.status);
    EXPECT_EQ(pair.c.worker().flows->live_flows, 0u);
  }
}

TEST_F(FlowCommands, PortIndexAndIdBelongToOneFlow) {
  ASSERT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::done);
  ASSERT_EQ(pair.c.add(TestPair::to_b()), CommandStatus::done);
  EXPECT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::in_use) << "index";
  abi::FlowSpec port = TestPair::from_b();
  port.flow_index = 9;
  EXPECT_EQ(pair.c.add(port), CommandStatus::in_use) << "port";
  abi::FlowSpec id = TestPair::to_b();
  id.flow_index = 9;
  EXPECT_EQ(pair.c.add(id), CommandStatus::in_use) << "multiplexID";
  ASSERT_EQ(pair.e.add(TestPair::from_a()), CommandStatus::done);
  abi::FlowSpec egress = TestPair::from_a();
  egress.flow_index = 9;
  egress.local_port = 40100;
  EXPECT_EQ(pair.e.add(egress), CommandStatus::in_use) << "confirmations could not be told apart";
}

TEST_F(FlowCommands, RemovalWipesKeysAndFreesEverything) {
  ASSERT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::done);
  abi::FlowRecord& record = pair.c.node().region->flow(1);
  ASSERT_EQ(record.generation_live, 1u);
  ASSERT_TRUE(pair.c.worker().flows->seal_context(1).is_ready());
  EXPECT_EQ(pair.c.run(remove(1, 2)), CommandStatus::stale_generation);
  EXPECT_EQ(pair.c.run(remove(1, 1)), CommandStatus::done);
  EXPECT_EQ(record.generation_live, 0u);
  EXPECT_TRUE(is_wiped(record.spec.seal_key));
  EXPECT_FALSE(pair.c.worker().flows->seal_context(1).is_ready());
  EXPECT_EQ(pair.c.run(remove(1, 1)), CommandStatus::stale_generation);
  abi::FlowSpec again = TestPair::from_b();
  again.generation = 2;
  EXPECT_EQ(pair.c.add(again), CommandStatus::done) << "port and index are free";
}

TEST_F(FlowCommands, CommandRingKeepsNoCopyOfKeys) {
  ASSERT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::done);
  const auto& commands = pair.c.node().region->worker(0).commands;
  const abi::KeyMaterial key = test_key(9);
  const auto* bytes = reinterpret_cast<const uint8_t*>(commands.entries);
  const auto* found = std::search(bytes, bytes + sizeof commands.entries, key.key, key.key + 16);
  EXPECT_EQ(found, bytes + sizeof commands.entries);
}

TEST_F(FlowCommands, ModifyKeepsCountersAndReplayStateUnlessTheKeyIsNew) {
  ASSERT_EQ(pair.c.add(TestPair::to_b()), CommandStatus::done);
  ASSERT_EQ(pair.e.add(TestPair::from_a()), CommandStatus::done);
  for (int i = 0; i < 5; ++i) {
    pair.say_a(phone_a, pair.next_a());
    pair.step(200 * ms);
  }
  const uint64_t packets = pair.c.meter(0).packets;
  ASSERT_GT(packets, 0u);
  const abi::SrtpStreamState before = pair.c.state(0).open_state;
  abi::FlowSpec spec = TestPair::to_b();
  spec.dscp = 0;
  EXPECT_EQ(pair.c.run(modify(spec, abi::modify_reset_open)), CommandStatus::done);
  EXPECT_EQ(std::memcmp(&before, &pair.c.state(0).open_state, sizeof before), 0) << "the same key never forgets what was seen";
  EXPECT_EQ(pair.c.meter(0).packets, packets);
  spec.open_key = test_key(44);
  EXPECT_EQ(pair.c.run(modify(spec, abi::modify_reset_open)), CommandStatus::done);
  EXPECT_NE(std::memcmp(&before, &pair.c.state(0).open_state, sizeof before), 0);
  TestPhone renewed(test_key(44), test_key(9));
  EXPECT_TRUE(pair.say_a(phone_a, renewed.protect(rtp(1, 0xaaaa))));
  spec.generation = 2;
  EXPECT_EQ(pair.c.run(modify(spec, 0)), CommandStatus::stale_generation);
}

TEST_F(FlowCommands, ModifyCanMoveAFlowToAnotherPort) {
  ASSERT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::done);
  abi::FlowSpec spec = TestPair::from_b();
  spec.local_port = 41010;
  ASSERT_EQ(pair.c.run(modify(spec, 0)), CommandStatus::done);
  EXPECT_EQ(pair.c.worker().flows->port_entry(1, 41010), 1u);
  EXPECT_EQ(pair.c.worker().flows->port_entry(1, 41000), dataplane::FlowTable::no_entry);
}

TEST_F(FlowCommands, RefusedModifyChangesNothing) {
  ASSERT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::done);
  abi::FlowSpec spec = TestPair::from_b();
  spec.local_port = 99;
  spec.dscp = 1;
  EXPECT_EQ(pair.c.run(modify(spec, abi::modify_reset_latch)), CommandStatus::bad_port);
  EXPECT_EQ(pair.c.worker().flows->port_entry(1, 41000), 1u);
  EXPECT_EQ(pair.c.node().region->flow(1).spec.dscp, 46);
}

TEST_F(FlowCommands, LinkInUseIsNotRemovedAndItsKeyIsWipedAfterwards) {
  ASSERT_EQ(pair.c.add(TestPair::from_b()), CommandStatus::done);
  abi::Command command;
  command.type = abi::CommandType::remove_link;
  command.link = 0;
  EXPECT_EQ(pair.c.run(command), CommandStatus::in_use);
  ASSERT_EQ(pair.c.run(remove(1, 1)), CommandStatus::done);
  EXPECT_EQ(pair.c.run(command), CommandStatus::done);
  const uint8_t zero[32] = {};
  EXPECT_EQ(std::memcmp(pair.c.node().region->link(0).spec.key, zero, 32), 0);
  EXPECT_EQ(pair.c.run(command), CommandStatus::bad_link);
  command.link = 0xffff;
  EXPECT_EQ(pair.c.run(command), CommandStatus::bad_link);
}

TEST_F(FlowCommands, LinkSpecThatDoesNotHoldIsRefused) {
  const struct {
    const char* sentence;
    std::function<void(abi::LinkSpec&)> change;
    CommandStatus status;
  } rows[] = {
      {"slot beyond the table", [](auto& l) { l.link = 64; }, CommandStatus::bad_link},
      {"no role", [](auto& l) { l.role = abi::LinkRole::none; }, CommandStatus::bad_type},
      {"unknown address slot", [](auto& l) { l.local_slot = 9; }, CommandStatus::bad_port},
      {"no port", [](auto& l) { l.local_rtp_port = 0; }, CommandStatus::bad_port},
      {"no interval", [](auto& l) { l.keepalive_ms = 0; }, CommandStatus::bad_port},
      {"C without E's address", [](auto& l) { l.remote_rtp = {}; }, CommandStatus::bad_reference},
      {"no generation", [](auto& l) { l.generation = 0; }, CommandStatus::stale_generation},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.sentence);
    abi::Command command = TestPair::link_command(abi::LinkRole::c_side);
    command.link_spec.link = 3;
    row.change(command.link_spec);
    EXPECT_EQ(pair.c.run(command), row.status);
  }
}

// Whatever the region says, the worker's own table decides; and who is refused finds the truth there afterwards.
TEST_F(FlowCommands, NonsenseInTheRegionIsPutRightForWhomItMisled) {
  abi::FlowSpec spec = TestPair::from_b();
  spec.call_tag = 0xc0ffee;
  ASSERT_EQ(pair.c.add(spec), CommandStatus::done);
  abi::FlowRecord& live = pair.c.node().region->flow(1);
  abi::FlowRecord& free = pair.c.node().region->flow(8);
  std::memset(static_cast<void*>(&live.spec), 0x5a, sizeof live.spec);
  live.generation_live = 77;
  std::memset(static_cast<void*>(&free), 0x5a, sizeof free);
  EXPECT_EQ(pair.c.run(remove(8, free.generation_live)), CommandStatus::stale_generation);
  EXPECT_EQ(free.generation_live, 0u);
  EXPECT_EQ(pair.c.run(remove(1, 77)), CommandStatus::stale_generation);
  EXPECT_EQ(live.generation_live, 1u);
  EXPECT_EQ(live.spec.call_tag, 0xc0ffeeu);
  EXPECT_EQ(pair.c.run(remove(1, 1)), CommandStatus::done);
}

TEST_F(FlowCommands, UnknownCommandIsAnsweredNotObeyed) {
  abi::Command command;
  command.type = static_cast<abi::CommandType>(200);
  EXPECT_EQ(pair.c.run(command), CommandStatus::bad_type);
  EXPECT_EQ(pair.c.node().region->worker(0).counters.commands_refused, 1u);
}

}  // namespace
}  // namespace sallyport::test
