// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/flow_program.h"

#include <gtest/gtest.h>

#include <memory>

#include "tests/unit/media/fake_dataplane.h"

namespace sallyport::media {
namespace {

struct FlowProgramTest : testing::Test, DataplaneListener {
  FlowProgramTest() {
    shape.workers = 1;
    shape.flows = 8192;
    shape.port_max = 59999;
    start_dataplane();
    program.on_removed = [this](uint32_t index) { removed.push_back(index); };
    program.on_refused = [this](uint64_t tag, const Fault& fault) { refused.emplace_back(tag, fault.text()); };
    link.start();
    EXPECT_TRUE(run_until(context, [&] { return link.is_running(); }));
    fake->link(0).state.generation_live = 1;
  }
  ~FlowProgramTest() override { link.stop(); }
  void start_dataplane() { fake = std::make_unique<FakeDataplane>(context, path, shape); }
  void on_dataplane_up(const DataplaneArrival& arrival) override {
    if (!arrival.is_first) fake->link(0).state.generation_live = 1, program.reconcile();
  }
  void on_dataplane_down(const Fault&) override {}
  void on_worker_stalled(uint32_t, bool) override {}
  void on_dataplane_event(uint32_t, const abi::Event&) override {}

  abi::FlowSpec spec(uint32_t index, uint32_t generation = 1) {
    abi::FlowSpec spec;
    spec.flow_index = index;
    spec.generation = generation;
    spec.call_tag = 7;
    spec.local_slot = 0;
    spec.local_port = static_cast<uint16_t>(36002 + 2 * index);
    spec.egress_link = 0;
    spec.seal_key.suite = abi::Suite::aes_cm_128_hmac_sha1_80;
    spec.seal_key.key[0] = 0x5a;
    return spec;
  }
  bool settled() {
    return run_until(context, [&] { return link.in_flight() == 0 && program.waiting() == 0; });
  }
  void restart_dataplane() {
    fake.reset();
    EXPECT_TRUE(run_until(context, [&] { return !link.is_connected(); }));
  }

