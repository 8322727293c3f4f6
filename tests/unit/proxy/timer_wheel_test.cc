// SPDX-License-Identifier: Apache-2.0
#include "controlplane/proxy/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace sallyport::proxy {
namespace {

struct Probe final : TimerNode {
  std::function<void()> action;
  void on_timer() override {
    if (action) action();
  }
};

TEST(TimerWheel, FiresInOrderAndNeverEarly) {
  boost::asio::io_context io;
  TimerWheel wheel(io);
  Probe early, late;
  std::vector<int> order;
  const uint64_t start_ms = wheel.now_ms();
  uint64_t fired_ms = 0;
  early.action = [&] { order.push_back(1); };
  late.action = [&] { order.push_back(2), fired_ms = wheel.now_ms(); };
  wheel.arm(late, 120);
  wheel.arm(early, 40);
  io.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_GE(fired_ms - start_ms, 120u);
}

TEST(TimerWheel, CancelledAndDestroyedNodesNeverFire) {
  boost::asio::io_context io;
  TimerWheel wheel(io);
  Probe cancelled;
  cancelled.action = [] { FAIL(); };
  wheel.arm(cancelled, 20);
  cancelled.cancel();
  {
    Probe gone;
    gone.action = [] { FAIL(); };
    wheel.arm(gone, 20);
  }
  EXPECT_EQ(wheel.armed(), 0u);
  io.run();
}

TEST(TimerWheel, CallbackMayArmCancelAndDestroyOthers) {
  boost::asio::io_context io;
  TimerWheel wheel(io);
  Probe first, again;
  auto victim = std::make_unique<Probe>();
  victim->action = [] { FAIL(); };
  int rounds = 0;
  again.action = [&] {
    if (++rounds < 3) wheel.arm(again, 1);
  };
  first.action = [&] { victim.reset(), wheel.arm(again, 1); };
  wheel.arm(*victim, 60);
  wheel.arm(first, 20);
  io.run();
  EXPECT_EQ(rounds, 3);
}

TEST(TimerWheel, TimerLongerThanOneTurnWaitsItsTime) {
  boost::asio::io_context io;
  TimerWheel wheel(io);
  Probe far, near;
  bool far_fired = false;
  far.action = [&] { far_fired = true; };
  // One turn is slots * tick_ms; this one lands in the slot of the near timer, a turn later.
  wheel.arm(far, uint64_t{TimerWheel::slots} * TimerWheel::tick_ms + 20);
  near.action = [&] {
    EXPECT_FALSE(far_fired);
    far.cancel();
  };
  wheel.arm(near, 20);
  io.run();
  EXPECT_FALSE(far_fired);
}

}  // namespace
}  // namespace sallyport::proxy
