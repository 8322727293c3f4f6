// SPDX-License-Identifier: Apache-2.0
#include "controlplane/media/dataplane_link.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/unit/media/fake_dataplane.h"

namespace sallyport::media {
namespace {

struct Recorder : DataplaneListener {
  void on_dataplane_up(const DataplaneArrival& arrival) override { arrivals.push_back(arrival); }
  void on_dataplane_down(const Fault& fault) override { faults.push_back(fault.text()); }
  void on_worker_stalled(uint32_t worker, bool stalled) override { stalls.emplace_back(worker, stalled); }
  void on_dataplane_event(uint32_t worker, const abi::Event& event) override { events.emplace_back(worker, event); }
  std::vector<DataplaneArrival> arrivals;
  std::vector<std::string> faults;
  std::vector<std::pair<uint32_t, bool>> stalls;
  std::vector<std::pair<uint32_t, abi::Event>> events;
};

struct DataplaneLinkTest : testing::Test {
  void connect(FakeShape shape = {}) {
    fake = std::make_unique<FakeDataplane>(context, path, std::move(shape));
    link.start();
    ASSERT_TRUE(run_until(context, [&] { return link.is_running(); }));
  }
  abi::Command add(uint32_t index) {
    abi::Command command;
    command.type = abi::CommandType::add_flow;
    command.flow_index = index;
    command.flow.flow_index = index;
    command.flow.generation = 1;
    command.flow.arrival = abi::Arrival::port;
    command.flow.local_slot = 0;
    command.flow.local_port = static_cast<uint16_t>(36004 + 4 * index - 2 * (index % 2));
    command.flow.egress_link = 0;
    return command;
  }
  boost::asio::io_context context;
  TestDirectory directory;
  std::string path = directory.path("dataplane.sock");
  Recorder recorder;
  std::unique_ptr<FakeDataplane> fake;
  DataplaneLink link{context, path, recorder};
};

TEST_F(DataplaneLinkTest, MissingDataplaneIsNamedAndRetriedUntilItIsThere) {
  link.start();
  EXPECT_EQ(link.state(), DataplaneState::down);
  EXPECT_NE(link.fault().text().find(path), std::string::npos);
  EXPECT_NE(link.fault().text().find("not running"), std::string::npos);
  abi::Command command = add(0);
  EXPECT_FALSE(link.submit(0, command, [](const auto&) { FAIL(); }).has_value());
  connect();
  ASSERT_EQ(recorder.arrivals.size(), 1u);
  EXPECT_TRUE(recorder.arrivals[0].is_first);
  EXPECT_FALSE(recorder.arrivals[0].same_region);
  EXPECT_EQ(fake->offers, 0u);
  EXPECT_TRUE(link.fault().text().empty());
}

TEST_F(DataplaneLinkTest, CommandsAreCompletedWithTheirStatus) {
  connect();
  fake->link(0).state.generation_live = 1;
  std::vector<abi::CommandStatus> statuses;
  for (const uint32_t index : {0u, 0u}) {
    abi::Command command = add(index);
    ASSERT_TRUE(link.submit(0, command, [&](const auto& outcome) { statuses.push_back(outcome->status); }).has_value());
    EXPECT_TRUE(statuses.size() < 2);
  }
  EXPECT_EQ(link.in_flight(), 2u);
  ASSERT_TRUE(run_until(context, [&] { return statuses.size() == 2; }));
  EXPECT_EQ(statuses[0], abi::CommandStatus::done);
  EXPECT_EQ(statuses[1], abi::CommandStatus::in_use);
  EXPECT_EQ(link.in_flight(), 0u);
  ASSERT_EQ(link.region()->live_flows().size(), 1u);
}

TEST_F(DataplaneLinkTest, InFlightCommandsAreBounded) {
  connect();
  fake->executes = false;
  abi::Command command;
  uint32_t taken = 0;
  while (link.submit(1, command, [](const auto&) {}).has_value()) ASSERT_LE(++taken, abi::command_ring_capacity);
  EXPECT_EQ(taken, abi::command_ring_capacity);
  const auto refused = link.submit(1, command, [](const auto&) {});
  EXPECT_EQ(refused.fault().code, FaultCode::exhausted);
  EXPECT_TRUE(link.submit(0, command, [](const auto&) {}).has_value());
}

TEST_F(DataplaneLinkTest, DeadDataplaneFailsWhatWasInFlightAndIsOfferedItsRegion) {
  connect();
  fake->link(0).state.generation_live = 1;
  abi::Command command = add(2);
  bool added = false;
  ASSERT_TRUE(link.submit(0, command, [&](const auto& outcome) { added = outcome.has_value(); }).has_value());
  ASSERT_TRUE(run_until(context, [&] { return added; }));
  fake->executes = false;
  bool failed = false;
  command = add(4);
  ASSERT_TRUE(link.submit(0, command, [&](const auto& outcome) { failed = !outcome.has_value(); }).has_value());
  fake.reset();
  ASSERT_TRUE(run_until(context, [&] { return !recorder.faults.empty(); }));
  EXPECT_TRUE(failed);
  EXPECT_FALSE(link.is_connected());
  ASSERT_NE(link.region(), nullptr);
  fake = std::make_unique<FakeDataplane>(context, path);
  ASSERT_TRUE(run_until(context, [&] { return link.is_running(); }));
  EXPECT_EQ(fake->offers, 1u);
  EXPECT_TRUE(recorder.arrivals.back().same_region);
  EXPECT_FALSE(recorder.arrivals.back().is_first);
  // The flow that ran before runs in the region adopted.
  ASSERT_EQ(fake->live_count(), 1u);
  EXPECT_EQ(fake->live()[0].flow_index, 2u);
}

TEST_F(DataplaneLinkTest, DataplaneThatAdoptsNothingIsTakenAsANewOne) {
  connect();
  fake.reset();
  ASSERT_TRUE(run_until(context, [&] { return !link.is_connected(); }));
  FakeShape shape;
  shape.adopts = false;
  shape.workers = 4;
  fake = std::make_unique<FakeDataplane>(context, path, shape);
  ASSERT_TRUE(run_until(context, [&] { return link.is_running(); }));
  EXPECT_FALSE(recorder.arrivals.back().same_region);
  EXPECT_FALSE(recorder.arrivals.back().same_geometry);
  EXPECT_EQ(link.worker_count(), 4u);
}

TEST_F(DataplaneLinkTest, RegionThatIsNotSealedIsRefusedAndSaid) {
  FakeShape shape;
  shape.sealed = false;
  fake = std::make_unique<FakeDataplane>(context, path, shape);
  link.start();
  ASSERT_TRUE(run_until(context, [&] { return link.fault().text().find("sealed") != std::string::npos; }));
  EXPECT_FALSE(link.is_connected());
  EXPECT_TRUE(recorder.arrivals.empty());
}

TEST_F(DataplaneLinkTest, EventsReachTheListenerWithTheirWorker) {
  connect();
  abi::Event event;
  event.type = abi::EventType::latched;
  event.call_tag = 99;
  for (int i = 0; i < 1500; ++i) fake->raise(1, event);
  ASSERT_TRUE(run_until(context, [&] { return recorder.events.size() == 1500; }));
  EXPECT_EQ(recorder.events[0].first, 1u);
  EXPECT_EQ(recorder.events[0].second.call_tag, 99u);
}

TEST_F(DataplaneLinkTest, WorkerThatStopsBeatingIsReportedStalledUntilItBeatsAgain) {
  connect();
  fake->beats = false;
  ASSERT_TRUE(run_until(context, [&] { return recorder.stalls.size() == 2; }));
  EXPECT_EQ(link.state(), DataplaneState::stalled);
  EXPECT_TRUE(link.is_connected());
  EXPECT_FALSE(link.is_alive(0));
  EXPECT_NE(link.fault().text().find("sign of life"), std::string::npos);
  fake->beats = true;
  ASSERT_TRUE(run_until(context, [&] { return link.is_running(); }));
  EXPECT_TRUE(link.is_alive(0));
}

TEST_F(DataplaneLinkTest, StopWithWorkQueuedTouchesNothingAfterwards) {
  auto temporary = std::make_unique<DataplaneLink>(context, path, recorder);
  fake = std::make_unique<FakeDataplane>(context, path);
  temporary->start();
  ASSERT_TRUE(run_until(context, [&] { return temporary->is_running(); }));
  abi::Command command;
  ASSERT_TRUE(temporary->submit(0, command, [](const auto&) { FAIL() << "completed after its owner"; }).has_value());
  temporary.reset();
  fake.reset();
  context.restart();
  context.poll();
}

}  // namespace
}  // namespace sallyport::media