  boost::asio::io_context context;
  TestDirectory directory;
  std::string path = directory.path("dataplane.sock");
  FakeShape shape;
  std::unique_ptr<FakeDataplane> fake;
  DataplaneLink link{context, path, *this};
  MediaCounters counters;
  FlowProgram program{link, counters};
  std::vector<uint32_t> removed;
  std::vector<std::pair<uint64_t, std::string>> refused;
};

TEST_F(FlowProgramTest, SameSpecAgainCostsNoCommand) {
  program.want(spec(3));
  program.want(spec(3));
  ASSERT_TRUE(settled());
  ASSERT_EQ(fake->executed.size(), 1u);
  EXPECT_EQ(fake->executed[0].type, abi::CommandType::add_flow);
}

TEST_F(FlowProgramTest, ChangedKeyResetsItsOwnSideOnly) {
  program.want(spec(3));
  abi::FlowSpec changed = spec(3);
  changed.seal_key.key[5] = 1;
  program.want(changed);
  changed.open_key.key[5] = 1;
  program.want(changed, abi::modify_reset_latch);
  ASSERT_TRUE(settled());
  ASSERT_EQ(fake->executed.size(), 3u);
  EXPECT_EQ(fake->executed[1].modify_flags, abi::modify_reset_seal);
  EXPECT_EQ(fake->executed[2].modify_flags, abi::modify_reset_open | abi::modify_reset_latch);
  EXPECT_EQ(fake->live()[0].open_key.key[5], 1);
}

TEST_F(FlowProgramTest, RemovalFreesTheIndexOnlyWhenTheWorkerHasLetGo) {
  program.want(spec(3));
  ASSERT_TRUE(settled());
  fake->executes = false;
  program.drop(3);
  EXPECT_EQ(program.wanted(3), nullptr);
  EXPECT_TRUE(removed.empty());
  fake->executes = true;
  abi::Command none;
  ASSERT_TRUE(link.submit(0, none, [](const auto&) {}).has_value());
  ASSERT_TRUE(run_until(context, [&] { return removed.size() == 1; }));
  EXPECT_EQ(fake->live_count(), 0u);
  EXPECT_EQ(program.size(), 0u);
}

TEST_F(FlowProgramTest, RefusedFlowIsReportedWithItsCall) {
  fake->answer = abi::CommandStatus::bad_suite;
  program.want(spec(3));
  ASSERT_TRUE(run_until(context, [&] { return refused.size() == 1; }));
  EXPECT_EQ(refused[0].first, 7u);
  EXPECT_NE(refused[0].second.find("suite"), std::string::npos);
  EXPECT_EQ(counters.value(MediaCounter::commands_failed), 1u);
}

// Nonsense in the region had hidden it; the dataplane tells the truth to whom it refuses.
TEST_F(FlowProgramTest, PlaceThatAnUnknownFlowHoldsIsCleared) {
  abi::FlowSpec unknown = spec(3, 99);
  unknown.local_port = 50000;
  fake->flow(3).spec = unknown;
  fake->flow(3).generation_live = 99;
  program.want(spec(3));
  ASSERT_TRUE(settled());
  EXPECT_EQ(fake->flow(3).generation_live, 1u);
  EXPECT_TRUE(refused.empty());
}

TEST_F(FlowProgramTest, MoreChangesThanTheRingHoldsAllArriveInOrder) {
  fake->executes = false;
  for (uint32_t i = 0; i < 6000; ++i) program.want(spec(i));
  for (uint32_t i = 0; i < 6000; ++i) program.drop(i);
  EXPECT_GT(program.waiting(), 0u);
  fake->executes = true;
  fake->executed.reserve(12000);
  abi::Event event;
  fake->raise(0, event);
  abi::Command none;
  // The ring is full; the worker is woken as it would be by its own poll.
  EXPECT_FALSE(link.submit(0, none, [](const auto&) {}).has_value());
  fake->poll();
  ASSERT_TRUE(run_until(context, [&] { return removed.size() == 6000; }));
  EXPECT_EQ(fake->live_count(), 0u);
}

TEST_F(FlowProgramTest, AdoptedRegionIsMadeEqualToWhatIsWanted) {
  for (uint32_t i = 0; i < 4; ++i) program.want(spec(i));
  ASSERT_TRUE(settled());
  restart_dataplane();
  program.drop(0);
  program.want(spec(5));
  abi::FlowSpec changed = spec(1);
  changed.dscp = 10;
  program.want(changed, abi::modify_reset_latch);
  start_dataplane();
  ASSERT_TRUE(run_until(context, [&] { return link.is_running(); }) && settled());
  std::vector<uint32_t> live;
  for (const auto& flow : fake->live()) live.push_back(flow.flow_index);
  EXPECT_EQ(live, (std::vector<uint32_t>{1, 2, 3, 5}));
  EXPECT_EQ(fake->flow(1).spec.dscp, 10);
  EXPECT_EQ(removed, std::vector<uint32_t>{0});
  ASSERT_EQ(fake->executed.size(), 3u);
}

TEST_F(FlowProgramTest, EmptyRegionGetsEveryFlowAgain) {
  for (uint32_t i = 0; i < 4; ++i) program.want(spec(i));
  ASSERT_TRUE(settled());
  restart_dataplane();
  shape.adopts = false;
  start_dataplane();
  ASSERT_TRUE(run_until(context, [&] { return link.is_running(); }) && settled());
  EXPECT_EQ(fake->live_count(), 4u);
  EXPECT_EQ(counters.value(MediaCounter::flows_reinstalled), 4u);
  EXPECT_EQ(fake->live()[0].seal_key.key[0], 0x5a);
}

TEST_F(FlowProgramTest, FlowsThatNobodyWantsAreRemoved) {
  program.want(spec(1));
  ASSERT_TRUE(settled());
  fake->flow(9).generation_live = 77;
  fake->flow(9).spec.flow_index = 9;
  program.reconcile();
  ASSERT_TRUE(settled());
  EXPECT_EQ(fake->live_count(), 1u);
  EXPECT_EQ(counters.value(MediaCounter::flows_orphaned), 1u);
}

}  // namespace
}  // namespace sallyport::media
