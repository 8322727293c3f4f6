// SPDX-License-Identifier: Apache-2.0
// A dataplane dies, its successor takes the region: the same packets must go on, and nothing hostile in it may do harm.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/dataplane/test_pair.h"

namespace sallyport::test {
namespace {

TEST(Adoption, CallGoesOnWithLatchRocReplayStateAndCounters) {
  TestPair pair;
  ASSERT_TRUE(pair.open_call());
  ASSERT_TRUE(pair.establish());
  const Bytes recorded = pair.next_a();
  ASSERT_TRUE(pair.say_a(phone_a, recorded));
  const uint64_t packets = pair.c.meter(0).packets;
  pair.e.restart_from_region();
  pair.c.restart_from_region();
  EXPECT_TRUE(pair.say_a(phone_a, pair.next_a()));
  EXPECT_EQ(pair.c.meter(0).packets, packets + 1);
  EXPECT_FALSE(pair.say_a(phone_a, recorded)) << "the replay window came along";
  const auto at_a = pair.say_b(pair.next_b());
  ASSERT_TRUE(at_a);
  EXPECT_EQ(at_a->destination, phone_a);
  EXPECT_TRUE(pair.a.unprotect(at_a->payload)) << "the sealing side used no index twice";
}

TEST(Adoption, RestartedNodeTakesNoReplayOfAnOldKeepalive) {
  TestPair pair;
  ASSERT_TRUE(pair.open_link());
  while (take(pair.trunk)) continue;
  pair.now_ns += 2000 * ms;
  pair.c.poll(pair.now_ns);
  // What C just sent is recorded, and let through once.
  const auto frames = [&] {
    std::vector<Bytes> all;
    Cable& trunk = pair.trunk;
    std::swap(trunk.to_port, trunk.from_port);
    while (auto frame = take(trunk)) all.push_back(*frame);
    std::swap(trunk.to_port, trunk.from_port);
    return all;
  }();
  ASSERT_FALSE(frames.empty());
  for (const Bytes& frame : frames) inject(pair.trunk, frame);
  pair.e.poll(pair.now_ns);
  pair.e.restart_from_region();
  for (const Bytes& frame : frames) inject(pair.trunk, frame);
  pair.e.poll(pair.now_ns);
  EXPECT_EQ(pair.e.drops(abi::DropReason::stale_control), frames.size());
}

TEST(Adoption, FlowsThatDoNotHoldAreWipedNotObeyed) {
  TestPair pair;
  ASSERT_TRUE(pair.open_call());
  abi::FlowRecord& record = pair.c.node().region->flow(1);
  record.spec.egress_link = 63;
  abi::FlowRecord& other = pair.c.node().region->flow(0);
  other.spec.flow_index = 200;
  other.state.confirmed_candidate = 250;
  pair.c.restart_from_region();
  EXPECT_EQ(pair.c.node().region->flow(1).generation_live, 0u);
  EXPECT_EQ(pair.c.node().region->flow(0).generation_live, 0u);
  const abi::KeyMaterial zero{};
  EXPECT_EQ(std::memcmp(&pair.c.node().region->flow(1).spec.seal_key, &zero, sizeof zero), 0);
  EXPECT_EQ(pair.c.worker().flows->live_flows, 2u);
}

TEST(Adoption, TwoFlowsThatClaimOnePortDoNotBothLive) {
  TestPair pair;
  ASSERT_TRUE(pair.open_call());
  abi::FlowRecord& copy = pair.c.node().region->flow(9);
  copy.spec = pair.c.node().region->flow(1).spec;
  copy.spec.flow_index = 9;
  copy.generation_live = copy.spec.generation;
  pair.c.restart_from_region();
  EXPECT_EQ(pair.c.node().region->flow(1).generation_live, 1u);
  EXPECT_EQ(pair.c.node().region->flow(9).generation_live, 0u);
}

TEST(Region, IsSealedSoThatNobodyCanTruncateIt) {
  auto region = dataplane::Region::create({1, 64, 36002, 59999}, dataplane::RegionPages::small);
  ASSERT_TRUE(region);
  EXPECT_NE(ftruncate((*region)->descriptor(), 4096), 0);
  EXPECT_NE(ftruncate((*region)->descriptor(), 1 << 30), 0);
}

TEST(Region, RefusesToAdoptWhatDoesNotAgree) {
  const dataplane::Geometry geometry{1, 64, 36002, 59999};
  auto region = dataplane::Region::create(geometry, dataplane::RegionPages::small);
  ASSERT_TRUE(region);
  EXPECT_TRUE(dataplane::Region::adopt((*region)->descriptor(), geometry));
  EXPECT_FALSE(dataplane::Region::adopt((*region)->descriptor(), {1, 128, 36002, 59999})) << "other capacity";
  EXPECT_FALSE(dataplane::Region::adopt((*region)->descriptor(), {2, 64, 36002, 59999})) << "other workers";
  EXPECT_FALSE(dataplane::Region::adopt((*region)->descriptor(), {1, 64, 36002, 50001})) << "other ports";
  (*region)->header().magic ^= 1;
  EXPECT_FALSE(dataplane::Region::adopt((*region)->descriptor(), geometry)) << "other magic";
  const int unsealed = memfd_create("test", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(unsealed, static_cast<off_t>(geometry.region_bytes())), 0);
  EXPECT_FALSE(dataplane::Region::adopt(unsealed, geometry)) << "a peer could truncate it under us";
  close(unsealed);
}

TEST(Region, HostileRingIndicesLoseEntriesOnly) {
  TestPair pair;
  ASSERT_TRUE(pair.open_link());
  auto& commands = pair.c.node().region->worker(0).commands;
  commands.head.store(commands.tail.load() + 100'000);
  pair.step();
  EXPECT_EQ(pair.c.add(TestPair::from_b()), abi::CommandStatus::done) << "the ring works again";
}

}  // namespace
}  // namespace sallyport::test
