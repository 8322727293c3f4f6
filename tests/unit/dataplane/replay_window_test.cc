// SPDX-License-Identifier: Apache-2.0
#include "dataplane/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sallyport::dataplane {
namespace {

TEST(ReplayWindow, AnEmptyWindowHasSeenNothing) {
  ReplayWindow<4> window{};
  for (uint64_t age = 0; age < window.kBits; ++age) EXPECT_FALSE(window.is_seen(age)) << age;
}

TEST(ReplayWindow, AnAgeIsTooOldFromTheWindowsLengthOn) {
  ReplayWindow<4> window{};
  EXPECT_FALSE(window.is_too_old(255));
  EXPECT_TRUE(window.is_too_old(256));
  EXPECT_TRUE(window.is_too_old(~uint64_t{0}));
}

TEST(ReplayWindow, WhatWasSeenMovesDownWithTheHighestIndex) {
  ReplayWindow<4> window{};
  window.advance(1);
  for (const uint64_t step : {1u, 62u, 1u, 64u, 100u}) {
    window.advance(step);
    EXPECT_TRUE(window.is_seen(0));
    EXPECT_TRUE(window.is_seen(step)) << "the former highest, after a step of " << step;
  }
}

TEST(ReplayWindow, AStepOfTheWindowsLengthOrMoreForgetsAll) {
  for (const uint64_t step : {uint64_t{256}, uint64_t{257}, uint64_t{320}, uint64_t{65536}, uint64_t{1} << 47}) {
    ReplayWindow<4> window{};
    window.mark_all();
    window.advance(step);
    EXPECT_TRUE(window.is_seen(0));
    for (uint64_t age = 1; age < window.kBits; ++age) ASSERT_FALSE(window.is_seen(age)) << step << " " << age;
  }
}

TEST(ReplayWindow, AgreesWithASetOfIndicesOverRandomArrivals) {
  std::mt19937_64 random(7);
  ReplayWindow<2> window{};
  std::set<uint64_t> seen;
  uint64_t highest = 1000;
  window.advance(1);
  seen.insert(highest);
  for (int arrival = 0; arrival < 20000; ++arrival) {
    const bool is_jump = random() % 200 == 0;
    const uint64_t index = is_jump ? highest + random() % 300 : highest + 8 - random() % 140;
    if (index > highest) {
      window.advance(index - highest);
      highest = index;
      seen.insert(index);
      continue;
    }
    const uint64_t age = highest - index;
    if (window.is_too_old(age)) continue;
    ASSERT_EQ(window.is_seen(age), seen.contains(index)) << "arrival " << arrival;
    window.mark(age);
    seen.insert(index);
  }
}

}  // namespace
}  // namespace sallyport::dataplane
